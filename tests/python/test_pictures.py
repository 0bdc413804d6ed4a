"""The pictures of `docs/pictures`: each is what the program shows at a terminal today.

With `UPDATE=1` in the environment they are made anew.
"""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as Xml
from collections.abc import Iterator
from pathlib import Path

import pictures
import pytest
from conftest import HERE
from demo import Demo, running
from terminal import Terminal

ROOT = HERE.parent.parent
FOLDER = ROOT / "docs" / "pictures"


@pytest.fixture
def demo(shared_cache: Path) -> Iterator[Demo]:
    """One that ends."""
    with running(shared_cache) as demo:
        yield demo


def services(demo: Demo) -> list[tuple[str, str]]:
    demo.add()
    return [demo.run("services", "demo"), demo.run("tools", "demo", "--service", "weather")]


def search(demo: Demo) -> list[tuple[str, str]]:
    demo.add()
    return [demo.run("tools", "--search", "create issue")]


def health(demo: Demo) -> list[tuple[str, str]]:
    demo.add()
    return [demo.run("health")]


def test_of(demo: Demo) -> list[tuple[str, str]]:
    return [demo.run("test", demo.url, "--bearer-env", "DEMO_TOKEN")]


test_of.__test__ = False  # type: ignore[attr-defined]


def setup(demo: Demo) -> list[tuple[str, str]]:
    def typed(terminal: Terminal) -> None:
        terminal.answer("Name of the entry", "demo")
        terminal.answer("Environment variable", "DEMO_TOKEN")
        terminal.answer("Services to keep", "github,weather")
        terminal.answer("One entry per service", "n")
        terminal.answer("Run pflow mcp sync now", "n")

    return [demo.run("setup", "--url", demo.url, typed=typed)]


PICTURES = {"services": services, "search": search, "health": health, "test": test_of, "setup": setup}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_what_the_program_shows(demo: Demo, name: str) -> None:
    now = pictures.picture(PICTURES[name](demo), f"pflow-gateway {name}")
    file = FOLDER / f"{name}.svg"
    if os.environ.get("UPDATE"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(now, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == now, f"{file.name} is out of date: run this test with UPDATE=1"


def test_every_picture_is_on_a_page_and_fetches_nothing() -> None:
    pages = {path: path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))}
    files = sorted(path.stem for path in FOLDER.glob("*.svg"))
    assert files == sorted(PICTURES)
    for name in files:
        shown = re.compile(rf"!\[[^\]]{{10,}}\]\([./\w]*pictures/{name}\.svg\)")
        assert any(shown.search(text) for text in pages.values()), (
            f"{name}.svg is on no page, or says nothing without eyes"
        )
        text = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
        Xml.fromstring(text)
        assert not re.search(r"(?:href|src|url)\s*[=(]\s*[\"']?https?:", text), "a picture that asks somebody else"
        assert "@font-face" not in text
