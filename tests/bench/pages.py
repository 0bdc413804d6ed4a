"""A report as people read it: on a terminal, and as a page of the documentation."""

from __future__ import annotations

from typing import Any

from budgets import shown


def figure(row: dict[str, Any]) -> str:
    """Median, with minimum and maximum."""
    measured = row["measured"]
    if not measured:
        return "-"
    low, high = (shown(measured[key], row["unit"]).split()[0] for key in ("min", "max"))
    return f"{shown(measured['median'], row['unit'])} ({low}-{high})"


def verdict(row: dict[str, Any]) -> str:
    """One word."""
    if not row["measured"]:
        return "not measured"
    unknown = "no budget" if row["budget"] == "-" else "lost in noise"
    return {True: "holds", False: "does not hold", None: unknown}[row["holds"]]


def contenders(row: dict[str, Any]) -> list[list[str]]:
    """Of whole commands: name, wall, CPU, memory of the largest process and of the tree."""
    found = []
    for one in row["contenders"]:
        if "wall_ms" in one:
            wall, cpu = one["wall_ms"], one["cpu_ms"]
            tree = f"{one['tree_mib']:.0f}" if one["tree_mib"] else "-"
            spread = f"{wall['median']:.1f} ({wall['min']:.1f}-{wall['max']:.1f})"
            found.append([one["name"], spread, f"{cpu['median']:.1f}", f"{one['peak_mib']:.0f}", tree])
    return found


def talks(row: dict[str, Any]) -> list[list[str]]:
    """Of conversations: name, calls per second, latencies."""
    return [
        [
            one["name"],
            f"{one['calls_per_second']['median']:,.0f}",
            f"{one['median_ms']['median']:.2f} ({one['median_ms']['min']:.2f}-{one['median_ms']['max']:.2f})",
            f"{one['p90_ms']['median']:.2f}",
        ]
        for one in row["contenders"]
        if "calls_per_second" in one
    ]


# Rows that show what their contenders took; the others of the same scene would show it again.
SCENES = ("list-1", "list-500", "list-10000", "list-100000", "network-10", "sync-1000", "wheel", "help", "health-200")
TALKS = ("serve-call", "at-once-0", "at-once-5", "at-once-10")


def text(report: dict[str, Any]) -> str:
    """For a terminal."""
    rows = report["rows"]
    machine = report["machine"]
    lines = [f"{machine['processor']}, {machine['cores']} cores, load {machine['load']}; {report['rounds']} rounds", ""]
    table = [["what", "budget", "measured", ""]]
    table += [[row["what"], row["budget"], figure(row), f"{verdict(row)}{note(row)}"] for row in rows]
    lines += columns(table)
    for row in rows:
        if row["id"] in SCENES and (found := contenders(row)):
            head = [row["what"].split(",")[0], "wall, ms", "CPU, ms", "MiB", "tree"]
            lines += ["", *columns([head, *found])]
        if row["id"] in TALKS and (found := talks(row)):
            lines += ["", *columns([[row["what"].split(",")[0], "calls/s", "median, ms", "90 %, ms"], *found])]
    for one in report["against"]:
        found = contenders(one)
        lines += ["", *columns([[f"{one['what']}: {one['ratio']['median']:.2f} ×", "wall, ms", "CPU, ms", "MiB", "tree"], *found])]
    return "\n".join(lines)


def note(row: dict[str, Any]) -> str:
    """What a figure is of, or why there is none."""
    return f" ({row['note']})" if row["note"] and row["note"] != "not measured" else ""


def columns(table: list[list[str]]) -> list[str]:
    """Padded."""
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def markdown(report: dict[str, Any]) -> str:
    """A page that the command writes; `README.md` beside it says how to read it."""
    machine, versions = report["machine"], report["versions"]
    memory = f"{machine['memory_gib']} GiB, " if machine["memory_gib"] else ""
    lines = [
        "# Measured",
        "",
        "Written by `cargo xtask bench --keep`; do not edit. [How to read it](README.md).",
        "",
        f"{machine['processor']}, {machine['cores']} cores, {memory}{machine['system']}; load at the end {machine['load']};",
        f"{report['rounds']} rounds at most, {report['seconds']} s in all.",
        ", ".join(f"{name} {version}" for name, version in versions.items()) + ".",
        "",
        "![List of 500 tools, and each budget with what was measured](latest.svg)",
        "",
        *grid([["what", "budget", "measured", "verdict"]], [[r["what"], r["budget"], figure(r), verdict(r) + note(r)] for r in report["rows"]]),
    ]
    for row in report["rows"]:
        if row["id"] in SCENES and (found := contenders(row)):
            lines += ["", f"## {row['what'].split(', against')[0].split(', beyond')[0].capitalize()}", ""]
            lines += grid([["command", "wall, ms", "CPU, ms", "largest process, MiB", "tree, MiB"]], found)
        if row["id"] in TALKS and (found := talks(row)):
            lines += ["", f"## {row['what'].split(':')[0].split(', beyond')[0].capitalize()}", ""]
            lines += grid([["way", "calls per second", "median latency, ms", "90 %, ms"]], found)
    return "\n".join(lines) + "\n"


def grid(head: list[list[str]], rows: list[list[str]]) -> list[str]:
    """A table of Markdown."""
    return [
        *(f"| {' | '.join(cells)} |" for cells in head),
        f"|{'|'.join(' --- ' for _ in head[0])}|",
        *(f"| {' | '.join(cells)} |" for cells in rows),
    ]
