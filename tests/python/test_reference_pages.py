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
    in_source = re.findall(r"^pub struct (\w+) \{", reference.source("src/report.rs"), re.MULTILINE)
    assert sorted(SHAPES) == sorted([*in_source, *reference.STRUCTS]), "a shape of the sources is not on the page"
    assert {f"members of {shape}" for shape in SHAPES} <= set(shown)
    assert {f"values of {names}" for names in reference.NAMES} | {"classes"} <= set(shown)
    assert "| `_meta` |" in now, "a name as it is in JSON"
    assert "| `token_expired` |" in now


UNITS = {"from_secs": 1, "from_mins": 60, "from_hours": 3600, "from_millis": 0.001}


def constant(place: str) -> float:
    """The value of `FILE::NAME`; durations in seconds."""
    file, _, name = place.rpartition("::")
    text = (ROOT / file).read_text(encoding="utf-8")
    found = re.search(rf"\bconst {name}: [\w:]+ = (.+);", text)
    assert found, place
    words = found[1]
    unit = 1.0
    if duration := re.fullmatch(r"Duration::(\w+)\((.+)\)", words):
        unit, words = UNITS[duration[1]], duration[2]
    # Products and shifts of numbers: nothing else is evaluated.
    assert re.fullmatch(r"[\d_ *<()]+", words), words
    return float(eval(words)) * unit


def constants_of(page: str) -> int:
    """How many numbers of a page stand in the sources, all of which are as they are there."""
    rows = re.findall(r"^\| .+ \| (\d+)[^|]* \| `(\S+::\S+)` \|$", page, re.MULTILINE)
    for value, place in rows:
        assert float(value) == constant(place), place
    return len(rows)


def test_the_fixed_limits_are_those_of_the_sources() -> None:
    page = (PAGES / "limits.md").read_text(encoding="utf-8")
    assert constants_of(page) == page.count("\n| ") - 2 > 20


LIFE = ROOT / "docs" / "components" / "life-of-a-component.md"


def test_what_the_life_of_a_component_counts_stands_in_the_sources() -> None:
    page = LIFE.read_text(encoding="utf-8")
    assert constants_of(page) == page.count(" | `host/") == 9


def test_every_failure_and_every_function_of_the_contract_is_in_the_life_of_a_component() -> None:
    contract = (ROOT / "wit" / "gateway.wit").read_text(encoding="utf-8")
    codes = re.findall(
        r"^        ([a-z-]+)(?:\(string\))?,$", contract.partition("variant failure-code {")[2].partition("}")[0], re.M
    )
    assert len(codes) > 15
    table = LIFE.read_text(encoding="utf-8").partition("| code | say it when |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `([a-z-]+)` \|", table, re.M) == codes, "each code once, in the order of the contract"
    page = LIFE.read_text(encoding="utf-8")
    for interface in ("discovery", "filter", "health", "calls", "products", "review"):
        inside = contract.partition(f"\ninterface {interface} {{")[2].partition("\n}")[0]
        functions = re.findall(r"^ +([a-z-]+): (?:static )?func\(", inside, re.M)
        assert functions, interface
        for function in functions:
            names = (f"`{function}`", f"`{interface}.{function}`", f"conversation.{function}()", f"`{function}` of")
            assert any(name in page for name in names), f"{interface}.{function}"


READ = re.compile(
    r"""(?:var|var_os|absolute)\("([A-Z][A-Z_]+)"\)|^const [A-Z]+: &str = "([A-Z][A-Z_]+)";""", re.MULTILINE
)
# Of tests, and what the program tells its own children.
NOT_FOR_USERS = {"HISTORY_FOLDER", "HISTORY_FROM", "PFLOW_GATEWAY_LAUNCHER", "LD_LIBRARY_PATH"}


def test_every_variable_that_the_program_reads_is_on_the_page_and_no_other() -> None:
    page = (PAGES / "environment.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([A-Z][A-Z_]+)`", "".join(re.findall(r"^\| (.+?) \|", page, re.MULTILINE))))
    sources = {path: path.read_text(encoding="utf-8") for path in SOURCES.rglob("*.rs") if path.name != "build.rs"}
    read = {first or second for text in sources.values() for first, second in READ.findall(text)}
    assert read - NOT_FOR_USERS <= named
    # Some are read through a list, or by a library.
    everything = "".join(sources.values())
    for name in named - {"HOME"}:
        assert f'"{name}"' in everything or f'"{name.lower()}"' in everything, name


def test_every_command_is_in_the_table_of_exit_codes() -> None:
    page = (PAGES / "exit-codes.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.+?) \|", page, re.MULTILINE))))
    arguments = reference.source("cli/src/args/mod.rs")
    commands = set(re.findall(r"^    (\w+)(?:\(| \{|,$)", reference.body(arguments, "enum Command {"), re.MULTILINE))
    assert len(commands) > 15
    assert {command.lower() for command in commands} <= told
    codes = re.findall(r"^const [A-Z]+: u8 = (\d+);", reference.source("cli/src/lib.rs"), re.MULTILINE)
    assert len(codes) >= 4
    for code in ("0", *codes):
        assert f"| {code} |" in page
