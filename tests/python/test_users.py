"""Two users of one machine: what another one puts, listens on, or looks at.

Played where the tests may become somebody else: as root, with util-linux. The other user is number 65534, who owns nothing here.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import FakeGateway, Pflow, needed
from gateway import Gateway
from mirror import Mirror

OTHER = 65534
AS_OTHER = ["setpriv", f"--reuid={OTHER}", f"--regid={OTHER}", "--clear-groups", "--"]

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("setpriv"),
    reason="only root can become another user; the tests of host/base/src/folder/unix.rs play one user's part of it",
)


def as_other(*argv: str | Path, folder: Path = Path("/")) -> subprocess.CompletedProcess[str]:
    """What the other user gets."""
    return subprocess.run(
        [*AS_OTHER, *map(str, argv)],
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that everybody can write to, as /tmp is; the way to it is open."""
    folder = Path("/tmp") / f"pflow-gateway-shared-{os.getpid()}"
    folder.mkdir()
    folder.chmod(0o1777)
    yield folder
    shutil.rmtree(folder)


def test_what_pflow_knows_of_gateways_is_for_its_user_alone(pflow: Pflow, shared: Path) -> None:
    binary = needed("PFLOW_GATEWAY_BIN")
    home = shared / "home"
    home.mkdir()
    home.chmod(0o755)
    pflow.env["HOME"] = str(home)
    with Mirror("good") as mirror:
        url = f"http://127.0.0.1:{mirror.port}/mcp"
        done = pflow.program(binary, "add", "g", url, "--header", "X-Tenant=${TENANT}", TENANT="acme")
        assert done.returncode == 0, done.stderr
        for words in (["health", "g"], ["tools", "g"]):
            assert pflow.program(binary, *words, TENANT="acme").returncode in (0, 1)
    everything = [home / ".pflow", *(home / ".pflow").rglob("*")]
    assert len(everything) > 3
    for path in everything:
        mode = stat.S_IMODE(path.lstat().st_mode)
        assert mode & 0o077 == 0, f"{path} is {mode:o}"
    assert as_other("ls", home).returncode == 0, "the way there is open"
    for path in everything:
        seen = as_other("ls" if path.is_dir() else "cat", path)
        assert seen.returncode != 0, f"{path}: {seen.stdout}"


@pytest.mark.parametrize("place", ["the folder above", "the folder"])
def test_code_in_a_cache_that_another_user_can_write_to_is_not_used(pflow: Pflow, shared: Path, place: str) -> None:
    binary = needed("PFLOW_GATEWAY_BIN")
    component = shared / "other.wasm"
    assert pflow.program(binary, "component", "export", component).returncode == 0
    with component.open("ab") as file:
        # A custom section: the same component, and not the one whose machine code comes with the program.
        file.write(b"\0\x05\x04else")
    own = shared / "own"
    own.mkdir(mode=0o700)
    # What is looked for, and under which name.
    shown = pflow.program(binary, "component", "show", "--component", component, XDG_CACHE_HOME=str(own))
    assert shown.returncode == 0, shown.stderr
    entries = list(own.rglob("*.cwasm"))
    assert len(entries) == 1, entries
    theirs = shared / "theirs"
    planted = theirs / entries[0].relative_to(own)
    assert as_other("mkdir", "-p", planted.parent).returncode == 0
    code = bytearray(entries[0].read_bytes())
    # Whoever runs this runs something else, or crashes.
    code[-len(code) // 2 :] = bytes(len(code) - len(code) // 2)
    source = shared / "source"
    source.write_bytes(code)
    source.chmod(0o644)
    assert as_other("cp", source, planted).returncode == 0
    if place == "the folder above":
        # The folder itself looks right: its owner can exchange it all the same.
        for path in (planted, planted.parent):
            os.chown(path, 0, 0)
        planted.parent.chmod(0o700)
        planted.chmod(0o600)
    before = planted.read_bytes()
    with Mirror("good") as mirror:
        pflow.configure({"g": {"type": "http", "url": f"http://127.0.0.1:{mirror.port}/mcp"}})
        done = pflow.program(binary, "test", "g", "--component", component, XDG_CACHE_HOME=str(theirs))
    assert done.returncode == 0, done.stdout + done.stderr
    assert planted.read_bytes() == before, "another user's file was written to"


def test_code_beside_the_program_is_not_used_whoever_put_it_there(pflow: Pflow, shared: Path) -> None:
    program = shared / "pflow-gateway"
    shutil.copy(needed("PFLOW_GATEWAY_BIN"), program)
    program.chmod(0o755)
    planted = shared / "gateway.cwasm"
    assert as_other("sh", "-c", f"head -c 1000000 /dev/urandom > {planted}").returncode == 0
    with Mirror("good") as mirror:
        pflow.configure({"g": {"type": "http", "url": f"http://127.0.0.1:{mirror.port}/mcp"}})
        cache = shared / "cache"
        cache.mkdir(mode=0o700)
        done = pflow.program(program, "test", "g", XDG_CACHE_HOME=str(cache))
    assert done.returncode == 0, done.stdout + done.stderr


def test_another_user_reads_nothing_of_the_monitor(
    tmp_path: Path, shared_cache: Path, fake_gateway: Callable[..., FakeGateway]
) -> None:
    gateway = Gateway(tmp_path / "home", shared_cache, fake_gateway("generic").url)
    log = tmp_path / "monitor.log"
    with log.open("wb") as output:
        monitor = subprocess.Popen(
            [gateway.binary, "monitor", "--listen", "127.0.0.1:0", "--every", "1", "--json"],
            env=gateway.env,
            stdout=output,
            stderr=subprocess.DEVNULL,
        )
    try:
        hello = None
        while hello is None:
            assert monitor.poll() is None
            time.sleep(0.05)
            lines = log.read_text(encoding="utf-8").split("\n")[:-1]
            hello = next((json.loads(line) for line in lines if line.startswith("{")), None)
        plain, token = str(hello["url"]), str(hello["token"])
        assert len(token) >= 20
        mine = urllib.request.Request(plain, headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(mine) as answer:
            assert answer.status == 200, "who started it reads it"
        ask = "import sys, urllib.request as u\ntry: print(u.urlopen(sys.argv[1]).status)\nexcept u.HTTPError as e: print(e.code)"
        ask = ask.replace("u.HTTPError", "__import__('urllib.error').error.HTTPError")
        for path in ("", "part", "metrics", "health.json", "events"):
            seen = as_other("/usr/bin/env", "python3", "-c", ask, plain + path)
            assert seen.stdout.strip() == "401", seen.stdout + seen.stderr
        processes = as_other("sh", "-c", f"cat /proc/{monitor.pid}/cmdline; cat /proc/{monitor.pid}/environ")
        assert token not in processes.stdout
    finally:
        monitor.terminate()
        monitor.wait()


# In a network of its own the usual ports are free, and nobody is disturbed.
LISTENER = """
import http.server, json, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with open(sys.argv[2], "a") as seen: seen.write(str(self.headers))
        method, result = body.get("method"), {}
        if method == "initialize":
            server = {"name": "Docker AI MCP Gateway", "version": "2.0.1"}
            result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": server}
        if method == "tools/list": result = {"tools": [{"name": "x", "inputSchema": {"type": "object"}}]}
        data = json.dumps({"jsonrpc": "2.0", "id": body.get("id"), "result": result}).encode() if "id" in body else b""
        if not self.headers["authorization"] and sys.argv[3] == "wants":
            data, status = b"", 401
        else: status = 200 if data else 202
        self.send_response(status); self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data))); self.end_headers(); self.wfile.write(data)
    def do_GET(self):
        self.send_response(405); self.send_header("content-length", "0"); self.end_headers()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 8811), Handler).serve_forever()
"""
NETWORK = """
import fcntl, os, socket, struct, subprocess, sys, time
with socket.socket() as s:
    fcntl.ioctl(s, 0x8914, struct.pack("16sH14x", b"lo", 0x1 | 0x40))
listener = subprocess.Popen(eval(sys.argv[1]))
for _ in range(600):
    try: socket.create_connection(("127.0.0.1", 8811), 1).close(); break
    except OSError: time.sleep(0.05)
done = subprocess.run(eval(sys.argv[2]), stdin=subprocess.DEVNULL)
listener.terminate(); listener.wait()
sys.exit(done.returncode)
"""


@pytest.mark.parametrize("whose", ["theirs", "mine"])
def test_setup_gives_no_token_to_another_users_listener(pflow: Pflow, shared: Path, whose: str) -> None:
    if subprocess.run(["unshare", "--net", "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("this machine makes no networks for tests")
    seen = shared / "seen"
    seen.touch()
    seen.chmod(0o666)
    listener = ["/usr/bin/env", "python3", "-c", LISTENER, "8811", str(seen), "wants"]
    if whose == "theirs":
        listener = AS_OTHER + listener
    asked = [str(needed("PFLOW_GATEWAY_BIN")), "setup", "docker", "-y", "--no-sync", "--name", "d"]
    done = pflow.program(
        "unshare",
        "--net",
        sys.executable,
        "-c",
        NETWORK,
        repr(listener),
        repr(asked),
        MCP_GATEWAY_AUTH_TOKEN="canary-of-docker",
    )
    text = seen.read_text(encoding="utf-8")
    if whose == "mine":
        assert "canary-of-docker" in text, done.stdout + done.stderr
    else:
        assert "canary-of-docker" not in text
        assert done.returncode != 0
        assert "another user" in done.stdout + done.stderr, done.stdout + done.stderr
