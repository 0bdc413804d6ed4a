"""The wizard, at a terminal: a pseudo-terminal, since it asks nobody who is not at one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import FakeGateway, Pflow
from terminal import Terminal

Start = Callable[..., FakeGateway]

TOKEN = "t0ken-of-the-wizard"


@pytest.fixture
def wizard(pflow: Pflow) -> Iterator[Callable[..., Terminal]]:
    """Start wizards; they end with the test."""
    started: list[Terminal] = []
    pflow.env |= {"NO_COLOR": "1", "TERM": "xterm", "TOKEN_OF_THE_TEST": TOKEN}

    def start(*args: str) -> Terminal:
        program = pflow.binary.parent / "pflow-gateway"
        started.append(Terminal([program, "setup", *args], pflow.env, pflow.home))
        return started[-1]

    yield start
    for terminal in started:
        terminal.close()


def entry(pflow: Pflow, name: str) -> dict[str, Any]:
    """The `gateway` member of an entry."""
    return dict(pflow.servers[name]["gateway"])


def test_docker_is_set_up_and_synced_by_answers(
    pflow: Pflow, fake_gateway: Start, wizard: Callable[..., Terminal]
) -> None:
    gateway = fake_gateway("docker", "--token", TOKEN)
    terminal = wizard("docker")
    terminal.answer("The gateway's MCP URL", "not a url")
    terminal.answer("The gateway's MCP URL", gateway.url)
    terminal.answer("Name of the entry [docker]", "")
    terminal.answer("holds the gateway's token, or none [none]", "")
    # It wants a token after all. Whoever pastes one instead of a name is told so.
    terminal.answer("once it is set, or stop", "ghp_0123456789abcdef0123456789abcdef0123")
    terminal.wait("not the name of an environment variable")
    terminal.answer("once it is set, or stop", "NOT_SET_ANYWHERE")
    terminal.wait("NOT_SET_ANYWHERE is not set")
    terminal.answer("once it is set, or stop", "TOKEN_OF_THE_TEST")
    terminal.wait("works: 129 tools")
    terminal.answer("Run pflow mcp sync now", "y")
    assert terminal.end() == 0, terminal.shown
    assert entry(pflow, "docker")["auth"] == {"type": "bearer", "token": "${TOKEN_OF_THE_TEST}"}
    assert len(pflow.registered("docker")) == 129
    assert TOKEN not in terminal.shown
    assert not [path for path in pflow.home.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]


def test_services_are_chosen_from_the_real_list(
    pflow: Pflow, fake_gateway: Start, wizard: Callable[..., Terminal]
) -> None:
    gateway = fake_gateway("context-forge")
    pflow.env["TOKEN_OF_THE_TEST"] = gateway.hello["token"]
    terminal = wizard("context-forge", "--bearer-env", "TOKEN_OF_THE_TEST", "--no-sync")
    terminal.answer("The gateway's MCP URL", gateway.url)
    terminal.answer("Name of the entry [contextforge]", "work")
    terminal.wait("github-work")
    terminal.answer("Services to keep: numbers or names, or all [all]", "jira")
    terminal.wait("there is no service jira")
    terminal.answer("Services to keep", "2, slack")
    terminal.answer("One entry per service (y/n) [n]", "n")
    terminal.wait("Added work to ")
    assert terminal.end() == 0, terminal.shown
    assert entry(pflow, "work")["services"] == {"include": ["github-work", "slack"]}
    assert not (pflow.home / ".pflow" / "registry.json").exists(), "nothing was synced"


def test_flags_answer_every_question(pflow: Pflow, fake_gateway: Start) -> None:
    gateway = fake_gateway("generic", "--bearer", TOKEN)
    program = pflow.binary.parent / "pflow-gateway"
    flags = ("setup", "generic", "--url", gateway.url, "--name", "own", "--bearer-env", "TOKEN_OF_THE_TEST")
    pflow.env["TOKEN_OF_THE_TEST"] = TOKEN
    unknown = pflow.program(program, *flags, "--include-service", "jira")
    assert unknown.returncode == 2
    assert "there is no service jira" in unknown.stderr
    assert "github, lab, slack" in unknown.stderr
    done = pflow.program(program, *flags, "--include-service", "slack", "--sync")
    assert done.returncode == 0, done.stderr
    assert set(pflow.registered("own")) == {"slack__list_channels", "slack__post_message", "slack__set_topic"}


def test_whoever_has_enough_leaves_without_a_trace(
    pflow: Pflow, fake_gateway: Start, wizard: Callable[..., Terminal]
) -> None:
    gateway = fake_gateway("generic", "--bearer", TOKEN)
    terminal = wizard("generic", "--url", gateway.url, "--name", "own", "--bearer-env", "PATH")
    terminal.answer("once it is set, or stop", "stop")
    assert terminal.end() == 1, terminal.shown
    assert not (pflow.home / ".pflow" / "mcp-servers.json").exists()


def test_another_url_is_taken_after_a_connection_that_failed(
    pflow: Pflow, fake_gateway: Start, wizard: Callable[..., Terminal]
) -> None:
    gateway = fake_gateway("generic")
    terminal = wizard("generic", "--name", "other", "--no-sync")
    terminal.wait("was found on this machine")
    terminal.answer("The gateway's MCP URL", "http://127.0.0.1:9/mcp")
    assert "--url" not in terminal.shown, "it is asked for now"
    terminal.answer("Environment variable", "none")
    terminal.wait("connection refused")
    terminal.answer("The gateway's MCP URL, to try again, or stop [http://127.0.0.1:9/mcp]", "not a url")
    terminal.wait("is not a valid URL")
    terminal.answer("The gateway's MCP URL, to try again, or stop", gateway.url)
    terminal.answer("Services to keep", "1")
    terminal.wait("Added other to ")
    assert terminal.end() == 0, terminal.shown
    assert entry(pflow, "other")["url"] == gateway.url
    assert terminal.shown.count("connection refused") == 1


UP, LEFT, HOME, DELETE = "\x1b[A", "\x1b[D", "\x01", "\x1b[3~"


def test_an_answer_is_edited_as_in_a_shell_and_an_earlier_one_is_behind_the_arrow_up(
    pflow: Pflow, fake_gateway: Start, wizard: Callable[..., Terminal]
) -> None:
    gateway = fake_gateway("generic")
    terminal = wizard("generic", "--no-sync")
    # A letter too many at its start, and one too few before its end.
    terminal.answer("The gateway's MCP URL", "x" + gateway.url[:-2] + gateway.url[-1] + LEFT + "c" + HOME + DELETE)
    terminal.answer("Name of the entry", "not a name")
    terminal.wait("not a name")
    terminal.answer("Name of the entry", UP + "\x15" + "own")
    terminal.answer("Environment variable", "none")
    terminal.answer("Services to keep", "7")
    terminal.wait("there is no service 7")
    terminal.answer("Services to keep", UP + "\x7f1")
    terminal.wait("Added own to ")
    assert terminal.end() == 0, terminal.shown
    assert entry(pflow, "own")["url"] == gateway.url


def test_a_wizard_that_is_interrupted_gives_the_terminal_back_as_it_was(
    pflow: Pflow, wizard: Callable[..., Terminal]
) -> None:
    for end, code in (("interrupt", 130), ("terminate", 143)):
        terminal = wizard("generic")
        before = terminal.settings()
        terminal.wait("The gateway's MCP URL")
        until = time.monotonic() + 30
        while terminal.settings() == before and time.monotonic() < until:
            time.sleep(0.02)
        assert terminal.settings() != before, "the line is not edited"
        if end == "interrupt":
            terminal.interrupt()
        else:
            terminal.process.terminate()
        assert terminal.end() == code, terminal.shown
        assert terminal.settings() == before, end
        assert "nothing was written" in terminal.shown
    assert not (pflow.home / ".pflow" / "mcp-servers.json").exists()
