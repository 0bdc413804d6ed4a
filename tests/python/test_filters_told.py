"""What an entry's filter leaves out is told wherever somebody looks, and each entry is judged by its own services."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from conftest import FakeGateway, Pflow, needed


class Program:
    """The program in a home of its own."""

    def __init__(self, pflow: Pflow, url: str) -> None:
        self.pflow = pflow
        self.url = url

    def __call__(self, *words: str) -> str:
        """What a command that succeeds shows, on both streams."""
        done = self.pflow.program(needed("PFLOW_GATEWAY_BIN"), *words)
        assert done.returncode == 0, done
        return done.stdout + done.stderr

    def json(self, *words: str) -> Any:
        return json.loads(self.pflow.program(needed("PFLOW_GATEWAY_BIN"), *words, "--json").stdout)


@pytest.fixture
def program(fake_gateway: Callable[..., FakeGateway], pflow: Pflow) -> Program:
    fake = fake_gateway("generic", "--services", "github:6,slack:3,weather:2", "--meta", "tools")
    return Program(pflow, fake.url)


def test_every_command_tells_what_a_filter_leaves_out(program: Program) -> None:
    told = program("add", "gw", program.url, "--exclude-service", "slack")
    assert "11 tools of 3 services; its filter keeps 8 of 11 tools" in told
    assert "11 tools of 3 services; its filter keeps 8 of 11 tools" in program("test", "gw")
    assert "1 service left out by its filter" in program("services", "gw")
    assert "8 tools of 11" in program("tools", "gw")
    assert "3 left out: of excluded services" in program("tools", "gw")
    health = program("health", "gw")
    assert "8 of 11 tools" in health
    assert "slack" not in health
    assert "without service slack" in program("list")
    [listed] = program.json("list")["gateways"]
    assert listed["filter"] == "without service slack"
    assert program.json("test", "gw")["filtered_out"] == 3
    assert program.json("health", "gw")["gateways"][0]["filtered_out"] == 3
    assert program.json("services", "gw")["left_out"] == 1


def test_an_entry_without_a_filter_says_nothing_of_one(program: Program) -> None:
    for words in (("add", "gw", program.url), ("test", "gw"), ("services", "gw"), ("health", "gw"), ("list",)):
        shown = program(*words)
        assert "its filter" not in shown, words
        assert " of 11 tools" not in shown, words
    assert program.json("list")["gateways"][0]["filter"] is None


def test_entries_of_one_service_each_tell_of_that_service(program: Program) -> None:
    program("add", "team", program.url, "--per-service")
    shown = program("health").splitlines()
    for service, count in {"github": 6, "slack": 3, "weather": 2}.items():
        at = next(n for n, line in enumerate(shown) if line.startswith(f"✓ team_{service} "))
        assert f"{count} of 11 tools" in shown[at]
        own = shown[at + 1 : at + 2]
        assert own[0].split()[0] == service
        assert f"only service {service}" in program("list")
    reports = program.json("health")["gateways"]
    assert [[one["name"] for one in report["services"]] for report in reports] == [["github"], ["slack"], ["weather"]]


def test_the_step_before_all_others_is_whether_pflow_can_start_the_entry(program: Program) -> None:
    program("add", "gw", program.url)
    servers = program.pflow.servers
    for changes, word in [
        ({"args": ["serve", "other"]}, '"args" say serve other, so pflow gets that gateway and not gw'),
        ({"env": {}, "gateway": servers["gw"]["gateway"] | {"headers": {"x-team": "${TEAM}"}}}, '"env" lacks TEAM'),
    ]:
        program.pflow.configure({"gw": servers["gw"] | changes})
        done = program.pflow.program(needed("PFLOW_GATEWAY_BIN"), "test", "gw", TEAM="blue")
        first = next(line for line in done.stdout.splitlines()[1:])
        assert "pflow" in first.split()[1]
        assert word in first
        done = program.pflow.program(needed("PFLOW_GATEWAY_BIN"), "list", TEAM="blue")
        assert word in done.stderr
    program.pflow.configure({"gw": servers["gw"] | {"command": "/gone/bin/pflow-gateway"}})
    done = program.pflow.program(needed("PFLOW_GATEWAY_BIN"), "test", "gw")
    assert done.returncode == 2
    assert "/gone/bin/pflow-gateway does not exist" in done.stdout
    assert "pflow cannot start gw" in done.stderr
    assert "adopt gw" in done.stderr
