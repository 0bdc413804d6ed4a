"""The wheel is typed, and its types are what the machine code really has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def check(*argv: str | Path, cwd: Path) -> None:
    """Run a checker of this environment."""
    done = subprocess.run(
        [sys.executable, "-m", *(str(part) for part in argv)], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_stubs_match_the_machine_code(tmp_path: Path) -> None:
    check("mypy.stubtest", "pflow_gateway", "--allowlist", HERE / "stubtest-allowlist.txt", cwd=tmp_path)


def test_the_package_passes_strict_mypy(tmp_path: Path) -> None:
    check("mypy", "--strict", "-p", "pflow_gateway", cwd=tmp_path)


def test_a_user_s_program_is_checked_against_the_types(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "from pflow_gateway import Gateway\n"
        "def first(gateway: Gateway) -> str:\n"
        "    return gateway.services()['services'][0]['name']\n"
        "def wrong(gateway: Gateway) -> int:\n"
        "    return gateway.services()['services'][0]['name']\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.count("error:") == 1, done.stdout
    assert 'expected "int"' in done.stdout
