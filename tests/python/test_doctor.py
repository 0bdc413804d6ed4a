"""`doctor` where pflow is: it names pflow, the hook and the entries as they are, and contacts nobody unless asked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conftest import FakeGateway, Pflow

Finding = dict[str, Any]


def findings(pflow: Pflow, *flags: str, **env: str) -> tuple[int, dict[str, list[Finding]]]:
    done = pflow.run("mcp", "gateway", "doctor", *flags, "--json", **env)
    found: dict[str, list[Finding]] = {}
    for finding in json.loads(done.stdout)["findings"]:
        found.setdefault(finding["area"], []).append(finding)
    return done.returncode, found


def test_pflow_and_the_hook_are_found_and_the_switch_is_seen(pflow: Pflow) -> None:
    _, found = findings(pflow)
    assert found["pflow"][0]["ok"] is True, found["pflow"]
    assert "pflow-cli 0.16.0" in found["pflow"][0]["detail"]
    assert found["hook"][0]["ok"] is True, found["hook"]
    done = pflow.program(pflow.binary.parent / "pflow-gateway", "doctor", PFLOW_GATEWAY_DISABLE="1")
    assert "PFLOW_GATEWAY_DISABLE is set" in done.stdout, done.stdout


def test_an_entry_is_looked_at_and_its_gateway_only_when_asked(
    pflow: Pflow, fake_gateway: Callable[..., FakeGateway]
) -> None:
    gateway = fake_gateway("generic")
    pflow("mcp", "gateway", "add", "lab", gateway.url, "--no-test")
    code, found = findings(pflow)
    assert code == 0, found
    assert [finding["ok"] for finding in found["entry"]] == [True]
    assert not gateway.requests()
    code, found = findings(pflow, "--contact")
    assert (code, found["gateway"][0]["name"], found["gateway"][0]["ok"]) == (0, "lab", True)
    assert gateway.requests()
    servers = pflow.servers
    servers["lab"]["command"] = "/gone/bin/pflow-gateway"
    pflow.configure(servers)
    code, found = findings(pflow)
    assert code == 1
    assert "/gone/bin/pflow-gateway does not exist" in found["entry"][0]["detail"]
    assert found["entry"][0]["remedy"] == "pflow mcp gateway adopt lab"


def test_doctor_and_the_hook_know_the_same_versions_of_pflow() -> None:
    root = Path(__file__).parents[2] / "host"
    rust = re.search(r"const TRIED: .*? = \[(.*?)\];", (root / "cli/src/doctor.rs").read_text(encoding="utf-8"))
    python = re.search(r"^_TRIED = \((.*?)\)$", (root / "python/python/pflow_gateway/_pflow.py").read_text(encoding="utf-8"), re.M)
    assert rust and python and rust[1] == python[1]
