"""Adds `pflow mcp gateway` to pflow, which has no plugin mechanism of its own.

Run at every start of this environment's Python, by `pflow_gateway.pth` (up to Python 3.14) or `pflow_gateway.start` (PEP 829,
from 3.15). So it imports nothing, does nothing until pflow's own `mcp` commands are imported, and never raises.
`PFLOW_GATEWAY_DISABLE=1` switches it off.
"""

import os
import sys

_TARGETS = {
    "pflow.cli.commands.mcp": "extend_commands",
    "pflow.mcp.registrar": "extend_registrar",
}


class _Finder:
    """Waits for pflow's modules; everything else goes to the finders after it."""

    def find_spec(self, name, path=None, target=None):
        """Find one of pflow's modules with the other finders, and extend it once it has run."""
        extension = _TARGETS.get(name)
        if extension is None:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    _run_after(spec.loader, extension)
                return spec
        return None


def _run_after(loader, extension):
    run = loader.exec_module

    def exec_module(module):
        run(module)
        if not _TARGETS:
            return
        try:
            from pflow_gateway import _pflow

            getattr(_pflow, extension)(module)
        except Exception as error:
            # One cause, one line: the next of pflow's modules would fail like this one.
            _TARGETS.clear()
            print(
                f"⚠ pflow-gateway: `pflow mcp gateway` is not available ({type(error).__name__}: {error})",
                file=sys.stderr,
            )

    try:
        # On the instance: the loader stays what it is for everybody else.
        loader.exec_module = exec_module
    except AttributeError:
        pass


def install() -> None:
    """Start waiting for pflow. Called again, it does nothing."""
    if os.environ.get("PFLOW_GATEWAY_DISABLE", "") not in ("", "0"):
        return
    if not any(type(finder).__module__ == __name__ for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
