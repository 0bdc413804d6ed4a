"""A credential of a gateway is in egress's memory and in no other part's, whatever the gateway echoes.

`jco serve` runs the composed service with each part's core module in a memory of its own, which a script beside it reads
while the service runs, freed memory and all. What the search can find is shown with the parts that do hold a text.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import upstream
from conftest import HERE, needed
from processes import Program, free_port
from service import CANARY, Replica, bearer, settings

MEMORIES = HERE.parent / "service" / "memories.mjs"
PARTS = {"front", "gateway", "bridge", "egress"}


@contextmanager
def served(folder: Path, variables: dict[str, str]) -> Iterator[tuple[Replica, Path]]:
    """The service on Node, and the folder through which its memories are asked."""
    port = free_port()
    node = needed("NODE_CLIENTS") / "node"
    env = {
        "PATH": f"{node.parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "JCO_RUN_ARGS": f"--import {MEMORIES}",
        "MEMORIES_ASK": str(folder / "ask"),
        "MEMORIES_TOLD": str(folder / "told"),
    }
    argv = [node, needed("JCO"), "serve", needed("SERVICE_WASM"), "--port", str(port), "--host", "127.0.0.1"]
    engine = Program(argv, folder / "jco.log", env | variables, family=True)
    replica = Replica.at(port, engine)

    def alive() -> bool | None:
        try:
            return replica.ask("GET", "/health").status == 200 or None
        except (OSError, http.client.HTTPException):
            return None

    try:
        engine.ready(alive, 180)
        yield replica, folder
    finally:
        engine.stop()


def memories(replica: Replica, folder: Path, needles: dict[str, str]) -> dict[str, dict[str, int]]:
    """By part, how often each text is in its memory."""
    (folder / "told").unlink(missing_ok=True)
    (folder / "writing").write_text(json.dumps({"needles": needles}), encoding="utf-8")
    (folder / "writing").rename(folder / "ask")
    replica.program.ready(lambda: (not (folder / "ask").exists() and (folder / "told").exists()) or None, 60)
    told = json.loads((folder / "told").read_text(encoding="utf-8"))
    assert set(told) >= PARTS, told
    for part in PARTS:
        assert told[part]["memories"] >= 1 and told[part]["bytes"] > 65536, (part, told[part])
    return {part: told[part]["needles"] for part in told}


def echo(handler: upstream.Handler, message: dict[str, Any]) -> bool:
    """Gives the credential back in every spelling that is masked; and reversed, which nobody can know."""
    token = handler.headers["Authorization"].removeprefix("Bearer ")
    spelled = [token, quote(token, safe=""), base64.b64encode(token.encode()).decode(), token.replace("/", "\\u002f")]
    # Often: what is freed is written over in part.
    text = f"{' '.join(spelled)} cut: {token[:20]} reversed: {token[::-1]} " * 50
    result = {"content": [{"type": "text", "text": text}]}
    handler.answer(200, {"jsonrpc": "2.0", "id": message["id"], "result": result}, X_Echo=token)
    return True


NEEDLES = {
    "whole": CANARY,
    "percent": quote(CANARY, safe=""),
    "base64": base64.b64encode(CANARY.encode()).decode()[:-4],
    "in JSON": CANARY.replace("/", "\\u002f"),
    "cut off": CANARY[:16],
    "reversed": CANARY[::-1],
}


def test_a_credential_is_in_the_memory_of_egress_alone(tmp_path: Path) -> None:
    gateway = upstream.Server({CANARY})
    gateway.misbehave = echo
    try:
        with served(tmp_path, settings({"gw": bearer(gateway.url)}, GW_TOKEN=CANARY)) as (replica, folder):
            session = replica.initialize()
            called = replica.legacy(session, "tools/call", {"name": "read", "arguments": {"title": "x"}})
            assert called.text.count("***") >= 250 and CANARY[::-1] in called.text, called.text
            found = memories(replica, folder, NEEDLES)
            gateway.tokens = {"another"}
            assert "auth_required" in replica.legacy(session, "tools/call", {"name": "read", "arguments": {}}).text
            refused = memories(replica, folder, NEEDLES)
    finally:
        gateway.stop()
    # The search finds what is there: in egress the credential, in front and gateway what no mask can know.
    assert found["egress"]["whole"] > 0, found
    assert found["front"]["reversed"] > 0 and found["gateway"]["reversed"] > 0, found
    for part in set(found) - {"egress"}:
        for held in (found[part], refused[part]):
            assert {name: count for name, count in held.items() if count and name != "reversed"} == {}, (part, held)


def test_a_credential_that_the_front_is_given_is_found_there(tmp_path: Path) -> None:
    """The same search, where it has to find something: the token of a client is the front's to know, and so it is there."""
    gateway = upstream.Server({CANARY})
    variables = settings({"gw": bearer(gateway.url)}, GW_TOKEN=CANARY, TEAM_TOKEN=CANARY)
    try:
        with served(tmp_path, variables) as (replica, folder):
            assert replica.initialize(token=CANARY)
            found = memories(replica, folder, {"whole": CANARY})
    finally:
        gateway.stop()
    assert found["front"]["whole"] > 0 and found["egress"]["whole"] > 0, found
    assert found["gateway"]["whole"] == 0 and found["bridge"]["whole"] == 0, found
