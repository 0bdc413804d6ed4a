"""A child, and what the system counted of it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

# The system counts what a process had before its exec too: forked from a test, a child would begin with all that the test takes.
LAUNCHER = """
import json, os, sys
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
with open(sys.argv[1], "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime], file)
"""


class Usage(NamedTuple):
    """How it ended, its bytes at the peak, its seconds of CPU."""

    code: int
    peak: int
    cpu: float


class Launched:
    """A child of a small process, `process`, whose streams and process group it shares."""

    def __init__(self, argv: Sequence[str | Path], env: Mapping[str, str], **streams: Any) -> None:
        self._counted = tempfile.NamedTemporaryFile("r", suffix=".json")
        launcher = [sys.executable, "-ISc", LAUNCHER, self._counted.name, *argv]
        self.process = subprocess.Popen(launcher, env=env, start_new_session=True, **streams)

    def usage(self) -> Usage | None:
        """Waits for its end; nothing when it was killed."""
        ended = self.process.wait()
        with self._counted:
            return Usage(*json.load(self._counted)) if ended == 0 else None
