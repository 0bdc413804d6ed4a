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
_SCRIPT = "pflow-gateway.exe" if os.name == "nt" else "pflow-gateway"
# For environments without the script. Python looks for modules in the current folder first, and pflow is run in folders of others: nothing
# is imported before that is off. `-I` would do it too, and leave out what `pip install --user` installs; `-P` is new in 3.11.
_ISOLATED = "import sys; sys.path[:] = [p for p in sys.path if p]; from pflow_gateway._cli import main; main()"


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


def _start() -> list[str]:
    """Start the host of this environment, whatever folder it is done in: by the installed script, by its absolute path."""
    beside = os.path.join(os.path.dirname(os.path.abspath(sys.executable)), _SCRIPT)
    for script in (beside, _installed_script()):
        if script and os.path.isfile(script) and os.access(script, os.X_OK):
            return [script]
    return [sys.executable, "-c", _ISOLATED]


def _installed_script() -> str | None:
    """Where the installer says that it put the script."""
    from importlib import metadata

    with contextlib.suppress(metadata.PackageNotFoundError, OSError, ValueError):
        files = metadata.files("pflow-gateway") or []
        return next((os.path.abspath(str(file.locate())) for file in files if file.name == _SCRIPT), None)
    return None


@contextlib.contextmanager
def _launcher() -> Iterator[None]:
    """Say how this environment starts the host: what `add` writes into pflow's configuration must exist later."""
    if _LAUNCHER in os.environ or not sys.executable:
        yield
        return
    os.environ[_LAUNCHER] = json.dumps(_start())
    try:
        yield
    finally:
        os.environ.pop(_LAUNCHER, None)
