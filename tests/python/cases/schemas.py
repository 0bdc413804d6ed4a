"""Input schemas, as they are written by hand, by generators and by other languages.

Takes `tools/list`; gives one tool with an odd schema beside a good one. Never calls the odd one unless its schema is good.
"""

from __future__ import annotations

import json
import math
from typing import Any, ClassVar

from .peer import Peer, Step, tool
from .server import Reply, Request

KIND = "Input schemas"


def takes(**properties: Any) -> dict[str, Any]:
    """An object schema."""
    return {"type": "object", "properties": properties}


def nested(levels: int) -> dict[str, Any]:
    """An object in an object."""
    return takes(a=nested(levels - 1)) if levels else {"type": "string"}


class _Schema(Peer):
    """One odd tool, `odd`, beside `good`, which is called."""

    works = True
    schema: ClassVar[Any] = {}
    steps: ClassVar[list[Step]] = [("good", {"text": "x"})]

    def page(self, request: Request) -> Any:
        return {"tools": [tool("odd", self.schema), tool("good")]}


def _case(name: str, what: str, schema: Any) -> type[Peer]:
    """A case for a schema."""
    return type(name, (_Schema,), {"__doc__": what, "schema": schema, "__module__": __name__})


TEXT_TYPE = {"type": "string"}
SchemaPropertyTrue = _case(
    "SchemaPropertyTrue",
    "A property is `true`.",
    {**takes(payload=True, n={"type": "integer"}), "required": ["payload"]},
)
SchemaPropertyFalse = _case("SchemaPropertyFalse", "A property is `false`.", takes(gone=False))
SchemaPropertyEmpty = _case("SchemaPropertyEmpty", "A property is `{}`.", takes(any={}))
SchemaPropertyNull = _case("SchemaPropertyNull", "A property is null.", takes(x=None))
SchemaPropertyText = _case("SchemaPropertyText", "A property is a text.", takes(x="string"))
SchemaPropertyArray = _case("SchemaPropertyArray", "A property is `[]`, as PHP writes it.", takes(x=[]))
SchemaPropertyNumber = _case("SchemaPropertyNumber", "A property is a number.", takes(x=1))
SchemaPropertiesArray = _case(
    "SchemaPropertiesArray", "`properties` is `[]`, as PHP writes it.", {"type": "object", "properties": []}
)
SchemaPropertiesNull = _case("SchemaPropertiesNull", "`properties` is null.", {"type": "object", "properties": None})
SchemaPropertiesMissing = _case("SchemaPropertiesMissing", "`properties` is missing.", {"type": "object"})
SchemaRequiredNull = _case("SchemaRequiredNull", "`required` is null.", {**takes(a=TEXT_TYPE), "required": None})
SchemaRequiredTrue = _case(
    "SchemaRequiredTrue", "`required` is `true`, within a property.", takes(a={"type": "string", "required": True})
)
SchemaRequiredText = _case("SchemaRequiredText", "`required` is a text.", {**takes(a=TEXT_TYPE), "required": "a"})
SchemaRequiredFalse = _case("SchemaRequiredFalse", "`required` is `false`.", {**takes(a=TEXT_TYPE), "required": False})
SchemaRequiredObject = _case("SchemaRequiredObject", "`required` is `{}`.", {**takes(a=TEXT_TYPE), "required": {}})
SchemaRequiredUnknown = _case(
    "SchemaRequiredUnknown", "`required` names something that is not a property.", {**takes(a=TEXT_TYPE), "required": ["b"]}
)
SchemaEmpty = _case("SchemaEmpty", "The schema is `{}`.", {})
SchemaTypeList = _case(
    "SchemaTypeList",
    'Types are lists: `["string", "null"]` and `[]`.',
    takes(a={"type": ["string", "null"], "default": None}, b={"type": []}),
)
SchemaTypeNull = _case("SchemaTypeNull", "A property's type is null.", takes(a={"type": None}))
SchemaTypeOdd = _case("SchemaTypeOdd", "A property's type is `Number|null`.", takes(a={"type": "Number|null"}))
SchemaTypeObject = _case("SchemaTypeObject", "A property's type is an object.", takes(a={"type": {"name": "string"}}))
SchemaTypeOfTopText = _case("SchemaTypeOfTopText", "The schema's own type is `string`.", {"type": "string"})
SchemaTypeOfTopMissing = _case("SchemaTypeOfTopMissing", "The schema has no type.", {"properties": {"a": TEXT_TYPE}})
SchemaTypeOfTopList = _case(
    "SchemaTypeOfTopList",
    'The schema\'s own type is `["object"]`.',
    {"type": ["object"], "properties": {"a": TEXT_TYPE}},
)
SchemaEnumMixed = _case(
    "SchemaEnumMixed", "An enum holds a text, a number, null and `true`.", takes(a={"enum": ["x", 1, None, True]})
)
SchemaEnumNull = _case("SchemaEnumNull", "An enum is null.", takes(a={"type": "string", "enum": None}))
SchemaEnumLarge = _case(
    "SchemaEnumLarge",
    "An enum of five thousand.",
    takes(icon={"type": "string", "enum": [f"i-{n}" for n in range(5000)]}),
)
SchemaDefaultOdd = _case(
    "SchemaDefaultOdd",
    "Defaults are null, objects and of another type.",
    takes(
        a={"type": "string", "default": None},
        b={"type": "object", "default": {"x": [1]}},
        c={"type": "integer", "default": "7"},
    ),
)
SchemaDefaultLarge = _case(
    "SchemaDefaultLarge", "A default is above 2^64.", takes(a={"type": "integer", "default": 25000000000000000001})
)
SchemaDescriptionOdd = _case(
    "SchemaDescriptionOdd",
    "A property's description is null, another's an array.",
    takes(a={"type": "string", "description": None}, b={"description": ["x"]}),
)
SchemaAnyOfTop = _case(
    "SchemaAnyOfTop",
    "`anyOf` at the top.",
    {"anyOf": [{**takes(id=TEXT_TYPE), "required": ["id"]}, takes(text=TEXT_TYPE)]},
)
SchemaAnyOfWithTrue = _case(
    "SchemaAnyOfWithTrue",
    "`anyOf`, `items` and `additionalProperties` hold `true`.",
    takes(
        a={"anyOf": [True, TEXT_TYPE]},
        b={"type": "array", "items": True},
        c={"type": "object", "additionalProperties": True},
    ),
)
SchemaNestedTrue = _case(
    "SchemaNestedTrue",
    "A property of a property is `true`.",
    takes(a={"type": "object", "properties": {"b": True, "c": None}}),
)
SchemaItemsNull = _case(
    "SchemaItemsNull",
    "`items`, `additionalProperties` and `default` are null.",
    takes(a={"type": "array", "items": None}, b={"type": "object", "additionalProperties": None}, c={"default": None}),
)
SchemaNestedPhp = _case(
    "SchemaNestedPhp",
    "`properties`, `$defs` and `patternProperties` within are `[]`, as PHP writes them.",
    {**takes(a={"type": "object", "properties": [], "patternProperties": []}), "$defs": []},
)
SchemaRequiredNumber = _case("SchemaRequiredNumber", "`required` is 1.", {**takes(a=TEXT_TYPE), "required": 1})
SchemaRequiredMixed = _case(
    "SchemaRequiredMixed",
    "`required` holds null, a number and a list.",
    {**takes(a=TEXT_TYPE), "required": ["a", None, 7, ["b"]]},
)
SchemaTypeListOdd = _case(
    "SchemaTypeListOdd",
    "Types are lists that hold null and objects.",
    takes(a={"type": [None]}, b={"type": [{"a": 1}]}),
)
SchemaTypeUnknown = _case(
    "SchemaTypeUnknown", "Types are `any`, 7 and `true`.", takes(a={"type": "any"}, b={"type": 7}, c={"type": True})
)
SchemaNotAnObject = _case(
    "SchemaNotAnObject",
    "The schema's type is a list, and its `properties` is null.",
    {"type": ["object", "null"], "properties": None, "required": False},
)
SchemaDescriptionNested = _case(
    "SchemaDescriptionNested",
    "A description is an object, by language; a title is a number.",
    takes(a={"type": "string", "description": {"en": "the note", "fr": "la note"}, "title": 7}),
)


class SchemaOddCalled(_Schema):
    """A tool whose schema is odd in many ways is called."""

    schema: ClassVar[Any] = {
        **takes(
            a={"type": None, "description": ["x"], "required": True},
            b={"type": "object", "properties": {"c": True}, "enum": None},
            d={"anyOf": [True, None], "items": None},
        ),
        "required": "a",
    }
    steps: ClassVar[list[Step]] = [("odd", {"a": "x", "b": {"c": [1.5]}, "d": [None]})]


class SchemaDefaultNan(_Schema):
    """A default is `NaN`, as Python writes it."""

    differs = "JSON has no such number"

    def list(self, request: Request) -> Reply:
        listed = json.dumps({"tools": [tool("odd", takes(a={"type": "number", "default": math.nan})), tool("good")]})
        return self.result(request, listed.encode())


SchemaReferenceComponents = _case(
    "SchemaReferenceComponents",
    "`$ref` to `#/components/schemas/…`.",
    {"$ref": "#/components/schemas/Q", "components": {"schemas": {"Q": takes(q=TEXT_TYPE)}}},
)
SchemaReferenceDefs = _case(
    "SchemaReferenceDefs",
    "`$defs` and `$ref`.",
    {"$defs": {"Q": takes(query=TEXT_TYPE)}, **takes(q={"$ref": "#/$defs/Q"}), "required": ["q"]},
)
SchemaReferenceDangling = _case(
    "SchemaReferenceDangling", "`$ref` to what is not there.", takes(a={"$ref": "#/$defs/Gone"})
)
SchemaReferenceRecursive = _case(
    "SchemaReferenceRecursive",
    "`$ref` to itself.",
    {
        **takes(root={"$ref": "#/$defs/N"}),
        "$defs": {"N": takes(children={"type": "array", "items": {"$ref": "#/$defs/N"}})},
    },
)
SchemaReferenceRemote = _case(
    "SchemaReferenceRemote", "`$ref` to another host.", takes(a={"$ref": "https://schemas.invalid/a.json"})
)
SchemaDraft04 = _case(
    "SchemaDraft04",
    "Draft 4: `id`, `exclusiveMinimum: true`.",
    {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "id": "x",
        **takes(a={"type": "integer", "minimum": 0, "exclusiveMinimum": True}),
    },
)
SchemaDraft07 = _case(
    "SchemaDraft07",
    "Draft 7: `definitions`.",
    {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **takes(a=TEXT_TYPE),
        "additionalProperties": False,
        "definitions": {"x": TEXT_TYPE},
    },
)
SchemaUnknownDraft = _case(
    "SchemaUnknownDraft", "A `$schema` that is not known.", {"$schema": "https://x.invalid/v9", **takes(a=TEXT_TYPE)}
)
SchemaPatternOdd = _case(
    "SchemaPatternOdd",
    "A pattern that only JavaScript reads.",
    takes(a={"type": "string", "pattern": "^(?<year>\\d{4})\\p{L}[[$"}),
)
SchemaOpenApi = _case(
    "SchemaOpenApi",
    "Words of OpenAPI: `nullable`, `example`, `x-…`.",
    takes(a={"type": "string", "nullable": True, "example": 1, "x-order": 3, "readOnly": False}),
)
SchemaNamesOdd = _case(
    "SchemaNamesOdd",
    "Arguments named `user-id`, `X-Header`, `a.b`, `$filter`, `with space`, `timeout`.",
    takes(**dict.fromkeys(("user-id", "X-Header", "a.b", "$filter", "naïve", "with space", "timeout"), TEXT_TYPE)),
)
SchemaNameEmpty = _case("SchemaNameEmpty", "An argument whose name is empty.", takes(**{"": TEXT_TYPE}))
SchemaDeep = _case("SchemaDeep", "A schema of thirty levels.", nested(30))
SchemaWide = _case("SchemaWide", "Six hundred arguments.", takes(**{f"a{n}": TEXT_TYPE for n in range(600)}))
SchemaTrue = _case("SchemaTrue", "The schema itself is `true`.", True)

# Neither pflow's own client nor anybody else takes a schema that is not an object.
SchemaTrue.works = False
SchemaNamesOdd.differs = "pflow keeps the argument `timeout` for itself, so ours gives it another name"
