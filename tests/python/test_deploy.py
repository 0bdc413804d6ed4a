"""`deploy`: what it writes is what engines take, and no secret is in it."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from conftest import HERE, Pflow, needed
from service import TEAM, Replica
from upstream import Server

CRD = HERE.parent / "service" / "wasmcloud-workloaddeployments.crd.yaml"
ENGINES = ("wasmtime", "wasmcloud", "spin")
ENTRY = {
    "url": "https://gw.example.com:8443/mcp",
    "kind": "docker",
    "auth": {"type": "bearer", "token": "${GATEWAY_TOKEN}"},
    "headers": {"X-Team": "it's \"us\" # $HOME"},
    "services": {"include": ["git*"], "declare": ["github=gh_"]},
    "tools": {"exclude": ["*_delete*"]},
    "refresh": 60,
}


def entry(gateway: Any) -> dict[str, Any]:
    """An entry of pflow's file."""
    return {"command": "pflow-gateway", "args": ["serve", "gw"], "gateway": gateway}


def deploy(pflow: Pflow, engine: str, *more: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs it; the files go into `out`."""
    return pflow.program(needed("PFLOW_GATEWAY_BIN"), "deploy", "--engine", engine, "--out", pflow.home / "out", *more, **env)


def written(pflow: Pflow, name: str) -> str:
    """A file that it wrote."""
    return (pflow.home / "out" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("engine", ENGINES)
def test_no_secret_is_in_any_file_and_every_variable_is_named(pflow: Pflow, engine: str) -> None:
    pflow.configure({"gw": entry(ENTRY), "other": {"type": "http", "url": "http://other.example/mcp"}})
    done = deploy(pflow, engine, "--json", GATEWAY_TOKEN="canary-secret-value", SESSION_KEYS="canary-key", TEAM_TOKEN="canary-team")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["engine"] == engine and report["error"] is None and report["gateways"] == ["gw", "other"]
    assert report["secrets"] == ["GATEWAY_TOKEN", "SESSION_KEYS", "TEAM_TOKEN"]
    files = sorted(path.name for path in (pflow.home / "out").iterdir())
    assert files == sorted(report["files"]), "nothing else is left there"
    for name in files:
        text = written(pflow, name)
        assert "canary" not in text and "Written by pflow-gateway deploy" in text
    assert all(secret in " ".join(report["next"]) for secret in report["secrets"])
    assert any("pflow mcp gateway add team https://mcp.example.com/gw/mcp --bearer-env TEAM_TOKEN" in step for step in report["next"])
    told = deploy(pflow, engine).stdout
    assert "Next:" in told and "canary" not in told


@pytest.mark.parametrize(
    ("gateway", "says", "remedy"),
    [
        (ENTRY | {"auth": {"type": "bearer", "token": "hunter2hunter2"}}, "gw: the entry holds the credential itself (bearer)", "${VARIABLE}"),
        (ENTRY | {"auth": {"type": "bearer", "token": "${T:-hunter2hunter2}"}}, "gw: the entry holds the default of a variable", "${VARIABLE}"),
        (ENTRY | {"headers": {"X-API-Key": "hunter2hunter2"}}, "gw: the entry holds the credential itself (x-api-key)", "${VARIABLE}"),
        (ENTRY | {"url": "https://gw.example/mcp?api_key=hunter2hunter2"}, "gw: the entry holds the credential itself (\"api_key\" in its query)", "${VARIABLE}"),
        (ENTRY | {"ca_file": "x.pem"}, "the service cannot take this: GATEWAYS.gw.ca_file", "give the engine's own store the authority"),
        (ENTRY | {"auth": {"type": "command", "command": ["x"]}}, "the service cannot take this: GATEWAYS.gw.auth", "bearer"),
    ],
)
def test_an_entry_that_a_deployment_cannot_hold_is_refused_with_the_remedy(pflow: Pflow, gateway: Any, says: str, remedy: str) -> None:
    pflow.configure({"gw": entry(gateway)})
    done = deploy(pflow, "wasmtime")
    assert done.returncode == 2, done.stdout + done.stderr
    assert says in done.stderr and remedy in done.stderr, done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert not (pflow.home / "out").exists()


def test_a_file_of_somebody_else_stays_unless_it_is_said(pflow: Pflow) -> None:
    pflow.configure({"gw": entry(ENTRY)})
    (pflow.home / "out").mkdir()
    mine = pflow.home / "out" / "nginx.conf"
    mine.write_text("# mine\n", encoding="utf-8")
    done = deploy(pflow, "wasmtime")
    assert done.returncode == 2 and "nginx.conf was not written by deploy" in done.stderr and "--force" in done.stderr
    assert [path.name for path in mine.parent.iterdir()] == ["nginx.conf"] and mine.read_text(encoding="utf-8") == "# mine\n"
    assert deploy(pflow, "wasmtime", "--force").returncode == 0
    assert "Written by" in mine.read_text(encoding="utf-8")
    assert deploy(pflow, "wasmtime", "--replicas", "2").returncode == 0, "its own it writes anew"
    assert written(pflow, "pflow-gateway.target").count("pflow-gateway@") == 2


def test_there_has_to_be_a_gateway(pflow: Pflow) -> None:
    pflow.configure({})
    assert "there is no gateway to deploy" in deploy(pflow, "spin").stderr
    pflow.configure({"gw": entry(ENTRY)})
    assert deploy(pflow, "spin", "nobody").returncode == 2


def test_wasmclouds_own_schema_takes_the_workload(pflow: Pflow) -> None:
    pflow.configure({"gw": entry(ENTRY)})
    assert deploy(pflow, "wasmcloud", "--host", "mcp.team.example", "--replicas", "5").returncode == 0
    workload = yaml.safe_load(written(pflow, "workload.yaml"))
    crd = yaml.safe_load(CRD.read_text(encoding="utf-8"))
    version = crd["spec"]["versions"][0]
    assert workload["apiVersion"] == f"{crd['spec']['group']}/{version['name']}"
    assert workload["kind"] == crd["spec"]["names"]["kind"]
    schema = closed(version["schema"]["openAPIV3Schema"])
    jsonschema.validate(workload, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(workload | {"spec": workload["spec"] | {"replica": 1}}, schema)
    component = workload["spec"]["template"]["spec"]["components"][0]
    resources = component["localResources"]
    assert workload["spec"]["replicas"] == 5 and component["poolSize"] > 0
    assert resources["allowedHosts"] == ["https://gw.example.com:8443"]
    assert resources["environment"]["secretFrom"] == [{"name": "pflow-gateway"}]
    variables = resources["environment"]["config"]
    assert variables["HOSTS"] == "mcp.team.example"
    told = json.loads(variables["GATEWAYS"])["gw"]
    assert told == {name: value for name, value in ENTRY.items() if name != "refresh"}


def closed(schema: Any) -> Any:
    """The same; a member that it does not name is refused, as the server prunes it."""
    if isinstance(schema, dict):
        inner = {name: closed(value) for name, value in schema.items()}
        named = inner.get("type") == "object" and "properties" in inner and "apiVersion" not in inner["properties"]
        return inner | {"additionalProperties": False} if named and "additionalProperties" not in inner else inner
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    return schema


def test_spins_manifest_has_the_shape_that_is_documented(pflow: Pflow) -> None:
    pflow.configure({"gw": entry(ENTRY)})
    done = deploy(pflow, "spin")
    assert done.returncode == 0, done.stderr
    assert "SpinKube cannot give GATEWAY_TOKEN, SESSION_KEYS, TEAM_TOKEN to this service" in done.stdout
    manifest = tomllib.loads(written(pflow, "spin.toml"))
    assert set(manifest) == {"spin_manifest_version", "application", "trigger", "component"}
    assert manifest["spin_manifest_version"] == 2
    assert {"name", "version"} <= set(manifest["application"])
    assert manifest["trigger"]["http"] == [{"route": "/...", "component": "service"}]
    service = manifest["component"]["service"]
    assert set(service) == {"source", "allowed_outbound_hosts", "environment"}
    assert service["allowed_outbound_hosts"] == ["https://gw.example.com:8443"]
    assert json.loads(service["environment"]["GATEWAYS"])["gw"]["headers"] == ENTRY["headers"]
    app = yaml.safe_load(written(pflow, "spinapp.yaml"))
    assert (app["kind"], app["spec"]["replicas"], app["spec"]["executor"]) == ("SpinApp", 3, "containerd-shim-spin")


def read_environment(text: str) -> dict[str, str]:
    """As systemd and a shell read it."""
    return dict(word.split("=", 1) for word in shlex.split(text, comments=True))


def test_the_command_line_of_the_unit_serves_a_listing(pflow: Pflow, tmp_path: Path) -> None:
    gateway = Server(tokens={"the-token"})
    headers = {"X-Team": "it's \"us\" # $HOME"}
    told = {"url": gateway.url, "auth": {"type": "bearer", "token": "${GATEWAY_TOKEN}"}, "headers": headers}
    pflow.configure({"gw": entry(told)})
    assert deploy(pflow, "wasmtime", "--host", "127.0.0.1", "--service", str(needed("SERVICE_WASM"))).returncode == 0
    unit = written(pflow, "pflow-gateway@.service")
    line = re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    assert line
    words = [word.replace("$$", "$") for word in shlex.split(line.group(1))]
    assert words[0] == "/usr/local/bin/wasmtime" and "127.0.0.1:%i" in words
    secrets = read_environment(written(pflow, "secrets.env.example"))
    assert set(secrets) == {"GATEWAY_TOKEN", "SESSION_KEYS", "TEAM_TOKEN"} and not any(secrets.values())
    environment = read_environment(written(pflow, "settings.env")) | {
        "GATEWAY_TOKEN": "the-token", "SESSION_KEYS": "00" * 32, "TEAM_TOKEN": TEAM, "PATH": "/usr/bin:/bin",
    }
    replica = Replica.running(
        [needed("WASMTIME_BIN"), "serve", *[word.replace("%i", "0") for word in words[2:]]], tmp_path, environment
    )
    try:
        session = replica.initialize()
        listed = replica.legacy(session, "tools/list").json["result"]["tools"]
        assert [tool["name"] for tool in listed] == ["read", "write"]
    finally:
        replica.program.stop()
        gateway.stop()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
def test_systemd_takes_the_units(pflow: Pflow, tmp_path: Path) -> None:
    pflow.configure({"gw": entry(ENTRY)})
    assert deploy(pflow, "wasmtime", "--service", "/usr/local/lib/a b/%x$y.wasm").returncode == 0
    # It looks whether the program is there.
    program = tmp_path / "wasmtime"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    unit = tmp_path / "pflow-gateway@8081.service"
    unit.write_text(written(pflow, "pflow-gateway@.service").replace("/usr/local/bin/wasmtime", str(program)), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, timeout=60, check=False)
    about = [line for line in done.stderr.splitlines() if "pflow-gateway" in line]
    assert not about, done.stderr


def test_what_stands_in_a_url_by_a_variable_is_not_written(pflow: Pflow) -> None:
    pflow.configure({"gw": entry({"url": "https://${GW_HOST}/mcp?key=${GW_KEY}"})})
    unset = deploy(pflow, "wasmcloud", GW_KEY="canary-secret-value")
    assert unset.returncode == 2 and "set GW_HOST, GW_KEY for this command" in unset.stderr, unset.stderr
    assert deploy(pflow, "wasmcloud", GW_HOST="gw.example", GW_KEY="canary-secret-value").returncode == 0
    text = written(pflow, "workload.yaml")
    assert "canary" not in text and "https://gw.example" in text and "${GW_KEY}" in text
