"""`docs/scale.md`: the simulation agrees with what queueing theory knows, and the formula with the simulation.

The page agrees with the figures, and a point that is measured here with what is predicted for it.

How fast anything is, no test says.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import HERE, needed

BENCH = HERE.parent / "bench"
ROOT = HERE.parent.parent
sys.path.insert(0, str(BENCH))

import scale  # noqa: E402
import simulate  # noqa: E402


def erlang_c(servers: int, load: float) -> float:
    """The chance to wait, where `load` servers of so many are busy in the mean."""
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    return last / (sum(load**k / math.factorial(k) for k in range(servers)) + last)


@pytest.mark.parametrize("servers", [1, 2, 4])
def test_a_queue_of_which_everything_is_known_comes_out_as_it_is_known(servers: int) -> None:
    service, busy = 0.01, 0.7
    costs = simulate.Costs(cpu=service, upstream=0, before=1.0, cores=servers, at_once=10**9)
    simulation = simulate.Simulation(costs, 1, seed=7, upstream=lambda _: 0.0)
    simulation.cpu = lambda mean: simulation.random.expovariate(1 / mean)
    rate = busy * servers / service
    for when in simulate.poisson(simulation.random, rate, 60_000 / rate):
        simulation.at(when, 0)
    seen = simulation.run(60_000 / rate, 6_000 / rate)
    mean = sum(seen.latencies) / len(seen.latencies)
    expected = service + erlang_c(servers, busy * servers) * service / (servers * (1 - busy))
    assert mean == pytest.approx(expected, rel=0.07)
    assert seen.busy == pytest.approx(busy, rel=0.02)


def test_who_finds_the_door_shut_waits_and_nobody_is_lost() -> None:
    costs = simulate.Costs(cpu=0.001, upstream=1.0, at_once=10)
    seen = simulate.on_the_minute(costs, 2, 200, 0.1)
    assert len(seen.latencies) == 200 and seen.most_at_once == 10
    # Twenty at once, a second each: the last ones wait for nine others.
    assert 6 < seen.percentile(0.99) < 20


KEPT = json.loads((ROOT / "docs" / "performance" / "scale.json").read_text(encoding="utf-8"))
MEASURED = scale.Measured(**KEPT["costs"])


@pytest.mark.parametrize("users", [1_000, 10_000])
def test_formula_and_simulation_agree(users: int) -> None:
    said = scale.formula(MEASURED, users)
    seen = simulate.steady(scale.costs(MEASURED), int(said["replicas"]), said["per_second"], 60)
    assert seen.per_second == pytest.approx(said["per_second"], rel=0.1)
    assert seen.busy == pytest.approx(said["busy"], rel=0.15)
    assert seen.most_at_once == pytest.approx(said["most_at_once"], rel=0.25)


def test_every_point_that_was_measured_was_predicted_within_the_error_that_the_page_states() -> None:
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    assert f"{scale.WITHIN:.0%}".replace("%", " %") in page
    for point in KEPT["points"]:
        assert scale.predicted(MEASURED, point).per_second == pytest.approx(point["per_second"], rel=scale.WITHIN), point


def test_the_page_says_what_is_recomputed_from_the_figures() -> None:
    page = {" ".join(line.split()) for line in (ROOT / "docs" / "scale.md").read_text(encoding="utf-8").splitlines()}
    for line in scale.told(MEASURED, KEPT["points"], quick=True):
        assert " ".join(line.split()) in page, line


@pytest.mark.alone
def test_a_point_that_is_measured_here_is_predicted(tmp_path: Path) -> None:
    names = ("PACE_BIN", "WASMTIME_BIN", "SERVICE_WASM")
    done = subprocess.run(
        [sys.executable, BENCH / "scale.py", "--quick", "--keep", tmp_path],
        env={"PATH": os.environ["PATH"], **{name: str(needed(name)) for name in names}},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report: Any = json.loads((tmp_path / "scale.json").read_text(encoding="utf-8"))
    assert set(report["costs"]) == set(KEPT["costs"])
    costs = scale.Measured(**report["costs"])
    assert all(value >= 0 for value in report["costs"].values()) and costs.call_ms > 0
    [point] = report["points"]
    # Four clients before a gateway of 50 ms: no machine makes it more than 80 a second; a busy one makes it less.
    predicted = scale.predicted(costs, point).per_second
    assert 20 < predicted <= 80
    assert point["per_second"] == pytest.approx(predicted, rel=0.75)
