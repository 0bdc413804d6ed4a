"""Nothing secret shows: every kind of credential, sent to a gateway that says it back, is looked for wherever somebody reads.

A matrix of credentials, of the ways in which a gateway fails, and of places. Each credential did arrive: else its absence shows
nothing.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import Pflow, needed
from gateway import PATIENCE
from mirror import BEHAVIOURS, TOOLS, Mirror
from processes import Program
from stdio import Serve

# Long, of letters and digits, and of no service's known shape: only who knows it can mask it.
CANARY = "canary7Q2x9K4m8W1z5T3v6B0nrH"
PORT = "{port}"


@dataclass
class Kind:
    """One way in which a credential is given."""

    gateway: dict[str, Any] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    settings: bool = False
    proxied: bool = False
    cookie: bool = False
    # It goes to the gateway.
    arrives: bool = True


def bearer(token: str = "${CANARY}") -> dict[str, Any]:
    return {"auth": {"type": "bearer", "token": token}}


VARIABLE = {"CANARY": CANARY}
KINDS: dict[str, Kind] = {
    "bearer": Kind(bearer(), VARIABLE),
    "bearer in the file": Kind(bearer(CANARY)),
    "bearer in settings": Kind(bearer(), settings=True),
    "api key": Kind({"auth": {"type": "api_key", "key": "${CANARY}", "header": "X-Odd-Key"}}, VARIABLE),
    "basic": Kind({"auth": {"type": "basic", "username": "me", "password": "${CANARY}"}}, VARIABLE),
    "header": Kind({"headers": {"X-Tenant": "${CANARY}"}}, VARIABLE),
    "header with a scheme": Kind({"headers": {"Authorization": "Custom ${CANARY}"}}, VARIABLE),
    "token command": Kind({"auth": {"type": "command", "command": ["{script}"]}}),
    "query": Kind({"url": "http://127.0.0.1:{port}/mcp?key=${CANARY}"}, VARIABLE),
    "query in the file": Kind({"url": f"http://127.0.0.1:{PORT}/mcp?k={CANARY}"}),
    "path": Kind({"url": "http://127.0.0.1:{port}/s/${CANARY}/mcp"}, VARIABLE),
    "path in the file": Kind({"url": f"http://127.0.0.1:{PORT}/s/{CANARY}/mcp"}),
    "cookie": Kind(cookie=True),
    "proxy": Kind(
        {"url": "http://gw.test/mcp", "proxy": "http://me:${CANARY}@127.0.0.1:{port}"}, VARIABLE, proxied=True
    ),
    "proxy of the environment": Kind(
        {"url": "http://gw.test/mcp"}, {"http_proxy": f"http://me:{CANARY}@127.0.0.1:{PORT}"}, proxied=True
    ),
}
PLACES = (
    "stdout",
    "stderr",
    "-vvv",
    "--json",
    "serve",
    "files",
    "monitor",
    "python",
    "arguments",
)

EXCEPTIONS = """
import json, logging, pickle, sys, traceback
import pflow_gateway
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
gateway = pflow_gateway.Gateway("g")
print(repr(gateway), str(gateway))
calls = [lambda name=name: gateway.call(name, {}) for name in TOOLS]
for ask in (gateway.test, gateway.tools, gateway.services, gateway.health, *calls):
    try:
        print(json.dumps(ask(), default=repr))
    except pflow_gateway.GatewayError as error:
        print(repr(error), str(error), vars(error), error.args, traceback.format_exc(), pickle.dumps(error))
"""


class Played:
    """What all places held after one kind met one behaviour."""

    def __init__(self, pflow: Pflow, python: Path, kind: Kind, behaviour: str) -> None:
        self.places: dict[str, list[str]] = {place: [] for place in PLACES}
        self.pflow = pflow
        self.binary = needed("PFLOW_GATEWAY_BIN")
        with Mirror(behaviour, CANARY if kind.cookie else None) as mirror:
            script = pflow.home / "token.sh"
            script.write_text(f"#!/bin/sh\necho {CANARY}\n", encoding="utf-8")
            script.chmod(0o700)
            fill = {PORT: str(mirror.port), "{script}": str(script)}

            def filled(text: str) -> str:
                for name, value in fill.items():
                    text = text.replace(name, value)
                return text

            entry = json.loads(filled(json.dumps({"url": "http://127.0.0.1:{port}/mcp", **kind.gateway})))
            pflow.env |= {name: filled(value) for name, value in kind.env.items()}
            pflow.configure({"g": {"command": str(self.binary), "args": ["serve", "g"], "gateway": entry}})
            if kind.settings:
                settings = pflow.home / ".pflow" / "settings.json"
                settings.write_text(json.dumps({"env": {"CANARY": CANARY}}), encoding="utf-8")
                settings.chmod(0o600)
            self.commands(behaviour)
            self.serve()
            self.monitor()
            self.exceptions(python)
            self.seen = "\n".join(mirror.seen)
        self.files(script)

    def run(self, *words: str) -> None:
        """One command, in the places that its flags name."""
        done = self.pflow.program(self.binary, *words)
        if "-vvv" in words:
            self.places["-vvv"].append(done.stdout + done.stderr)
        elif "--json" in words:
            self.places["--json"].append(done.stdout + done.stderr)
        else:
            self.places["stdout"].append(done.stdout)
            self.places["stderr"].append(done.stderr)

    def commands(self, behaviour: str) -> None:
        """What a user types."""
        if behaviour != "good":
            # One word of each kind: they come by the same way.
            for words in (
                ["test", "g"],
                ["test", "g", "--json"],
                ["tools", "g", "-vvv"],
                ["call", "g", "fine", "-v"],
                ["call", "g", "fine", "--json"],
                ["health", "g", "--json"],
            ):
                self.run(*words)
            return
        for command in ("test", "tools", "services", "health"):
            for flags in ([], ["--json", "-vvv"], ["--json"]) if command == "test" else ([], ["--json"]):
                self.run(command, "g", *flags)
        for tool in TOOLS:
            self.run("call", "g", tool, "-vvv" if tool == "fine" else "-v")
            self.run("call", "g", tool, "--json")
        for words in (["list"], ["snapshot", "show", "g"], ["snapshot", "diff", "g"], ["health", "--history"]):
            self.run(*words)
            self.run(*words, "--json")
        self.run("list", "-vvv")

    def serve(self) -> None:
        """What pflow, its traces and a model get."""
        served = Serve(self.pflow.home, None, Path(self.pflow.env["XDG_CACHE_HOME"]), begin=False, env=self.pflow.env)
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "mcp", "version": "0.1.0"}}
        answers = [served.ask("initialize", hello)]
        served.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        answers.append(served.ask("tools/list"))
        answers += [served.call(tool) for tool in TOOLS]
        answers.append(served.call("nosuchtool"))
        self.arguments(served.process.pid)
        served.close()
        self.places["serve"] += [json.dumps([answers, served.told]), served.errors]

    def arguments(self, pid: int) -> None:
        """What every user of the machine sees of a process and its children."""
        for one in [pid, *children(pid)]:
            with contextlib.suppress(OSError):
                self.places["arguments"].append(Path(f"/proc/{one}/cmdline").read_text(encoding="utf-8"))

    def monitor(self) -> None:
        """What the monitor serves, and what it prints."""
        log = self.pflow.home.parent / "monitor.log"
        flags = ["--listen", "127.0.0.1:0", "--every", "1", "--no-token", "--json", "-vvv"]
        monitor = Program([self.binary, "monitor", *flags], log, self.pflow.env)
        try:

            def ready() -> str | None:
                lines = log.read_text(encoding="utf-8").split("\n")[:-1]
                return next((str(json.loads(line)["url"]) for line in lines if line.startswith("{")), None)

            url = monitor.ready(ready, PATIENCE).rstrip("/")

            def looked() -> str | None:
                with urllib.request.urlopen(f"{url}/health.json") as answer:
                    text = str(answer.read().decode())
                return text if json.loads(text)["gateways"] and '"checked_at"' in text else None

            self.places["monitor"].append(monitor.ready(looked, PATIENCE))
            self.arguments(monitor.process.pid)
            for page in ("", "part", "metrics"):
                with urllib.request.urlopen(f"{url}/{page}") as answer:
                    self.places["monitor"].append(answer.read().decode())
            with urllib.request.urlopen(f"{url}/events") as answer:
                # What is known comes at once.
                self.places["monitor"].append(answer.read1(1 << 20).decode())
        finally:
            monitor.stop()
        self.places["monitor"].append(log.read_text(encoding="utf-8"))
        log.unlink()

    def exceptions(self, python: Path) -> None:
        """What a program that uses the module sees and logs."""
        done = self.pflow.program(python, "-c", f"TOOLS = {TOOLS!r}\n{EXCEPTIONS}")
        assert done.returncode == 0, done.stderr
        self.places["python"].append(done.stdout + done.stderr)

    def files(self, script: Path) -> None:
        """What is kept: history, snapshots, logs. Not where the user wrote it."""
        own = {script, *(self.pflow.home / ".pflow" / name for name in ("mcp-servers.json", "settings.json"))}
        for path in [*self.pflow.home.rglob("*"), *Path(self.pflow.env["XDG_CACHE_HOME"]).rglob("*")]:
            if path.is_file() and path not in own and path.suffix != ".cwasm":
                self.places["files"].append(f"{path}\n{path.read_bytes().decode('utf-8', errors='replace')}")


def children(pid: int) -> list[int]:
    """The processes that this one started and that still run."""
    found = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        # Threads end at any time.
        with contextlib.suppress(OSError):
            found += [int(child) for child in tasks.read_text(encoding="ascii").split()]
    return found


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, pflow_binary: Path, python: Path, shared_cache: Path) -> Any:
    """Each pair is played once, for all places."""
    done: dict[tuple[str, str], Played] = {}

    def play(kind: str, behaviour: str) -> Played:
        if (kind, behaviour) not in done:
            home = tmp_path_factory.mktemp("canary") / "home"
            home.mkdir()
            done[kind, behaviour] = Played(Pflow(pflow_binary, home, shared_cache), python, KINDS[kind], behaviour)
        return done[kind, behaviour]

    return play


def leaks(text: str) -> list[str]:
    """Where it shows, as it is and as Basic writes it."""
    spellings = [CANARY, b64encode(f"me:{CANARY}".encode()).decode().rstrip("=")]
    found = []
    for spelling in spellings:
        at = text.find(spelling)
        if at >= 0:
            found.append(text[max(0, at - 300) : at + 100])
    return found


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_credential_arrives_and_shows_nowhere(
    played: Callable[[str, str], Played], kind: str, behaviour: str, subtests: pytest.Subtests
) -> None:
    after = played(kind, behaviour)
    # A gateway that fails at once sets no cookie.
    if not KINDS[kind].cookie or behaviour in ("good", "odd"):
        assert leaks(after.seen), "it was never sent"
    for place in PLACES:
        text = "\n".join(after.places[place])
        assert text, f"nothing was looked at: {place}"
        with subtests.test(place=place):
            assert not leaks(text), leaks(text)[0]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux shows processes as files")
class TestProcesses:
    """What the program starts, and what is left of it when it dies."""

    def test_the_compiler_gets_nothing_of_the_environment(self, pflow: Pflow, tmp_path: Path) -> None:
        binary = needed("PFLOW_GATEWAY_BIN")
        component = tmp_path / "other.wasm"
        assert pflow.program(binary, "component", "export", component).returncode == 0
        with component.open("ab") as file:
            # A custom section: the same component, and not the one whose machine code is known.
            file.write(b"\0\x05\x04else")
        with Mirror("good") as mirror:
            entry = {"url": f"http://127.0.0.1:{mirror.port}/mcp", **bearer()}
            pflow.configure({"g": {"command": str(binary), "args": ["serve", "g"], "gateway": entry}})
            env = pflow.env | VARIABLE | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
            child = subprocess.Popen(
                [binary, "test", "g", "--component", component],
                env=env,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            seen = []
            while child.poll() is None:
                for pid in children(child.pid):
                    with contextlib.suppress(OSError):
                        argv = Path(f"/proc/{pid}/cmdline").read_bytes()
                        if b"--compile-component" in argv:
                            seen.append((argv, Path(f"/proc/{pid}/environ").read_bytes()))
                time.sleep(0.001)
            assert child.stdout
            said = child.stdout.read().decode()
            child.stdout.close()
            assert child.returncode == 0, said
            assert leaks("\n".join(mirror.seen)), "it was never sent"
        assert seen, "nobody saw the compiler"
        for argv, environment in seen:
            assert CANARY.encode() not in argv + environment
            names = [line.split(b"=")[0] for line in environment.split(b"\0") if line]
            assert set(names) <= {b"LD_LIBRARY_PATH"}, names

    def test_commands_of_the_user_get_nothing_of_pflows_settings(self, pflow: Pflow, tmp_path: Path) -> None:
        binary = needed("PFLOW_GATEWAY_BIN")
        script = tmp_path / "token.sh"
        script.write_text(f"#!/bin/sh\n/usr/bin/env >> {tmp_path}/environment\necho a-token-of-the-command\n", encoding="utf-8")
        alert = tmp_path / "alert.sh"
        alert.write_text(f"#!/bin/sh\n/usr/bin/env >> {tmp_path}/environment\ncat >> {tmp_path}/alerts\n", encoding="utf-8")
        for program in (script, alert):
            program.chmod(0o700)
        with Mirror("good") as mirror:
            url = f"http://127.0.0.1:{mirror.port}/mcp"
            by_command = {"url": url, "auth": {"type": "command", "command": [str(script)]}}
            servers = {"g": {"url": url, **bearer()}, "h": by_command}
            pflow.configure({name: {"command": "x", "gateway": entry} for name, entry in servers.items()})
            (pflow.home / ".pflow" / "settings.json").write_text(json.dumps({"env": VARIABLE}), encoding="utf-8")
            done = pflow.program(binary, "health", "g", "h", "--on-change", str(alert), "--test-alert")
            assert done.returncode == 0, done.stderr
            pflow.program(binary, "health", "g", "h")
            assert leaks("\n".join(mirror.seen)), "it was never sent"
            assert any("a-token-of-the-command" in seen for seen in mirror.seen)
        environment = (tmp_path / "environment").read_text(encoding="utf-8")
        assert environment.count("HOME=") >= 2, "both ran"
        assert not leaks(environment)

    def test_a_process_that_holds_credentials_leaves_no_core(self, pflow: Pflow) -> None:
        with Mirror("good") as mirror:
            entry = {"url": f"http://127.0.0.1:{mirror.port}/mcp", **bearer()}
            pflow.configure({"g": {"command": "x", "gateway": entry}})
            served = Serve(pflow.home, None, Path(pflow.env["XDG_CACHE_HOME"]), env=pflow.env | VARIABLE)
            limits = Path(f"/proc/{served.process.pid}/limits").read_text(encoding="ascii")
            served.close()
        soft = next(line for line in limits.splitlines() if line.startswith("Max core file size")).split()[4]
        assert soft == "0", limits


@pytest.mark.parametrize(("url", "told"), [("http://gw.test/mcp", 1), ("http://127.0.0.1:{port}/mcp", 0)])
def test_a_credential_that_anybody_on_the_way_can_read_is_told_once(pflow: Pflow, url: str, told: int) -> None:
    binary = needed("PFLOW_GATEWAY_BIN")
    with Mirror("good") as mirror:
        # The other machine is reached by way of a proxy: it needs no name.
        pflow.env |= VARIABLE | {"http_proxy": f"http://127.0.0.1:{mirror.port}"}
        url = url.replace(PORT, str(mirror.port))
        for words in (
            ["add", "a", url, "--bearer-env", "CANARY"],
            ["add", "b", url, "--bearer-env", "CANARY", "--no-test"],
            ["test", "a"],
        ):
            done = pflow.program(binary, *words)
            assert done.returncode == 0, done.stderr
            assert (done.stdout + done.stderr).count("plain http") == told, f"{words}: {done.stdout}{done.stderr}"
        warnings = json.loads(pflow.program(binary, "test", "a", "--json").stdout)["warnings"]
        assert sum("plain http" in warning for warning in warnings) == told
