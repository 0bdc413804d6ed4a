"""A server over HTTP whose tools, and what a call of them is answered, are the test's.

Takes definitions and answers; gives the URL, and the calls that came. Never forgets one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from upstream import Handler, Server


class Peer(Server):
    """A server over HTTP with these tools, and with what a call of them is answered."""

    def __init__(
        self, tools: list[dict[str, Any]], answers: Callable[[Handler, dict[str, Any]], dict[str, Any] | None]
    ) -> None:
        super().__init__()
        self.tools = [{"inputSchema": {"type": "object", "properties": {}}} | tool for tool in tools]
        self.answers = answers
        self.calls: list[dict[str, Any]] = []
        self.at = _Any()  # type: ignore[assignment]
        self.misbehave = self._speak

    def _speak(self, handler: Handler, message: dict[str, Any]) -> bool:
        if message.get("method") == "tools/list":
            result: dict[str, Any] | None = {"tools": self.tools}
        elif message.get("method") == "tools/call":
            self.calls.append(message["params"])
            result = self.answers(handler, message)
        else:
            return False
        if result is not None:
            handler.answer(200, {"jsonrpc": "2.0", "id": message["id"], "result": result})
        return True


class _Any(str):
    """Every method is looked at."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = str.__hash__


@contextmanager
def peer(tools: list[dict[str, Any]], answers: Any) -> Iterator[Peer]:
    """One that ends."""
    server = Peer(tools, answers if callable(answers) else lambda _handler, _message: answers)
    try:
        yield server
    finally:
        server.stop()
