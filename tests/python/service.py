"""The service, as a team runs it: `service.wasm` on an engine that serves `wasi:http`, and a client that speaks MCP to it by hand.

Takes the component and the engine that the test runner names; gives replicas on ports of the system's choice. Never ends a process that
it did not start.
"""

from __future__ import annotations

import http.client
import json
import re
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from conftest import needed
from processes import Program

TEAM = "team-token-0123456789"
CANARY = "canary-5up3r/secret+0123456789"
MODERN = "2026-07-28"
BOTH = "application/json, text/event-stream"


def precompiled(folder: Path) -> Path:
    """The service's machine code, made once for all replicas of a run."""
    code = folder / "service.cwasm"
    if not code.exists():
        done = subprocess.run(
            [needed("WASMTIME_BIN"), "compile", "-o", code, needed("SERVICE_WASM")],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    return code


# As `pflow-gateway deploy` writes it, but for instances that are kept: each test says whether it wants those.
ENGINE = ("-Scli", "-Wmax-memory-size=268435456", "-Opooling-allocator=n", "--max-concurrent-requests", "256")


class Answer:
    """Status, headers and body."""

    def __init__(self, response: http.client.HTTPResponse, body: bytes) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.text = body.decode()

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.text)

    @property
    def events(self) -> list[Any]:
        """The messages of an event stream."""
        return [json.loads(line[6:]) for line in self.text.splitlines() if line.startswith("data: ")]


class Replica:
    """One running engine with the service."""

    def __init__(
        self, folder: Path, code: Path, settings: Mapping[str, str], name: str = "replica", port: int = 0, *flags: str
    ) -> None:
        given = [word for pair in settings.items() for word in ("--env", "=".join(pair))]
        # The engine itself is told nothing but where programs are.
        self._start(
            [needed("WASMTIME_BIN"), "serve", "--allow-precompiled", *ENGINE, *flags, *given, "--addr", f"127.0.0.1:{port}", code],
            folder / f"{name}.log",
            {"PATH": "/usr/bin:/bin"},
        )

    def _start(self, argv: Sequence[str | Path], log: Path, env: Mapping[str, str]) -> None:
        """Starts an engine, and waits until it says where it listens."""
        self.program = Program(argv, log, env)

        def listening() -> int | None:
            text = self.program.log.read_text(encoding="utf-8")
            found = re.search(r"Serving HTTP on http://127\.0\.0\.1:(\d+)/", text)
            return int(found.group(1)) if found else None

        try:
            self.port = self.program.ready(listening, 120)
        except BaseException:
            # Nobody has it yet, so nobody else would end it.
            self.program.stop()
            raise
        self.address = f"127.0.0.1:{self.port}"

    def url(self, gateway: str = "gw") -> str:
        """Where MCP is spoken."""
        return f"http://{self.address}/{gateway}/mcp"

    @classmethod
    def running(cls, argv: Sequence[str | Path], folder: Path, env: Mapping[str, str]) -> Replica:
        """One that this command line starts."""
        replica = cls.__new__(cls)
        replica._start(argv, folder / "replica.log", env)
        return replica

    @classmethod
    def at(cls, port: int, program: Program) -> Replica:
        """One that runs already: another engine, or what stands before several."""
        replica = cls.__new__(cls)
        replica.port, replica.address, replica.program = port, f"127.0.0.1:{port}", program
        return replica

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request, on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response, response.read())
        finally:
            connection.close()

    def post(self, message: Any, token: str | None = TEAM, path: str = "/gw/mcp", **headers: str) -> Answer:
        """A message; keywords are headers, underscores for hyphens."""
        sent = {"Content-Type": "application/json", "Accept": BOTH}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", path, json.dumps(message).encode(), sent)

    def initialize(self, token: str | None = TEAM, path: str = "/gw/mcp", version: str = "2025-06-18") -> str:
        """A legacy session's id."""
        params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        answer = self.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}, token, path)
        assert answer.status == 200, answer.text
        assert answer.json["result"]["protocolVersion"] == version
        return answer.headers["mcp-session-id"]

    def legacy(
        self, session: str, method: str, params: Any = None, token: str | None = TEAM, path: str = "/gw/mcp"
    ) -> Answer:
        """A request in a session."""
        message = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params or {}}
        return self.post(message, token, path, Mcp_Session_Id=session, MCP_Protocol_Version="2025-06-18")

    def modern(
        self, method: str, params: Mapping[str, Any] | None = None, token: str | None = TEAM, **headers: str
    ) -> Answer:
        """A request that stands for itself. Headers given win."""
        meta = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        }
        whole = dict(params or {})
        whole["_meta"] = meta | whole.get("_meta", {})
        sent = {"MCP_Protocol_Version": MODERN, "Mcp_Method": method}
        if method == "tools/call":
            sent["Mcp_Name"] = str(whole.get("name"))
        return self.post({"jsonrpc": "2.0", "id": 7, "method": method, "params": whole}, token, **(sent | headers))


def settings(gateways: Mapping[str, Any], **more: str) -> dict[str, str]:
    """Variables of a deployment with one client, `team`."""
    return {
        "GATEWAYS": json.dumps(gateways),
        "CLIENTS": json.dumps({"team": {"token": "${TEAM_TOKEN}"}}),
        "TEAM_TOKEN": TEAM,
        "SESSION_KEYS": secrets.token_hex(32),
    } | more


def bearer(url: str, **more: Any) -> dict[str, Any]:
    """A gateway that wants the canary."""
    return {"url": url, "auth": {"type": "bearer", "token": "${GW_TOKEN}"}, "trust": "claims"} | more
