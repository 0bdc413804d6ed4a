"""FastMCP's `create_proxy` over three real servers: an aggregator that says nothing about its services."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import HERE, Pflow, needed
from processes import Program, written

TOOLS = {"calendar": 2, "mail": 2, "wiki": 2}


class Aggregate:
    """The running proxy, and the calls that its servers saw."""

    def __init__(self, folder: Path) -> None:
        self._calls = folder / "calls.jsonl"
        port_file = folder / "port"
        self.program = Program(
            [needed("FASTMCP_PYTHON"), HERE / "programs" / "fastmcp_proxy.py", port_file, self._calls],
            folder / "fastmcp.log",
        )
        self.url = f"http://127.0.0.1:{self.program.ready(written(port_file), 120)}/mcp"

    def calls(self) -> list[dict[str, object]]:
        text = self._calls.read_text(encoding="utf-8") if self._calls.exists() else ""
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def aggregate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aggregate]:
    running = Aggregate(tmp_path_factory.mktemp("fastmcp"))
    yield running
    running.program.stop()


def test_services_that_the_user_declared_are_certain(pflow: Pflow, aggregate: Aggregate) -> None:
    declared = [flag for name in TOOLS for flag in ("--service", f"{name}={name}_")]
    pflow("mcp", "gateway", "add", "office", aggregate.url, *declared)
    report = pflow.json("mcp", "gateway", "services", "office")
    assert {service["name"]: service["tools"] for service in report["services"]} == TOOLS
    assert {service["attribution"] for service in report["services"]} == {"declared"}
    assert {service["confidence"] for service in report["services"]} == {"certain"}


def test_without_a_declaration_nothing_is_claimed_to_be_certain(pflow: Pflow, aggregate: Aggregate) -> None:
    report = pflow.json("mcp", "gateway", "tools", aggregate.url)
    assert len(report["tools"]) == sum(TOOLS.values())
    assert not {tool["confidence"] for tool in report["tools"]} & {"certain", "high"}


def test_stock_pflow_calls_two_of_the_servers(pflow: Pflow, aggregate: Aggregate) -> None:
    pflow("mcp", "gateway", "add", "office", aggregate.url)
    pflow.env["PFLOW_GATEWAY_DISABLE"] = "1"
    assert f"Registered {sum(TOOLS.values())} tools" in pflow("mcp", "sync", "office")
    workflow = pflow.home / "office.pflow.md"
    workflow.write_text(
        "# Office\n\nSends what the wiki says.\n\n## Steps\n\n"
        "### page\n\nReads a page.\n\n- type: mcp-office-wiki_read_page\n- text: lunch\n\n"
        "### send\n\nSends it.\n\n- type: mcp-office-mail_send_mail\n- text: ${page.result.result}\n",
        encoding="utf-8",
    )
    before = len(aggregate.calls())
    pflow("-p", workflow)
    assert aggregate.calls()[before:] == [
        {"service": "wiki", "tool": "read_page", "arguments": {"text": "lunch"}},
        {"service": "mail", "tool": "send_mail", "arguments": {"text": "wiki read_page: lunch"}},
    ]
