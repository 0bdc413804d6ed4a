"""A case, seen by stock pflow twice: with the entry that a user without us has, and after `pflow-gateway adopt`.

Takes cases; gives what each way came to: what was listed, what was said, how often the tool ran. Never judges: `verdict.py` does.
Each way has a peer and a home of its own, so that neither sees what the other left behind.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cases.authority import authority
from cases.peer import Peer, Step
from cases.server import Server
from conftest import Pflow, needed
from forks import Ended, Forks

# The name of the entry in every home.
NAME = "g"
# Cases in which somebody waits in vain take no processor; the others are as many as there are cores, and one more.
WAITING, BUSY = 8, 3
# Seconds in the entry. With fewer than this, nobody is expected to answer in time.
USUAL = 20


@dataclass
class Seen:
    """What one way came to."""

    # What `adopt` said where it left the entry as it was.
    declined: str = ""
    synced: bool = False
    # What pflow knows of each tool: its description and schema, without what we add.
    tools: dict[str, Any] = field(default_factory=dict)
    # None where there was nothing to run, or nothing was synced.
    called: bool | None = None
    ran: int = 0
    # What the last step gave.
    output: str = ""
    # What was said of the failure, without what differs from run to run.
    said: str = ""
    # Whether `adopt --undo` gave back every byte of the file.
    undone: bool = True
    # For people: everything that was printed.
    printed: str = ""

    @property
    def works(self) -> bool:
        """Synced, and every step succeeded."""
        return self.synced and self.called is not False

    @property
    def outcome(self) -> str:
        """In a word or two."""
        if not self.synced:
            return "not listed"
        return "fails" if self.called is False else "works"


@dataclass
class Pair:
    """Both ways."""

    direct: Seen
    ours: Seen


def workflow(steps: list[Step], patience: int | None) -> str:
    """A workflow of these calls, each with so many seconds, which gives what the last one gave."""
    text = "# Case\n\nCalls tools.\n\n## Steps\n\n"
    for number, (tool, arguments) in enumerate(steps):
        lines = "".join(f"- {name}: {json.dumps(value)}\n" for name, value in arguments.items())
        limit = "" if patience is None else f"- timeout: {patience}\n"
        text += f"### step{number}\n\nCalls a tool.\n\n- type: mcp-{NAME}-{tool}\n{lines}{limit}\n"
    source = f"${{step{len(steps) - 1}.result}}"
    return text + f"## Outputs\n\n### result\n\nWhat came.\n\n- source: {source}\n- stdout: true\n"


class Field:
    """Everything that the cases are played with."""

    def __init__(self, pflow_binary: Path, cache: Path, folder: Path) -> None:
        self._binary = pflow_binary
        self._cache = cache
        self._folder = folder
        tls, self._trusted = authority(folder)
        self.server = Server(tls)
        self._forks = Forks(pflow_binary.parent / "python", folder)
        self._registry, self._compiled = self._core()

    def close(self) -> None:
        """End what was started."""
        self._forks.close()
        self.server.close()

    def _core(self) -> tuple[bytes, Path]:
        """What every home is given: the registry of one that has seen no server, and the component as it is compiled there.

        pflow need not look for its own nodes each time. A program without machine code beside it compiles once: `serve` is started
        without `XDG_CACHE_HOME`.
        """
        pflow = self._home("core", {})
        pflow("mcp", "list")
        home = {"PATH": pflow.env["PATH"], "HOME": pflow.env["HOME"]}
        program = [needed("PFLOW_GATEWAY_BIN"), "test", "http://127.0.0.1:9/mcp"]
        subprocess.run(program, env=home, stdin=subprocess.DEVNULL, capture_output=True, timeout=180, check=False)
        return (pflow.home / ".pflow" / "registry.json").read_bytes(), pflow.home / ".cache"

    def _home(self, name: str, more: dict[str, str]) -> Pflow:
        home = self._folder / name
        (home / ".pflow").mkdir(parents=True)
        pflow = Pflow(self._binary, home, self._cache)
        pflow.env |= {"PFLOW_GATEWAY_DISABLE": "1"} | more
        return pflow

    def play(self, cases: dict[str, type[Peer]]) -> Iterator[tuple[str, Pair]]:
        """All of them, as they come."""

        def one(name: str) -> tuple[str, Pair]:
            return name, Pair(self.look(name, cases[name], "direct"), self.look(name, cases[name], "ours"))

        slow = [name for name, case in cases.items() if case.timeout < USUAL]
        with ThreadPoolExecutor(WAITING) as waiting, ThreadPoolExecutor(BUSY) as busy:
            asked = [waiting.submit(one, name) for name in slow]
            asked += [busy.submit(one, name) for name in cases if name not in slow]
            for played in asked:
                yield played.result()

    def look(self, name: str, case: type[Peer], way: str) -> Seen:
        """One way of one case."""
        peer, seen = case(), Seen()
        self.server.host(f"{way}/{name}", peer)
        more = peer.variables()
        # Without TLS it changes nothing, but that pflow's own client need not read three hundred authorities each time.
        if peer.trusted and (peer.secret or way == "direct"):
            more["SSL_CERT_FILE"] = str(self._trusted)
        pflow = self._home(f"{way}-{name}", more)
        (pflow.home / ".pflow" / "registry.json").write_bytes(self._registry)
        if peer.settings:
            text = json.dumps({"version": "1.0.0", "env": peer.settings})
            settings = pflow.home / ".pflow" / "settings.json"
            settings.write_text(text, encoding="utf-8")
            settings.chmod(0o600)
        file = pflow.home / ".pflow" / "mcp-servers.json"
        written = peer.file(NAME)
        before = written if isinstance(written, bytes) else written.encode()
        file.write_bytes(before)
        file.chmod(0o600)
        if way == "ours":
            if self._compiled.exists():
                shutil.copytree(self._compiled, pflow.home / ".cache")
            self._adopt(pflow, file, before, seen)
        pflow.env |= peer.later()
        self._run(pflow, peer, seen)
        if way == "ours" and not seen.declined:
            done = pflow.program(needed("PFLOW_GATEWAY_BIN"), "adopt", NAME, "--undo")
            seen.undone = file.read_bytes() == before
            if not seen.undone:
                now = file.read_text(encoding="utf-8", errors="replace")
                seen.printed += f"\n$ adopt --undo\n{done.stdout}{done.stderr}\n{now}"
        seen.ran = peer.ran
        shutil.rmtree(pflow.home)
        return seen

    def _adopt(self, pflow: Pflow, file: Path, before: bytes, seen: Seen) -> None:
        done = pflow.program(needed("PFLOW_GATEWAY_BIN"), "adopt", NAME, "--no-test")
        seen.printed += f"$ adopt\n{done.stdout}{done.stderr}\n"
        if file.read_bytes() == before:
            seen.declined = self.plain(done.stderr or done.stdout) or "adopt says nothing"

    def _run(self, pflow: Pflow, peer: Peer, seen: Seen) -> None:
        synced = self._forks.run(pflow, "mcp", "sync", NAME)
        seen.printed += f"$ pflow mcp sync\n{synced.text}\n"
        seen.tools = self._tools(pflow)
        seen.synced = synced.code == 0 and (bool(seen.tools) or not peer.steps)
        if not seen.synced:
            seen.said = self.plain(said_by_sync(synced))
            return
        if not peer.steps:
            return
        file = pflow.home / "w.pflow.md"
        # Above the entry's, so that who gives up first is who knows more.
        patience = peer.timeout + 4 if peer.timeout < USUAL else None
        file.write_text(workflow(peer.steps, patience), encoding="utf-8")
        ended = self._forks.run(pflow, "-p", file)
        seen.printed += f"$ pflow run\n{ended.text}\n"
        seen.called = ended.code == 0
        if seen.called:
            seen.output = ended.output
        else:
            seen.said = self.plain(said_by_run(ended))

    def _tools(self, pflow: Pflow) -> dict[str, Any]:
        nodes = json.loads((pflow.home / ".pflow" / "registry.json").read_text(encoding="utf-8"))["nodes"]
        found = {}
        for node in nodes.values():
            interface = node["interface"]
            metadata = interface.get("mcp_metadata") or {}
            if metadata.get("server") == NAME:
                found[metadata["tool"]] = {
                    "description": interface["description"],
                    "schema": metadata["original_schema"],
                    "params": interface["params"],
                }
        return found

    def plain(self, text: str) -> str:
        """Without what differs from run to run: ports, folders, times."""
        text = text.replace(f"127.0.0.1:{self.server.secret_port}", "HOST").replace(
            f"127.0.0.1:{self.server.port}", "HOST"
        )
        text = text.replace(f":{self.server.secret_port}", ":PORT").replace(f":{self.server.port}", ":PORT")
        text = text.replace(str(self._folder), "").replace("/ours-", "/").replace("HOST/ours/", "HOST/")
        text = re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "TIME", text)
        text = re.sub(r"\b\d+ seconds? ago", "a moment ago", text)
        # Whether the last step had all of the time, or what the others left of it.
        text = text.replace(", several steps together", "")
        return " ".join(text.split())


def said_by_sync(ended: Ended) -> str:
    """What `pflow mcp sync` says of a failure, without its own title."""
    text = ended.text.rpartition("Syncing server")[2].partition("\n")[2]
    text = text.partition("Run with --verbose")[0]
    return re.sub(r"^\s*Error: (Error\n)?", "", text)


def said_by_run(ended: Ended) -> str:
    """What a run says of a failure, without progress and trace."""
    text = ended.text.rpartition("Error: Execution Failed")[2].partition("\n  At: node")[0]
    return text.strip().removeprefix("MCP tool failed:")
