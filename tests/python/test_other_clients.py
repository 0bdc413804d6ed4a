"""`serve` in other people's clients, by the very lines of `docs/guides/other-clients.md`."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import HERE, Pflow, needed
from processes import Program

TOKEN = "a-token-of-other-clients"


def lines() -> list[str]:
    page = (HERE.parent.parent / "docs" / "guides" / "other-clients.md").read_text(encoding="utf-8")
    found = page.partition("```sh\n")[2].partition("```")[0].splitlines()
    assert len({line.split()[0] for line in found}) == 3, "three clients"
    return found


@pytest.fixture
def entry(pflow: Pflow, tmp_path: Path) -> Iterator[Pflow]:
    """The demo gateway as the entry `demo`, without its service slack; its token is in pflow's settings."""
    ready = tmp_path / "ready.json"
    env = pflow.env | {"DEMO_TOKEN": TOKEN}
    demo = Program(
        [needed("PFLOW_GATEWAY_BIN"), "demo", "--token-env", "DEMO_TOKEN", "--ready-file", ready],
        tmp_path / "demo.log",
        env,
    )
    url = demo.ready(lambda: json.loads(ready.read_text(encoding="utf-8"))["url"] if ready.exists() else None, 60)
    (pflow.home / ".pflow").mkdir(mode=0o700)
    settings = pflow.home / ".pflow" / "settings.json"
    settings.write_text(json.dumps({"version": "1.0.0", "env": {"DEMO_TOKEN": TOKEN}}), encoding="utf-8")
    settings.chmod(0o600)
    added = pflow.program(
        needed("PFLOW_GATEWAY_BIN"), "add", "demo", url, "--bearer-env", "DEMO_TOKEN", "--exclude-service", "slack"
    )
    assert added.returncode == 0, added.stderr
    yield pflow
    demo.stop()


def test_every_client_of_the_page_lists_what_the_filter_keeps_and_calls(entry: Pflow) -> None:
    folders = [needed("PFLOW_GATEWAY_BIN").parent, needed("FASTMCP_PYTHON").parent, needed("NODE_CLIENTS")]
    env = entry.env | {"PATH": ":".join([*map(str, folders), os.environ["PATH"]]), "NO_COLOR": "1"}
    for line in lines():
        done = subprocess.run(
            ["bash", "-c", line],
            env=env,
            cwd=entry.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        said = f"{line}\n{done.stdout}{done.stderr}"
        assert done.returncode == 0, said
        if " list " in line:
            assert "github_create_issue" in said.replace("\n", ""), said
            assert "slack_post_message" not in said, said
        else:
            assert "sunny" in said, said
