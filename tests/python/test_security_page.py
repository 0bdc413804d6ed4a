"""docs/security.md promises things and names the test that shows each. A promise whose test is gone is no promise."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"
NAMED = re.compile(r"`((?:host|component|tests|xtask)/[\w/.-]+\.(?:rs|py))::([\w*]+)`")


def test_every_test_that_the_page_names_exists() -> None:
    named = NAMED.findall(PAGE.read_text(encoding="utf-8"))
    assert len(named) >= 20
    missing = []
    for file, name in named:
        path = ROOT / file
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if path.suffix == ".py" and not path.name.startswith("test_"):
            missing.append(f"{file} is not collected")
        tests = re.findall(r"#\[(?:tokio::)?test[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*(?:async )?fn (\w+)|def (test_\w+)", text)
        if not tests or (name != "*" and not any(name in pair for pair in tests)):
            missing.append(f"{file}::{name}")
    assert not missing


def test_every_row_of_a_promise_names_a_test() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    promises = [row for row in rows if "shown by" not in row and "| --- |" not in row]
    assert promises
    for row in promises:
        assert NAMED.search(row), row
