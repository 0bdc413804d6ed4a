"""`docs/examples/monitoring` and the page on metrics, against what a monitor of the demo gateway really gives."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import HERE, needed
from gateway import Gateway
from processes import Program

DOCS = HERE.parent.parent / "docs"
EXAMPLES = DOCS / "examples" / "monitoring"
METRIC = re.compile(r"\bpflow_gateway_[a-z_]+\b")
TOKEN = "the-token-of-a-monitor"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Iterator[Gateway]:
    """A home with the demo gateway."""
    folder = tmp_path_factory.mktemp("monitored")
    ready = folder / "ready.json"
    demo = Program([needed("PFLOW_GATEWAY_BIN"), "demo", "--ready-file", ready], folder / "demo.log")
    said = demo.ready(lambda: json.loads(ready.read_text(encoding="utf-8")) if ready.exists() else None, 60)
    yield Gateway(folder / "home", shared_cache, said["url"], said["token"])
    demo.stop()


Scrape = Callable[..., str]


@pytest.fixture(scope="module")
def scrape(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scrape]:
    """Start a monitor with these words; gives its `/metrics`, asked for with the token."""
    started: list[Program] = []

    def ask(words: list[str], **env: str) -> str:
        log = tmp_path_factory.mktemp("monitor") / "log"
        argv: list[str | Path] = [gateway.binary, *words, "--json"]
        program = Program(argv, log, gateway.env | {"MONITOR_TOKEN": TOKEN} | env)
        started.append(program)

        def url() -> str | None:
            for line in log.read_text(encoding="utf-8").split("\n")[:-1]:
                if line.startswith("{"):
                    return str(json.loads(line)["url"])
            return None

        port = program.ready(url, 60).split("?")[0].rstrip("/").rsplit(":", 1)[1]
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}
        )

        def looked() -> str | None:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read().decode()
            return text if "pflow_gateway_service_up{" in text else None

        return program.ready(looked, 60)

    yield ask
    for program in started:
        program.stop()


@pytest.fixture(scope="module")
def metrics(scrape: Scrape) -> str:
    """What the monitor gives."""
    return scrape(["monitor", "--listen", "127.0.0.1:0", "--token-env", "MONITOR_TOKEN"])


def families(metrics: str) -> dict[str, str]:
    """Each family of metrics: what it means. A counter has the name of its samples."""
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", metrics, re.MULTILINE))
    told = dict(re.findall(r"^# HELP (\S+) (.+)$", metrics, re.MULTILINE))
    return {f"{name}_total" if kind == "counter" else name: told[name] for name, kind in kinds.items()}


def texts(value: Any, key: str) -> Iterator[str]:
    """Every text under this key, at any depth."""
    if isinstance(value, dict):
        for name, part in value.items():
            if name == key and isinstance(part, str):
                yield part
            yield from texts(part, key)
    elif isinstance(value, list):
        for part in value:
            yield from texts(part, key)


def test_every_metric_of_the_dashboard_exists(metrics: str) -> None:
    dashboard = json.loads((EXAMPLES / "grafana-dashboard.json").read_text(encoding="utf-8"))
    queries = [*texts(dashboard, "expr"), *texts(dashboard["templating"], "definition")]
    assert len(queries) > 10
    for query in queries:
        names = set(METRIC.findall(query))
        assert names, query
        assert names <= set(families(metrics)), query
    # What stands between braces in a legend is a label of the query's own metric.
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            name = METRIC.findall(target["expr"])[0]
            sample = re.search(rf"^{name}\{{(.*)\}}", metrics, re.MULTILINE)
            # A family without a sample here: no token of the demo gateway says when it ends.
            labels = set(re.findall(r'(\w+)="', sample.group(1))) if sample else {"gateway"}
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= labels, target


def test_every_metric_of_the_alert_rules_exists(metrics: str) -> None:
    rules = (EXAMPLES / "alert-rules.yml").read_text(encoding="utf-8")
    expressions = re.findall(r"^ +expr: (.+)$", rules, re.MULTILINE)
    assert len(expressions) == rules.count("- alert: ") > 5
    for expression in expressions:
        names = set(METRIC.findall(expression))
        assert names, expression
        assert names <= set(families(metrics)), expression
    assert set(re.findall(r"\$labels\.(\w+)", rules)) == {"gateway", "service"}


def test_promtool_accepts_the_rules_and_the_configuration() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus): the rules were not checked by it")
    for command in (["rules", EXAMPLES / "alert-rules.yml"], ["config", "--syntax-only", EXAMPLES / "prometheus.yml"]):
        done = subprocess.run([promtool, "check", *map(str, command)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_names_each_metric_and_says_of_it_what_the_monitor_says(metrics: str) -> None:
    page = (DOCS / "reference" / "metrics.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(pflow_gateway_\w+)` \|(?:[^|]*\|){2} (.+) \|$", page, re.MULTILINE))
    assert rows == families(metrics)


def started_by(file: str, marker: str) -> list[str]:
    """The monitor's command line in an example, on a free port."""
    line = next(line for line in (EXAMPLES / file).read_text(encoding="utf-8").splitlines() if marker in line)
    words = shlex.split(line[line.index("pflow-gateway monitor") :])[1:]
    place = words.index("--listen") + 1
    words[place] = words[place].rsplit(":", 1)[0] + ":0"
    return words


def test_the_service_and_the_containers_start_a_monitor_that_lets_in_whoever_has_the_token(
    scrape: Scrape, gateway: Gateway
) -> None:
    unit = started_by("pflow-gateway-monitor.service", "ExecStart=")
    assert "pflow_gateway_up" in scrape(unit)
    compose = started_by("compose.yaml", "exec pflow-gateway monitor")
    mounted = compose[compose.index("--config") + 1]
    file = gateway.home / "servers" / Path(mounted).name
    file.parent.mkdir()
    shutil.copy(gateway.home / ".pflow" / "mcp-servers.json", file)
    assert f"PFLOW_GATEWAY_TRUST: {mounted}\n" in (EXAMPLES / "compose.yaml").read_text(encoding="utf-8")
    words = [str(file) if word == mounted else word for word in compose]
    assert "pflow_gateway_up" in scrape(words, PFLOW_GATEWAY_TRUST=str(file))
