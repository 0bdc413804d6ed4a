"""What gateways, and what stands before them, do in the field: a small peer for each case, tried by `test_never_worse.py`.

Takes nothing; gives the cases by kind. A case is a class whose docstring is the sentence that the page shows. Never judges.
"""

from __future__ import annotations

from types import ModuleType

from . import entries, eras, front, lists, lost, messages, redirects, results, schemas, sessions, streams
from .peer import Peer

KINDS: list[ModuleType] = [eras, sessions, redirects, front, messages, streams, lists, schemas, results, lost, entries]


def of(module: ModuleType) -> list[type[Peer]]:
    """The cases of a module, in the order in which they stand there."""
    return [
        one
        for name, one in vars(module).items()
        if isinstance(one, type) and issubclass(one, Peer) and one.__module__ == module.__name__ and name[0] != "_"
    ]


def every() -> dict[str, type[Peer]]:
    """All cases by name."""
    found: dict[str, type[Peer]] = {}
    for module in KINDS:
        for one in of(module):
            assert one.__doc__, f"{one.__name__} does not say what it does"
            assert one.case() not in found, f"there are two cases {one.case()}"
            found[one.case()] = one
    return found
