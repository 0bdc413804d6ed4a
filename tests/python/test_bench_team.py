"""`cargo xtask bench --team --quick`: the service and other proxies answer the same load, and what is kept can be read.

How fast anything is, no test says. LiteLLM is not here: it is 750 MB.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from conftest import HERE, needed

pytestmark = pytest.mark.alone

TEAM = HERE.parent / "bench" / "team.py"
OTHERS = {"FastMCP's proxy", "ContextForge"}
OURS = "pflow-gateway's service"


def team(folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """The driver, with these programs."""
    names = ("PACE_BIN", "WASMTIME_BIN", "SERVICE_WASM", "FASTMCP_PYTHON", "CONTEXTFORGE_PYTHON")
    named = {name: str(needed(name)) for name in names} | more
    return subprocess.run(
        [sys.executable, TEAM, "--quick", "--json", "--keep", folder],
        env={"PATH": os.environ["PATH"], **named},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One quick run, and what it kept."""
    folder = tmp_path_factory.mktemp("team")
    done = team(folder)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads((folder / "team.json").read_text(encoding="utf-8"))
    return folder


@pytest.fixture(scope="module")
def report(kept: Path) -> Any:
    return json.loads((kept / "team.json").read_text(encoding="utf-8"))


def test_every_contender_answered_in_every_scene_and_was_weighed(report: Any) -> None:
    found = {one["name"]: one["scenes"] for one in report["contenders"]}
    assert set(found) == {OURS, *OTHERS, "nothing between"}
    for name, scenes in found.items():
        assert set(scenes) == {"1", "4", "list"}, name
        for scene, figures in scenes.items():
            proxy = set() if name == "nothing between" else {"per_core", "cpu_ms", "peak_mib"}
            assert set(figures) == {"per_second", "p50_ms", "p99_ms"} | proxy, (name, scene)
            assert all(0 < figure["min"] <= figure["median"] <= figure["max"] for figure in figures.values()), (name, scene)
            assert figures["p50_ms"]["median"] <= figures["p99_ms"]["median"], (name, scene)


def test_each_goal_says_what_was_measured_and_whether_it_holds(report: Any) -> None:
    goals = report["goals"]
    assert [goal["figure"] for goal in goals] == ["per_core", "peak_mib"] * 3
    for goal in goals:
        least = goal["measured"]["median"] >= goal["bound"]
        assert goal["holds"] == (least if goal["figure"] == "per_core" else not least or goal["measured"]["median"] == goal["bound"])


def test_the_goals_are_held_against_the_best_of_the_others(report: Any) -> None:
    scenes = {one["name"]: one["scenes"]["1"] for one in report["contenders"]}
    per_core, peak = report["goals"][:2]
    best = max(scenes[name]["per_core"]["median"] for name in OTHERS)
    assert per_core["measured"]["median"] == pytest.approx(scenes[OURS]["per_core"]["median"] / best)
    least = min(scenes[name]["peak_mib"]["median"] for name in OTHERS)
    assert peak["measured"]["median"] == pytest.approx(scenes[OURS]["peak_mib"]["median"] / least)


def test_versions_are_said(report: Any) -> None:
    assert set(report["versions"]) == {"wasmtime", "fastmcp", "mcp-contextforge-gateway"}
    assert all(version[0].isdigit() for version in report["versions"].values())


def test_page_and_picture_have_every_contender(kept: Path, report: Any) -> None:
    page = (kept / "team.md").read_text(encoding="utf-8")
    picture = " ".join(ElementTree.fromstring((kept / "team.svg").read_text(encoding="utf-8")).itertext())
    for one in report["contenders"]:
        assert page.count(f"| {one['name']} |") == 3
        assert (one["name"] in picture) == (one["name"] != "nothing between")
    for goal in report["goals"]:
        assert f"| {goal['what']} |" in page


def test_a_wrong_answer_ends_it(tmp_path: Path) -> None:
    # An engine that says that it listens, and answers nothing that a client could take for a tool's result.
    engine = tmp_path / "wasmtime"
    engine.write_text(
        f"#!{sys.executable}\n"
        "import http.server, sys\n"
        "class Broken(http.server.BaseHTTPRequestHandler):\n"
        "    def do_POST(self):\n"
        "        self.rfile.read(int(self.headers['Content-Length']))\n"
        "        self.send_response(200)\n"
        "        self.send_header('Content-Length', '2')\n"
        "        self.end_headers()\n"
        "        self.wfile.write(b'{}')\n"
        "if sys.argv[1] == '--version':\n"
        "    print('wasmtime 0')\n"
        "elif sys.argv[1] == 'serve':\n"
        "    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Broken)\n"
        "    print(f'Serving HTTP on http://127.0.0.1:{server.server_port}/', flush=True)\n"
        "    server.serve_forever()\n",
        encoding="utf-8",
    )
    engine.chmod(0o755)
    done = team(tmp_path / "kept", WASMTIME_BIN=str(engine))
    assert done.returncode == 1
    assert f"{OURS}, 1 connections, call: pace: tools/list: 200 {{}}" in done.stderr
    assert not (tmp_path / "kept").exists()
