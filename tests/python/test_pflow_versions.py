"""Which versions of pflow work, tried; and what is said of one that nobody tried.

With `UPDATE=1` in the environment the page is written anew.
"""

from __future__ import annotations

import ast
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pflow_versions
import pytest
from conftest import HERE, Pflow, needed
from peer import peer

PAGE = HERE.parent.parent / "docs" / "reference" / "pflow-versions.md"
HOOK = HERE.parent.parent / "host" / "python" / "python" / "pflow_gateway" / "_pflow.py"


@pytest.fixture(scope="module")
def programs(pflow_binary: Path) -> dict[str, Path]:
    """Pflow of each version that is tried; the newest is the one of all other tests."""
    newest = re.search(r"pflow-cli==(\S+)", (HERE.parent.parent / "xtask/requirements/pflow.txt").read_text())
    assert newest
    return {newest[1]: pflow_binary} | pflow_versions.installed(needed("PFLOW_VERSIONS"))


def test_the_page_says_what_each_version_does(programs: dict[str, Path], tmp_path: Path, shared_cache: Path) -> None:
    def tried(version: str) -> dict[str, str]:
        home = tmp_path / version
        home.mkdir()
        with peer(pflow_versions.TOOLS, pflow_versions.answer) as gateway:
            return pflow_versions.tried(Pflow(programs[version], home, shared_cache), gateway)

    with ThreadPoolExecutor(4) as at_once:
        seen = dict(zip(programs, at_once.map(tried, programs), strict=True))
    now = pflow_versions.page(seen)
    if os.environ.get("UPDATE"):
        PAGE.write_text(now, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == now, "run this test with UPDATE=1, and read what changed"


def known() -> list[str]:
    """The versions that the hook takes for known."""
    found = re.search(r"^_TRIED = (\(.+\))$", HOOK.read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    return list(ast.literal_eval(found[1]))


def test_the_hook_knows_the_versions_of_the_page_on_which_everything_works(programs: dict[str, Path]) -> None:
    header, _, *rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    versions = header.strip("| ").split(" | ")
    cells = [row.strip("| ").split(" | ")[1:] for row in rows]
    works = [version for at, version in enumerate(versions) if all(row[at] == pflow_versions.WORKS for row in cells)]
    minors = {".".join(version.split(".")[:2]) for version in works}
    assert set(versions) == set(programs)
    assert set(known()) == minors
    assert known() == sorted(known(), key=lambda minor: int(minor.partition(".")[2])), "the first and the last are said"


@pytest.fixture
def strange(pflow: Pflow, tmp_path: Path) -> Pflow:
    """Pflow that says it is of a version that nobody tried."""
    info = tmp_path / "strange" / "pflow_cli-0.99.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pflow-cli\nVersion: 0.99.1\n", encoding="utf-8")
    pflow.env["PYTHONPATH"] = str(info.parent)
    return pflow


def test_a_version_that_nobody_tried_is_said_once_on_stderr_and_everything_goes_on(strange: Pflow) -> None:
    for command in (("mcp", "list"), ("mcp", "gateway", "list"), ("mcp", "sync", "--all")):
        done = strange.run(*command)
        told = [line for line in done.stderr.splitlines() if "0.99.1" in line]
        assert len(told) == 1, f"{command}: {done.stderr}"
        assert told[0].startswith("⚠ pflow-gateway was not tried with pflow 0.99.1") and "0.16" in told[0]
        assert "0.99.1" not in done.stdout
    for quiet in (("mcp", "list", "--json"), ("mcp", "gateway", "list", "--json"), ("list",), ("mcp", "--help")):
        done = strange.run(*quiet)
        assert "0.99.1" not in done.stdout + done.stderr, quiet
    assert json.loads(strange.run("mcp", "gateway", "list", "--json").stdout)["gateways"] == []


def test_a_version_that_was_tried_is_not_spoken_of(pflow: Pflow) -> None:
    assert "was not tried" not in pflow.run("mcp", "list").stderr
    assert "was not tried" not in pflow.run("mcp", "gateway", "list").stderr
