"""The three ways in which people put the wheel beside pflow; each leaves `pflow mcp gateway`, and nothing when it is removed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PFLOW = "pflow-cli==0.16.0"
ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


class Home:
    """A user who has nothing yet but the installers' caches."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        real_home = Path(os.environ.get("HOME", "/"))
        caches = os.environ.get("XDG_CACHE_HOME") or str(real_home / ".cache")
        keep = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "SSL_"))}
        self.env = keep | {
            "PATH": f"{self.bin}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder / "home"),
            "LANG": "C.UTF-8",
            "PIP_CACHE_DIR": os.environ.get("PIP_CACHE_DIR") or f"{caches}/pip",
            "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR") or f"{caches}/uv",
            "UV_TOOL_DIR": str(folder / "tools"),
            "UV_TOOL_BIN_DIR": str(self.bin),
            "UV_PYTHON": sys.executable,
            "UV_PYTHON_DOWNLOADS": "never",
            "PIPX_HOME": str(folder / "pipx"),
            "PIPX_BIN_DIR": str(self.bin),
            "PIPX_MAN_DIR": str(folder / "man"),
            "PIPX_DEFAULT_PYTHON": sys.executable,
            "PIPX_DEFAULT_BACKEND": "pip",
            "XDG_CACHE_HOME": str(folder / "cache"),
        }
        Path(self.env["HOME"]).mkdir(parents=True)

    def run(self, *argv: str | Path) -> str:
        """Run a program that must succeed."""
        done = self.attempt(*argv)
        assert done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def attempt(self, *argv: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a program."""
        return subprocess.run(
            [str(part) for part in argv],
            env=self.env,
            cwd=self.env["HOME"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def has_gateway(self, pflow: Path) -> bool:
        """The group is there, and runs."""
        if "\n  gateway " not in self.run(pflow, "mcp", "--help"):
            return False
        assert "pflow mcp gateway" in self.run(pflow, "mcp", "gateway", "--help")
        return True

    def adds_a_command_that_exists(self, pflow: Path) -> None:
        """What `add` writes for pflow to start is there, wherever the installer put things."""
        self.run(pflow, "mcp", "gateway", "add", "later", "http://127.0.0.1:9/mcp", "--no-test")
        import json

        written = json.loads(Path(self.env["HOME"], ".pflow", "mcp-servers.json").read_text(encoding="utf-8"))
        entry = written["mcpServers"]["later"]
        assert Path(entry["command"]).is_absolute()
        assert entry["args"][-2:] == ["serve", "later"]
        bare = {"PATH": "/usr/bin:/bin", "HOME": self.env["HOME"]}
        done = subprocess.run(
            [entry["command"], *entry["args"][:-2], "--version"], env=bare, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("pflow-gateway ")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_pip(home: Home, wheel: Path) -> None:
    """As the tutorial says."""
    tutorial = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    script = tutorial.partition("```sh\n")[2].partition("```")[0]
    assert f"pip install {PFLOW} pflow_gateway-*.whl" in script
    folder = Path(home.env["HOME"])
    (folder / wheel.name).symlink_to(wheel)
    home.run("bash", "-ec", script.replace("python3", sys.executable))
    venv = folder / "try"
    pflow = venv / "bin" / "pflow"
    assert home.has_gateway(pflow)
    home.adds_a_command_that_exists(pflow)
    assert home.run(venv / "bin" / "pflow-gateway", "--version").startswith("pflow-gateway ")

    home.run(venv / "bin" / "pip", "uninstall", "--quiet", "--yes", "pflow-gateway")
    assert not home.has_gateway(pflow)
    left = [path.name for path in venv.rglob("*") if "pflow_gateway" in path.name]
    assert left == [], "the start-up files outlived the package"


def test_uv_tool_install_with(home: Home, wheel: Path) -> None:
    assert 'uv tool install pflow-cli --with-executables-from "pflow-gateway @ $WHEEL"' in README
    ours = f"pflow-gateway @ {wheel}"
    home.run(sys.executable, "-m", "uv", "tool", "install", "--quiet", PFLOW, "--with-executables-from", ours)
    pflow = home.bin / "pflow"
    assert home.has_gateway(pflow)
    assert home.run(home.bin / "pflow-gateway", "--version").startswith("pflow-gateway ")
    home.adds_a_command_that_exists(pflow)


def test_pipx_inject(home: Home, wheel: Path) -> None:
    assert 'pipx inject --include-apps pflow-cli "$WHEEL"' in README
    home.run(sys.executable, "-m", "pipx", "install", "--quiet", PFLOW)
    pflow = home.bin / "pflow"
    assert not home.has_gateway(pflow)
    home.run(sys.executable, "-m", "pipx", "inject", "--quiet", "--include-apps", "pflow-cli", wheel)
    assert home.has_gateway(pflow)
    assert home.run(home.bin / "pflow-gateway", "--version").startswith("pflow-gateway ")
    home.adds_a_command_that_exists(pflow)
    home.run(sys.executable, "-m", "pipx", "uninject", "--quiet", "pflow-cli", "pflow-gateway")
    assert not home.has_gateway(pflow)
