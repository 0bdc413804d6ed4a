"""pflow by the hundred: one process that has imported it forks for each command line (`programs/pflow_forks.py`).

Takes a home and a command line; gives the exit code and what was printed. Never shares anything between two runs but the imports.
"""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conftest import HERE, Pflow

# Seconds. pflow itself gives up after 30, with a sentence of its own.
PATIENCE = 60


@dataclass
class Ended:
    """What a run of pflow came to."""

    code: int | None
    output: str
    errors: str
    seconds: float

    @property
    def text(self) -> str:
        """Everything that it printed."""
        return self.output + self.errors


class Forks:
    """pflow, imported once: see `programs/pflow_forks.py`."""

    def __init__(self, python: Path, folder: Path) -> None:
        self._waiting: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._errors = (folder / "forks.log").open("wb")
        self._process = subprocess.Popen(
            [python, HERE / "programs" / "pflow_forks.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            ended = json.loads(line)
            self._waiting[ended["id"]].put(ended)

    def run(self, pflow: Pflow, *argv: str | Path) -> Ended:
        """One command line in that home."""
        out, err = pflow.home / "out.txt", pflow.home / "err.txt"
        with self._lock:
            number = len(self._waiting)
            self._waiting[number] = queue.Queue()
            order = {
                "id": number,
                "argv": [str(word) for word in argv],
                "env": pflow.env,
                "cwd": str(pflow.home),
                "out": str(out),
                "err": str(err),
                "seconds": PATIENCE,
            }
            assert self._process.stdin
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
        ended = self._waiting[number].get(timeout=PATIENCE * 2)
        output, errors = (file.read_text(encoding="utf-8", errors="replace") for file in (out, err))
        return Ended(ended["code"], output, errors, ended["seconds"])

    def close(self) -> None:
        """End, and end what still runs."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)
        self._reader.join()
        self._errors.close()
