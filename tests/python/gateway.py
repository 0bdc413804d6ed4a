"""The program as a user has it, with gateways configured: its commands, `serve`, and the monitor.

Takes a home of its own; gives what the commands said. Never touches the user's files.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conftest import needed
from processes import Program

PATIENCE = 120


class Gateway:
    """The program in a home of its own; its gateway is `gw`, and there may be more."""

    def __init__(
        self,
        home: Path,
        cache: Path,
        url: str,
        token: str | None = None,
        more: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.home = home
        self._monitors = 0
        self.binary = needed("PFLOW_GATEWAY_BIN")
        gateway: dict[str, Any] = {"url": url}
        if token:
            gateway["auth"] = {"type": "bearer", "token": "${GW_TOKEN}"}
        folder = home / ".pflow"
        folder.mkdir(parents=True)
        gateways = {"gw": gateway} | {name: dict(keys) for name, keys in (more or {}).items()}
        servers = {
            name: {"command": "pflow-gateway", "args": ["serve", name], "gateway": keys}
            for name, keys in gateways.items()
        }
        (folder / "mcp-servers.json").write_text(json.dumps({"mcpServers": servers}), encoding="utf-8")
        self.env = {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_CACHE_HOME": str(cache)}
        if token:
            self.env["GW_TOKEN"] = token

    def monitor(self, *flags: str, every: float) -> tuple[Program, str]:
        """A monitor on a free port that everybody on this machine may read, and its URL."""
        self._monitors += 1
        log = self.home / f"monitor-{self._monitors}.log"
        monitor = Program(
            [
                self.binary,
                "monitor",
                *(flags or ("--listen", "127.0.0.1:0")),
                "--every",
                str(every),
                "--no-token",
                "--json",
            ],
            log,
            self.env,
        )

        def ready() -> str | None:
            for line in log.read_text(encoding="utf-8").split("\n")[:-1]:
                if line.startswith("{"):
                    return str(json.loads(line)["url"])
            return None

        return monitor, monitor.ready(ready, 60)

    def json(self, *args: str) -> Any:
        """A command with `--json`, whatever its exit code."""
        done = subprocess.run(
            [self.binary, *args, "--json"],
            env=self.env,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def health(self) -> dict[str, Any]:
        """The one gateway's report."""
        report: dict[str, Any] = self.json("health")["gateways"][0]
        return report

    def until(self, service: str, *wanted: str) -> dict[str, Any]:
        """Look until the service has one of these states."""
        deadline = time.monotonic() + PATIENCE
        while True:
            report = self.health()
            found = next((one for one in report["services"] if one["name"] == service), None)
            if found and found["status"] in wanted:
                return dict(found)
            assert time.monotonic() < deadline, f"{service} did not become {wanted}: {json.dumps(report, indent=1)}"
            time.sleep(1)

    def serve_call(self, tool: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One tool call through `serve`, as pflow makes it."""
        messages = [
            {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "initialize",
                "params": {
                    "protocolVersion": "2025-06-18",
                    "capabilities": {},
                    "clientInfo": {"name": "test", "version": "1"},
                },
            },
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
            {
                "jsonrpc": "2.0",
                "id": 2,
                "method": "tools/call",
                "params": {"name": tool, "arguments": dict(arguments or {})},
            },
        ]
        with subprocess.Popen(
            [self.binary, "serve", "gw"],
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as serve:
            assert serve.stdin
            assert serve.stdout
            for message in messages:
                serve.stdin.write(json.dumps(message) + "\n")
            serve.stdin.flush()
            for line in serve.stdout:
                answer: dict[str, Any] = json.loads(line)
                if answer.get("id") == 2:
                    serve.stdin.close()
                    return answer
        raise AssertionError("serve ended without an answer")
