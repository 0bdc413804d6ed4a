"""Entries as other people write them: what stock pflow makes of them before `adopt`, after it, and after `adopt --undo`."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import Pflow

SECRET = "good-key-of-mine-4242"
TOOLS = [{"name": f"github_tool{n}", "description": "x", "inputSchema": {"type": "object"}} for n in range(3)]


class Server:
    """A small MCP server that wants `Bearer good`, or the key in the query; remembers what it was asked."""

    def __init__(self, *, open_to_all: bool = False) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                good = self.headers.get("Authorization") == "Bearer good" or f"apiKey={SECRET}" in self.path
                if not (open_to_all or good):
                    self.answer(401, {"error": "unauthorized"})
                elif "id" not in body:
                    self.answer(202, None)
                else:
                    self.answer(200, {"jsonrpc": "2.0", "id": body["id"]} | self.result(body))

            def do_GET(self) -> None:
                self.answer(405, None)

            def result(self, body: dict[str, Any]) -> dict[str, Any]:
                match body["method"]:
                    case "initialize":
                        info = {"name": "small", "version": "1"}
                        said = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}
                        return {"result": said}
                    case "tools/list":
                        return {"result": {"tools": TOOLS}}
                    case _:
                        return {"error": {"code": -32601, "message": "no such method"}}

            def answer(self, status: int, body: Any) -> None:
                data = b"" if body is None else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self.url = f"{self.origin}/mcp"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()


@pytest.fixture
def stock(pflow: Pflow) -> Pflow:
    """pflow as its authors ship it, and the program beside it."""
    pflow.env["PFLOW_GATEWAY_DISABLE"] = "1"
    pflow.env["TOK"] = SECRET
    return pflow


def gateway(pflow: Pflow, *args: str) -> subprocess.CompletedProcess[str]:
    return pflow.program(pflow.binary.parent / "pflow-gateway", *args)


EXPANDED = [
    "${TOK}",
    "a${TOK}b",
    "${Kept}",
    "${NONE:-fallback}",
    "${NONE:-}x",
    "${EMPTY:-fallback}x",
    "${NONE:-a:-b}",
    "${NONE:-$TOK}",
    "$${TOK}",
    "$TOK",
    "${1A}",
    "${a b}",
    "${TOK:x}",
    "${a${TOK}",
    "${TOK",
    "${}",
    "%TOK%",
    "${env:TOK}",
]


def test_a_url_and_its_headers_expand_exactly_as_pflow_expands_them(
    stock: Pflow, python: Path, server: Server, tmp_path: Path
) -> None:
    """Compared with pflow's own function, in pflow's own environment."""
    stock.env["EMPTY"] = ""
    stock.configure({})
    settings = {"env": {"KEPT": "from-settings", "kept": "second"}}
    (stock.home / ".pflow" / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    script = tmp_path / "expand.py"
    script.write_text(
        "import json, sys\n"
        "from pflow.mcp.auth_utils import expand_env_vars_nested as expand\n"
        "data = json.load(sys.stdin)\n"
        "print(json.dumps(expand(data, include_settings=True, raise_on_missing=True)))\n",
        encoding="utf-8",
    )
    headers = {f"X-Row-{n}": f"<{text}>" for n, text in enumerate(EXPANDED)}
    in_url = [text for text in EXPANDED if " " not in text]
    url = server.url + "?apiKey=${TOK}&" + "&".join(f"q{n}=[{text}]" for n, text in enumerate(in_url))
    entry = {"type": "http", "url": url, "headers": headers}
    expanded = json.loads(
        subprocess.run(
            [python, script], input=json.dumps(entry), env=stock.env, capture_output=True, text=True, check=True
        ).stdout
    )
    stock.configure({"g": entry})
    done = gateway(stock, "test", "g")
    assert done.returncode == 0, done.stdout + done.stderr
    path, sent = server.asked[-1]
    assert {name: sent[name.lower()] for name in headers} == expanded["headers"]

    import httpx

    wanted = httpx.URL(expanded["url"])
    assert dict(httpx.QueryParams(path.split("?", 1)[1])) == dict(wanted.params)
    assert SECRET not in done.stdout + done.stderr


def test_a_variable_that_is_not_set_anywhere_is_named_as_pflow_names_it(stock: Pflow, server: Server) -> None:
    stock.configure({"g": {"type": "http", "url": f"{server.url}?apiKey=${{NOWHERE}}"}})
    theirs, ours = stock.run("mcp", "sync", "g"), gateway(stock, "test", "g")
    assert theirs.returncode == 1
    assert "NOWHERE" in theirs.stderr + theirs.stdout
    assert ours.returncode == 2
    assert "the variable NOWHERE is not set" in ours.stderr
    assert server.asked == []


ENTRIES: dict[str, dict[str, Any]] = {
    "a default": {"type": "http", "url": "URL", "headers": {"Authorization": "Bearer ${NOPE:-good}"}},
    "two defaults": {
        "type": "http",
        "url": "URL",
        "headers": {"Authorization": "Bearer ${NOPE:-good}", "X-Other": "${NOPE:-other}"},
    },
    "an empty default": {"type": "http", "url": "URL?apiKey=${TOK}", "headers": {"X-Team": "a${NOPE:-}"}},
    "a key in the query": {"type": "http", "url": "URL?apiKey=${TOK}"},
    "a variable with another case": {"type": "http", "url": "URL?apiKey=${kept}"},
    "a host with a default": {"type": "http", "url": "${BASE:-ORIGIN}/mcp?apiKey=${TOK}"},
    "a literal token": {
        "url": "URL",
        "headers": {"X-Team": "a", "Authorization": "Bearer good"},
        "type": "http",
        "timeout": 45,
        "note": "keep",
    },
    "null members": {"type": "http", "url": "URL?apiKey=${TOK}", "headers": None, "auth": None},
    "variables of its own": {
        "type": "http",
        "env": {"A": "b"},
        "url": "URL",
        "auth": {"type": "bearer", "token": "good"},
        "sse_timeout": 60,
    },
}


@pytest.mark.parametrize("what", ENTRIES)
@pytest.mark.parametrize("indent", [2, None])
def test_what_works_in_stock_pflow_works_after_adopt_and_undo_gives_back_every_byte(
    stock: Pflow, server: Server, what: str, indent: int | None
) -> None:
    text = json.dumps({"mcpServers": {"other": {"command": "true"}, "g": ENTRIES[what]}, "z": 1.0}, indent=indent)
    text = text.replace("URL", server.url).replace("ORIGIN", server.origin)
    path = stock.configure({})
    path.write_text(text, encoding="utf-8")
    settings = {"env": {"KEPT": SECRET}}
    (path.parent / "settings.json").write_text(json.dumps(settings), encoding="utf-8")

    def discovered() -> str:
        done = stock.run("mcp", "sync", "g")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "Discovered 3 tools" in discovered()
    before = path.read_text(encoding="utf-8")
    adopted = gateway(stock, "adopt", "g")
    assert adopted.returncode == 0, adopted.stdout + adopted.stderr
    assert SECRET not in adopted.stdout + adopted.stderr
    assert '"gateway"' in path.read_text(encoding="utf-8")
    assert "Discovered 3 tools" in discovered()
    sent = server.asked[-1][1]
    if what == "two defaults":
        assert sent["x-other"] == "other"
    undone = gateway(stock, "adopt", "g", "--undo")
    assert undone.returncode == 0, undone.stderr
    assert path.read_text(encoding="utf-8") == before


# Modules that Python, this package and its start-up hook import.
HOSTILE = ["pflow_gateway/__init__", "json", "contextlib", "signal", "threading", "importlib/__init__", "sys", "os"]


def hostile_folder(folder: Path) -> Path:
    """A repository that would like to run as the user."""
    folder.mkdir()
    for name in HOSTILE:
        file = folder / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"open({str(folder / 'PWNED')!r}, 'a').write({name!r} + '\\n')\n", encoding="utf-8")
    return folder


def ran(folder: Path) -> str:
    pwned = folder / "PWNED"
    return pwned.read_text(encoding="utf-8") if pwned.exists() else ""


def sync_in(stock: Pflow, folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [stock.binary, "mcp", "sync", name],
        env=stock.env,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_nothing_of_the_folder_that_pflow_is_run_in_is_executed(stock: Pflow, server: Server, tmp_path: Path) -> None:
    folder = hostile_folder(tmp_path / "repository")
    stock.env.pop("PFLOW_GATEWAY_DISABLE")
    stock("mcp", "gateway", "add", "gw", server.url + "?apiKey=${TOK}", "--no-test")
    entry = stock.servers["gw"]
    assert entry["command"] == str(stock.binary.parent / "pflow-gateway"), "the script's absolute path"
    assert entry["args"] == ["serve", "gw"]
    done = sync_in(stock, folder, "gw")
    assert "Discovered 3 tools" in done.stdout, done.stdout + done.stderr
    assert ran(folder) == ""


def test_without_a_script_the_start_is_isolated_too(
    stock: Pflow, python: Path, server: Server, tmp_path: Path
) -> None:
    folder = hostile_folder(tmp_path / "repository")
    code = "from pflow_gateway import _cli; print(_cli._ISOLATED)"
    isolated = subprocess.run([python, "-c", code], env=stock.env, capture_output=True, text=True, check=True).stdout
    stock.configure(
        {
            "gw": {
                "command": str(python),
                "args": ["-c", isolated.strip(), "serve", "gw"],
                "env": {"TOK": "${TOK}"},
                "gateway": {"url": server.url + "?apiKey=${TOK}"},
            }
        }
    )
    done = sync_in(stock, folder, "gw")
    assert "Discovered 3 tools" in done.stdout, done.stdout + done.stderr
    assert ran(folder) == ""


def test_an_entry_of_the_old_form_is_reported_and_rewritten(stock: Pflow, python: Path, server: Server) -> None:
    old = {
        "command": str(python),
        "args": ["-m", "pflow_gateway", "serve", "gw"],
        "env": {"TOK": "${TOK}"},
        "gateway": {"url": server.url + "?apiKey=${TOK}"},
        "note": "kept",
    }
    stock.configure({"gw": old})
    for command in (["list"], ["test", "gw"]):
        done = gateway(stock, *command)
        assert "python -m" in done.stdout + done.stderr, command
    health = json.loads(gateway(stock, "health", "--json").stdout)
    assert any("python -m" in warning for warning in health["gateways"][0]["warnings"]), health
    done = gateway(stock, "adopt", "gw")
    assert done.returncode == 0, done.stderr
    after = stock.servers["gw"]
    assert after["command"] == str(stock.binary.parent / "pflow-gateway")
    assert after == old | {"command": after["command"], "args": ["serve", "gw"]}
    assert "python -m" not in gateway(stock, "list").stderr


def test_an_entry_that_pflow_cannot_start_does_not_pass_its_test(stock: Pflow, server: Server) -> None:
    """The interpreter's environment was moved: the gateway is well, and pflow cannot use it."""
    done = gateway(stock, "add", "gw", server.url + "?apiKey=${TOK}")
    assert done.returncode == 0, done.stderr
    servers = stock.servers
    gone = str(stock.home / "gone" / "bin" / "pflow-gateway")
    servers["gw"]["command"] = gone
    stock.configure(servers)
    assert stock.run("mcp", "sync", "gw").returncode == 1
    done = gateway(stock, "test", "gw", "--json")
    report = json.loads(done.stdout)
    assert done.returncode != 0
    assert report["ok"] is False
    assert report["checks"][0]["name"] == "pflow"
    assert gone in report["error"]["message"]
    assert gone in gateway(stock, "list").stderr
    assert gateway(stock, "adopt", "gw").returncode == 0
    assert "Discovered 3 tools" in stock("mcp", "sync", "gw")


def test_dockers_own_entry_is_told_how_to_start_over_http(stock: Pflow) -> None:
    """What `docker mcp client connect` writes."""
    entry = {"command": "docker", "args": ["mcp", "gateway", "run", "--profile", "work"]}
    stock.configure({"MCP_DOCKER": entry})
    for command in ("test", "adopt"):
        done = gateway(stock, command, "MCP_DOCKER")
        assert done.returncode == 2
        start = "docker mcp gateway run --transport streaming --port 8811 --profile work"
        assert start in done.stderr
        assert "MCP_GATEWAY_AUTH_TOKEN" in done.stderr
    assert stock.servers["MCP_DOCKER"] == entry
