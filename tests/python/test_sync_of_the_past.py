"""`pflow mcp sync` of a gateway that is away: stock pflow registers what `serve` remembers; the hook says of when that is."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from conftest import FakeGateway, Pflow, needed


def entry(name: str, url: str) -> dict[str, object]:
    return {
        "command": str(needed("PFLOW_GATEWAY_BIN")),
        "args": ["serve", name],
        "env": {"HOME": "${HOME}"},
        "gateway": {"url": url, "timeout": 5},
    }


def test_sync_of_a_dead_gateway_says_of_when_its_tools_are(
    fake_gateway: Callable[..., FakeGateway], pflow: Pflow
) -> None:
    fake, well = fake_gateway("generic"), fake_gateway("generic")
    servers = {"demo": entry("demo", fake.url), "other": entry("other", well.url)}
    for server in servers.values():
        server["env"] = {"HOME": str(pflow.home), "XDG_CACHE_HOME": pflow.env["XDG_CACHE_HOME"]}
    pflow.configure(servers)
    before = time.time()
    assert "⚠" not in pflow("mcp", "sync", "demo")
    after = time.time()
    count = len(pflow.registered("demo"))
    assert count > 1
    fake.program.stop()
    told = re.compile(rf"^⚠ demo is unreachable: these are the {count} tools of (\d\d:\d\d)$", re.MULTILINE)
    for words in (("mcp", "sync", "demo"), ("mcp", "sync", "--all")):
        out = pflow(*words)
        found = told.search(out)
        assert found is not None, out
        assert found[1] in {time.strftime("%H:%M", time.localtime(at)) for at in (before, after)}
        assert "other is" not in out
    # Another gateway's sync says nothing of it, nor does pflow without the hook.
    assert "⚠" not in pflow("mcp", "sync", "other")
    assert "⚠" not in pflow("mcp", "sync", "demo", PFLOW_GATEWAY_DISABLE="1")
