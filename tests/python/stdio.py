"""`pflow-gateway serve` as pflow starts it: JSON-RPC lines over stdio.

Takes a home whose file has the entry `g`; gives what comes back, by id. Never reads stderr for an answer.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from conftest import needed


class Serve:
    """A running `serve`."""

    def __init__(
        self,
        home: Path,
        entry: dict[str, Any] | None,
        cache: Path,
        begin: bool = True,
        env: dict[str, str] | None = None,
    ) -> None:
        binary = needed("PFLOW_GATEWAY_BIN")
        # Without one, the home has it.
        if entry is not None:
            folder = home / ".pflow"
            folder.mkdir(parents=True, exist_ok=True)
            whole = {"command": str(binary), "args": ["serve", "g"], "gateway": entry}
            (folder / "mcp-servers.json").write_text(json.dumps({"mcpServers": {"g": whole}}), encoding="utf-8")
        self._errors = home / "serve.stderr"
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [binary, "serve", "g"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={"PATH": "/usr/bin:/bin", "HOME": str(home), "XDG_CACHE_HOME": str(cache), **(env or {})},
                cwd=home,
            )
        # Answers by their id as JSON; what has no id, in the order in which it came.
        self.answers: dict[str, dict[str, Any]] = {}
        self.told: list[dict[str, Any]] = []
        self._came = threading.Condition()
        self._last = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if begin:
            hello = {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "mcp", "version": "0.1.0"},
            }
            assert "result" in self.ask("initialize", hello)
            self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            message = json.loads(line)
            with self._came:
                if "method" in message:
                    self.told.append(message)
                else:
                    self.answers[json.dumps(message.get("id"))] = message
                self._came.notify_all()

    def send(self, message: dict[str, Any] | bytes) -> None:
        """One line; bytes go out as they are."""
        assert self.process.stdin
        self.process.stdin.write(message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def start(self, method: str, params: Any = None) -> int:
        """Ask, and do not wait; gives the id."""
        self._last += 1
        self.send({"jsonrpc": "2.0", "id": self._last, "method": method, "params": params or {}})
        return self._last

    def wait(self, id: Any, seconds: float = 60) -> dict[str, Any]:
        """The answer with that id."""
        key = json.dumps(id)
        with self._came:
            there = self._came.wait_for(lambda: key in self.answers, seconds)
            assert there, f"no answer to {key} within {seconds} s; stderr: {self.errors}"
            return self.answers.pop(key)

    def ask(self, method: str, params: Any = None) -> dict[str, Any]:
        """One request and its answer."""
        return self.wait(self.start(method, params))

    def call(self, tool: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer to one call."""
        return self.ask("tools/call", {"name": tool, "arguments": arguments or {}})

    @property
    def errors(self) -> str:
        """What it said on stderr so far."""
        return self._errors.read_text(encoding="utf-8", errors="replace")

    def close(self, seconds: float = 30) -> int:
        """Close its stdin; gives its exit code."""
        assert self.process.stdin
        if not self.process.stdin.closed:
            self.process.stdin.close()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self._reader.join(10)


def until(what: Any, seconds: float = 20) -> bool:
    """Whether it became true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if what():
            return True
        time.sleep(0.05)
    return bool(what())
