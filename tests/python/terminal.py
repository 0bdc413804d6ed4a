"""A program at a terminal of its own."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from pathlib import Path
from typing import Any

import pytest


class Terminal:
    """A program at a terminal of its own: what it shows, and what is typed."""

    def __init__(
        self, argv: list[str | Path], env: dict[str, str], folder: Path, columns: int | None = None
    ) -> None:
        self._ours, theirs = pty.openpty()
        if columns is not None:
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.process = subprocess.Popen(
            [str(part) for part in argv],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=env,
            cwd=folder,
            close_fds=True,
            start_new_session=True,
            # Ctrl-C is for whoever has the terminal.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self.shown = ""
        # A character may come in two pieces.
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._seen = 0

    def _more(self, patience: float) -> bool:
        """Whether the program may still show something."""
        ready, _, _ = select.select([self._ours], [], [], patience)
        if not ready:
            return True
        try:
            read = os.read(self._ours, 65536)
        except OSError:  # Linux, when the last program at a terminal has ended.
            return False
        self.shown += self._decoder.decode(read)
        return bool(read)

    def wait(self, text: str) -> None:
        """Read until this is shown, after all that was waited for before."""
        end = time.monotonic() + 120
        while (found := self.shown.find(text, self._seen)) < 0:
            if not self._more(0.2) or time.monotonic() > end:
                pytest.fail(f"{text!r} was not shown:\n{self.shown}")
        self._seen = found + len(text)

    def answer(self, question: str, answer: str) -> None:
        """Wait for a question, and type."""
        self.wait(question)
        self.type(answer)

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._ours, line.encode() + b"\n")

    def settings(self) -> list[Any]:
        """How the terminal treats what is typed: echo, whole lines, signals."""
        return termios.tcgetattr(self._ours)

    def leave(self) -> None:
        """Ctrl-D: nobody answers any more."""
        os.write(self._ours, b"\x04")

    def interrupt(self) -> None:
        """Ctrl-C, as typed: the terminal sends the signal."""
        os.write(self._ours, b"\x03")

    def end(self) -> int:
        """Read to the end; gives the exit code."""
        deadline = time.monotonic() + 120
        while self._more(0.2) and self.process.poll() is None and time.monotonic() < deadline:
            pass
        # What was written last may come a moment after the end, on a busy machine; then the terminal is closed.
        deadline = time.monotonic() + 2
        while self._more(0.1) and time.monotonic() < deadline:
            pass
        return self.process.wait(timeout=10)

    def close(self) -> None:
        """End the program, whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)
