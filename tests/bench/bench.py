"""Wall time, CPU time and memory of whole commands, against other clients, in turns in one run; and calls through `serve`.

Takes the programs from the environment (`cargo xtask bench` sets it); prints a table, or JSON. Fails when a command fails or gives
a wrong answer, never because something was slow: whether a budget holds is a column. Talks to servers on loopback alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import chart
import pages
from budgets import Table
from clock import Wrong
from scenes import Programs, Stage


def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(prog="cargo xtask bench")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--inner", type=Path)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    programs = from_environment(peers=not options.quick)
    table = Table()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:

        def say(what: str) -> None:
            print(f"    {time.monotonic() - started:4.0f} s  {what}", file=sys.stderr, flush=True)

        stage = Stage(programs, table, Path(folder), options.rounds, say)
        try:
            measure(stage, options.rounds, quick=options.quick)
        except Wrong as wrong:
            print(f"Error: {wrong}", file=sys.stderr)
            return 1
    if options.inner:
        inside(table, json.loads(options.inner.read_text(encoding="utf-8")))
    report = {
        "machine": machine(),
        "versions": versions(programs),
        "rounds": options.rounds,
        "quick": options.quick,
        "seconds": round(time.monotonic() - started),
        "rows": [row.json() for row in table],
        "against": stage.extra,
    }
    print(json.dumps(report, indent=2) if options.json else pages.text(report))
    if options.keep:
        keep(report, options.keep)
    return 0


def measure(stage: Stage, rounds: int, *, quick: bool) -> None:
    """All scenes; with `quick`, those that take little, once or twice."""
    if quick:
        rounds = min(rounds, 2)
    stage.lists(1, 1, rounds)
    stage.lists(500, 100, rounds)
    stage.lists(10_000, 100, 1 if quick else min(rounds, 10))
    if quick:
        for row in ("list-100000", "memory-100000"):
            stage.table.skip(row, "too long for --quick")
    else:
        stage.lists(100_000, 100, min(rounds, 3))
    stage.network(min(rounds, 10))
    stage.calls(1 if quick else min(rounds, 7), 70 if quick else 500)
    stage.sync(1 if quick else min(rounds, 7))
    stage.wheel(1 if quick else min(rounds, 7))
    stage.help(1 if quick else rounds)
    stage.health(1 if quick else min(rounds, 5), 250 if quick else 2000)
    if not quick:
        stage.against(rounds)


def inside(table: Table, figures: dict[str, Any]) -> None:
    """Rows that only a process itself can measure."""
    known = {row.id for row in table}
    for row, measured in figures.items():
        # Others are for those who call it by hand.
        if row in known:
            table.put(row, measured, [], "measured inside of a process")


def from_environment(*, peers: bool) -> Programs:
    """The programs that are named."""

    def named(variable: str) -> Path | None:
        value = os.environ.get(variable)
        return Path(value) if value and peers else None

    fastmcp, other = named("FASTMCP_PYTHON"), os.environ.get("AGAINST_BIN")
    return Programs(
        gateway=Path(os.environ["PFLOW_GATEWAY_BIN"]),
        pace=Path(os.environ["PACE_BIN"]),
        pflow=Path(os.environ["PFLOW_BIN"]).parent,
        fastmcp=fastmcp.parent if fastmcp else None,
        node=named("NODE_CLIENTS"),
        curl=shutil.which("curl"),
        other=(os.environ["AGAINST_NAME"], Path(other)) if other else None,
    )


def machine() -> dict[str, Any]:
    """What it was measured on."""
    cpuinfo, meminfo = Path("/proc/cpuinfo"), Path("/proc/meminfo")
    model = [line.split(":", 1)[1].strip() for line in lines(cpuinfo) if line.startswith("model name")]
    memory = [int(line.split()[1]) for line in lines(meminfo) if line.startswith("MemTotal")]
    return {
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "processor": model[0] if model else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory[0] / 1024**2) if memory else None,
        # Of the last minute: whether anybody else was at work.
        "load": round(os.getloadavg()[0], 1),
    }


def lines(file: Path) -> list[str]:
    """Of a file that other systems do not have."""
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def versions(programs: Programs) -> dict[str, str]:
    """Of everything that ran."""

    def said(*command: str | Path) -> str:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
        return done.stdout.strip().splitlines()[0] if done.returncode == 0 and done.stdout.strip() else "unknown"

    def package(python: Path, *names: str) -> dict[str, str]:
        script = "import sys, importlib.metadata as m; print(*(m.version(n) for n in sys.argv[1:]))"
        return dict(zip(names, said(python, "-c", script, *names).split(), strict=False))

    found = {
        "pflow-gateway": said(programs.gateway, "--version").removeprefix("pflow-gateway "),
        # Of the program, which only who built it knows.
        **({"commit": os.environ["PFLOW_GATEWAY_COMMIT"]} if "PFLOW_GATEWAY_COMMIT" in os.environ else {}),
        "Python": platform.python_version(),
        **package(programs.pflow / "python", "pflow-cli"),
        "rmcp": locked("rmcp"),
    }
    if programs.fastmcp:
        found |= package(programs.fastmcp / "python", "fastmcp", "mcp")
    if programs.node:
        for name in ("mcporter", "@modelcontextprotocol/inspector", "node"):
            manifest = programs.node.parent / name / "package.json"
            found[name.rsplit("/", 1)[-1]] = json.loads(manifest.read_text(encoding="utf-8"))["version"]
    if programs.curl:
        found["curl"] = said(programs.curl, "--version").split()[1]
    return found


def locked(package: str) -> str:
    """The version of the native client."""
    text = (Path(__file__).parent / "native" / "Cargo.lock").read_text(encoding="utf-8")
    _, _, rest = text.partition(f'name = "{package}"\nversion = "')
    return rest.partition('"')[0] or "unknown"


def keep(report: dict[str, Any], folder: Path) -> None:
    """As JSON, as a page and as a chart."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("latest.json", json.dumps(report, indent=2) + "\n"),
        ("latest.md", pages.markdown(report)),
        ("latest.svg", chart.svg(report)),
    ):
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
