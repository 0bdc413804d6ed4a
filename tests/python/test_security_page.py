"""docs/security.md and the README promise things and name the test that shows each. A promise whose test is gone is no promise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"
README = ROOT / "README.md"
COMPATIBILITY = ROOT / "docs" / "reference" / "compatibility.md"
NAMED = re.compile(r"`((?:host|component|tests|xtask)/[\w/.-]+\.(?:rs|py))::([\w*]+)`")


@pytest.mark.parametrize(("page", "least"), [(PAGE, 20), (README, 4)], ids=["security", "readme"])
def test_every_test_that_the_page_names_exists(page: Path, least: int) -> None:
    named = NAMED.findall(page.read_text(encoding="utf-8"))
    assert len(named) >= least
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


@pytest.mark.parametrize("page", [PAGE, README], ids=["security", "readme"])
def test_every_row_of_a_promise_names_a_test(page: Path) -> None:
    rows = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    promises = [row for row in rows if "shown by" not in row and "| --- |" not in row]
    assert promises
    for row in promises:
        assert NAMED.search(row), row


def test_the_readme_counts_what_the_page_on_compatibility_lists() -> None:
    """That page is made by trying each gateway both ways."""
    text = COMPATIBILITY.read_text(encoding="utf-8")
    cases = [line.split(" | ")[-3:-1] for line in text.splitlines() if re.match(r"\| [\w-]+ \| ", line)]
    cases = [case for case in cases if case[0] not in ("stock pflow", "---")]
    stock = sum(before == "works" for before, _ in cases)
    ours = sum(after in ("works", "as before: works") for _, after in cases)
    row = f"| {len(cases)} odd gateways | {stock} work | {ours} work |"
    assert row in README.read_text(encoding="utf-8"), row
