"""The start-up hook: what it adds to pflow, what it costs, and what happens when it breaks."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from conftest import FakeGateway, Pflow

BROKEN = "raise ImportError('broken on purpose')\n"


def modules(pflow: Pflow, python: Path, code: str, **env: str) -> set[str]:
    """The modules that are loaded after some code has run."""
    script = f"{code}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    done = pflow.program(python, "-c", script, **env)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def shadow(tmp_path: Path, package: str) -> Path:
    """A copy of one of the wheel's packages, to break, that comes first on PYTHONPATH."""
    import importlib.util

    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    folder = tmp_path / "shadow"
    shutil.copytree(Path(spec.origin).parent, folder / package)
    return folder


class TestCommands:
    def test_help_of_mcp_lists_the_gateway_group(self, pflow: Pflow) -> None:
        assert re.search(r"^  gateway  +\S", pflow("mcp", "--help"), re.MULTILINE)

    def test_help_of_the_group_is_the_hosts_own(self, pflow: Pflow) -> None:
        for flag in ("--help", "-h"):
            out = pflow("mcp", "gateway", flag)
            assert "pflow mcp gateway" in out
            for command in ("add", "setup", "list", "test", "services", "tools", "health", "call", "serve", "demo"):
                assert re.search(rf"^  {command}\b", out, re.MULTILINE), command

    def test_arguments_reach_the_host_untouched(self, pflow: Pflow) -> None:
        """Click would take `--help`, refuse an unknown option, and swallow `--`."""
        out = pflow("mcp", "gateway", "services", "--help")
        assert "pflow mcp gateway services" in out
        done = pflow.run("mcp", "gateway", "test", "--no-such-option", "x")
        assert done.returncode == 2
        assert "--no-such-option" in done.stderr

    def test_exit_codes_pass_through(self, pflow: Pflow) -> None:
        unknown = pflow.run("mcp", "gateway", "test", "nowhere", "--json")
        assert unknown.returncode == 2
        closed = pflow.run("mcp", "gateway", "test", "http://127.0.0.1:9/mcp", "--json")
        assert closed.returncode == 1
        assert json.loads(closed.stdout)["error"]["class"] == "unreachable"

    def test_the_other_commands_of_mcp_are_still_there(self, pflow: Pflow) -> None:
        with_hook = pflow("mcp", "--help")
        without = pflow("mcp", "--help", PFLOW_GATEWAY_DISABLE="1")
        assert [line for line in with_hook.splitlines() if not line.startswith("  gateway")] == without.splitlines()


class TestOffSwitch:
    def test_it_takes_the_group_away(self, pflow: Pflow) -> None:
        done = pflow.run("mcp", "gateway", "list", PFLOW_GATEWAY_DISABLE="1")
        assert done.returncode == 2
        assert "No such command 'gateway'" in done.stderr

    def test_zero_leaves_it_on(self, pflow: Pflow) -> None:
        assert "  gateway" in pflow("mcp", "--help", PFLOW_GATEWAY_DISABLE="0")


class TestCost:
    def test_start_up_loads_one_module(self, pflow: Pflow, python: Path) -> None:
        on = modules(pflow, python, "")
        off = modules(pflow, python, "", PFLOW_GATEWAY_DISABLE="1")
        assert on == off, "the hook imported something at start-up"
        bare = pflow.program(python, "-S", "-c", "import sys, json; print(json.dumps(sorted(sys.modules)))")
        assert "_pflow_gateway_boot" in on
        assert "_pflow_gateway_boot" not in json.loads(bare.stdout)
        assert not {name for name in on if name.startswith("pflow_gateway")}

    def test_help_does_not_load_the_machine_code(self, pflow: Pflow, python: Path) -> None:
        loaded = modules(pflow, python, "import pflow.cli.main")
        assert "pflow_gateway._pflow" in loaded
        assert "pflow_gateway._native" not in loaded

    def test_it_is_one_module_of_a_few_hundred_microseconds(self, pflow: Pflow, python: Path) -> None:
        """Measured and shown; only an order of magnitude is a failure, since machines differ."""
        took = []
        for _ in range(5):
            done = pflow.program(python, "-X", "importtime", "-c", "")
            line = next(line for line in done.stderr.splitlines() if "_pflow_gateway_boot" in line)
            took.append(int(line.split("|")[1]))
        print(f"start-up hook: {min(took)} µs at best of {len(took)}")
        assert min(took) < 20_000


class TestFailsOpen:
    def test_when_the_machine_code_cannot_be_loaded(self, pflow: Pflow, tmp_path: Path) -> None:
        folder = shadow(tmp_path, "pflow_gateway")
        for binary in (folder / "pflow_gateway").glob("_native*.so"):
            binary.write_bytes(b"not a library")
        env = {"PYTHONPATH": str(folder)}
        assert "sync" in pflow("mcp", "--help", **env)
        assert "MCP Tools" in pflow("mcp", "list", **env)
        done = pflow.run("mcp", "gateway", "list", **env)
        assert done.returncode == 1
        assert done.stderr.startswith("Error: pflow-gateway cannot be loaded")
        assert "Traceback" not in done.stderr

    @pytest.mark.parametrize("module", ["__init__.py", "_pflow.py"])
    def test_when_its_own_python_is_broken(self, pflow: Pflow, tmp_path: Path, module: str) -> None:
        folder = shadow(tmp_path, "pflow_gateway")
        (folder / "pflow_gateway" / module).write_text(BROKEN, encoding="utf-8")
        done = pflow.run("mcp", "list", PYTHONPATH=str(folder))
        assert done.returncode == 0
        assert "MCP Tools" in done.stdout
        complaints = [line for line in done.stderr.splitlines() if line]
        assert len(complaints) == 1, done.stderr
        assert "pflow-gateway" in complaints[0]
        assert "broken on purpose" in complaints[0]

    def test_when_the_listing_breaks(self, pflow: Pflow, tmp_path: Path) -> None:
        pflow.configure({"g": {"command": "true", "gateway": {"kind": "generic", "url": "http://127.0.0.1:9/mcp"}}})
        folder = shadow(tmp_path, "pflow_gateway")
        (folder / "pflow_gateway" / "_provenance.py").write_text(BROKEN, encoding="utf-8")
        done = pflow.run("mcp", "list", PYTHONPATH=str(folder))
        assert done.returncode == 0
        assert "MCP Tools" in done.stdout
        assert len(done.stderr.splitlines()) == 1, done.stderr

    def test_when_an_entry_is_not_what_it_should_be(self, pflow: Pflow) -> None:
        """Somebody's hand-written file: the listing of pflow comes out all the same."""
        for gateway in ("a string", [], {"kind": 3, "url": None, "services": "x"}):
            pflow.configure({"g": {"command": "true", "gateway": gateway}})
            assert "MCP Tools" in pflow("mcp", "list")


class TestListing:
    ENTRY: ClassVar = {
        "command": "true",
        "gateway": {"kind": "context-forge", "url": "http://127.0.0.1:9/servers/x/mcp"},
    }

    def test_gateways_come_after_the_tools_without_contacting_anything(self, pflow: Pflow) -> None:
        pflow.configure({"work": self.ENTRY, "plain": {"command": "true"}})
        out = pflow("mcp", "list")
        gateways = out[out.index("Gateways (1)") :]
        assert "work (context-forge)" in gateways
        assert "plain" not in gateways

    def test_what_was_seen_behind_a_gateway_is_told_before_it_is_synced(
        self, pflow: Pflow, fake_gateway: Callable[..., FakeGateway]
    ) -> None:
        pflow("mcp", "gateway", "add", "seen", fake_gateway("generic").url)
        out = pflow("mcp", "list")
        line = next(line for line in out.splitlines() if line.startswith("  seen"))
        assert line.startswith("  seen (generic): "), line
        assert "slack (" in line, line
        assert "not synced" in line, line
        assert "unknown" not in out[out.index("Gateways (") :]

    def test_there_is_no_section_without_gateways(self, pflow: Pflow) -> None:
        pflow.configure({"plain": {"command": "true"}})
        assert "Gateways" not in pflow("mcp", "list")

    def test_json_and_searches_stay_as_they_are(self, pflow: Pflow) -> None:
        pflow.configure({"work": self.ENTRY})
        for args in (("mcp", "list", "--json"), ("mcp", "list", "work")):
            assert pflow(*args) == pflow(*args, PFLOW_GATEWAY_DISABLE="1")


class TestScripts:
    def test_console_script_and_module_are_the_same_program(self, pflow: Pflow, python: Path) -> None:
        script = pflow.program(python.parent / "pflow-gateway", "--version")
        module = pflow.program(python, "-m", "pflow_gateway", "--version")
        assert script.returncode == module.returncode == 0
        assert script.stdout == module.stdout
        assert re.fullmatch(r"pflow-gateway \d+\.\d+\.\d+\S*\n", script.stdout)

    def test_a_closed_pipe_is_not_an_error(self, pflow: Pflow, python: Path) -> None:
        command = f"'{python}' -m pflow_gateway --help | head -1; echo ${{PIPESTATUS[0]}}"
        done = subprocess.run(
            ["bash", "-c", command], env=pflow.env, capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stdout.splitlines()[-1] == "0", done.stderr
        assert done.stderr == ""
