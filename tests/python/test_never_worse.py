"""Never worse than stock: what works with pflow alone works after `adopt`, and nothing untrue is said of what does not.

Each case is a small gateway (`cases/`), seen by stock pflow with the user's own entry, and with the one that `adopt` makes of it
(`differential.py`); `verdict.py` says what must hold. `docs/reference/compatibility.md` is the table of what was seen: run with
`UPDATE=1` in the environment, this writes it. `-k 'case[name]'` plays one case alone.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path

import cases
import pytest
from compatibility import page
from conftest import HERE
from differential import Field, Pair
from verdict import problems

PAGE = HERE.parent.parent / "docs" / "reference" / "compatibility.md"
CASES = cases.every()
# What is not yet as it should be, and why. A case that is mended must leave the list: its test fails until it does.
KNOWN: dict[str, str] = {}


@pytest.fixture(scope="module")
def seen(
    request: pytest.FixtureRequest, pflow_binary: Path, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Pair]:
    """What came of the cases that this run is about."""
    asked = [item for item in request.session.items if item.path == Path(__file__)]
    named = {item.callspec.params.get("name") for item in asked if hasattr(item, "callspec")}
    whole = any(not hasattr(item, "callspec") for item in asked)
    field = Field(pflow_binary, shared_cache, tmp_path_factory.mktemp("never-worse"))
    try:
        return dict(field.play({name: case for name, case in CASES.items() if whole or name in named}))
    finally:
        field.close()


@pytest.mark.parametrize("name", CASES)
def test_case(name: str, seen: dict[str, Pair]) -> None:
    found = problems(CASES[name], seen[name])
    if name in KNOWN:
        if not found:
            pytest.fail(f"{name} is as good as with stock pflow: take it out of KNOWN")
        pytest.xfail(KNOWN[name])
    told = f"{CASES[name].__doc__}\n" + "\n".join(f"* {line}" for line in found)
    assert not found, f"{told}\n\nstock pflow:\n{seen[name].direct.printed}\n\nours:\n{seen[name].ours.printed}"


def test_undo_gives_back_every_byte(seen: dict[str, Pair]) -> None:
    assert [name for name, pair in seen.items() if not pair.ours.undone] == []


def test_the_page_is_what_was_seen(seen: dict[str, Pair]) -> None:
    text = page(seen, KNOWN)
    if "UPDATE" in os.environ:
        PAGE.write_text(text, encoding="utf-8")
    written = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    differ = list(difflib.unified_diff(written.splitlines(), text.splitlines(), "written", "seen", "", "", 0))
    assert not differ, "docs/reference/compatibility.md is out of date: run this test with UPDATE=1\n" + "\n".join(
        differ
    )


def test_what_is_known_is_of_cases_that_there_are() -> None:
    assert set(KNOWN) <= set(CASES)
