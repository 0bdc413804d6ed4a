"""Wall time and memory of whole commands, against other clients, alternating in one run.

Takes the programs from the environment (`cargo xtask bench` sets it); prints one table. Says ratios, since absolute times are
this machine's. Talks to an imitation gateway on loopback alone.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "15"))


@dataclass
class Row:
    """One command, and what its runs took."""

    name: str
    argv: list[str]
    env: dict[str, str]
    walls: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)

    def run(self) -> None:
        """Run it once: seconds of wall time and of CPU, MB of peak resident memory of the process itself (`wait4`)."""
        started = time.perf_counter()
        child = subprocess.Popen(
            self.argv, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        _, status, usage = os.wait4(child.pid, 0)
        self.walls.append(time.perf_counter() - started)
        self.cpu.append(usage.ru_utime + usage.ru_stime)
        self.peaks.append(usage.ru_maxrss / 1024)
        said = child.stderr.read().decode() if child.stderr else ""
        if os.waitstatus_to_exitcode(status) != 0:
            raise SystemExit(f"{self.name} failed: {said}")


def compare(title: str, rows: list[Row], rounds: int = ROUNDS) -> None:
    """Run all rows in turns, so that whatever else the machine does meets all of them, and print medians and ratios."""
    for row in rows:
        row.run()
        row.walls.clear()
        row.cpu.clear()
        row.peaks.clear()
    for _ in range(rounds):
        for row in rows:
            row.run()
    base = statistics.median(rows[0].walls)
    print(f"\n{title} ({rounds} rounds; medians of wall time with minimum and maximum, and of CPU time; highest peak)")
    for row in rows:
        wall = statistics.median(row.walls)
        spread = f"{min(row.walls):.3f}-{max(row.walls):.3f}"
        cpu = f"CPU {statistics.median(row.cpu):.3f} s"
        print(f"  {row.name:<44} {wall:7.3f} s  ({spread})  {cpu}  {max(row.peaks):5.0f} MB  {wall / base:6.2f} x")


def main() -> None:
    """Measure."""
    gateway, fake = os.environ["PFLOW_GATEWAY_BIN"], os.environ["FAKE_GATEWAY_BIN"]
    fastmcp = Path(os.environ["FASTMCP_PYTHON"]).parent / "fastmcp"
    pflow = os.environ["PFLOW_BIN"]
    with tempfile.TemporaryDirectory() as home:
        env = {"PATH": os.environ["PATH"], "HOME": home, "LANG": "C.UTF-8"}
        flags = ["--page", "100", "--separator", "_", "--services", "github:200,slack:200,lab:100"]
        server = subprocess.Popen(
            [fake, "generic", *flags, "--era", "dual"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            assert server.stdout is not None
            url = json.loads(server.stdout.readline())["url"]
            if other := os.environ.get("AGAINST_BIN"):
                name = os.environ["AGAINST_NAME"]
                for command in (["test", url], ["tools", url, "--json"], ["call", url, "github_list_issues", "--args", "{}"]):
                    compare(
                        f"{command[0]}, against {name}, 500 tools in 5 pages, loopback",
                        [Row(f"at {name}", [other, *command], env), Row("now", [gateway, *command], env)],
                    )
            compare(
                "500 tools in 5 pages, loopback",
                [
                    Row("pflow-gateway test", [gateway, "test", url], env),
                    Row("pflow-gateway tools --json", [gateway, "tools", url, "--json"], env),
                    Row("fastmcp list --json", [str(fastmcp), "list", url, "--json"], env),
                ],
            )
            compare(
                "pflow --help, start-up hook on and off",
                [
                    Row("off (PFLOW_GATEWAY_DISABLE=1)", [pflow, "--help"], {**env, "PFLOW_GATEWAY_DISABLE": "1"}),
                    Row("on", [pflow, "--help"], env),
                ],
            )
        finally:
            server.terminate()
            server.wait()
    sys.stdout.flush()


if __name__ == "__main__":
    main()
