"""The service against what a team would use instead, in one run: calls at 1, 16 and 64 connections, and a long list.

Takes programs from the environment (`cargo xtask bench --team` sets it); prints a table or JSON, and keeps a page. All
contenders stand before the same server, which is never the slow one, and take turns. Fails when an answer is wrong, never
because something was slow.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import proxies
import team_pages
from bench import machine
from clock import Wrong, spread
from proxies import Contender, Proxy

OURS = "pflow-gateway's service"
DIRECT = "nothing between"
# Few enough that nobody is slow because of them.
TOOLS = 20
LISTED = 1_000


def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(prog="cargo xtask bench --team")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    # Whoever ends it ends what it started too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    started = time.monotonic()

    def say(what: str) -> None:
        print(f"    {time.monotonic() - started:4.0f} s  {what}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(os.environ["PACE_BIN"]), Path(folder), say, quick=options.quick)
        try:
            found = bench.contenders()
            bench.measure(found, 1 if options.quick else options.rounds)
        except Wrong as wrong:
            print(f"Error: {wrong}", file=sys.stderr)
            return 1
    report = bench.report(found)
    report |= {"machine": machine(), "rounds": 1 if options.quick else options.rounds, "quick": options.quick}
    report |= {"seconds": round(time.monotonic() - started)}
    print(json.dumps(report, indent=2) if options.json else team_pages.text(report))
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        for name, text in (
            ("team.json", json.dumps(report, indent=2) + "\n"),
            ("team.md", team_pages.markdown(report)),
            ("team.svg", team_pages.svg(report)),
        ):
            (options.keep / name).write_text(text, encoding="utf-8")
    return 0


class Bench:
    """What is measured, and what came of it."""

    def __init__(self, pace: Path, folder: Path, say: Any, *, quick: bool) -> None:
        self.pace, self.folder, self.say, self.quick = pace, folder, say, quick
        self.connections = (1, 4) if quick else (1, 16, 64)
        self.seconds = 0.5 if quick else 5.0
        self.listed = 100 if quick else LISTED
        # By contender, then by scene ("1", "16", "list"), then by figure: one number of each round.
        self.figures: dict[str, dict[str, dict[str, list[float]]]] = {}
        self.number = 0

    def contenders(self) -> list[Contender]:
        """Ours, as it is deployed and without instances that are kept, and everybody else whose program is named."""
        wasmtime = Path(os.environ["WASMTIME_BIN"])
        code = self.folder / "service.cwasm"
        compiled = [wasmtime, "compile", "-o", code, os.environ["SERVICE_WASM"]]
        done = subprocess.run(compiled, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Wrong(done.stderr)
        engine = {"wasmtime": said(wasmtime, "--version").split()[1]}
        kept = proxies.service(wasmtime, code, *proxies.DEPLOYED)
        found = [Contender(OURS, kept, ours=True, versions=engine)]
        if not self.quick:
            found += [
                Contender(f"{OURS}, MCP 2026-07-28", kept, ours=True, era="modern"),
                Contender(f"{OURS}, an instance for each request", proxies.service(wasmtime, code), ours=True),
            ]
        for name, variable, start, package in (
            ("FastMCP's proxy", "FASTMCP_PYTHON", proxies.fastmcp, "fastmcp"),
            ("ContextForge", "CONTEXTFORGE_PYTHON", proxies.context_forge, "mcp-contextforge-gateway"),
            ("LiteLLM's MCP gateway", "LITELLM_PYTHON", proxies.litellm, "litellm"),
        ):
            if python := os.environ.get(variable):
                script = f"import importlib.metadata as m; print(m.version({package!r}))"
                version = said(python, "-c", script).strip()
                found.append(Contender(name, start(Path(python)), versions={package: version}))
        return found

    def measure(self, contenders: list[Contender], rounds: int) -> None:
        """All of them, in turns: each starts anew in each round, so that no memory is that of the round before."""
        calls = [(connections, "call") for connections in self.connections]
        scenes = [(TOOLS, calls), (self.listed, [(1, "list")])]
        if self.quick:
            # One start of each.
            scenes = [(self.listed, [*calls, (1, "list")])]
        for number in range(rounds):
            for tools, loads in scenes:
                with self.server(tools) as server:
                    for connections, what in loads:
                        self.load(DIRECT, None, server, connections, tools, "legacy", what)
                    for contender in contenders if number % 2 == 0 else reversed(contenders):
                        with self.running(contender, server) as proxy:
                            for connections, what in loads:
                                self.load(contender.name, proxy, proxy.url, connections, tools, contender.era, what)

    @contextmanager
    def running(self, contender: Contender, server: str) -> Iterator[Proxy]:
        """One that was just started."""
        self.number += 1
        self.say(contender.name)
        with contender.running(server, self.folder / str(self.number)) as proxy:
            yield proxy

    @contextmanager
    def server(self, tools: int, service_ms: int = 0) -> Iterator[str]:
        """The server that all of them stand before. One page: some read no second one."""
        command = [str(self.pace), "serve", "--tools", str(tools), "--page", str(tools), "--service", str(service_ms)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdin and child.stdout
            line = child.stdout.readline()
            if not line:
                raise Wrong("pace serve did not start")
            yield json.loads(line)["urls"][0]
            child.stdin.close()

    def load(self, name: str, proxy: Proxy | None, url: str, connections: int, tools: int, era: str, what: str) -> None:
        """So many clients for some seconds: what they saw, and what it took the proxy."""
        # A warm client of each kind, where the slow ones take seconds to have 64 of them.
        warm = max(1, 20 // connections)
        command = [self.pace, "load", "--url", url, "--connections", connections, "--seconds", self.seconds]
        command += ["--warm", warm, "--tools", tools, "--era", era, "--what", what]
        env = {"PATH": "/usr/bin:/bin"}
        if proxy:
            command += ["--bearer-env", "TOKEN"]
            env["TOKEN"] = proxy.token
        with subprocess.Popen(
            [str(word) for word in command],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as child, ended(child):
            assert child.stdin and child.stdout and child.stderr
            ready = child.stdout.readline()
            before = 0.0
            if ready and proxy:
                proxy.forget_peak()
                before = proxy.cpu()
            told = ""
            if ready:
                child.stdin.write("\n")
                child.stdin.flush()
                told = child.stdout.readline()
            if not told:
                tail = proxy.log.read_text(encoding="utf-8", errors="replace")[-1500:] if proxy else ""
                raise Wrong(f"{name}, {connections} connections, {what}: {child.stderr.read().strip()}\n{tail}")
            said = json.loads(told)
            figures = {"per_second": said["per_second"], "p50_ms": said["p50_ms"], "p99_ms": said["p99_ms"]}
            if proxy:
                # A clock of 10 ms: less than that cannot be told from nothing.
                used = max(proxy.cpu() - before, 0.01)
                figures |= {"per_core": said["count"] / used, "cpu_ms": used * 1000 / said["count"], "peak_mib": proxy.peak()}
        scene = self.figures.setdefault(name, {}).setdefault("list" if what == "list" else str(connections), {})
        for key, value in figures.items():
            scene.setdefault(key, []).append(value)

    def report(self, contenders: list[Contender]) -> dict[str, Any]:
        """For JSON."""
        found = [{"name": DIRECT, "ours": False, "scenes": self.spreads(DIRECT)}]
        found += [{"name": one.name, "ours": one.ours, "scenes": self.spreads(one.name)} for one in contenders]
        versions: dict[str, str] = {}
        for one in contenders:
            versions |= one.versions
        return {
            "versions": versions,
            "tools": TOOLS,
            "listed": self.listed,
            "connections": list(self.connections),
            "contenders": found,
            "goals": self.goals([one.name for one in contenders if not one.ours]),
        }

    def spreads(self, name: str) -> dict[str, dict[str, dict[str, float]]]:
        """Of each figure the median, minimum and maximum of all rounds."""
        return {
            scene: {key: spread(values) for key, values in figures.items()}
            for scene, figures in self.figures[name].items()
        }

    def goals(self, others: list[str]) -> list[dict[str, Any]]:
        """What was to be reached: five times the calls per second and core of the best of them, and a third of the least memory."""
        goals = []
        for scene in (*map(str, self.connections), "list"):
            ours = self.figures[OURS][scene]
            for figure, what, bound, best in (
                ("per_core", "per second of CPU time", 5.0, max),
                ("peak_mib", "peak memory", 1 / 3, min),
            ):
                theirs = [best(values) for values in zip(*(self.figures[name][scene][figure] for name in others), strict=True)]
                measured = spread([mine / their for mine, their in zip(ours[figure], theirs, strict=True)])
                holds = measured["median"] >= bound if figure == "per_core" else measured["median"] <= bound
                subject = f"calls at {scene} connection{'' if scene == '1' else 's'}"
                if scene == "list":
                    subject = f"lists of {self.listed:,} tools"
                name = f"{what}, {subject}" if figure == "peak_mib" else f"{subject}, {what}"
                goals.append({"what": name, "figure": figure, "bound": bound, "measured": measured, "holds": holds})
        return goals


@contextmanager
def ended(child: subprocess.Popen[str]) -> Iterator[None]:
    """Nobody waits for its warm clients when the measurement is over for another reason."""
    try:
        yield
    except BaseException:
        child.kill()
        raise


def said(*command: str | Path) -> str:
    """What a program prints."""
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
