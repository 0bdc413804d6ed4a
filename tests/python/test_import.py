"""Servers of other MCP clients are taken over; their files are only read, and nothing here is overwritten."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conftest import FakeGateway, Pflow, needed
from terminal import Terminal


def run(pflow: Pflow, *args: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the program."""
    return pflow.program(needed("PFLOW_GATEWAY_BIN"), *args, **env)


def put(pflow: Pflow, place: str, text: str) -> bytes:
    """Write a client's file below the home."""
    file = pflow.home / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file.read_bytes()


def clients(pflow: Pflow, url: str) -> dict[str, bytes]:
    """Files of every known client, each with what only that client writes."""
    files = {
        ".config/Claude/claude_desktop_config.json": json.dumps(
            {"mcpServers": {"files": {"command": "npx", "args": ["-y", "server-files"], "env": {"KEY": "s3cret"}}}}
        ),
        ".claude.json": json.dumps(
            {"history": ["x" * 2_000_000], "mcpServers": {"claude": {"type": "http", "url": url}}}
        ),
        ".codex/config.toml": f'model = "x"\n[mcp_servers.codex]\nurl = "{url}"\nenabled_tools = ["list_issues"]\n',
        ".cursor/mcp.json": json.dumps({"mcpServers": {"cursor": {"url": url, "headers": {"X-Team": "${env:TEAM}"}}}}),
        ".gemini/settings.json": json.dumps({"theme": "x", "mcpServers": {"gemini": {"httpUrl": url, "timeout": 30000}}}),
        ".config/Code/User/mcp.json": '{\n  // mine\n  "inputs": [{"id": "pat", "type": "promptString"}],\n'
        f'  "servers": {{"vs code": {{"type": "http", "url": "{url}",\n'
        '    "headers": {"Authorization": "Bearer ${input:pat}"}},},\n}\n',
        ".codeium/windsurf/mcp_config.json": json.dumps(
            {"mcpServers": {"wind": {"serverUrl": url, "headers": {"Authorization": "Bearer s3cret"}}}}
        ),
    }
    return {place: put(pflow, place, text) for place, text in files.items()}


def test_servers_of_every_client_become_entries_and_their_files_stay(
    pflow: Pflow, fake_gateway: Callable[..., FakeGateway]
) -> None:
    fake = fake_gateway("generic")
    before = clients(pflow, fake.url)
    looked: dict[str, Any] = json.loads(run(pflow, "import", "--dry-run", "--json").stdout)
    assert not looked["written"]
    assert not (pflow.home / ".pflow" / "mcp-servers.json").exists()
    assert not fake.requests(), "looking asks no gateway"
    done = run(pflow, "import", "--yes", "--json", TEAM="red")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    tested = {one["gateway"]: one["tested"] for one in report["imported"]}
    assert tested == {"claude": True, "codex": True, "cursor": True, "gemini": True, "vs_code": False, "wind": False}
    assert [(one["name"], one["failed"]) for one in report["left_out"]] == [("files", False)]
    entries = {name: entry["gateway"] for name, entry in pflow.servers.items()}
    assert entries["codex"]["tools"] == {"include": ["list_issues"]}
    assert entries["cursor"]["headers"] == {"x-team": "${TEAM}"}
    assert entries["gemini"]["timeout"] == 30
    assert entries["vs_code"]["auth"] == {"type": "bearer", "token": "${PAT}"}
    assert entries["wind"]["auth"] == {"type": "bearer", "token": "${WIND_TOKEN}"}
    everything = done.stdout + done.stderr + (pflow.home / ".pflow" / "mcp-servers.json").read_text(encoding="utf-8")
    assert "s3cret" not in everything
    assert {place: (pflow.home / place).read_bytes() for place in before} == before
    again = json.loads(run(pflow, "import", "--yes", "--json").stdout)
    assert again["imported"] == [] and len(again["left_out"]) == 7
    assert {name: entry["gateway"] for name, entry in pflow.servers.items()} == entries


def test_nothing_is_overwritten_and_a_gateway_that_does_not_answer_is_left_out(
    pflow: Pflow, fake_gateway: Callable[..., FakeGateway]
) -> None:
    url = fake_gateway("generic").url
    pflow.configure({"taken": {"command": "mine"}})
    servers = {"taken": {"url": url}, "dead": {"url": "http://127.0.0.1:9/mcp"}, "good": {"url": url}}
    put(pflow, "theirs.json", json.dumps({"mcpServers": servers}))
    done = run(pflow, "import", "theirs.json", "--yes", "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    left = {one["name"]: one for one in report["left_out"]}
    assert "has this name" in left["taken"]["error"]["message"]
    assert left["dead"]["failed"] and "--no-test" in left["dead"]["error"]["hint"]
    assert set(pflow.servers) == {"taken", "good"} and pflow.servers["taken"] == {"command": "mine"}
    only = json.loads(run(pflow, "import", "theirs.json", "--only", "dead", "--no-test", "--yes", "--json").stdout)
    assert [one["gateway"] for one in only["imported"]] == ["dead"]
    wrong = run(pflow, "import", "theirs.json", "--only", "deda")
    assert wrong.returncode == 2 and "there are taken, dead, good" in wrong.stderr


def test_nothing_is_written_before_somebody_agreed(pflow: Pflow, fake_gateway: Callable[..., FakeGateway]) -> None:
    fake = fake_gateway("generic")
    put(pflow, "theirs.json", json.dumps({"mcpServers": {"a": {"url": fake.url, "headers": {"X-Key": "${HOME}"}}}}))
    alone = run(pflow, "import", "theirs.json")
    assert alone.returncode == 2 and "--yes" in alone.stderr
    argv = [needed("PFLOW_GATEWAY_BIN"), "import", "theirs.json"]
    for answer, there in (("n", False), ("y", True)):
        terminal = Terminal(argv, pflow.env | {"TERM": "dumb"}, pflow.home, columns=200)
        terminal.answer("(y/n)", answer)
        assert terminal.end() == (0 if there else 2), terminal.shown
        terminal.close()
        assert "127.0.0.1" in terminal.shown and "${HOME}" in terminal.shown, "where the value would go is said before"
        assert (pflow.home / ".pflow" / "mcp-servers.json").exists() == there
        assert bool(fake.requests()) == there
