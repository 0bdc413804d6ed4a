"""The demo gateway, and the program at a terminal before it.

Takes a cache; gives what commands show. Its home has a short name, so that lines are broken where they are for most people.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pictures
from conftest import needed
from processes import Program, free_port
from terminal import Terminal


class Demo:
    """The demo gateway, and the program at a terminal before it."""

    def __init__(self, home: Path, cache: Path) -> None:
        self.home, self.port = home, free_port()
        self.binary = needed("PFLOW_GATEWAY_BIN")
        self.env = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            "XDG_CACHE_HOME": str(cache),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "DEMO_TOKEN": "try-me",
        }
        log = home / "demo.log"
        self.program = Program(
            [self.binary, "demo", "--listen", f"127.0.0.1:{self.port}", "--token-env", "DEMO_TOKEN"], log, self.env
        )
        self.program.ready(lambda: "Demo gateway at" in log.read_text(encoding="utf-8") or None, 60)

    @property
    def url(self) -> str:
        """Its MCP endpoint."""
        return f"http://127.0.0.1:{self.port}/mcp"

    def at_a_terminal(
        self,
        *words: str,
        columns: int = pictures.COLUMNS,
        typed: Callable[[Terminal], None] | None = None,
        code: int | None = 0,
    ) -> str:
        """What a command shows, after this was typed; what differs from run to run is settled."""
        terminal = Terminal([self.binary, *words], self.env, self.home, columns)
        try:
            if typed:
                typed(terminal)
            ended = terminal.end()
            assert code is None or ended == code, terminal.shown
            return pictures.settled(terminal.shown, str(self.home), self.port)
        finally:
            terminal.close()

    def add(self) -> None:
        """The demo gateway is configured."""
        self.at_a_terminal("add", "demo", self.url, "--bearer-env", "DEMO_TOKEN")

    def run(self, *words: str, typed: Callable[[Terminal], None] | None = None) -> tuple[str, str]:
        """A command line as the page shows it, and what came."""
        line = " ".join(f'"{word}"' if " " in word else word for word in ("pflow-gateway", *words))
        return line.replace(str(self.port), "8900"), self.at_a_terminal(*words, typed=typed)


@contextmanager
def running(cache: Path) -> Iterator[Demo]:
    """One that ends, in a home of its own."""
    with tempfile.TemporaryDirectory(prefix="p", dir="/tmp") as home:
        demo = Demo(Path(home), cache)
        try:
            yield demo
        finally:
            demo.program.stop()
