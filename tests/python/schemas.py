"""JSON Schemas of what every command prints with `--json`, and of an entry in mcp-servers.json.

Takes the Rust sources for the shapes in `report.rs`, and says the others here; gives the files of docs/reference/schemas.
Members may be added later, so the files forbid none; the tests hold real output to a strict copy that does.
"""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import reference

FOLDER = reference.ROOT / "docs" / "reference" / "schemas"
DRAFT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
NULL: Schema = {"type": "null"}
ANY: Schema = {}
TIME: Schema = {"type": "string", "format": "date-time"}
PLAIN: dict[str, Schema] = {
    "String": TEXT,
    "&'static str": TEXT,
    "bool": FLAG,
    "usize": COUNT,
    "u32": COUNT,
    "f64": NUMBER,
    "Json": ANY,
    "serde_json::Map<String, Value>": {"type": "object", "additionalProperties": NUMBER},
    "std::collections::BTreeMap<String, usize>": {"type": "object", "additionalProperties": COUNT},
    "Kind": TEXT,
}


def ref(name: str) -> Schema:
    """A shape by its name."""
    return {"$ref": f"#/$defs/{name}"}


def maybe(of: Schema) -> Schema:
    """The same, or null."""
    return {"anyOf": [of, NULL]}


def many(of: Schema) -> Schema:
    """A list of these."""
    return {"type": "array", "items": of}


def by_name(of: Schema) -> Schema:
    """Values by names that nobody knows before."""
    return {"type": "object", "additionalProperties": of}


def shape(absent: tuple[str, ...] = (), **members: Schema) -> Schema:
    """An object; all members but those in `absent` are always there."""
    return {
        "type": "object",
        "properties": members,
        "required": [name for name in members if name not in absent],
    }


def _kind(of: str) -> Schema:
    if found := re.fullmatch(r"Option<(.+)>", of):
        return maybe(_kind(found[1]))
    if found := re.fullmatch(r"Vec<(.+)>", of):
        return many(_kind(found[1]))
    if of in (*reference.SHAPES, *reference.NAMES, "Error"):
        return ref(of)
    return PLAIN[of]


FIELD = re.compile(r"((?:^ *///.*\n)+)((?:^ *#\[.*\]\n)*)^ *pub (\w+): (.+),$", re.MULTILINE)


def _of_source(file: str, name: str) -> Schema:
    """A struct of the sources."""
    members: dict[str, Schema] = {}
    absent = []
    for doc, marks, field, of in FIELD.findall(reference.body(reference.source(file), f"pub struct {name} {{")):
        if "#[serde(skip)]" in marks:
            continue
        renamed = re.search(r'rename = "(\w+)"', marks)
        called = renamed[1] if renamed else field
        members[called] = {"description": reference.sentence(doc), **_kind(of)}
        if "skip_serializing_if" in marks:
            absent.append(called)
    return shape(tuple(absent), **members)


def _with(name: str, **members: Schema) -> Schema:
    """A struct of the reports with more members."""
    known = _of_source(reference.file_of(name), reference.STRUCTS.get(name, name))
    return {
        "type": "object",
        "properties": known["properties"] | members,
        "required": [*known["required"], *members],
    }


def _names(of: str) -> Schema:
    return {"enum": re.findall(r"^\| `([\w-]+)` \|", reference.values(of), re.MULTILINE)}


def shared() -> dict[str, Schema]:
    """Shapes by name."""
    error = shape(
        ("retry_after",),
        **{"class": {"enum": re.findall(r"^\| `(\w+)` \|", reference.classes(), re.MULTILINE)}},
        message=TEXT,
        hint=maybe(TEXT),
        service=maybe(TEXT),
        retry_after=COUNT,
    )
    defs = {name: _of_source(reference.file_of(name), reference.STRUCTS.get(name, name)) for name in reference.SHAPES}
    defs |= {name: _names(name) for name in reference.NAMES}
    bar = shape(good=COUNT, bad=COUNT)
    return defs | {
        "Error": error,
        "Row": shape(("default",), name=TEXT, type=TEXT, required=FLAG, description=maybe(TEXT), default=ANY),
        "SnapshotTool": shape(name=TEXT, service=maybe(TEXT)),
        "Bar": bar,
        "Changed": shape(member=TEXT, before=ANY, now=ANY),
        "Pin": shape(gateway=maybe(TEXT), sha256=TEXT, source=TEXT, file=TEXT),
    }


E: Schema = NULL
SCORE = shape(passed=COUNT, failed=COUNT, total=COUNT, not_offered=COUNT, percent=COUNT)
GAINED = {"gains": many(TEXT), "loses": many(TEXT)}
WRITTEN = dict(gateway=TEXT, added=many(TEXT), entries=by_name(ANY), file=TEXT, next=many(TEXT), test=maybe(ref("Test")), error=E)
CHANGED = shape(
    gateway=TEXT,
    file=TEXT,
    changed=many(ref("Changed")),
    gains=maybe(many(TEXT)),
    loses=maybe(many(TEXT)),
    tools=maybe(COUNT),
    written=FLAG,
    warnings=many(TEXT),
    error=E,
    absent=("file",),
)
MADE = shape(file=TEXT, bytes=COUNT, next=many(TEXT), error=E)
ADDED = shape(("declared", "warnings", *GAINED), declared=many(TEXT), warnings=many(TEXT), **GAINED, **WRITTEN)

# By file: the commands, what they do, and what is printed when all is well.
COMMANDS: dict[str, tuple[str, Schema]] = {
    "test": ("test", ref("Test")),
    "services": ("services", ref("Services")),
    "tools": ("tools", ref("Tools")),
    "tool": (
        "tools TARGET TOOL",
        shape(
            gateway=TEXT,
            tool=ref("Tool"),
            signature=maybe(TEXT),
            arguments=many(ref("Row")),
            returns=many(ref("Row")),
            marked=many(TEXT),
            tokens=COUNT,
            refused=maybe(ref("Error")),
            example=maybe(TEXT),
            error=E,
        ),
    ),
    "search": (
        "tools --search",
        shape(
            query=TEXT,
            gateways=many(TEXT),
            searched=COUNT,
            matches=many(_with("Tool", gateway=TEXT, score=NUMBER, tokens=COUNT)),
            failed=many(shape(gateway=TEXT, error=ref("Error"))),
            instead=maybe(TEXT),
            error=E,
        ),
    ),
    "review": ("tools --review", ref("Review")),
    "health": ("health", ref("Health")),
    "health-history": (
        "health --history",
        shape(
            since=TIME,
            until=TIME,
            gateways=many(
                shape(
                    gateway=TEXT,
                    uptime=maybe(NUMBER),
                    bars=many(ANY),
                    services=many(shape(name=TEXT, uptime=maybe(NUMBER), bars=many(ANY))),
                    transitions=many(ANY),
                    errors=many(ANY),
                )
            ),
            error=E,
        ),
    ),
    "call": ("call", ref("Call")),
    "call-save": (
        "call --save",
        _with(
            "Call",
            saved=many(shape(file=TEXT, block=COUNT, mimeType=maybe(TEXT), bytes=COUNT)),
            unsaved=many(TEXT),
        ),
    ),
    "list": (
        "list",
        shape(
            file=TEXT,
            gateways=many(
                {
                    "anyOf": [
                        shape(
                            gateway=TEXT,
                            kind=maybe(TEXT),
                            url=TEXT,
                            auth=TEXT,
                            filter=maybe(TEXT),
                            settings=by_name(TEXT),
                            plain=FLAG,
                            tools=maybe(COUNT),
                            services=maybe(COUNT),
                            seen=shape(tools=maybe(COUNT), services=ANY),
                            last=maybe(ANY),
                            error=NULL,
                        ),
                        shape(gateway=TEXT, kind=NULL, url=NULL, error=ref("Error")),
                    ]
                }
            ),
            warnings=many(TEXT),
        ),
    ),
    "add": ("add and adopt", ADDED),
    "setup": ("setup", shape(synced=FLAG, warnings=many(TEXT), **WRITTEN)),
    "set": ("set and edit", CHANGED),
    "remove": ("remove", shape(gateway=TEXT, removed=many(TEXT), file=TEXT, error=E)),
    "import": (
        "import",
        shape(
            files=many(shape(file=TEXT, client=maybe(TEXT), servers=maybe(COUNT), error=maybe(ref("Error")))),
            imported=many(
                shape(
                    gateway=TEXT,
                    called=TEXT,
                    **{"from": TEXT},
                    url=TEXT,
                    entry=ANY,
                    moved=by_name(TEXT),
                    asked=many(TEXT),
                    tested=maybe(FLAG),
                )
            ),
            left_out=many(shape(name=TEXT, **{"from": TEXT}, failed=FLAG, error=ref("Error"))),
            written=FLAG,
            file=maybe(TEXT),
            next=many(TEXT),
            error=E,
        ),
    ),
    "uninstall": (
        "uninstall",
        shape(
            entries=many(
                shape(
                    gateway=TEXT,
                    becomes={"enum": ["plain", "removed", "left"]},
                    remark=maybe(TEXT),
                    error=maybe(ref("Error")),
                )
            ),
            hook=maybe(TEXT),
            data=many(shape(path=TEXT, what=TEXT, files=COUNT, bytes=COUNT, removed=FLAG)),
            done=FLAG,
            next=many(TEXT),
            error=E,
        ),
    ),
    "snapshot-show": (
        "snapshot show",
        shape(
            gateway=TEXT,
            seen_at=TIME,
            accepted=FLAG,
            tools=many(ref("SnapshotTool")),
            definitions=maybe(shape(tools=COUNT, accepted_at=TIME, accepted_by={"enum": ["first", "user"]}, not_accepted=COUNT)),
            error=E,
        ),
    ),
    "snapshot-diff": (
        "snapshot diff",
        shape(
            gateway=TEXT,
            good_at=maybe(TIME),
            latest_at=maybe(TIME),
            gone=many(ref("SnapshotTool")),
            new=many(ref("SnapshotTool")),
            changes={"enum": ["pass", "warn", "hold"]},
            changed=many(
                shape(
                    name=TEXT,
                    service=maybe(TEXT),
                    change=TEXT,
                    digest=TEXT,
                    was_called=maybe(TEXT),
                    was_of=maybe(TEXT),
                    old=ANY,
                    new=ANY,
                    parts=ANY,
                    arguments=ANY,
                    result=ANY,
                    annotations=ANY,
                    means=many(TEXT),
                )
            ),
            definitions_known=FLAG,
            error=E,
        ),
    ),
    "snapshot-accept": (
        "snapshot accept",
        shape(gateway=TEXT, tools=maybe(COUNT), accepted=many(TEXT), gone=many(TEXT), error=E),
    ),
    "trust": (
        "trust",
        {
            "anyOf": [
                shape(files=many(shape(file=TEXT, sha256=TEXT)), error=E),
                shape(
                    file=TEXT,
                    sha256=maybe(TEXT),
                    trusted=FLAG,
                    wants=many(shape(gateway=TEXT, wants=many(TEXT))),
                    error=E,
                ),
            ]
        },
    ),
    "deploy": (
        "deploy",
        shape(
            engine={"enum": ["wasmtime", "wasmcloud", "spin"]},
            folder=TEXT,
            files=many(TEXT),
            secrets=many(TEXT),
            gateways=many(TEXT),
            next=many(TEXT),
            warnings=many(TEXT),
            error=E,
        ),
    ),
    "doctor": (
        "doctor",
        shape(
            ok=FLAG,
            findings=many(shape(("name",), area=TEXT, name=TEXT, ok=maybe(FLAG), detail=TEXT, remedy=maybe(TEXT))),
            contacted=FLAG,
            error=E,
        ),
    ),
    "demo": (
        "demo, once it listens",
        shape(
            url=TEXT,
            token=maybe(TEXT),
            token_env=maybe(TEXT),
            pid=COUNT,
            tools=COUNT,
            services=many(shape(name=TEXT, tools=COUNT, credential=TEXT)),
        ),
    ),
    "monitor": ("monitor, once it listens", shape(url=TEXT, token=maybe(TEXT), pid=COUNT, gateways=COUNT)),
    "completions": ("completions", shape(shell=TEXT, script=TEXT, error=E)),
    "man": ("man", shape(folder=TEXT, pages=many(TEXT), error=E)),
    "component-show": ("component show", ref("Component")),
    "component-use": ("component use", {**shape(gateway=maybe(TEXT), sha256=TEXT, source=TEXT, file=TEXT, error=E)}),
    "component-list": ("component list", shape(components=many(ANY), error=E)),
    "component-reset": ("component reset", shape(removed=ANY, error=E)),
    "component-export": ("component export", shape(file=TEXT, size=COUNT, error=E)),
    "component-precompile": ("component precompile", shape(file=TEXT, sha256=TEXT, error=E)),
    "component-new": (
        "component new",
        shape(
            folder=TEXT,
            language={"enum": ["rust", "python", "javascript"]},
            files=many(TEXT),
            next=many(TEXT),
            error=E,
        ),
    ),
    "component-build": ("component build and component compose", MADE),
    "component-wit": ("component wit", shape(folder=TEXT, files=many(TEXT), error=E)),
    "component-check": (
        "component check",
        _with(
            "Component",
            ok=FLAG,
            error=maybe(ref("Error")),
            score=SCORE,
            interfaces=many(shape(name=TEXT, **SCORE["properties"])),
            checks=many(
                shape(
                    name=TEXT,
                    interface=TEXT,
                    ok=maybe(FLAG),
                    outcome={"enum": ["passed", "failed", "not_offered"]},
                    cites=TEXT,
                    expected=TEXT,
                    found=TEXT,
                    ms=NUMBER,
                )
            ),
        ),
    ),
}


def command(name: str) -> Schema:
    """The schema of what a command prints: its report, or an error in its place."""
    words, good = COMMANDS[name]
    failed = {"type": "object", "properties": {"error": ref("Error")}, "required": ["error"]}
    whole = {
        "$schema": DRAFT,
        "title": f"pflow-gateway {words} --json",
        "anyOf": [good, failed],
    }
    return whole | {"$defs": _used(whole)}


def _used(schema: Schema) -> dict[str, Schema]:
    """The shapes that it names, and those that they name."""
    every, wanted = shared(), dict[str, Schema]()
    text = json.dumps(schema)
    while more := {name for name in re.findall(r"#/\$defs/(\w+)", text) if name not in wanted}:
        wanted |= {name: every[name] for name in sorted(more)}
        text = json.dumps(wanted)
    return dict(sorted(wanted.items()))


def strict(schema: Schema) -> Schema:
    """The same, where an object with a member that is not described is wrong; the place of an error alone stays open."""

    def close(part: Any) -> None:
        if isinstance(part, dict):
            if "properties" in part and list(part["properties"]) != ["error"]:
                part["additionalProperties"] = False
            for inner in part.values():
                close(inner)
        elif isinstance(part, list):
            for inner in part:
                close(inner)

    closed = copy.deepcopy(schema)
    close(closed)
    return closed


PATTERNS = many(TEXT)
ENTRY: Schema = {
    "$schema": DRAFT,
    "title": "pflow's mcp-servers.json, with gateways of pflow-gateway",
    "type": "object",
    "properties": {"mcpServers": {"type": "object", "additionalProperties": {"$ref": "#/$defs/entry"}}},
    "$defs": {
        "entry": {
            "type": "object",
            "properties": {"gateway": {"$ref": "#/$defs/gateway"}},
            "description": "A server of pflow's; with \"gateway\" one that pflow-gateway serves.",
        },
        "gateway": {
            "type": "object",
            "required": ["url"],
            "additionalProperties": False,
            "properties": {
                "url": {"type": "string", "description": "The MCP URL; it may hold ${VAR}."},
                "kind": {"type": "string", "description": "The product; found out when it is not said."},
                "settings": {
                    "type": "object",
                    "additionalProperties": {"type": "string"},
                    "description": "Texts for the component; never a credential.",
                },
                "era": {"enum": ["legacy", "modern", "auto"]},
                "auth": {
                    "oneOf": [
                        {"type": "null"},
                        {
                            "type": "object",
                            "required": ["type", "token"],
                            "properties": {"type": {"const": "bearer"}, "token": TEXT},
                        },
                        {
                            "type": "object",
                            "required": ["type", "key"],
                            "properties": {"type": {"const": "api_key"}, "key": TEXT, "header": TEXT},
                        },
                        {
                            "type": "object",
                            "required": ["type", "username", "password"],
                            "properties": {"type": {"const": "basic"}, "username": TEXT, "password": TEXT},
                        },
                        {
                            "type": "object",
                            "required": ["type", "command"],
                            "properties": {"type": {"const": "command"}, "command": {**PATTERNS, "minItems": 1}},
                        },
                    ]
                },
                "headers": {"anyOf": [{"type": "object", "additionalProperties": TEXT}, NULL]},
                "services": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "include": PATTERNS,
                        "exclude": PATTERNS,
                        "declare": many(
                            {
                                "anyOf": [
                                    {"type": "string", "description": "NAME=PREFIX or NAME=TOOL,TOOL"},
                                    {
                                        "type": "object",
                                        "required": ["name"],
                                        "additionalProperties": False,
                                        "properties": {"name": TEXT, "prefix": TEXT, "tools": PATTERNS},
                                    },
                                ]
                            }
                        ),
                    },
                },
                "tools": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "include": PATTERNS,
                        "exclude": PATTERNS,
                        "read_only": FLAG,
                        "no_destructive": FLAG,
                        "control": FLAG,
                    },
                },
                "trust": {"enum": ["certain", "claims"]},
                "changes": {"enum": ["pass", "warn", "hold"]},
                "timeout": {"type": "number", "exclusiveMinimum": 0, "maximum": 600, "description": "Seconds."},
                "refresh": {"anyOf": [{"const": False}, {"type": "number", "minimum": 1, "maximum": 86400}]},
                "ca_file": TEXT,
                "proxy": {"anyOf": [{"const": False}, TEXT]},
                "allow_origins": PATTERNS,
                "paths": PATTERNS,
                "addresses": {"enum": ["public", "any"]},
                "component": TEXT,
                "limits": {"type": "object", "additionalProperties": COUNT},
                "adopted": {"description": "What the entry was before `adopt`."},
            },
        },
    },
}


def files() -> dict[str, str]:
    """Every file of the folder, with its text."""
    every = {f"{name}.json": command(name) for name in COMMANDS} | {"mcp-servers.json": ENTRY}
    return {name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for name, schema in every.items()}
