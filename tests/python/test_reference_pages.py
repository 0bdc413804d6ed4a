"""The pages of `docs/reference` that follow from the sources: each says what they say.

After a change of the sources run this with UPDATE=1: it writes the tables anew.
"""

from __future__ import annotations

import os
import re

import reference
from reference import ROOT, SHAPES, SOURCES, TABLE

PAGES = ROOT / "docs" / "reference"


def test_the_tables_of_json_are_those_of_the_sources() -> None:
    page = PAGES / "json.md"
    text = page.read_text(encoding="utf-8")
    now = reference.with_tables(text)
    if os.environ.get("UPDATE"):
        page.write_text(now, encoding="utf-8")
    else:
        assert text == now, "docs/reference/json.md is out of date: run this test with UPDATE=1"
    shown = TABLE.findall(text)
    in_source = re.findall(r"^pub struct (\w+) \{", reference.source("report.rs"), re.MULTILINE)
    assert sorted(SHAPES) == sorted(in_source), "a shape of the sources is not on the page"
    assert {f"members of {shape}" for shape in SHAPES} <= set(shown)
    assert {f"values of {names}" for names in reference.NAMES} | {"classes"} <= set(shown)
    assert "| `_meta` |" in now, "a name as it is in JSON"
    assert "| `token_expired` |" in now
