"""What every command prints with `--json` fits the schema that is published for it, member by member."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import schemas
from conftest import FakeGateway, Pflow, needed
from jsonschema import Draft202012Validator
from processes import Program

# What is not run here, and which test runs it.
ELSEWHERE = {"serve": "prints no JSON of its own: its stdout is the protocol's"}


def check(name: str, value: Any) -> None:
    """The value is as the schema says, and has nothing that it does not say."""
    validator = Draft202012Validator(schemas.strict(schemas.command(name)))
    wrong = [f"{list(error.absolute_path)}: {error.message[:300]}" for error in validator.iter_errors(value)]
    inner = [
        f"{list(part.absolute_path)}: {part.message[:200]}"
        for error in validator.iter_errors(value)
        for part in error.context or ()
    ]
    assert not wrong, f"{name}: {wrong}\n" + "\n".join(inner[:20]) + f"\n{json.dumps(value)[:1500]}"


def test_the_files_are_those_that_the_sources_make() -> None:
    for name, text in schemas.files().items():
        file = schemas.FOLDER / name
        if os.environ.get("UPDATE"):
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        else:
            assert file.read_text(encoding="utf-8") == text, f"{file} is out of date: run this test with UPDATE=1"
        Draft202012Validator.check_schema(json.loads(text))
    assert {path.name for path in schemas.FOLDER.iterdir()} == set(schemas.files())


def test_every_command_has_a_schema_and_the_page_names_it(pflow: Pflow) -> None:
    named = " ".join(words for words, _ in schemas.COMMANDS.values())
    for group in ((), ("component",), ("snapshot",)):
        shown = pflow.program(needed("PFLOW_GATEWAY_BIN"), *group, "--help").stdout
        listed = re.findall(r"^  ([a-z]+)  ", shown.partition("Commands:")[2].partition("\n\n")[0], re.MULTILINE)
        assert len(listed) > 2, shown
        for command in set(listed) - {"help", "component", "snapshot"} - set(ELSEWHERE):
            assert re.search(rf"\b{' '.join((*group, command))}\b", named), f"{group} {command} has no schema"
    page = (schemas.FOLDER.parent / "json.md").read_text(encoding="utf-8")
    for name in schemas.files():
        assert f"schemas/{name}" in page, f"{name} is not linked in json.md"


class Commands:
    """The program in a home of its own."""

    def __init__(self, pflow: Pflow) -> None:
        self.pflow = pflow

    def __call__(self, schema: str, *args: str | Path, code: int | None = 0, **env: str) -> Any:
        done = self.pflow.program(needed("PFLOW_GATEWAY_BIN"), *args, "--json", **env)
        assert code is None or done.returncode == code, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        value = json.loads(done.stdout)
        check(schema, value)
        return value


@pytest.fixture
def run(pflow: Pflow) -> Commands:
    """Commands whose output is checked."""
    return Commands(pflow)


def test_questions_to_a_gateway(run: Commands, fake_gateway: Callable[..., FakeGateway]) -> None:
    fake = fake_gateway("context-forge")
    run.pflow.env["TOKEN"] = fake.hello["token"]
    run("add", "add", "gw", fake.url, "--bearer-env", "TOKEN")
    run("test", "test", "gw")
    run("test", "test", "http://127.0.0.1:9/mcp", code=1)
    run("services", "services", "gw")
    tools = run("tools", "tools", "gw")
    name = tools["tools"][0]["name"]
    run("tool", "tools", "gw", name)
    run("tool", "tools", "gw", "no_such_tool", code=2)
    run("review", "tools", "gw", "--review", code=None)
    run("search", "tools", "--search", "issue message channel")
    run("health", "health", "gw", code=None)
    run("health-history", "health", "--history")
    run("call", "call", "gw", name, "--args", "{}", "--no-check", code=None)
    run("call-save", "call", "gw", name, "--args", "{}", "--no-check", "--save", "out", code=None)
    run("call", "call", "gw", "no_such_tool", code=2)
    run("snapshot-show", "snapshot", "show", "gw")
    run("snapshot-diff", "snapshot", "diff", "gw")
    run("snapshot-accept", "snapshot", "accept", "gw")
    run("snapshot-diff", "snapshot", "diff", "nope", code=None)
    run("list", "list")


def test_entries(run: Commands, fake_gateway: Callable[..., FakeGateway]) -> None:
    url = fake_gateway("generic").url
    run.pflow.configure({"plain": {"type": "http", "url": url}, "broken": {"gateway": {}, "command": "x"}})
    run("add", "add", "gw", url)
    run("add", "add", "gw", url, code=2)
    run("add", "add", "un", url, "--no-test")
    run("add", "adopt", "plain")
    run("add", "adopt", "plain", "--undo")
    run("setup", "setup", "generic", "--url", url, "--name", "wizard", "--yes", "--no-sync")
    run("set", "set", "gw", "--exclude", "a*", "--dry-run")
    run("set", "set", "gw", "--exclude", "a*")
    run("set", "edit", "gw", EDITOR="true")
    run("set", "edit", "gw", code=2)
    run("list", "list")
    run("deploy", "deploy", "wizard", "--engine", "spin")
    run("deploy", "deploy", "nope", "--engine", "spin", code=2)
    (run.pflow.home / "theirs.json").write_text(
        json.dumps({"mcpServers": {"new": {"url": url}, "gw": {"url": url}, "p": {"command": "x"}}}), encoding="utf-8"
    )
    run("import", "import", "theirs.json", "--dry-run")
    run("import", "import", "theirs.json", "--yes")
    run("import", "import", code=2)
    run("remove", "remove", "un")
    run("remove", "remove", "un", code=2)
    run("trust", "trust", "--list")
    run("trust", "trust", "theirs.json", code=None)
    run("doctor", "doctor", code=None)
    run("uninstall", "uninstall", "--dry-run", code=None)
    run("uninstall", "uninstall", code=2)


def test_components_and_the_machine(run: Commands) -> None:
    run("component-show", "component", "show")
    exported = run("component-export", "component", "export", "g.wasm")
    assert exported["size"] > 0
    run("component-use", "component", "use", "g.wasm")
    run("component-list", "component", "list")
    run("component-reset", "component", "reset")
    run("component-use", "component", "use", "nope.wasm", code=None)
    run("component-precompile", "component", "precompile", "--output", "g.cwasm")
    run("component-check", "component", "check", "--interface", "filter")
    run("component-wit", "component", "wit", "contract")
    run("component-wit", "component", "wit", "contract", code=2)
    run("component-new", "component", "new", "--language", "python", "my-part")
    run("component-build", "component", "build", "contract", code=2)
    run("completions", "completions", "bash")
    run("man", "man", "pages")


def test_what_listens(run: Commands, fake_gateway: Callable[..., FakeGateway]) -> None:
    run.pflow.configure({"gw": {"type": "http", "url": fake_gateway("generic").url}})
    binary = needed("PFLOW_GATEWAY_BIN")
    for name, argv in (("demo", ["demo"]), ("monitor", ["monitor", "--listen", "127.0.0.1:0", "--no-token"])):
        log = run.pflow.home / f"{name}.log"
        program = Program([binary, *argv, "--json"], log, run.pflow.env)

        def ready(log: Path = log) -> str | None:
            lines = [line for line in log.read_text(encoding="utf-8").split("\n")[:-1] if line.startswith("{")]
            return lines[0] if lines else None

        try:
            check(name, json.loads(program.ready(ready, 60)))
        finally:
            program.stop()


def test_the_schema_for_editors_takes_what_the_reader_takes(
    run: Commands, fake_gateway: Callable[..., FakeGateway]
) -> None:
    validator = Draft202012Validator(schemas.ENTRY)
    for example in sorted((schemas.reference.ROOT / "docs" / "examples").glob("*.json")):
        validator.validate(json.loads(example.read_text(encoding="utf-8")))
    source = schemas.reference.source("src/config/entry.rs")
    known = re.findall(r'"(\w+)"', re.search(r"const KNOWN: .*?\];", source, re.DOTALL)[0])  # type: ignore[index]
    assert sorted(known) == sorted(schemas.ENTRY["$defs"]["gateway"]["properties"]), "a member that only one of them knows"
    url = fake_gateway("generic").url
    run("add", "add", "gw", url, "--exclude", "a*", "--read-only", "--timeout", "5")
    validator.validate({"mcpServers": run.pflow.servers})
    for wrong in ({"url": 1}, {"url": url, "timeuot": 5}, {"url": url, "auth": {"type": "beerer", "token": "x"}}, {}):
        assert not validator.is_valid({"mcpServers": {"a": {"gateway": wrong}}}), wrong
