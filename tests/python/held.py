"""A workflow of stock pflow that stops between two calls until the test lets it go on.

Takes a home, a server and two calls; gives what the run came to. Never leaves a run behind.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

from conftest import Pflow

Call: TypeAlias = tuple[str, dict[str, str]]


def _step(name: str, server: str, call: Call) -> str:
    tool, arguments = call
    lines = "".join(f"- {key}: {value}\n" for key, value in arguments.items())
    return f"### {name}\n\nCalls a tool.\n\n- type: mcp-{server}-{tool}\n{lines}\n"


class Held:
    """A run that has made its first call, and waits. Leaving the block ends it."""

    def __init__(self, pflow: Pflow, server: str, first: Call, second: Call) -> None:
        self._pflow = pflow
        self._reached = pflow.home / "reached"
        self._go = pflow.home / "go"
        workflow = pflow.home / "held.pflow.md"
        workflow.write_text(
            "# Held\n\nTwo calls, and a pause that the test ends.\n\n## Steps\n\n"
            + _step("first", server, first)
            + "### hold\n\nWaits.\n\n- type: shell\n"
            + f"- command: touch '{self._reached}'; until [ -e '{self._go}' ]; do sleep 0.05; done\n"
            + "- timeout: 300\n\n"
            + _step("second", server, second)
            + "## Outputs\n\n### said\n\nWhat the second call answered.\n\n- source: ${second.result}\n- stdout: true\n",
            encoding="utf-8",
        )
        self._workflow: Path = workflow

    def __enter__(self) -> Held:
        for file in (self._reached, self._go):
            file.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [self._pflow.binary, "-p", self._workflow],
            env=self._pflow.env,
            cwd=self._pflow.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Its own group, so that the end of the block also ends the step that waits.
            start_new_session=True,
        )
        deadline = time.monotonic() + 120
        while not self._reached.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._end()
                said = self._process.stdout.read() if self._process.stdout else ""
                raise AssertionError(f"the run did not make its first call:\n{said}")
            time.sleep(0.05)
        return self

    def go_on(self) -> tuple[int, str]:
        """Let it make its second call: its exit code, and what it said."""
        self._go.touch()
        said, _ = self._process.communicate(timeout=240)
        return self._process.returncode, said

    def _end(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        if self._process.stdout:
            self._process.stdout.close()


def until_refused(url: str, token: str) -> None:
    """Wait until the gateway at that URL no longer takes the token."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()
    accept = "application/json, text/event-stream"
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": accept}
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=20):
                pass
        except urllib.error.HTTPError as error:
            if error.code == 401:
                return
        assert time.monotonic() < deadline, "the token does not end"
        time.sleep(0.2)
