"""Pictures of a terminal, made from what the program showed at one.

Takes what came over the terminal, colours and all; gives an SVG that is the same wherever it is made: times and ports are settled.
Never shows what was not printed.
"""

from __future__ import annotations

import io
import re

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

COLUMNS = 100
# Fonts would be fetched from somewhere; every system has one of its own.
FORMAT = re.sub(r"\s*@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace(
    "font-family: Fira Code, monospace", "font-family: ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace"
)
NO_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-ln-z]")
"""What moves the cursor or asks the terminal for something: everything but colours."""


def settled(shown: str, home: str, port: int) -> str:
    """The same, without what differs from run to run."""
    text = re.sub(r"\r\x1b\[\d+C", "", shown.replace("\r\n", "\n"))
    # A line that was taken away again, and what stood there before.
    text = re.sub(r"[^\n]*\r\x1b\[2K", "", text)
    text = NO_COLOUR.sub("", text.replace("\r", ""))
    text = text.replace(f"127.0.0.1:{port}", "127.0.0.1:8900").replace(home, "~")
    text = re.sub(r"\d[\d.]* ms *\x1b\[0m *", "1.2 ms \x1b[0m  ", text)
    text = re.sub(r"\d[\d.]* ms  ", "1.2 ms  ", text)
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "2026-01-05T09:00:00Z", text)


def plain(settled: str) -> str:
    """The same without colours."""
    return re.sub(r"\x1b\[[\d;]*m", "", settled)


def picture(runs: list[tuple[str, str]], title: str) -> str:
    """An SVG of these command lines, and what each of them showed."""
    console = Console(width=COLUMNS, record=True, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for command, shown in runs:
        console.print(Text.assemble(("$ ", "bold green"), command))
        for line in shown.rstrip("\n").split("\n"):
            console.print(Text.from_ansi(line), soft_wrap=True)
    return console.export_svg(title=title, code_format=FORMAT, unique_id=re.sub(r"\W+", "-", title)) + "\n"
