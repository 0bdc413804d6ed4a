"""What has to be reached, row by row; and what was.

Takes measurements; gives rows with a verdict. Never leaves a row out: what was not measured says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

# Not seen from outside of a process.
INNER = "cargo xtask bench --inner measures it"


@dataclass(frozen=True)
class Budget:
    """A bound, and in what it is counted."""

    what: str
    limit: float | None
    unit: str = "x"
    at_least: bool = False

    def holds(self, value: float) -> bool | None:
        """Nothing where there is no bound."""
        if self.limit is None:
            return None
        return value >= self.limit if self.at_least else value <= self.limit

    @property
    def bound(self) -> str:
        """As it is printed."""
        return "-" if self.limit is None else f"{'≥' if self.at_least else '≤'} {shown(self.limit, self.unit)}"


BUDGETS = {
    "list-1": Budget("list 1 tool, against native rmcp", 1.8),
    "list-500": Budget("list 500 tools in 5 pages, against native rmcp", 1.5),
    "list-10000": Budget("list 10,000 tools in 100 pages, against native rmcp", 1.25),
    "list-100000": Budget("list 100,000 tools in 1,000 pages, against native rmcp", 1.25),
    "network-10": Budget("list 500 tools, 10 ms of network, against native rmcp", 1.0),
    "fastest-peer": Budget("list 500 tools, against the fastest peer", 1 / 25),
    "memory-500": Budget("memory, 500 tools", 18, "MiB"),
    "memory-10000": Budget("memory, 10,000 tools", 45, "MiB"),
    "memory-100000": Budget("memory, 100,000 tools", 300, "MiB"),
    "first-instance": Budget("start to first instance", 4, "ms"),
    "sandbox-list": Budget("list in the sandbox, against our logic natively, HTTP both", 1.8),
    "sandbox-filter": Budget("filter 100,000 tools with two globs, in the sandbox", 100, "ms"),
    "serve-call": Budget("one call through serve, beyond direct rmcp", 0.12, "ms"),
    "at-once-0": Budget("70 calls at once, service of 0 ms: calls per second, of direct", 0.7, "%", at_least=True),
    "at-once-5": Budget("70 calls at once, service of 5 ms: calls per second, of direct", 1.0, "%", at_least=True),
    "at-once-10": Budget("70 calls at once, service of 10 ms: calls per second, of direct", None, "%", at_least=True),
    "latency-0": Budget("70 calls at once, service of 0 ms: median latency, against direct", None),
    "latency-5": Budget("70 calls at once, service of 5 ms: median latency, against direct", 1.5),
    "latency-10": Budget("70 calls at once, service of 10 ms: median latency, against direct", None),
    "sync-1000": Budget("pflow mcp sync of 1,000 tools, against stock direct", 1.02),
    "wheel": Budget("pflow mcp gateway tools, beyond the program and pflow's own import", 5, "ms"),
    # The bound is what two runs of the same command differ by: known when it was measured.
    "help": Budget("pflow --help with the start-up hook, against without", None),
    "health-200": Budget("200 gateways in one health, against the slowest alone", 1.1),
}


def shown(value: float, unit: str) -> str:
    """A figure for people."""
    if unit == "%":
        return f"{value * 100:.0f} %"
    if unit == "x":
        return f"{value:.3f} ×" if value < 0.1 else f"{value:.2f} ×"
    if unit == "MiB":
        return f"{value:.0f} MiB"
    return f"{value:.2f} {unit}" if abs(value) < 10 else f"{value:.1f} {unit}"


@dataclass
class Row:
    """One budget, and what was measured."""

    id: str
    measured: dict[str, float] | None = None
    holds: bool | None = None
    bound: str = ""
    # Why nothing was measured, or what the figure means.
    note: str = ""
    contenders: list[dict[str, Any]] = field(default_factory=list)

    @property
    def budget(self) -> Budget:
        """What it is held against."""
        return BUDGETS[self.id]

    def json(self) -> dict[str, Any]:
        """For JSON."""
        budget = self.budget
        return {
            "id": self.id,
            "what": budget.what,
            "unit": budget.unit,
            "budget": self.bound,
            "measured": self.measured,
            "holds": self.holds,
            "note": self.note,
            "contenders": self.contenders,
        }


class Table:
    """All rows, in the order of the budgets."""

    def __init__(self) -> None:
        self._rows = {id: Row(id, bound=budget.bound, note=INNER) for id, budget in BUDGETS.items()}

    def put(
        self, id: str, measured: dict[str, float], contenders: list[dict[str, Any]], note: str = "", noise: float = 0
    ) -> Row:
        """A row that was measured; with `noise` it is held against that."""
        row = self._rows[id]
        row.measured, row.contenders, row.note = measured, contenders, note
        row.holds = row.budget.holds(measured["median"])
        if measured["median"] < 0:
            # What adds something cannot take less: the figure is the machine's.
            row.holds = None
        if noise:
            row.bound = f"1 ± {noise:.3f} ×"
            row.holds = abs(measured["median"] - 1) <= noise
        return row

    def skip(self, id: str, why: str) -> None:
        """A row that was not."""
        self._rows[id].note = why

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())
