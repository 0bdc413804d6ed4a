"""An author begins a component, builds it and checks it, with nothing of this project but the program."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import Pflow, needed


def run(pflow: Pflow, *args: str | Path, code: int = 0, **env: str) -> Any:
    """Run the program; gives its JSON."""
    done = pflow.program(needed("PFLOW_GATEWAY_BIN"), "--json", *args, timeout=600, **env)
    assert done.returncode == code, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)


@pytest.fixture
def composer(tmp_path: Path) -> str:
    """A PATH on which the program that composes is, and no cargo."""
    folder = tmp_path / "composer"
    folder.mkdir()
    (folder / "pflow-gateway-compose").symlink_to(needed("COMPOSE_BIN"))
    return str(folder)


def test_a_part_in_python_is_begun_built_composed_and_checked_without_rust(
    pflow: Pflow, tmp_path: Path, composer: str
) -> None:
    componentize = os.environ.get("COMPONENTIZE_PY") or shutil.which("componentize-py")
    if not componentize:
        pytest.skip("componentize-py is not here: set COMPONENTIZE_PY to the program (pip install componentize-py)")
    path = f"{Path(componentize).parent}:{composer}:/usr/bin:/bin"
    begun = run(pflow, "component", "new", "--language", "python", "my-filter")
    assert {"app.py", "world/part.wit", "wit/gateway.wit"} <= set(begun["files"])
    built = run(pflow, "component", "build", "my-filter", PATH=path)
    assert built["bytes"] > 1_000_000
    whole = pflow.home / "my-filter" / "gateway.wasm"
    composed = run(pflow, "component", "compose", built["file"], whole, PATH=path)
    assert composed["bytes"] > built["bytes"]
    checked = run(pflow, "component", "check", whole, "--interface", "filter", "--interface", "calls")
    assert checked["ok"] and checked["score"]["percent"] == 100
    part = run(pflow, "component", "compose", whole, pflow.home / "x.wasm", code=2, PATH=path)
    assert "is a whole component already" in part["error"]["message"], "a whole one is no part"


@pytest.mark.parametrize("language", ["rust", "python", "javascript"])
def test_a_new_folder_stands_by_itself_and_nothing_is_written_over(pflow: Pflow, language: str) -> None:
    begun = run(pflow, "component", "new", "--language", language, "deep/my-part")
    folder = pflow.home / "deep" / "my-part"
    assert sorted(begun["files"]) == sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()
    )
    contract = Path(__file__).parents[2] / "wit" / "gateway.wit"
    assert (folder / "wit" / "gateway.wit").read_bytes() == contract.read_bytes()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert "is not empty" in run(pflow, "component", "new", "--language", language, folder, code=2)["error"]["message"]
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    for wrong in ("My-Part", "a/../", "-x", "1a", "a_b"):
        run(pflow, "component", "new", f"--language={language}", "--", wrong, code=2)


def test_what_is_missing_is_named_with_the_way_to_get_it(pflow: Pflow, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    for language, word in (("python", "pip install"), ("javascript", "npm ci"), ("rust", "rustup target")):
        run(pflow, "component", "new", "--language", language, f"my-{language}")
        error = run(pflow, "component", "build", f"my-{language}", code=2, PATH=str(nothing))["error"]
        assert "cannot start" in error["message"] and word in error["hint"]
    part = pflow.home / "part.wasm"
    part.write_bytes(b"\0asm")
    error = run(pflow, "component", "compose", part, "out.wasm", code=2, PATH=str(nothing))["error"]
    assert "pflow-gateway-compose" in error["message"] and "PATH" in error["hint"]


def test_cargo_reads_the_rust_template_and_it_names_the_contract_that_the_program_wrote(pflow: Pflow) -> None:
    cargo = shutil.which("cargo")
    if not cargo:
        pytest.skip("cargo is not here")
    run(pflow, "component", "new", "--language", "rust", "my-rule")
    manifest = pflow.home / "my-rule" / "Cargo.toml"
    done = subprocess.run(
        [cargo, "metadata", "--no-deps", "--format-version", "1", "--manifest-path", manifest],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["packages"][0]["name"] == "my-rule"
