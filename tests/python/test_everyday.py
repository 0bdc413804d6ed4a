"""What people do every day besides calling tools: edit and remove entries, save what a tool answered, and uninstall."""

from __future__ import annotations

import base64
import json
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import FakeGateway, Pflow, needed
from exact import Exact
from terminal import Terminal


def run(pflow: Pflow, *args: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the program."""
    return pflow.program(needed("PFLOW_GATEWAY_BIN"), *args, **env)


def good(pflow: Pflow, *args: str | Path, **env: str) -> Any:
    """Run a command that must succeed; gives its JSON."""
    done = run(pflow, *args, "--json", **env)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def editor(pflow: Pflow, *steps: str) -> str:
    """An editor that makes these changes, one each time it is opened, as Python on `text`."""
    script = pflow.home / "editor.py"
    state = pflow.home / "editor.state"
    state.write_text("0", encoding="utf-8")
    body = "\n".join(f"    if step == {number}:\n        text = {change}" for number, change in enumerate(steps))
    script.write_text(
        f"import os, pathlib, stat, sys\nfile, state = pathlib.Path(sys.argv[-1]), pathlib.Path({str(state)!r})\n"
        "assert stat.S_IMODE(os.stat(file).st_mode) == 0o600\n"
        "step, text = int(state.read_text()), file.read_text()\n"
        f"def change(text, step):\n{body}\n    return text\n"
        "file.write_text(change(text, step))\nstate.write_text(str(step + 1))\n",
        encoding="utf-8",
    )
    return f"{shutil.which('python3')} '{script}' --wait"


@pytest.fixture
def gateway(pflow: Pflow, fake_gateway: Callable[..., FakeGateway]) -> FakeGateway:
    """A gateway with an entry beside another server's."""
    fake = fake_gateway("generic")
    pflow.configure({"other": {"command": "x"}})
    good(pflow, "add", "gw", fake.url)
    return fake


def test_an_entry_alone_is_edited_and_what_pflow_loses_is_said(pflow: Pflow, gateway: FakeGateway) -> None:
    tools = [tool["name"] for tool in good(pflow, "tools", "gw")["tools"]]
    before = (pflow.home / ".pflow" / "mcp-servers.json").read_text(encoding="utf-8")
    change = f"""text.replace('"url"', '"tools": {{"include": ["{tools[0]}"]}}, "url"')"""
    dry = good(pflow, "edit", "gw", "--dry-run", VISUAL=editor(pflow, change))
    assert not dry["written"] and (pflow.home / ".pflow" / "mcp-servers.json").read_text(encoding="utf-8") == before
    done = good(pflow, "edit", "gw", VISUAL=editor(pflow, change))
    assert sorted(done["loses"]) == sorted(tools[1:]) and done["tools"] == 1
    assert [one["member"] for one in done["changed"]] == ["gateway.tools"]
    assert pflow.servers["gw"]["gateway"]["tools"] == {"include": [tools[0]]}
    assert pflow.servers["other"] == {"command": "x"}
    same = good(pflow, "edit", "gw", EDITOR=editor(pflow, "text"))
    assert not same["written"] and same["changed"] == []


def test_a_mistake_is_edited_again_and_nothing_that_was_typed_is_lost(pflow: Pflow, gateway: FakeGateway) -> None:
    wrong = """text.replace('"url"', '"timeuot": 5, "timeout": "soon", "url"')"""
    alone = run(pflow, "edit", "gw", EDITOR=editor(pflow, wrong))
    assert alone.returncode == 2 and "what you typed is in" in alone.stderr
    kept = Path(alone.stderr.split("what you typed is in ")[1].split(")")[0].strip())
    assert '"soon"' in kept.read_text(encoding="utf-8") and stat.S_IMODE(kept.stat().st_mode) == 0o600
    kept.unlink()
    assert "timeout" not in pflow.servers["gw"]["gateway"]
    env = pflow.env | {"TERM": "dumb", "EDITOR": editor(pflow, wrong, """text.replace('"soon"', '7')""")}
    terminal = Terminal([needed("PFLOW_GATEWAY_BIN"), "edit", "gw"], env, pflow.home, columns=200)
    terminal.answer("Go on editing", "y")
    assert terminal.end() == 0, terminal.shown
    terminal.close()
    assert pflow.servers["gw"]["gateway"]["timeout"] == 7, "the second time began with what was typed the first time"


def test_without_an_editor_set_is_named_and_a_literal_credential_is_refused(
    pflow: Pflow, gateway: FakeGateway
) -> None:
    none = run(pflow, "edit", "gw")
    assert none.returncode == 2 and "set gw" in none.stderr
    literal = """text.replace('"url"', '"auth": {"type": "bearer", "token": "s3cret"}, "url"')"""
    refused = run(pflow, "edit", "gw", EDITOR=editor(pflow, literal))
    assert refused.returncode == 2 and "plain text" in refused.stderr and "s3cret" not in refused.stderr
    assert "auth" not in pflow.servers["gw"]["gateway"]
    assert run(pflow, "edit", "nope", EDITOR=editor(pflow, "text")).returncode == 2
    assert run(pflow, "edit", "gw", EDITOR="no-such-editor-anywhere").returncode == 2


def test_entries_of_one_group_go_together_and_leave_nothing_behind(
    pflow: Pflow, fake_gateway: Callable[..., FakeGateway]
) -> None:
    forge = fake_gateway("context-forge")
    pflow.env["TOKEN"] = forge.hello["token"]
    added = good(pflow, "add", "team", forge.url, "--per-service", "--bearer-env", "TOKEN")["added"]
    assert len(added) > 1
    pflow.configure(pflow.servers | {"team_mine": {"command": "x"}})
    for name in added:
        good(pflow, "tools", name)
    single = run(pflow, "remove", "team")
    assert single.returncode == 2 and "remove team --all" in single.stderr
    removed = good(pflow, "remove", "team", "--all")["removed"]
    assert sorted(removed) == sorted(added)
    assert set(pflow.servers) == {"team_mine"}
    left = [path.name for path in (pflow.home / ".pflow" / "gateway").rglob("*team*")]
    assert left == [], "not even a lock"
    assert run(pflow, "remove", "team", "--all").returncode == 2


def test_what_is_no_text_is_saved_and_nothing_is_written_over(pflow: Pflow) -> None:
    picture = b"\x89PNG" + bytes(range(256))
    content = [
        {"type": "text", "text": "here"},
        {"type": "image", "data": base64.b64encode(picture).decode(), "mimeType": "image/png"},
        {"type": "resource", "resource": {"uri": "file:///../../evil.sh", "mimeType": "text/plain", "text": "inside"}},
    ]
    folder = pflow.home / "out"
    folder.mkdir()
    (folder / "chart.png").write_text("mine", encoding="utf-8")
    with Exact({"chart": json.dumps({"content": content})}) as exact:
        report = good(pflow, "call", exact.url, "chart", "--save", folder)
        assert [Path(one["file"]).name for one in report["saved"]] == ["chart-2.png", "evil.sh"]
        assert (folder / "chart.png").read_text(encoding="utf-8") == "mine"
        assert (folder / "chart-2.png").read_bytes() == picture
        assert report["result"]["content"] == content, "the result itself is whole"
        assert [path.name for path in pflow.home.iterdir() if "evil" in path.name] == []
        said = run(pflow, "call", exact.url, "chart", "--save", folder / "new")
        assert said.returncode == 0 and f"Saved {folder}/new/chart.png (260 bytes)" in said.stdout
        calls = len(exact.calls)
        refused = run(pflow, "call", exact.url, "chart", "--save", folder / "chart.png")
        assert refused.returncode == 2 and "nothing was sent" in refused.stderr
        assert len(exact.calls) == calls
        exact.results["chart"] = json.dumps({"content": [{"type": "image", "data": "no base64", "mimeType": "image/png"}]})
        broken = run(pflow, "call", exact.url, "chart", "--save", folder, "--json")
        assert broken.returncode == 1
        assert "the call ran" in json.loads(broken.stdout)["error"]["hint"], "nobody is told to try again"


def test_uninstalling_leaves_entries_that_pflow_starts_itself(pflow: Pflow, gateway: FakeGateway) -> None:
    plain = {"type": "http", "url": gateway.url, "note": "keep"}
    pflow.configure(pflow.servers | {"plain": plain})
    good(pflow, "adopt", "plain")
    good(pflow, "add", "command", gateway.url, "--token-command", "echo x")
    before = pflow.servers
    dry = good(pflow, "uninstall", "--dry-run")
    assert pflow.servers == before and not dry["done"]
    refused = run(pflow, "uninstall")
    assert refused.returncode == 2 and "--yes" in refused.stderr and pflow.servers == before
    done = run(pflow, "uninstall", "--yes", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 1, "one entry stays"
    fates = {one["gateway"]: one["becomes"] for one in report["entries"]}
    assert fates == {"gw": "plain", "plain": "plain", "command": "left"}
    assert pflow.servers["plain"] == plain and pflow.servers["gw"] == {"type": "http", "url": gateway.url}
    assert "gateway" in pflow.servers["command"] and pflow.servers["other"] == {"command": "x"}
    assert any("uninstall" in one or one.startswith("rm ") for one in report["next"])
    assert (pflow.home / ".pflow" / "gateway").exists(), "what is remembered stays until it is said"
    good(pflow, "uninstall", "--yes", "--remove-entries", "--remove-data", XDG_CACHE_HOME=str(pflow.home / "cache"))
    assert not [path.name for path in (pflow.home / ".pflow").iterdir() if "gateway" in path.name]
    assert "command" not in pflow.servers


def test_the_start_up_hook_goes_with_an_environment_of_its_own(pflow: Pflow, tmp_path: Path) -> None:
    packages = tmp_path / "venv" / "lib" / "python3.12" / "site-packages"
    packages.mkdir(parents=True)
    hook = packages / "pflow_gateway.pth"
    hook.write_text("import _pflow_gateway_boot\n", encoding="utf-8")
    program = tmp_path / "venv" / "bin" / "pflow-gateway"
    program.parent.mkdir()
    shutil.copy(needed("PFLOW_GATEWAY_BIN"), program)
    done = pflow.program(program, "uninstall", "--yes")
    assert done.returncode == 0, done.stderr
    assert not hook.exists() and f"{program.parent}/python -m pip uninstall pflow-gateway" in done.stdout
