"""Commands, measured in turns.

Takes commands; gives what each run took, as `pace run` counts it (`tests/bench/native/src/stopwatch.rs`). Never takes a run for one
whose answer was wrong.
"""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class Wrong(Exception):
    """A command failed, or gave another answer than it had to."""


@dataclass
class Contender:
    """One command, what is right about its answer, and what its runs took."""

    name: str
    # Words and paths.
    argv: Sequence[object]
    env: Mapping[str, str]
    # Takes stdout; gives what is wrong with it, or nothing.
    wrong: Callable[[str], str | None]
    # Per run, in milliseconds; in MiB: the largest process, exact, and the whole tree, sampled.
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)
    tree: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """For JSON: medians, and how far they spread."""
        return {
            "name": self.name,
            "wall_ms": spread(self.wall),
            "cpu_ms": spread(self.cpu),
            "peak_mib": max(self.peak),
            "tree_mib": max(self.tree) if self.tree else None,
        }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, minimum and maximum."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


class Clock:
    """Runs contenders in turns, so that whatever else the machine does meets all of them."""

    def __init__(self, pace: Path, folder: Path) -> None:
        self._pace = pace
        self._out, self._err = folder / "stdout", folder / "stderr"

    def race(self, contenders: Sequence[Contender], rounds: int) -> None:
        """One round that counts for nothing, then `rounds` that do, then one for the memory of the tree; a single round is all there is."""
        for contender in contenders if rounds > 1 else ():
            self._run(contender)
        for number in range(rounds):
            # The other way round every other time: nobody is always the one after the slowest.
            for contender in contenders if number % 2 == 0 else reversed(contenders):
                told = self._run(contender)
                contender.wall.append(told["wall_us"] / 1000)
                contender.cpu.append(told["cpu_us"] / 1000)
                contender.peak.append(told["peak_kib"] / 1024)
        for contender in contenders if rounds > 1 else ():
            contender.tree.append(self._run(contender, "--sample")["tree_kib"] / 1024)

    def _run(self, contender: Contender, *flags: str) -> dict[str, Any]:
        command = [self._pace, "run", "--stdout", self._out, "--stderr", self._err, *flags, "--", *contender.argv]
        done = subprocess.run(
            [str(word) for word in command],
            env=dict(contender.env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise Wrong(f"{contender.name}: {done.stderr.strip()}")
        told = json.loads(done.stdout)
        said = self._out.read_text(encoding="utf-8", errors="replace")
        if told["code"] != 0:
            errors = self._err.read_text(encoding="utf-8", errors="replace")
            raise Wrong(f"{contender.name} ended with {told['code']} ({told['signal']}): {errors.strip()[-2000:]}")
        if wrong := contender.wrong(said):
            raise Wrong(f"{contender.name}: {wrong}")
        return told


def ratio(of: Sequence[float], to: Sequence[float]) -> dict[str, float]:
    """How one compares with the other, round by round: what disturbed a round disturbed both."""
    return spread([a / b for a, b in zip(of, to, strict=True)])


def difference(of: Sequence[float], to: Sequence[float]) -> dict[str, float]:
    """The same, as a difference."""
    return spread([a - b for a, b in zip(of, to, strict=True)])
