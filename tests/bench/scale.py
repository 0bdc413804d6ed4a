"""How many users a replica serves: costs measured once, a formula, and a simulation that it has to agree with.

Takes a file of measured costs (`--costs`, as `docs/performance/scale.json`), or measures them anew (`cargo xtask bench
--scale` names the programs); prints the tables of `docs/scale.md`. Never adjusts a cost so that a prediction fits.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import proxies
import simulate
from bench import machine
from clock import Wrong
from pages import columns
from proxies import Proxy
from simulate import Costs, Seen
from team import Bench

USERS = (1_000, 10_000, 100_000)
EVERY = 30.0
"""Seconds between two calls of one user at work."""
UPSTREAM = 0.2
"""Seconds that a gateway takes for a call, in the mean."""
BUSY = 0.7
"""Of the cores; above it queues grow quickly."""
WITHIN = 0.25
"""The error within which a measured point must be predicted."""


@dataclass(frozen=True)
class Measured:
    """Milliseconds of CPU time, and MiB."""

    call_ms: float
    modern_ms: float
    cold_ms: float
    list_ms: float
    page_ms: float
    ping_ms: float
    base_mib: float
    instance_mib: float
    first_byte_ms: float
    tools: int


def main() -> int:
    """Measure, or take what was measured; then tell."""
    parser = argparse.ArgumentParser(prog="cargo xtask bench --scale")
    parser.add_argument("--costs", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    report: dict[str, Any]
    if options.costs:
        report = json.loads(options.costs.read_text(encoding="utf-8"))
    else:
        try:
            report = measure(quick=options.quick)
        except Wrong as wrong:
            print(f"Error: {wrong}", file=sys.stderr)
            return 1
    measured = Measured(**report["costs"])
    print("\n".join(told(measured, report["points"], quick=options.quick)))
    if options.keep:
        (options.keep / "scale.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


# What is measured


def measure(*, quick: bool) -> dict[str, Any]:
    """Costs, and points that the model has to predict from them."""
    seconds = 1.0 if quick else 8.0

    def say(what: str) -> None:
        print(f"    {what}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(os.environ["PACE_BIN"]), Path(folder), say, quick=quick)
        bench.seconds = seconds
        kept, _, cold = service(bench)
        few, many = (4, 16) if quick else (4, 64)
        tools = 20
        with bench.server(tools) as server:
            with kept.running(server, Path(folder) / "kept") as proxy:
                base = load(bench, "calls", proxy, 1, tools)
                modern = load(bench, "modern", proxy, 1, tools, "modern")
                listed = load(bench, "list", proxy, 1, tools, what="list")
                page, ping = (small(proxy, what, 200 if quick else 4_000) for what in ("page", "ping"))
                load(bench, "few", proxy, few, tools)
                little = load(bench, "few", proxy, few, tools)["peak_mib"]
                much = load(bench, "many", proxy, many, tools)["peak_mib"]
            with cold.running(server, Path(folder) / "cold") as proxy:
                fresh = load(bench, "cold", proxy, 1, tools)
                first = first_byte(proxy, 50 if quick else 500)
        costs = Measured(
            call_ms=base["cpu_ms"],
            modern_ms=modern["cpu_ms"],
            cold_ms=fresh["cpu_ms"],
            list_ms=listed["cpu_ms"],
            page_ms=page,
            ping_ms=ping,
            base_mib=base["peak_mib"],
            instance_mib=max(much - little, 0.0) / (many - few),
            first_byte_ms=first,
            tools=tools,
        )
        points = []
        for service_ms, clients in ((50, 4),) if quick else ((50, 16), (200, 64), (0, 4)):
            with bench.server(tools, service_ms) as server, kept.running(server, Path(folder) / f"at-{service_ms}") as proxy:
                found = load(bench, f"{service_ms}", proxy, clients, tools)
            points.append(
                {"service_ms": service_ms, "clients": clients, "per_second": found["per_second"], "p50_ms": found["p50_ms"]}
            )
    return {"machine": machine(), "costs": asdict(costs), "points": points}


def service(bench: Bench) -> Any:
    """Ours: with instances that are kept, and without."""
    wasmtime, code = Path(os.environ["WASMTIME_BIN"]), bench.folder / "service.cwasm"
    compiled = [wasmtime, "compile", "-o", code, os.environ["SERVICE_WASM"]]
    done = subprocess.run(compiled, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Wrong(done.stderr)
    kept = proxies.Contender("kept", proxies.service(wasmtime, code, *proxies.DEPLOYED), ours=True)
    return kept, code, proxies.Contender("cold", proxies.service(wasmtime, code), ours=True)


def load(
    bench: Bench, name: str, proxy: Proxy, connections: int, tools: int, era: str = "legacy", what: str = "call"
) -> dict[str, float]:
    """What one load came to."""
    bench.figures.clear()
    bench.load(name, proxy, proxy.url, connections, tools, era, what)
    [scene] = bench.figures[name].values()
    return {key: values[-1] for key, values in scene.items()}


def small(proxy: Proxy, what: str, count: int) -> float:
    """Milliseconds of CPU time of what asks no gateway: a page, or a ping within a session, whose id is opened for it."""
    host = proxy.url.split("/")[2]
    connection = http.client.HTTPConnection(host, timeout=60)
    headers = {
        "Authorization": f"Bearer {proxy.token}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
    }

    def ask(method: str, path: str, message: Any = None) -> http.client.HTTPResponse:
        connection.request(method, path, None if message is None else json.dumps(message), headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise Wrong(f"{what}: {answer.status}")
        return answer

    if what == "ping":
        params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "scale", "version": "1"}}
        hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
        headers["Mcp-Session-Id"] = ask("POST", "/gw/mcp", hello).headers["Mcp-Session-Id"]
    before = proxy.cpu()
    for number in range(count):
        if what == "ping":
            ask("POST", "/gw/mcp", {"jsonrpc": "2.0", "id": number, "method": "ping"})
        else:
            ask("GET", "/health")
    return (proxy.cpu() - before) * 1000 / count


def first_byte(proxy: Proxy, count: int) -> float:
    """Milliseconds until the first byte of a page comes, of an instance that is made for it: the median."""
    host = proxy.url.split("/")[2]
    connection = http.client.HTTPConnection(host, timeout=60)
    took = []
    for _ in range(count):
        started = time.perf_counter()
        connection.request("GET", "/health")
        answer = connection.getresponse()
        took.append((time.perf_counter() - started) * 1000)
        answer.read()
    return sorted(took)[count // 2]


# What is predicted


def formula(measured: Measured, users: int, cores: int = 2, at_once: int = 256) -> dict[str, float]:
    """Without a queue: what the means say. Requests at once are a Poisson number, so four deviations more are rarely seen."""
    per_second = users / EVERY
    cpu = measured.call_ms / 1000
    mean = per_second * (UPSTREAM + cpu)
    needed = per_second * cpu / BUSY / cores
    replicas = max(1, math.ceil(needed))
    while mean / replicas + 4 * math.sqrt(mean / replicas) > at_once:
        replicas += 1
    most = mean / replicas + 4 * math.sqrt(mean / replicas)
    return {
        "per_second": per_second,
        "replicas": replicas,
        "busy": per_second * cpu / (cores * replicas),
        "at_once": mean / replicas,
        "most_at_once": most,
        "mib": measured.base_mib + measured.instance_mib * most,
    }


def costs(measured: Measured, upstream: float = UPSTREAM) -> Costs:
    """Of a call, for the simulation."""
    return Costs(cpu=measured.call_ms / 1000, upstream=upstream)


def predicted(measured: Measured, point: dict[str, Any]) -> Seen:
    """A point as the simulation sees it. The load and the server run on the same cores as the replica, and take their part of them."""
    upstream = point["service_ms"] / 1000
    simulation = simulate.Simulation(costs(measured, upstream), 1, upstream=lambda mean: mean)
    simulation.closed = True
    for client in range(point["clients"]):
        simulation.at(client * 1e-6, client)
    return simulation.run(20, 4)


def told(measured: Measured, points: list[dict[str, Any]], *, quick: bool) -> list[str]:
    """The tables."""
    lines = columns([["cost", ""], *([name, f"{value:.3f}"] for name, value in asdict(measured).items())])
    rows = [["clients", "gateway, ms", "measured a second", "predicted", "error"]]
    for point in points:
        seen = predicted(measured, point)
        error = seen.per_second / point["per_second"] - 1
        cells = [point["clients"], point["service_ms"], f"{point['per_second']:.0f}"]
        cells += [f"{seen.per_second:.0f}", f"{error:+.0%}"]
        rows.append([str(cell) for cell in cells])
    lines += ["", *columns(rows)]
    head = ["users", "calls a second", "replicas", "cores busy", "at once", "most"]
    head += ["simulated busy", "most", "p50, ms", "p99, ms", "MiB"]
    rows = [head]
    for users in USERS[:1] if quick else USERS:
        said = formula(measured, users)
        replicas = int(said["replicas"])
        seen = simulate.steady(costs(measured), replicas, said["per_second"], 60)
        rows.append(
            [
                *(f"{users:,}", f"{said['per_second']:,.0f}", str(replicas), f"{said['busy']:.1%}"),
                *(f"{said['at_once']:.0f}", f"{said['most_at_once']:.0f}", f"{seen.busy:.1%}", str(seen.most_at_once)),
                *(f"{seen.percentile(0.5) * 1000:.0f}", f"{seen.percentile(0.99) * 1000:.0f}", f"{said['mib']:.0f}"),
            ]
        )
    lines += ["", *columns(rows)]
    rows = [["at the full minute", "within, s", "replicas", "p50, s", "p99, s", "most at once"]]
    for users in USERS[:1] if quick else USERS:
        replicas = int(formula(measured, users)["replicas"])
        for within in (1, 10):
            seen = simulate.on_the_minute(costs(measured), replicas, users, within)
            cells = [f"{seen.percentile(0.5):.1f}", f"{seen.percentile(0.99):.1f}", str(seen.most_at_once)]
            rows.append([f"{users:,}", str(within), str(replicas), *cells])
    return [*lines, "", *columns(rows)]


if __name__ == "__main__":
    sys.exit(main())
