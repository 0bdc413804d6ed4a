"""`cargo xtask bench --quick`: every row is there, a wrong answer ends it, and what it keeps can be read.

How fast anything is, no test says.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from conftest import HERE, needed

pytestmark = pytest.mark.alone

BENCH = HERE.parent / "bench"
# What --quick leaves out, and what only a process itself can measure.
LEFT_OUT = {"list-100000", "memory-100000", "fastest-peer", "first-instance", "sandbox-list", "sandbox-filter"}
# The budgets of docs/performance/README.md, one by one: a row that goes missing is missed here.
ROWS = {
    *("list-1", "list-500", "list-10000", "list-100000", "network-10", "fastest-peer"),
    *("memory-500", "memory-10000", "memory-100000", "first-instance", "sandbox-list", "sandbox-filter"),
    *("serve-call", "at-once-0", "at-once-5", "at-once-10", "latency-0", "latency-5", "latency-10"),
    *("sync-1000", "wheel", "help", "health-200"),
}


def bench(gateway: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """The driver, with these programs."""
    named = {name: os.environ[name] for name in ("PATH", "PACE_BIN", "PFLOW_BIN") if name in os.environ}
    return subprocess.run(
        [sys.executable, BENCH / "bench.py", "--quick", *flags],
        env={**named, "PFLOW_GATEWAY_BIN": str(gateway)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One quick run, and what it kept."""
    needed("PACE_BIN")
    folder = tmp_path_factory.mktemp("bench")
    done = bench(needed("PFLOW_GATEWAY_BIN"), "--json", "--keep", str(folder))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads((folder / "latest.json").read_text(encoding="utf-8"))
    return folder


@pytest.fixture(scope="module")
def report(kept: Path) -> Any:
    return json.loads((kept / "latest.json").read_text(encoding="utf-8"))


def test_the_json_has_every_row_and_each_was_measured_or_says_why_not(report: Any) -> None:
    rows = {row["id"]: row for row in report["rows"]}
    assert set(rows) == ROWS
    assert {id for id, row in rows.items() if not row["measured"]} == LEFT_OUT
    for id, row in rows.items():
        assert row["budget"], id
        if row["measured"]:
            assert row["measured"]["min"] <= row["measured"]["median"] <= row["measured"]["max"], id
            assert row["holds"] is None or row["budget"] != "-", id
            assert row["holds"] is not None or row["budget"] == "-" or row["measured"]["median"] < 0, id
            assert len(row["contenders"]) >= 2, id
        else:
            assert row["note"], id


def test_machine_and_versions_are_said(report: Any) -> None:
    assert report["machine"]["cores"] == os.cpu_count()
    assert all(report["versions"][name] not in ("", "unknown") for name in ("pflow-gateway", "pflow-cli", "rmcp"))


def test_the_page_and_the_chart_have_every_row_that_was_measured(kept: Path, report: Any) -> None:
    page = (kept / "latest.md").read_text(encoding="utf-8")
    picture = ElementTree.fromstring((kept / "latest.svg").read_text(encoding="utf-8"))
    texts = " ".join(text for text in picture.itertext())
    for row in report["rows"]:
        assert f"| {row['what']} |" in page
        if row["measured"] and re.match("[≤≥]", row["budget"]):
            assert row["what"][:40] in texts
    assert "prefers-color-scheme: dark" in texts


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ('echo \'{"tools": []}\'', "0 tools, 1 are there"),
        ("echo 'half an ans'", "no JSON"),
        ("echo broken >&2; exit 3", "ended with 3"),
    ],
    ids=["too few tools", "no JSON", "fails"],
)
def test_a_wrong_answer_ends_it(tmp_path: Path, script: str, said: str) -> None:
    program = tmp_path / "pflow-gateway"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    needed("PACE_BIN")
    done = bench(program)
    assert done.returncode == 1
    assert said in done.stderr
