"""The components of `docs/components`: each fits, starts within the default limits, and does what its page says."""

from __future__ import annotations

import http.client
import importlib.util
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock
from urllib.parse import urlsplit

import pytest
from conftest import FakeGateway, needed
from examples import NAMES, Program, part, whole

Start = Callable[..., FakeGateway]
SOURCES = Path(__file__).parents[2] / "docs" / "components"
# What each part does itself; `component check` judges it by that.
OWN = {
    "rust": ("discovery", "health", "calls"),
    "python": ("filter", "calls", "review"),
    "python-directory": ("discovery", "health", "calls"),
    "javascript": ("health", "calls"),
}


@pytest.mark.parametrize("name", NAMES)
def test_it_does_what_the_contract_asks_of_its_part(name: str, tmp_path: Path) -> None:
    program = Program(tmp_path, "http://127.0.0.1:1/mcp")
    asked = [word for interface in OWN[name] for word in ("--interface", interface)]
    report = program.json("component", "check", whole(name), *asked)
    failed = [check for check in report["checks"] if check["outcome"] == "failed"]
    assert failed == []
    assert report["ok"] is True and report["score"]["percent"] == 100, report["score"]


@pytest.mark.parametrize("name", NAMES)
def test_a_part_alone_is_refused_and_the_missing_export_is_named(name: str, tmp_path: Path) -> None:
    program = Program(tmp_path, "http://127.0.0.1:1/mcp")
    done = program.run("component", "use", part(name))
    assert done.returncode != 0
    missing = "filter" if "discovery" in OWN[name] else "discovery"
    assert f"does not export pflow:gateway/{missing}@0.2.0" in done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_it_starts_within_the_default_limits_and_is_compiled_once(
    name: str, tmp_path: Path, fake_gateway: Start
) -> None:
    gateway = fake_gateway("generic", "--services", "github,slack")
    program = Program(tmp_path, gateway.url)
    first = program.json("--component", whole(name), "tools", "gw")
    assert first.get("error") is None and len(first["tools"]) == 9, first
    again = program.run("--component", whole(name), "-v", "tools", "gw")
    assert again.returncode == 0, again.stderr
    assert "compiling the component" not in again.stderr


def test_the_rust_one_knows_the_companys_systems(tmp_path: Path, fake_gateway: Start) -> None:
    gateway = fake_gateway("generic", "--services", "crm:2,garden:2", "--separator", ".")
    program = Program(tmp_path, gateway.url)
    tools = program.json("--component", whole("rust"), "tools", "gw")["tools"]
    said = {tool["name"]: (tool["service"], tool["confidence"]) for tool in tools}
    assert said["crm.item_000_lookup"] == ("crm", "high")
    assert said["garden.item_000_lookup"][1] != "certain"
    called = program.run("--component", whole("rust"), "-v", "call", "gw", "crm.item_000_lookup")
    assert "of crm.item_000_lookup goes to crm" in called.stderr, called.stderr


def test_the_rust_one_asks_the_gateway_for_its_systems_when_the_entry_names_the_page(
    tmp_path: Path, fake_gateway: Start
) -> None:
    gateway = fake_gateway("generic", "--services", "crm:2,garden:2", "--separator", ".")
    with vendor_of(gateway) as vendor:
        vendor.pages["/systems.txt"] = b"garden\n orchard \n"
        setting = {"systems": "/systems.txt"}
        allowed = Program(tmp_path / "allowed", vendor.url, ("/systems.txt",), setting)
        evidence = by_rule(allowed, "rust")
        assert evidence == {"garden"} and vendor.asked == ["/systems.txt"]
        vendor.asked.clear()
        assert by_rule(Program(tmp_path / "unnamed", vendor.url, ("/systems.txt",)), "rust") == {"crm"}
        refused = Program(tmp_path / "refused", vendor.url, settings=setting)
        assert by_rule(refused, "rust") == {"crm"}, "its own list, when the page cannot be had"
        assert '"paths": ["/systems.txt"]' in refused.run("--component", whole("rust"), "tools", "gw").stderr
        assert vendor.asked == [], "nothing was asked that the entry does not allow"
        vendor.pages["/systems.txt"] = b"\xff\xfe"
        assert by_rule(allowed, "rust") == {"crm"}
        vendor.pages["/systems.txt"] = b"x" * 200_000
        assert by_rule(allowed, "rust") == {"crm"}


def by_rule(program: Program, component: str) -> set[str]:
    """The services of tools that the company's rule knows."""
    tools = program.json("--component", whole(component), "tools", "gw")["tools"]
    return {tool["service"] for tool in tools if "the company's rule" in tool["evidence"]}


def test_the_python_one_with_a_catalogue_of_its_own_says_what_the_directory_says(
    tmp_path: Path, fake_gateway: Start
) -> None:
    gateway = fake_gateway("generic", "--services", "crm:2,garden:2", "--separator", ".")
    with vendor_of(gateway) as vendor:
        said = {"crm.item_000_lookup": "billing", "garden.item_000_lookup": "garden", "not.there": "x", "odd": 7}
        vendor.pages["/directory.json"] = json.dumps(said).encode()
        program = Program(tmp_path / "one", vendor.url, ("/directory.json",), {"directory": "/directory.json"})
        report = program.json("--component", whole("python-directory"), "services", "gw")
        told = {one["name"]: (one["tools"], one["attribution"], one["confidence"]) for one in report["services"]}
        # A service is as sure as the weakest of its tools.
        assert told == {
            "billing": (1, "reported", "certain"),
            "crm": (1, "inferred", "low"),
            "garden": (2, "inferred", "low"),
        }
        tools = program.json("--component", whole("python-directory"), "tools", "gw")["tools"]
        evidence = {tool["name"]: tool["evidence"] for tool in tools}
        assert evidence["crm.item_000_lookup"] == 'GET /directory.json says "billing"'
        called = program.json("--component", whole("python-directory"), "call", "gw", "crm.item_000_lookup")
        assert called["ok"], called
        for nonsense in (b"<html>", b"[]", b"{}"):
            vendor.pages["/directory.json"] = nonsense
            services = program.json("--component", whole("python-directory"), "services", "gw")["services"]
            assert {one["name"] for one in services} == {"crm", "garden"}, nonsense
        vendor.pages.clear()
        done = program.run("--component", whole("python-directory"), "services", "gw")
        assert done.returncode == 0 and "cannot be read: HTTP 404" in done.stderr, done.stderr


def test_what_people_copy_has_the_pins_that_it_is_tested_with() -> None:
    tested = SOURCES.parents[1] / "xtask" / "requirements" / "componentize.txt"
    for example in ("python", "python-directory"):
        assert (SOURCES / example / "requirements.txt").read_text() == tested.read_text()
    lock = json.loads((SOURCES / "javascript" / "package-lock.json").read_text())["packages"]
    assert not [name for name, package in lock.items() if "resolved" in package], "addresses of a registry"
    assert not [name for name, package in lock.items() if name and "integrity" not in package]


@pytest.fixture
def rule(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`python/app.py` outside of the sandbox: what the bindings would give it is not there."""
    imports = MagicMock()
    stubs = {
        "componentize_py_types": imports,
        "wit_world": SimpleNamespace(exports=SimpleNamespace(Filter=object, Calls=object, Review=object)),
        "wit_world.imports": imports,
        "wit_world.imports.discovery": imports,
    }
    for name, stub in stubs.items():
        monkeypatch.setitem(sys.modules, name, stub)
    spec = importlib.util.spec_from_file_location("app", SOURCES / "python" / "app.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("moment", "open_now"),
    [
        ("2026-03-02T07:00:00", True),  # Monday, 8:00 there
        ("2026-03-02T06:59:59", False),
        ("2026-03-02T17:00:00", False),
        ("2026-03-01T23:30:00", False),  # Monday there, at night
        ("2026-03-07T12:00:00", False),  # Saturday
    ],
)
def test_office_hours_are_those_of_the_office(rule: ModuleType, moment: str, open_now: bool) -> None:
    now = datetime.fromisoformat(moment).replace(tzinfo=timezone.utc)
    assert rule.allowed("hr__read_file", now) is open_now
    assert rule.allowed("github__list_issues", now) is True
    assert rule.allowed("hr__payroll_export", now) is False


def test_the_python_one_hides_closed_data_and_logs_the_class_of_a_call(
    tmp_path: Path, fake_gateway: Start, rule: ModuleType
) -> None:
    gateway = fake_gateway("generic", "--services", "github,hr:2,payroll:2")
    program = Program(tmp_path, gateway.url)

    def hr_is_open() -> bool:
        return bool(rule.allowed("hr__item_000_lookup", datetime.now(timezone.utc)))

    before = hr_is_open()
    report = program.json("--component", whole("python"), "tools", "gw", "--exclude", "*delete*")
    names = {tool["name"] for tool in report["tools"]}
    assert not any(name.startswith("payroll") for name in names), names
    assert not any("delete" in name for name in names), "the user's own rules are the component behind's"
    if before == hr_is_open():
        assert ("hr__item_000_lookup" in names) is before
    called = program.run("--component", whole("python"), "-v", "call", "gw", "github__list_issues", "--no-check")
    assert "of github__list_issues: internal" in called.stderr, called.stderr
    refused = program.json("--component", whole("python"), "call", "gw", "payroll__item_000_lookup")
    assert refused["ok"] is False
    assert {request["tool"] for request in gateway.requests("tools/call")} == {"github__list_issues"}


class Vendor(ThreadingHTTPServer):
    """A gateway with pages of its own; everything else is the imitation's behind it."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), VendorHandler)
        self.behind = urlsplit(behind)
        self.pages: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}{self.behind.path}"


class VendorHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Vendor

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        page = self.server.pages.get(self.path)
        self.answer(200 if page is not None else 404, {"Content-Type": "application/json"}, page or b"{}")

    def do_POST(self) -> None:
        self.forward()

    def do_DELETE(self) -> None:
        self.forward()

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        behind = http.client.HTTPConnection(self.server.behind.netloc, timeout=30)
        # An empty body comes in chunks; it goes on without, and what is left of it here goes with the connection.
        hop = ("host", "connection", "content-length", "transfer-encoding")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in hop}
        behind.request(self.command, self.path, body, headers)
        told = behind.getresponse()
        kept = {name: value for name, value in told.getheaders() if name.lower() in ("content-type", "mcp-session-id")}
        self.answer(told.status, kept, told.read())
        behind.close()

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def vendor_of(gateway: FakeGateway) -> Iterator[Vendor]:
    """A gateway with pages in front of another."""
    server = Vendor(gateway.url)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def vendor(fake_gateway: Start) -> Iterator[Vendor]:
    """A gateway of GitHub and Slack, with pages."""
    with vendor_of(fake_gateway("generic", "--services", "github,slack")) as server:
        yield server


def test_the_javascript_one_is_told_which_line_lets_it_read_the_page(tmp_path: Path, vendor: Vendor) -> None:
    vendor.pages["/status.json"] = json.dumps({"components": [{"name": "slack", "status": "major_outage"}]}).encode()
    done = Program(tmp_path, vendor.url).run("--component", whole("javascript"), "health", "gw", "--json")
    services = {service["name"]: service for service in json.loads(done.stdout)["gateways"][0]["services"]}
    assert services["slack"]["status"] == "unknown", "the page was read"
    assert '"paths": ["/status.json"]' in done.stderr


def test_the_javascript_one_reads_the_vendors_status_page(tmp_path: Path, vendor: Vendor) -> None:
    program = Program(tmp_path, vendor.url, ("/status.json",))

    def services() -> dict[str, Any]:
        report = program.json("--component", whole("javascript"), "health", "gw")["gateways"][0]
        return {service["name"]: service for service in report["services"]}

    assert services()["slack"]["status"] == "unknown", "no page: what the component behind says"
    states = [
        {"name": "slack", "status": "major_outage", "updated_at": "2026-03-02T07:00:00Z"},
        {"name": "github", "status": "operational", "updated_at": "2026-03-02T07:00:00Z"},
        {"name": "not-ours", "status": "operational"},
    ]
    vendor.pages["/status.json"] = json.dumps({"components": states}).encode()
    told = services()
    assert set(told) == {"github", "slack"}
    assert told["slack"]["status"] == "offline"
    assert told["slack"]["evidence"][0] == "/status.json says major_outage since 2026-03-02T07:00:00Z"
    assert told["github"]["status"] == "ok"
    for nonsense in (b"<html>", b"[]", b'{"components": [{"name": 1, "status": "toString"}]}'):
        vendor.pages["/status.json"] = nonsense
        assert services()["slack"]["status"] == "unknown", nonsense


def test_the_javascript_one_says_how_long_the_gateway_took(tmp_path: Path, fake_gateway: Start) -> None:
    gateway = fake_gateway("generic", "--latency", "30")
    program = Program(tmp_path, gateway.url)
    done = program.run("--component", whole("javascript"), "-v", "call", "gw", "lab__echo", "--json")
    took = re.search(r"of lab__echo took (\d+) ms", done.stderr)
    assert took and int(took[1]) >= 30, done.stderr
    assert set(json.loads(done.stdout)["result"]) == {"content", "structuredContent"}, "the result is as it came"


def compose(*files: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([needed("COMPOSE_BIN"), *files], capture_output=True, text=True, timeout=120, check=False)


def test_what_cannot_be_composed_is_refused_with_the_reason(tmp_path: Path) -> None:
    output = tmp_path / "out.wasm"
    done = compose(part("python"), part("javascript"), output)
    assert done.returncode == 1
    assert "is not a whole component: it does not export pflow:gateway/discovery" in done.stderr
    done = compose(whole("gateway"), whole("rust"), output)
    assert "is a whole component already" in done.stderr
    done = compose(needed("PFLOW_GATEWAY_BIN"), whole("rust"), output)
    assert "is not a component" in done.stderr
    assert not output.exists()


def test_parts_stand_in_front_of_each_other(tmp_path: Path, fake_gateway: Start) -> None:
    """The company's rule, behind it the filter by data class, behind that the built-in component."""
    output = tmp_path / "both.wasm"
    done = compose(part("rust"), whole("python"), output)
    assert done.returncode == 0, done.stderr
    gateway = fake_gateway("generic", "--services", "crm:2,payroll:2", "--separator", ".")
    program = Program(tmp_path / "home", gateway.url)
    tools = program.json("--component", output, "tools", "gw")["tools"]
    assert {tool["name"] for tool in tools} == {"crm.item_000_lookup", "crm.item_001_lookup"}
    assert {tool["service"] for tool in tools} == {"crm"}
    called = program.run("--component", output, "-v", "call", "gw", "crm.item_000_lookup")
    assert "goes to crm" in called.stderr and ": internal" in called.stderr, called.stderr
