"""Programs that tests start, and end by their own id.

Takes a command line; gives a running process and its log. Never leaves one behind, and never ends one that it did not start.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class Program:
    """A running program; its stdout and stderr are in `log`."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        log: Path,
        env: Mapping[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
        family: bool = False,
    ) -> None:
        """With `family`, what it starts ends with it: for programs of others that leave their children behind."""
        self.log = log
        self._family = family
        self._output = log.open("wb")
        self.process = subprocess.Popen(
            [str(part) for part in argv],
            stdin=stdin,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
            start_new_session=family,
        )

    def ready(self, probe: Callable[[], T | None], seconds: float) -> T:
        """Ask until the answer is not None; fail with the log when it stays away."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"{self.process.args} ended with {self.process.returncode}:\n{self.tail()}")
            found = probe()
            if found is not None:
                return found
            time.sleep(0.05)
        raise AssertionError(f"{self.process.args} was not ready after {seconds} s:\n{self.tail()}")

    def tail(self) -> str:
        """The end of the log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-4000:]

    def stop(self) -> None:
        """Ask it to end, and end it when it does not."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self._family:
            # The group has the number of the one that was started, and lives for as long as anybody of it does.
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self._output.close()


def free_port() -> int:
    """A port that nobody listens on; for programs that cannot take one from the system themselves."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def written(path: Path) -> Callable[[], int | None]:
    """A probe: the port in the file, once a program wrote it."""

    def probe() -> int | None:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        return int(text) if text else None

    return probe
