"""What stock pflow alone cannot do, and does through `serve`. Every command of pflow here runs with the hook switched off."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import WORKFLOWS, FakeGateway, Pflow

Start = Callable[..., FakeGateway]


@pytest.fixture
def stock(pflow: Pflow) -> Pflow:
    """pflow as its authors ship it. `pflow_gateway` adds the entries as its own program."""
    pflow.env["PFLOW_GATEWAY_DISABLE"] = "1"
    return pflow


def direct(url: str) -> dict[str, str]:
    """What a user without us writes."""
    return {"type": "http", "url": url}


def add(pflow: Pflow, *args: str) -> None:
    done = pflow.program(pflow.binary.parent / "pflow-gateway", "add", *args)
    assert done.returncode == 0, done.stderr


def test_a_thousand_tools_in_pages_of_a_hundred(stock: Pflow, fake_gateway: Start) -> None:
    gateway = fake_gateway("generic", "--services", "catalog:1000", "--page", "100")
    stock.configure({"alone": direct(gateway.url)})
    add(stock, "whole", gateway.url)

    assert "Discovered 100 tools" in stock("mcp", "sync", "alone")
    assert len(stock.registered("alone")) == 100, "stock pflow reads the first page alone"
    assert "Discovered 1000 tools" in stock("mcp", "sync", "whole")
    assert len(stock.registered("whole")) == 1000


def test_a_session_that_is_lost_between_two_steps(stock: Pflow, fake_gateway: Start) -> None:
    gateway = fake_gateway("generic", "--services", "github,slack", "--calls-per-session", "1")
    stock.configure({"alone": direct(gateway.url)})
    add(stock, "whole", gateway.url)
    stock("mcp", "sync", "--all")

    workflow = (WORKFLOWS / "two-services.pflow.md").read_text(encoding="utf-8")
    for server in ("alone", "whole"):
        (stock.home / f"{server}.pflow.md").write_text(workflow.replace("SERVER", server), encoding="utf-8")

    failed = stock.run("-p", stock.home / "alone.pflow.md")
    assert failed.returncode == 1, failed.stdout
    assert "Session terminated" in failed.stdout + failed.stderr
    out = stock("-p", stock.home / "whole.pflow.md")
    assert "slack" in out
    assert "seen: acme/site" in out


def test_a_filter_changes_what_a_run_syncs_by_itself(stock: Pflow, fake_gateway: Start) -> None:
    """pflow's fingerprint covers keys that it does not know: a changed filter is synced by the next run."""
    gateway = fake_gateway("generic")
    add(stock, "whole", gateway.url)
    stock("mcp", "sync", "whole")
    before = set(stock.registered("whole"))
    assert "lab__echo" in before
    servers = stock.servers
    servers["whole"]["gateway"]["tools"] = {"exclude": ["lab__*"]}
    stock.configure(servers)
    workflow = (WORKFLOWS / "two-services.pflow.md").read_text(encoding="utf-8").replace("SERVER", "whole")
    (stock.home / "run.pflow.md").write_text(workflow, encoding="utf-8")
    stock("-p", stock.home / "run.pflow.md")
    after = set(stock.registered("whole"))
    assert after == {name for name in before if not name.startswith("lab__")}


def test_a_workflow_outlives_the_rename_of_a_service(stock: Pflow, fake_gateway: Start) -> None:
    """ContextForge names tools after their service: an administrator renames it, and every saved workflow is wrong."""
    gateway = fake_gateway("context-forge")
    stock.env["FORGE_TOKEN"] = gateway.hello["token"]
    add(stock, "forge", gateway.url, "--bearer-env", "FORGE_TOKEN")
    stock("mcp", "sync", "forge")
    workflow = """# Post

## Steps

### post

Posts.

- type: mcp-forge-slack-post-message
- channel: general
- text: still here
"""
    (stock.home / "post.pflow.md").write_text(workflow, encoding="utf-8")
    stock("-p", stock.home / "post.pflow.md")
    gateway.order(do="backend", name="slack", rename="Team Chat")
    stock("-p", stock.home / "post.pflow.md")
    called = [request["tool"] for request in gateway.requests("tools/call")]
    assert called == ["slack-post-message", "team-chat-post-message"]


def test_a_login_page_fails_at_once_and_says_so(stock: Pflow, fake_gateway: Start) -> None:
    """Stock pflow waits a minute for an answer that its SDK has dropped."""
    gateway = fake_gateway("fault", "http-200-html")
    stock.configure(
        {
            "whole": {
                "command": str(stock.binary.parent / "pflow-gateway"),
                "args": ["serve", "whole"],
                "gateway": {"kind": "generic", "url": gateway.url},
            }
        }
    )
    done = stock.run("mcp", "sync", "whole", timeout=50)
    assert done.returncode == 1, done.stdout
