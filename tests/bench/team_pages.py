"""A report of `cargo xtask bench --team` as people read it: on a terminal, as a page of the documentation, and as a picture."""

from __future__ import annotations

import math
from typing import Any
from xml.sax.saxutils import escape

from chart import LEFT, LINE, RIGHT, STYLE, WIDTH, words
from pages import columns, grid

HEAD = ["", "a second", "a second of CPU", "p50, ms", "p99, ms", "peak, MiB"]


def scenes(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Each scene's name, and what it is."""
    found = [(str(count), f"Calls, {count} connection{'s' if count > 1 else ''}") for count in report["connections"]]
    return [*found, ("list", f"Lists of {report['listed']:,} tools, 1 connection")]


def number(value: float) -> str:
    """With three digits at least, where there are as many."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cell(figures: dict[str, dict[str, float]], key: str) -> str:
    """Median, with minimum and maximum."""
    if key not in figures:
        return "-"
    found = figures[key]
    return f"{number(found['median'])} ({number(found['min'])}-{number(found['max'])})"


def rows(report: dict[str, Any], scene: str) -> list[list[str]]:
    """Contenders of a scene."""
    keys = ("per_second", "per_core", "p50_ms", "p99_ms", "peak_mib")
    return [[one["name"], *(cell(one["scenes"][scene], key) for key in keys)] for one in report["contenders"]]


def goals(report: dict[str, Any]) -> list[list[str]]:
    """Whether they hold."""
    found = []
    for goal in report["goals"]:
        bound = "≥ 5 ×" if goal["figure"] == "per_core" else "≤ 0.33 ×"
        measured = f"{number(goal['measured']['median'])} × ({number(goal['measured']['min'])}-{number(goal['measured']['max'])})"
        found.append([goal["what"], bound, measured, "holds" if goal["holds"] else "does not hold"])
    return found


def text(report: dict[str, Any]) -> str:
    """For a terminal."""
    machine = report["machine"]
    lines = [f"{machine['processor']}, {machine['cores']} cores, load {machine['load']}; {report['rounds']} rounds"]
    lines += ["", *columns([["against the best of the others", "goal", "measured", ""], *goals(report)])]
    for scene, name in scenes(report):
        lines += ["", *columns([[name, *HEAD[1:]], *rows(report, scene)])]
    return "\n".join(lines)


def markdown(report: dict[str, Any]) -> str:
    """A page that the command writes; `README.md` beside it says what bounds the figures."""
    machine = report["machine"]
    memory = f"{machine['memory_gib']} GiB, " if machine["memory_gib"] else ""
    lines = [
        "# The service against what a team would use instead",
        "",
        "Written by `cargo xtask bench --team --keep`; do not edit. [How to read it, and what bounds it](README.md#the-service).",
        "",
        f"{machine['processor']}, {machine['cores']} cores, {memory}{machine['system']}; load at the end {machine['load']};",
        f"{report['rounds']} rounds, {report['seconds']} s in all.",
        ", ".join(f"{name} {version}" for name, version in report["versions"].items()) + ".",
        "",
        "![Calls per second of CPU time, and peak memory](team.svg)",
        "",
        *grid([["against the best of the others", "goal", "measured", "verdict"]], goals(report)),
    ]
    for scene, name in scenes(report):
        lines += ["", f"## {name}", "", *grid([HEAD], rows(report, scene))]
    return "\n".join(lines) + "\n"


def svg(report: dict[str, Any]) -> str:
    """Two charts: calls for a second of CPU time, and memory, both at the most connections. Logarithmic: orders lie between."""
    most = str(report["connections"][-1])
    body: list[str] = []
    top = 30
    for key, title, unit in (
        ("per_core", f"Calls for a second of CPU time, {most} connections: longer is better", ""),
        ("peak_mib", f"Peak memory, {most} connections: shorter is better", " MiB"),
    ):
        body.append(words(16, top, title, "head"))
        top += 12
        values = [
            (one["name"], one["ours"], one["scenes"][most][key]["median"])
            for one in report["contenders"]
            if key in one["scenes"][most]
        ]
        start, end = math.log(min(value for *_, value in values) / 2), math.log(max(value for *_, value in values))
        for name, ours, value in sorted(values, key=lambda one: one[2], reverse=key == "per_core"):
            top += LINE
            width = (WIDTH - LEFT - RIGHT) * (math.log(value) - start) / max(end - start, 0.1)
            kind = "ours" if ours else "bar"
            body.append(words(LEFT - 10, top, name, "", "end"))
            body.append(f'<rect class="{kind}" x="{LEFT}" y="{top - 12}" width="{width:.1f}" height="16" rx="2"/>')
            body.append(words(LEFT + width + 8, top, f"{number(value)}{unit}", "dim"))
        top += 2 * LINE
    title = escape(f"pflow-gateway's service against other proxies, {report['machine']['processor']}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top - LINE}" role="img">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n" + "\n".join(body) + "\n</svg>\n"
    )
