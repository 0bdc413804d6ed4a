"""What the sources say, as tables of the reference pages.

Takes the Rust sources; gives Markdown. A page holds a table between `<!-- NAME -->` and `<!-- end -->`. Never says what they do not.
"""

from __future__ import annotations

import re

from conftest import HERE

ROOT = HERE.parent.parent
SOURCES = ROOT / "host"
TABLE = re.compile(r"<!-- ([\w ]+) -->\n.*?<!-- end -->", re.DOTALL)

SHAPES = (
    "Test",
    "Check",
    "Services",
    "Service",
    "Tools",
    "Tool",
    "Finding",
    "Review",
    "ReviewFinding",
    "ReviewRule",
    "Health",
    "GatewayHealth",
    "ServiceHealth",
    "ChangedTool",
    "Call",
    "Component",
)
# What is called otherwise where it is made.
STRUCTS = {"Component": "Description"}
NAMES = ("Status", "Attribution", "Confidence", "Era", "Change", "Severity")
PLAIN = {
    "String": "text",
    "&'static str": "text",
    "bool": "true or false",
    "usize": "number",
    "u32": "number",
    "f64": "number",
    "Json": "JSON, as listed",
    "serde_json::Map<String, Value>": "numbers by name",
    "std::collections::BTreeMap<String, usize>": "numbers by reason",
    "Error": "[an error](#errors)",
}


def source(path: str) -> str:
    """A file below `host`."""
    return (SOURCES / path).read_text(encoding="utf-8")


def sentence(doc: str) -> str:
    """The words of a doc comment on one line, with nothing that ends a cell."""
    return " ".join(line.strip().removeprefix("///").strip() for line in doc.strip().splitlines()).replace("|", "\\|")


def file_of(shape: str) -> str:
    """The file that an object of `--json` is described in."""
    return "runtime/src/describe.rs" if shape in STRUCTS else "src/report.rs"


def body(text: str, opening: str) -> str:
    """What stands between the braces behind these words."""
    return text.partition(opening)[2].partition("\n}")[0]


def kind(of: str) -> str:
    """A type in words."""
    if found := re.fullmatch(r"Option<(.+)>", of):
        return f"{kind(found[1])}, or null"
    if found := re.fullmatch(r"Vec<(.+)>", of):
        return "list of texts" if found[1] == "String" else f"list of {kind(found[1])}"
    if of in SHAPES:
        return f"[{of}](#{of.lower()})"
    if of in (*NAMES, "Kind"):
        return f"[{of.lower()}](#{of.lower()})"
    return PLAIN[of]


def members(shape: str) -> str:
    """The members of one object of `--json`."""
    rows = ["| member | is | |", "| --- | --- | --- |"]
    field = re.compile(r"((?:^ *///.*\n)+)((?:^ *#\[.*\]\n)*)^ *pub (\w+): (.+),$", re.MULTILINE)
    for doc, marks, name, of in field.findall(body(source(file_of(shape)), f"pub struct {STRUCTS.get(shape, shape)} {{")):
        if "#[serde(skip)]" in marks:
            continue
        renamed = re.search(r'rename = "(\w+)"', marks)
        absent = "; may be absent" if "skip_serializing_if" in marks else ""
        rows.append(f"| `{renamed[1] if renamed else name}` | {kind(of)}{absent} | {sentence(doc)} |")
    return "\n".join(rows)


def values(names: str) -> str:
    """The names that a member can have."""
    rows = ["| value | means |", "| --- | --- |"]
    inside = re.search(rf"^    {names} \{{\n(.*?)^    \}}", source("src/report.rs"), re.MULTILINE | re.DOTALL)
    assert inside, names
    for doc, name in re.findall(r'((?:^ *///.*\n)+)^ *\w+ = "(\w[\w-]*)",$', inside[1], re.MULTILINE):
        rows.append(f"| `{name}` | {sentence(doc)} |")
    return "\n".join(rows)


def classes() -> str:
    """The classes of errors."""
    rows = ["| `class` | means |", "| --- | --- |"]
    inside = body(source("base/src/error.rs"), "pub enum Class {")
    for doc, name in re.findall(r"((?:^ *///.*\n)+)^ *(\w+),$", inside, re.MULTILINE):
        snake = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        rows.append(f"| `{snake}` | {sentence(doc)} |")
    return "\n".join(rows)


def table(name: str) -> str:
    """One table by the name that the page gives it."""
    what, _, of = name.partition(" of ")
    if what == "members":
        return members(of)
    if what == "values":
        return values(of)
    assert name == "classes", name
    return classes()


def with_tables(page: str) -> str:
    """The page with its tables as the sources are now."""
    return TABLE.sub(lambda found: f"<!-- {found[1]} -->\n{table(found[1])}\n<!-- end -->", page)
