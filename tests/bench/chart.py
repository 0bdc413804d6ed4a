"""A report as a picture: who lists 500 tools how fast, and how each budget stands.

Takes a report; gives SVG that is legible on light and dark pages, without a script or a font of its own. Bars are logarithmic:
the native client and the slowest peer are two orders of magnitude apart.
"""

from __future__ import annotations

import math
from typing import Any
from xml.sax.saxutils import escape

from budgets import BUDGETS, shown
from pages import verdict

WIDTH, LEFT, RIGHT, LINE = 860, 330, 150, 24
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 } .head { font-weight: 600; font-size: 15px }
  .dim { fill: #59636e } .bar { fill: #8c959f } .ours { fill: #0969da } .good { fill: #1a7f37 } .bad { fill: #bc4c00 }
  .rule { stroke: #d1d9e0 } .bound { stroke: #1f2328; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .dim { fill: #9198a1 } .bar { fill: #656c76 } .ours { fill: #4493f8 } .good { fill: #3fb950 }
    .bad { fill: #db6d28 } .rule { stroke: #3d444d } .bound { stroke: #f0f6fc }
  }
"""


def svg(report: dict[str, Any]) -> str:
    """Two charts, one below the other."""
    body, top = [], 30
    rows = {row["id"]: row for row in report["rows"]}
    lists = [one for one in rows["list-500"]["contenders"] if one["name"] != "pflow's own import"]
    if lists:
        body.append(words(16, top, "500 tools in 5 pages: wall time of the whole command, median", "head"))
        top += 12
        for one in sorted(lists, key=lambda one: one["wall_ms"]["median"]):
            top += LINE
            body += bar(top, one["name"], one["wall_ms"]["median"], lists)
        top += 2 * LINE
    body.append(words(16, top, "Budgets: what was measured, as a share of what is allowed", "head"))
    body.append(words(WIDTH - 16, top, "shorter is better", "dim", "end"))
    top += 12
    begun = top
    for row in report["rows"]:
        limit = limit_of(row)
        if row["measured"] and limit is not None:
            top += LINE
            body += share(top, row, limit)
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    body.append(f'<line class="bound" x1="{middle}" x2="{middle}" y1="{begun + 6}" y2="{top + 8}"/>')
    height = top + LINE
    title = escape(f"pflow-gateway {report['versions'].get('pflow-gateway', '')}, {report['machine']['processor']}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n" + "\n".join(body) + "\n</svg>\n"
    )


def words(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    """A line of text."""
    return f'<text x="{x:.1f}" y="{y}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'


def bar(y: int, name: str, value: float, among: list[dict[str, Any]]) -> list[str]:
    """One contender: from half of the quickest on, logarithmic."""
    walls = [one["wall_ms"]["median"] for one in among]
    start, end = math.log(min(walls) / 2), math.log(max(walls))
    width = (WIDTH - LEFT - RIGHT) * (math.log(value) - start) / max(end - start, 0.1)
    kind = "ours" if "pflow" in name else "bar"
    return [
        words(LEFT - 10, y, name, "", "end"),
        f'<rect class="{kind}" x="{LEFT}" y="{y - 12}" width="{width:.1f}" height="16" rx="2"/>',
        words(LEFT + width + 8, y, f"{value:,.1f} ms", "dim"),
    ]


def limit_of(row: dict[str, Any]) -> float | None:
    """The bound as a number; the share is of it."""
    return BUDGETS[row["id"]].limit


def share(y: int, row: dict[str, Any], limit: float) -> list[str]:
    """One budget: the middle is the bound, left of it is good."""
    value = row["measured"]["median"]
    used = limit / value if BUDGETS[row["id"]].at_least else value / limit
    width = (WIDTH - LEFT - RIGHT) * min(max(used, 0.0), 2.0) / 2
    kind = "good" if verdict(row) == "holds" else "bad"
    what = row["what"] if len(row["what"]) <= 44 else row["what"][:42] + "…"
    return [
        words(LEFT - 10, y, what, "", "end"),
        f'<rect class="{kind}" x="{LEFT}" y="{y - 12}" width="{width:.1f}" height="16" rx="2"/>',
        words(WIDTH - RIGHT + 8, y, f"{shown(value, row['unit'])} of {row['budget'].lstrip('≤≥ ')}", "dim"),
    ]
