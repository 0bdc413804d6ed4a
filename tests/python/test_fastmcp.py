"""The real FastMCP 4.1 as an aggregator over three servers: it says nothing about its services, and speaks both eras.

`create_proxy` over all three, in the modern era and in the legacy one; then one proxy for each, behind FastMCP's own check of
tokens, with servers that want a token, a key and OAuth, and that die.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import HERE, Pflow, needed
from contextforge import jwt
from held import Held, until_refused
from processes import Program, written

TOOLS = {"calendar": 2, "mail": 2, "wiki": 2}
PROTOCOL = {"modern": "2026-07-28", "legacy": "2025-11-25"}


class Aggregate:
    """The running proxy, and the calls that its servers saw."""

    def __init__(self, folder: Path, era: str) -> None:
        self._calls = folder / "calls.jsonl"
        self.era = era
        port_file = folder / "port"
        self.program = Program(
            [needed("FASTMCP_PYTHON"), HERE / "programs" / "fastmcp_proxy.py", port_file, self._calls, era],
            folder / "fastmcp.log",
        )
        self.url = f"http://127.0.0.1:{self.program.ready(written(port_file), 120)}/mcp"

    def calls(self) -> list[dict[str, object]]:
        text = self._calls.read_text(encoding="utf-8") if self._calls.exists() else ""
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module", params=["modern", "legacy"])
def aggregate(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Aggregate]:
    running = Aggregate(tmp_path_factory.mktemp("fastmcp"), request.param)
    yield running
    running.program.stop()


def gateway(pflow: Pflow, *words: str) -> Any:
    """What a command of the program says in JSON."""
    done = pflow.program(needed("PFLOW_GATEWAY_BIN"), *words, "--json")
    return json.loads(done.stdout)


def test_the_newest_era_that_it_speaks_is_used(pflow: Pflow, aggregate: Aggregate) -> None:
    report = gateway(pflow, "test", aggregate.url)
    assert report["ok"] is True, report
    assert (report["era"], report["protocol"]) == (aggregate.era, PROTOCOL[aggregate.era])
    assert report["tools"] == sum(TOOLS.values())


def test_services_that_the_user_declared_are_certain(pflow: Pflow, aggregate: Aggregate) -> None:
    declared = [flag for name in TOOLS for flag in ("--service", f"{name}={name}_")]
    pflow("mcp", "gateway", "add", "office", aggregate.url, *declared)
    report = pflow.json("mcp", "gateway", "services", "office")
    assert {service["name"]: service["tools"] for service in report["services"]} == TOOLS
    assert {service["attribution"] for service in report["services"]} == {"declared"}
    assert {service["confidence"] for service in report["services"]} == {"certain"}


def test_without_a_declaration_nothing_is_claimed_to_be_certain(pflow: Pflow, aggregate: Aggregate) -> None:
    report = gateway(pflow, "tools", aggregate.url)
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


SECRET = "a-secret-of-this-test-suite-and-of-nothing-else"
"""What signs the aggregator's tokens; `contextforge.jwt` signs with it."""
CLAIMS = {"sub": "pflow", "client_id": "pflow"}
VARIABLE = "OFFICE_TOKEN"


class Office:
    """The aggregator, which wants a JWT, and its servers, each a process of its own, that want a token, a key and OAuth."""

    def __init__(self, folder: Path, front: tuple[str, ...], tools: int = 2) -> None:
        self._folder = folder
        self._tools = tools
        self._front = front
        self._calls = folder / "calls.jsonl"
        self.running: dict[str, Program] = {}
        self.ports: dict[str, int] = {}
        try:
            issuer = f"http://127.0.0.1:{self._start('oauth', 'oauth_server.py', 'PORT_FILE')}"
            self._guards = {
                "calendar": "bearer:calendar-token",
                "mail": "header:X-API-Key=mail-key",
                "wiki": f"oauth:{issuer}",
            }
            for name in self._guards:
                self._launch(name)
            for name in self._guards:
                self._wait(name)
            self.start_front()
        except BaseException:
            self.close()
            raise

    def _start(self, name: str, program: str, *words: str | Path) -> int:
        self._program(name, program, *words)
        return self._wait(name)

    def _program(self, name: str, program: str, *words: str | Path) -> None:
        port_file = self._folder / f"{name}.port"
        port_file.unlink(missing_ok=True)
        self.running[name] = Program(
            [
                *(needed("FASTMCP_PYTHON"), HERE / "programs" / program),
                *(port_file if word == "PORT_FILE" else word for word in words),
            ],
            self._folder / f"{name}.log",
        )

    def _wait(self, name: str) -> int:
        self.ports[name] = self.running[name].ready(written(self._folder / f"{name}.port"), 240)
        return self.ports[name]

    def _launch(self, name: str) -> None:
        flags = ["--calls", str(self._calls), "--guard", self._guards[name]]
        if name == "mail":
            flags += ["--tools", str(self._tools)]
        if name in self.ports:
            flags += ["--port", str(self.ports[name])]
        self._program(name, "fastmcp_parts.py", "server", name, "PORT_FILE", *flags)

    def start_front(self) -> None:
        """Start the aggregator, or start it again, on the port that it had."""
        parts = [f"{name}={self.ports[name]}" for name in self._guards]
        sends = [flag for name, how in self._guards.items() for flag in ("--send", f"{name}:{how}")]
        port = ["--port", str(self.ports["front"])] if "front" in self.ports else []
        flags = [*sends, *self._front, "--jwt", SECRET, *port]
        self._start("front", "fastmcp_parts.py", "front", "PORT_FILE", *parts, *flags)
        self.url = f"http://127.0.0.1:{self.ports['front']}/mcp"

    def kill(self, name: str) -> None:
        """End one of them, as a crash would."""
        self.running[name].process.kill()
        self.running[name].stop()

    def start(self, name: str) -> None:
        """Start it again, on the port that it had."""
        self._launch(name)
        self._wait(name)

    def calls(self) -> list[dict[str, str]]:
        text = self._calls.read_text(encoding="utf-8") if self._calls.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def close(self) -> None:
        for program in reversed(self.running.values()):
            program.stop()


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    # The handshake's era has sessions, which can be lost.
    running = Office(tmp_path_factory.mktemp("office"), ("--legacy",))
    yield running
    running.close()


def add(pflow: Pflow, office: Office, *credential: str) -> None:
    """The aggregator as `office`."""
    pflow.env |= {VARIABLE: jwt(CLAIMS, 3600), "PFLOW_GATEWAY_DISABLE": "1"}
    services = [flag for name in TOOLS for flag in ("--service", f"{name}={name}_")]
    flags = (*(credential or ("--bearer-env", VARIABLE)), *services, "--timeout", "120")
    done = pflow.program(needed("PFLOW_GATEWAY_BIN"), "add", "office", office.url, *flags)
    assert done.returncode == 0, done.stderr


def call(pflow: Pflow, tool: str) -> dict[str, Any]:
    report: dict[str, Any] = gateway(pflow, "call", "office", tool, "--args", '{"text": "x"}')
    return report


FIRST = ("calendar_read_thing", {"text": "monday"})
SECOND = ("mail_read_thing", {"text": "post"})


def test_servers_behind_a_token_a_key_and_oauth_answer(pflow: Pflow, office: Office) -> None:
    add(pflow, office)
    before = len(office.calls())
    for name in TOOLS:
        assert call(pflow, f"{name}_read_thing")["ok"] is True
    assert [made["service"] for made in office.calls()[before:]] == list(TOOLS)


def test_a_server_that_dies_fails_alone_and_comes_back(pflow: Pflow, office: Office) -> None:
    add(pflow, office)
    try:
        with Held(pflow, "office", FIRST, SECOND) as run:
            before = office.calls()
            office.kill("mail")
            code, said = run.go_on()
        assert code == 1, said
        assert "(error class: " in said or "failed" in said, said
        assert office.calls() == before, "what was done is not done again"
        # A new start while it is down: its tools are not there, the others are.
        report = gateway(pflow, "services", "office")
        there = {service["name"]: service["tools"] for service in report["services"] if service["tools"]}
        assert there == {"calendar": 2, "wiki": 2}
        assert call(pflow, "calendar_read_thing")["ok"] is True
        assert call(pflow, "mail_read_thing")["ok"] is False
    finally:
        office.start("mail")
    assert call(pflow, "mail_read_thing")["ok"] is True


def test_a_token_that_ends_during_a_run_is_made_again(pflow: Pflow, python: Path, office: Office) -> None:
    claims, log = pflow.home / "claims.json", pflow.home / "minted"
    claims.write_text(json.dumps(CLAIMS), encoding="utf-8")
    add(pflow, office, "--token-command", f"{python} {HERE / 'programs' / 'mint.py'} {claims} 5 {log}")
    with Held(pflow, "office", FIRST, SECOND) as run:
        minted = log.read_text(encoding="utf-8").split()
        until_refused(office.url, minted[-1])
        before = len(office.calls())
        code, said = run.go_on()
    assert code == 0, said
    assert len(log.read_text(encoding="utf-8").split()) > len(minted)
    assert [made["service"] for made in office.calls()[before:]] == ["mail"]


def test_a_session_that_the_aggregator_forgets_during_a_run_is_opened_again(pflow: Pflow, office: Office) -> None:
    add(pflow, office)
    with Held(pflow, "office", FIRST, SECOND) as run:
        before = len(office.calls())
        office.kill("front")
        office.start_front()
        code, said = run.go_on()
    assert code == 0, said
    assert [made["service"] for made in office.calls()[before:]] == ["mail"]


def test_a_thousand_and_ten_thousand_tools_are_all_there(pflow: Pflow, tmp_path: Path) -> None:
    """Ten thousand in the modern era only: in the other one FastMCP reads no more than a megabyte at once from its servers."""
    for tools, pages, front in ((1000, 5, ("--legacy", "--page", "250")), (10_000, 1, ())):
        folder = tmp_path / str(tools)
        folder.mkdir()
        office = Office(folder, front, tools)
        try:
            add(pflow, office, "--bearer-env", VARIABLE, "--replace", "--no-test")
            report = gateway(pflow, "tools", "office")
            assert len({tool["name"] for tool in report["tools"]}) == report["total"] == tools + 4
            assert report["pages"] == pages
        finally:
            office.close()
