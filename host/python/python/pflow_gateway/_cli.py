"""The command line inside a Python process.

Takes a program name and its arguments; gives the exit code. Never parses an argument: that is the host's.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import NoReturn

_LAUNCHER = "PFLOW_GATEWAY_LAUNCHER"


def run(program: str, args: Sequence[str]) -> int:
    """Run one command line in this process, on its real stdin, stdout and stderr."""
    try:
        from . import _native
    except ImportError as error:
        print(f"Error: pflow-gateway cannot be loaded: {error}", file=sys.stderr)
        print("  → Install it again: pip install --force-reinstall pflow-gateway", file=sys.stderr)
        return 1

    for stream in (sys.stdout, sys.stderr):
        # The host writes to the descriptors, past Python's buffers. A closed pipe is the host's to notice.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    with _interruptible(), _launcher():
        return _native.run(program, list(args))


def main() -> NoReturn:
    """Run the console script `pflow-gateway` and `python -m pflow_gateway`."""
    sys.exit(run("pflow-gateway", sys.argv[1:]))


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C reach the host: a handler in Python would only set a flag that nobody reads until it returns."""
    previous = signal.getsignal(signal.SIGINT)
    if not callable(previous) or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


@contextlib.contextmanager
def _launcher() -> Iterator[None]:
    """Say how this environment starts the host: what `add` writes into pflow's configuration must exist later."""
    if _LAUNCHER in os.environ or not sys.executable:
        yield
        return
    os.environ[_LAUNCHER] = json.dumps([sys.executable, "-m", "pflow_gateway"])
    try:
        yield
    finally:
        os.environ.pop(_LAUNCHER, None)
