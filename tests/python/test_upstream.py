"""The proposals of `docs/upstream`, each tried: what stock pflow does today, and what a copy of it does with the change."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import proposals
import pytest
from conftest import WORKFLOWS, FakeGateway, Pflow
from peer import peer
from upstream import Handler

Start = Callable[..., FakeGateway]
WITHOUT_US = {"PFLOW_GATEWAY_DISABLE": "1"}


class Both:
    """Stock pflow, and a copy with one proposal; both without us."""

    def __init__(self, pflow: Pflow, python: Path, folder: Path, *names: str) -> None:
        self.pflow = pflow
        pflow.env |= WITHOUT_US
        self.copy = {"PYTHONPATH": str(proposals.tried(python, folder, *names))}

    def workflow(self, tool: str, **params: Any) -> Path:
        """A workflow of one step, which shows what came."""
        step = "".join(f"- {name}: {value}\n" for name, value in params.items())
        text = (
            f"# One\n\nOne.\n\n## Steps\n\n### one\n\nOne.\n\n- type: mcp-alone-{tool}\n{step}\n"
            "## Outputs\n\n### told\n\nWhat came.\n\n- source: ${one.result}\n- stdout: true\n"
        )
        path = self.pflow.home / "one.pflow.md"
        path.write_text(text, encoding="utf-8")
        return path

    def run(self, *args: str | Path, timeout: float = 120) -> list[tuple[int, str]]:
        """Exit code and output, before and after."""
        done = [self.pflow.run(*args, timeout=timeout, **env) for env in ({}, self.copy)]
        return [(one.returncode, one.stdout + one.stderr) for one in done]


@pytest.fixture
def both(pflow: Pflow, python: Path, tmp_path: Path) -> Callable[..., Both]:
    """Make a copy with these proposals."""
    return lambda *names: Both(pflow, python, tmp_path / "copy", *names)


def test_1_a_thousand_tools_are_read_to_the_last_page(both: Callable[..., Both], fake_gateway: Start) -> None:
    tried = both("1_pagination")
    gateway = fake_gateway("generic", "--services", "catalog:1000", "--page", "100")
    tried.pflow.configure({"alone": {"type": "http", "url": gateway.url}})
    before, after = tried.run("mcp", "sync", "alone")
    assert "Discovered 100 tools" in before[1] and "Discovered 1000 tools" in after[1]
    assert len(tried.pflow.registered("alone")) == 1000


def test_1_pages_without_an_end_are_read_once(both: Callable[..., Both]) -> None:
    tried = both("1_pagination")
    with peer([{"name": "t"}], {}) as server:
        server.misbehave = endless
        tried.pflow.configure({"alone": {"type": "http", "url": server.url}})
        assert "Discovered 2 tools" in tried.run("mcp", "sync", "alone")[1][1]


def endless(handler: Handler, message: dict[str, Any]) -> bool:
    """The same cursor on each page."""
    if message.get("method") != "tools/list":
        return False
    tool = {"name": f"t{len(message.get('params', {}).get('cursor', ''))}", "inputSchema": {"type": "object"}}
    handler.answer(200, {"jsonrpc": "2.0", "id": message["id"], "result": {"tools": [tool], "nextCursor": "again"}})
    return True


FAILED = {
    "isError": True,
    "structuredContent": {"status": "closed"},
    "content": [
        {"type": "text", "text": ""},
        {"type": "text", "text": "the shop"},
        {"type": "text", "text": "is closed"},
    ],
}


def test_2_a_tool_that_fails_with_structured_content_fails(both: Callable[..., Both]) -> None:
    tried = both("2_is_error_first")
    with peer([{"name": "buy"}], FAILED) as server:
        tried.pflow.configure({"alone": {"type": "http", "url": server.url}})
        tried.pflow("mcp", "sync", "alone")
        before, after = tried.run("-p", tried.workflow("buy"))
        assert before[0] == 0 and "closed" in before[1], "stock pflow takes it for a success"
        assert after[0] != 0, after[1]
        assert len(server.calls) == 2


def test_3_every_text_of_a_failed_result_is_shown(both: Callable[..., Both]) -> None:
    tried = both("3_all_texts")
    failed = {name: value for name, value in FAILED.items() if name != "structuredContent"}
    with peer([{"name": "buy"}], failed) as server:
        tried.pflow.configure({"alone": {"type": "http", "url": server.url}})
        tried.pflow("mcp", "sync", "alone")
        before, after = tried.run("-p", tried.workflow("buy"))
        assert before[0] != 0 and "the shop" not in before[1], "the first text is empty, and all that is shown"
        assert after[0] != 0 and "the shop" in after[1] and "is closed" in after[1]


EXTENSION = """
def hello(root):
    import click
    root.add_command(click.Command("hello-there", callback=lambda: click.echo("general")))


def gateways(root):
    from pflow.cli.commands import mcp
    from pflow_gateway import _pflow
    _pflow.extend_commands(mcp)


def broken(root):
    raise ImportError("broken on purpose")
"""


def test_4_commands_come_by_entry_points_and_the_start_up_hook_is_not_needed(both: Callable[..., Both]) -> None:
    tried = both("4_entry_points")
    folder = Path(tried.copy["PYTHONPATH"])
    (folder / "an_extension.py").write_text(EXTENSION, encoding="utf-8")
    info = folder / "an_extension-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: an-extension\nVersion: 1.0\n", encoding="utf-8")
    points = "".join(f"{name} = an_extension:{name}\n" for name in ("hello", "gateways", "broken"))
    (info / "entry_points.txt").write_text(f"[pflow.cli]\n{points}", encoding="utf-8")
    before, after = tried.run("hello-there")
    assert before[0] != 0 and "general" in after[1] and after[0] == 0
    assert after[1].count("broken on purpose") == 1, "one that fails costs a line, and nothing else"
    before, after = tried.run("mcp", "gateway", "list", "--json")
    assert before[0] == 2 and "No such command" in before[1]
    assert after[0] == 0 and '"gateways"' in after[1], after[1]


def test_5_what_a_tool_says_of_itself_is_kept_and_so_is_where_it_is_from(
    both: Callable[..., Both], fake_gateway: Start
) -> None:
    tried = both("5_what_a_tool_says")
    tool = {
        "name": "buy",
        "title": "Buy something",
        "annotations": {"destructiveHint": True, "readOnlyHint": False},
        "_meta": {"shop/id": 7},
    }
    gateway = fake_gateway("context-forge")
    tried.pflow.env["FORGE_TOKEN"] = gateway.hello["token"]
    with peer([tool], {}) as server:
        tried.pflow.configure({"alone": {"type": "http", "url": server.url}})
        added = tried.pflow.program(
            tried.pflow.binary.parent / "pflow-gateway", "add", "forge", gateway.url, "--bearer-env", "FORGE_TOKEN"
        )
        assert added.returncode == 0, added.stderr
        tried.pflow("mcp", "sync", "--all")
        assert not {"_meta", "title", "annotations"} & set(tried.pflow.registered("alone")["buy"])
        tried.pflow("mcp", "sync", "--all", **tried.copy)
        kept = tried.pflow.registered("alone")["buy"]
        assert kept["_meta"] == tool["_meta"] and kept["title"] == "Buy something"
        assert kept["annotations"]["destructiveHint"] is True
        ours = next(iter(tried.pflow.registered("forge").values()))
        assert ours["_meta"]["pflow-gateway"]["service"], "provenance as data, without a hook"


def test_6_a_lost_session_is_opened_anew_and_no_call_is_made_twice(
    both: Callable[..., Both], fake_gateway: Start
) -> None:
    tried = both("6_lost_session")
    gateway = fake_gateway("generic", "--services", "github,slack", "--calls-per-session", "1")
    tried.pflow.configure({"SERVER": {"type": "http", "url": gateway.url}})
    tried.pflow("mcp", "sync", "--all")
    before = tried.pflow.run("-p", WORKFLOWS / "two-services.pflow.md")
    assert before.returncode == 1 and "Session terminated" in before.stdout + before.stderr
    asked = len(gateway.requests())
    said = tried.pflow("-p", WORKFLOWS / "two-services.pflow.md", **tried.copy)
    assert "acme/site" in said
    calls = [(one["tool"], one["session"]) for one in gateway.requests()[asked:] if one.get("rpc") == "tools/call"]
    (read, first), (refused, lost), (told, second) = calls
    assert (read, refused, told) == ("github__list_issues", "slack__post_message", "slack__post_message")
    assert first == lost != second, "only the one that was refused is made again"


def test_7_a_refused_credential_ends_the_call_with_its_status(both: Callable[..., Both]) -> None:
    tried = both("7_unauthorized")

    def refuses(handler: Handler, _message: dict[str, Any]) -> None:
        handler.answer(401, {"error": "expired"}, WWW_Authenticate="Bearer")

    with peer([{"name": "buy"}], refuses) as server:
        tried.pflow.configure({"alone": {"type": "http", "url": server.url}})
        tried.pflow("mcp", "sync", "alone")
        before, after = tried.run("-p", tried.workflow("buy", timeout=3))
        assert before[0] != 0 and "401" not in before[1], "stock pflow waits until its own time is over"
        assert after[0] != 0 and "HTTP 401" in after[1], after[1]
        assert len(server.calls) == 2, "once each"


def test_8_an_argument_called_timeout_reaches_the_tool_that_has_one(both: Callable[..., Both]) -> None:
    tried = both("8_arguments")
    schema = {"type": "object", "properties": {"timeout": {"type": "string"}, "name": {"type": "string"}}}
    with peer([{"name": "wait", "inputSchema": schema}, {"name": "plain"}], {"content": []}) as server:
        tried.pflow.configure({"alone": {"type": "http", "url": server.url}})
        tried.pflow("mcp", "sync", "alone")
        before, after = tried.run("-p", tried.workflow("wait", name="n", timeout=7))
        assert before[0] == after[0] == 0, (before[1], after[1])
        assert [call["arguments"] for call in server.calls] == [{"name": "n"}, {"name": "n", "timeout": 7}]
        server.calls.clear()
        tried.run("-p", tried.workflow("plain", timeout=7))
        assert [call["arguments"] for call in server.calls] == [{}, {}], "where no schema has it, it is pflow's"


@contextmanager
def deaf() -> Iterator[tuple[int, list[int]]]:
    """A port that takes connections and never answers, and how many it took."""
    taken: list[int] = []
    kept: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    kept.append(listener.accept()[0])
                except OSError:
                    return
                taken.append(1)

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1], taken
        listener.shutdown(socket.SHUT_RDWR)
    for one in kept:
        one.close()


def test_9_what_cannot_be_reached_is_left_alone_for_a_while(both: Callable[..., Both]) -> None:
    tried = both("9_back_off")
    with peer([{"name": "buy"}], {"content": []}) as server, deaf() as (port, taken):
        entry = {"type": "http", "url": f"http://127.0.0.1:{port}/mcp", "timeout": 1}
        tried.pflow.configure({"alone": {"type": "http", "url": server.url}, "dead": entry})
        workflow = tried.workflow("buy")

        def asked(**env: str) -> int:
            """How many more connections one run costs."""
            before = len(taken)
            tried.pflow("-p", workflow, **env)
            return len(taken) - before

        assert asked() > 0 and asked() > 0, "stock pflow waits for it in every run"
        assert asked(**tried.copy, PFLOW_AUTO_SYNC="0") == 0
        assert asked(**tried.copy) > 0 and asked(**tried.copy) == 0
        file = tried.pflow.home / ".pflow" / "mcp-unreachable.json"
        wait = json.loads(file.read_text(encoding="utf-8"))["dead"]["wait"]
        file.write_text(json.dumps({"dead": {"until": 0, "wait": wait}}), encoding="utf-8")
        assert asked(**tried.copy) > 0, "and asked again, when the time has come"
        assert json.loads(file.read_text(encoding="utf-8"))["dead"]["wait"] == 2 * wait


def test_the_page_has_every_proposal_with_its_file_and_its_test() -> None:
    page = (proposals.FOLDER / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d) \| .*\[`(\w+)\.py`\]\((\w+)\.py\) \|$", page, re.MULTILINE)
    assert [name for _, name, _ in rows] == [link for _, _, link in rows] == proposals.names()
    tests = [name for name in globals() if name.startswith("test_")]
    for number, name, _ in rows:
        assert name.startswith(f"{number}_") and any(test.startswith(f"test_{number}_") for test in tests)


def test_no_line_of_pflows_is_in_a_proposal(python: Path) -> None:
    """Its licence does not let us publish its code. What is shorter than this anybody writes so."""
    theirs: set[str] = set()
    for path in proposals.installed(python).rglob("*.py"):
        theirs |= {line.strip() for line in path.read_text(encoding="utf-8").splitlines()}
    for name in proposals.names():
        lines = (proposals.FOLDER / f"{name}.py").read_text(encoding="utf-8").splitlines()
        assert not {line for line in map(str.strip, lines) if len(line) >= 30 and " import " not in line} & theirs, name
