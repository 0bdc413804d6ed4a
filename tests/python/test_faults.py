"""The table of faults, played to `pflow run`: stock pflow, whose one step calls a tool through our `serve`.

Each fault is the one that `test`, `tools` and `call` meet in `tests/tests/faults/matrix.rs`; what must come of it is the column
`pflow run` of `docs/reference/faults.md`. The gateway was well when it was synced, and has the fault when the workflow runs.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import Pflow, needed
from forks import Ended, Forks
from pflow.mcp.sync_state import MCP_SERVER_FINGERPRINTS_KEY, fingerprint_server_configs
from processes import Program

# Each fault has two seconds to end, and four run at a time already: beside other files it is the machine that is measured.
pytestmark = pytest.mark.alone

SIDE_BY_SIDE = 4
TOKEN = "s3cret-t0ken-of-the-matrix"


def table() -> list[dict[str, Any]]:
    """Every fault and what is expected of it."""
    printed = subprocess.run([needed("FAKE_GATEWAY_BIN"), "faults"], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in printed.stdout.splitlines()]


def entry(url: str, timeout: int) -> dict[str, Any]:
    """An entry as `add` writes one."""
    return {
        "command": str(needed("PFLOW_GATEWAY_BIN")),
        "args": ["serve", "faulty"],
        "env": {"FAULT_TOKEN": "${FAULT_TOKEN}"},
        "gateway": {
            "url": url,
            "auth": {"type": "bearer", "token": "${FAULT_TOKEN}"},
            "timeout": timeout,
        },
    }


STRANGER = {"command": "true", "x-unknown": [1, 2]}


def workflow(tool: str, schema: dict[str, Any]) -> str:
    """One step that calls the tool with what it requires."""
    required = "".join(f"- {name}: {name} of a test\n" for name in schema.get("required", []))
    return (
        "# One call\n\nCalls one tool of a gateway that has a fault.\n\n## Steps\n\n### call\n\nCalls it.\n\n"
        f"- type: mcp-faulty-{tool}\n{required}\n"
        "## Outputs\n\n### said\n\nWhat it answered.\n\n- source: ${call.result}\n- stdout: true\n"
    )


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory, pflow_binary: Path, shared_cache: Path) -> Pflow:
    """A home in which stock pflow has synced the gateway while it was well."""
    folder = tmp_path_factory.mktemp("synced")
    home = folder / "home"
    home.mkdir()
    pflow = Pflow(pflow_binary, home, shared_cache)
    pflow.env |= {"PFLOW_GATEWAY_DISABLE": "1", "FAULT_TOKEN": TOKEN}
    well = Program(
        [needed("FAKE_GATEWAY_BIN"), "generic", "--services", "github,slack,lab,svc:3"],
        folder / "well.log",
        stdin=subprocess.PIPE,
    )
    try:

        def url() -> str | None:
            line, newline, _ = (folder / "well.log").read_text(encoding="utf-8").partition("\n")
            return str(json.loads(line)["url"]) if newline else None

        pflow.configure({"faulty": entry(well.ready(url, 20), 20)})
        pflow("mcp", "sync", "faulty")
    finally:
        well.stop()
    return pflow


class Played:
    """One fault, and a home whose gateway has it."""

    def __init__(self, fault: dict[str, Any], synced: Pflow, folder: Path) -> None:
        self.fault = fault
        self._folder = folder
        self._log = folder / "requests"
        self.home = folder / "home"
        self.gateway = Program(
            [needed("FAKE_GATEWAY_BIN"), "fault", fault["name"], "--log", self._log],
            folder / "gateway.log",
            stdin=subprocess.PIPE,
        )
        hello = self.gateway.ready(self._hello, 20)
        self.token = hello["token"] or TOKEN
        config = entry(hello["url"], fault["deadline"])
        self.home.mkdir()
        # Compiled once for all: `serve` is started without `XDG_CACHE_HOME`, and without machine code beside the program it would
        # compile in each home, for longer than the deadline of a fault.
        if (synced.home / ".cache").exists():
            shutil.copytree(synced.home / ".cache", self.home / ".cache")
        if hello["ca"]:
            authority = self.home / "ca.pem"
            authority.write_text(hello["ca"], encoding="utf-8")
            config["gateway"]["ca_file"] = str(authority)
        self.pflow = Pflow(synced.binary, self.home, folder)
        self.pflow.env = synced.env | {"HOME": str(self.home), "FAULT_TOKEN": self.token}
        servers = {"stranger": STRANGER, "faulty": config}
        self.pflow.configure(servers)
        # As if pflow had synced it from there: only the port is another.
        registry = json.loads((synced.home / ".pflow" / "registry.json").read_text(encoding="utf-8"))
        registry["metadata"][MCP_SERVER_FINGERPRINTS_KEY] = fingerprint_server_configs(servers)
        (self.home / ".pflow" / "registry.json").write_text(json.dumps(registry), encoding="utf-8")
        self.workflow = self.home / "call.pflow.md"
        schema = synced.registered("faulty")[fault["tool"]]["original_schema"]
        self.workflow.write_text(workflow(fault["tool"], schema), encoding="utf-8")

    def _hello(self) -> dict[str, Any] | None:
        line, newline, _ = (self._folder / "gateway.log").read_text(encoding="utf-8").partition("\n")
        return dict(json.loads(line)) if newline else None

    def requests(self) -> list[dict[str, Any]]:
        """What came over the wire."""
        text = self._log.read_text(encoding="utf-8") if self._log.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def files(self) -> dict[str, str]:
        """What the run must not touch, by digest."""
        kept = (".pflow/mcp-servers.json", ".pflow/registry.json", "call.pflow.md", "ca.pem")
        return {
            name: hashlib.sha256((self.home / name).read_bytes()).hexdigest()
            for name in kept
            if (self.home / name).exists()
        }


def problems(played: Played, ended: Ended, before: dict[str, str]) -> list[str]:
    """What is not as the table says."""
    fault, wanted, found = played.fault, played.fault["pflow"], []
    if ended.code != (0 if wanted["ends"] == "good" else 1):
        found.append(f"wanted {wanted}, got exit {ended.code} after {ended.seconds:.1f} s")
    if wanted["class"] and f"(error class: {wanted['class']})" not in ended.text:
        found.append(f"the class {wanted['class']} is not in what pflow says")
    if wanted["words"] and wanted["words"] not in ended.text:
        found.append(f"the words {wanted['words']!r} are not in what pflow says")
    if played.token in ended.text:
        found.append("pflow says the token")
    if wanted["ends"] != "good" and any(c < " " and c != "\n" for c in ended.text):
        found.append("control characters are in what pflow says")
    requests = played.requests()
    # The SDK of pflow reads the list of tools once more, after the first call of a tool.
    if len(requests) > 2 * fault["requests"]:
        found.append(f"{len(requests)} requests on the wire, at most 2 × {fault['requests']} are allowed")
    calls = sum(request["rpc"] == "tools/call" for request in requests)
    if calls > fault["calls"]:
        found.append(f"{calls} tools/call on the wire, at most {fault['calls']} are allowed")
    if wanted["ends"] == "good" and calls == 0:
        found.append("no tools/call on the wire")
    if played.files() != before:
        found.append("files were changed")
    return [f"{fault['name']}: {what}\n    {ended.text[:600]!r}" for what in found]


@pytest.fixture(scope="module")
def forks(synced: Pflow, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    running = Forks(synced.binary.parent / "python", tmp_path_factory.mktemp("forks"))
    yield running
    running.close()


@contextlib.contextmanager
def playing(fault: dict[str, Any], synced: Pflow, folder: Path) -> Iterator[Played]:
    """The fault, until the end of the block."""
    folder.mkdir()
    played = Played(fault, synced, folder)
    try:
        yield played
    finally:
        played.gateway.stop()


def test_every_fault_ends_a_run_as_the_table_says(synced: Pflow, forks: Forks, tmp_path: Path) -> None:
    def play(fault: dict[str, Any]) -> list[str]:
        with playing(fault, synced, tmp_path / fault["name"]) as played:
            before = played.files()
            found = problems(played, forks.run(played.pflow, "-p", played.workflow), before)
        # Two hundred registries are a lot.
        shutil.rmtree(played.home)
        return found

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        found = [line for lines in pool.map(play, table()) for line in lines]
    assert not found, f"{len(found)} things are not as the table says:\n" + "\n".join(found)


@pytest.mark.parametrize("name", ["http-200-html", "session-lost-before-call"])
def test_the_program_itself_ends_in_the_same_way(name: str, synced: Pflow, tmp_path: Path) -> None:
    """No fork: what a user starts."""
    fault = next(fault for fault in table() if fault["name"] == name)
    with playing(fault, synced, tmp_path / name) as played:
        before = played.files()
        done = played.pflow.run("-p", played.workflow)
        assert problems(played, Ended(done.returncode, done.stdout, done.stderr, 0), before) == []
