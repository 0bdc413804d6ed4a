"""Results of every shape, and output schemas that do not fit.

Takes a call; gives results that pflow's own client takes, and such as it does not. Never fails to run the tool.
"""

from __future__ import annotations

from typing import Any, ClassVar

from .peer import Peer, Step, text, tool
from .server import Request

KIND = "Results and output schemas"
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class _Result(Peer):
    """A tool that gives this."""

    works = True
    value: ClassVar[Any] = None
    schema: ClassVar[Any] = None
    steps: ClassVar[list[Step]] = [("note__add", {"text": "x"})]

    def page(self, request: Request) -> Any:
        more = {} if self.schema is None else {"outputSchema": self.schema}
        return {"tools": [tool("note__add", **more), *self.tools[1:]]}

    def outcome(self, request: Request) -> Any:
        return self.value


def _case(name: str, what: str, value: Any, schema: Any = None, **more: Any) -> type[Peer]:
    """A case for a result."""
    return type(name, (_Result,), {"__doc__": what, "value": value, "schema": schema, "__module__": __name__, **more})


def block(type: str, **members: Any) -> dict[str, Any]:
    """A result of one block."""
    return {"content": [{"type": type, **members}]}


ROWS = {"tables": [{"id": "tbl1"}]}
FAILED = {"works": False, "fails": True}

ResultStructured = _case(
    "ResultStructured", "A text, and the same as `structuredContent`.", text("x", structuredContent=ROWS)
)
ResultStructuredAlone = _case(
    "ResultStructuredAlone",
    "`content` is `[]`, all is in `structuredContent`.",
    {"content": [], "structuredContent": ROWS},
)
ResultContentMissingStructured = _case(
    "ResultContentMissingStructured",
    "`content` is missing, all is in `structuredContent`.",
    {"structuredContent": ROWS},
)
ResultStructuredArray = _case(
    "ResultStructuredArray", "`structuredContent` is an array.", text('[{"id":1}]', structuredContent=[{"id": 1}])
)
ResultStructuredText = _case(
    "ResultStructuredText", "`structuredContent` is a text.", text("hi", structuredContent="hi")
)
ResultStructuredNumber = _case(
    "ResultStructuredNumber", "`structuredContent` is a number.", text("42", structuredContent=42)
)
ResultStructuredFalse = _case(
    "ResultStructuredFalse", "`structuredContent` is `false`.", text("false", structuredContent=False)
)
ResultStructuredNull = _case("ResultStructuredNull", "`structuredContent` is null.", text("x", structuredContent=None))
ResultStructuredArrayAlone = _case(
    "ResultStructuredArrayAlone",
    "`content` is `[]`, `structuredContent` an array.",
    {"content": [], "structuredContent": [1, 2]},
)
ResultContentNull = _case("ResultContentNull", "`content` is null.", {"content": None})
ResultContentMissing = _case("ResultContentMissing", "`content` is missing.", {"isError": False})
ResultContentEmpty = _case("ResultContentEmpty", "`content` is `[]`.", {"content": []})
ResultContentObject = _case(
    "ResultContentObject", "`content` is one block, no list.", {"content": {"type": "text", "text": "one block"}}
)
ResultContentText = _case("ResultContentText", "`content` is a text.", {"content": "just a text"})
ResultContentTexts = _case("ResultContentTexts", "`content` is a list of texts.", {"content": ["one", "two"]})
ResultContentNulls = _case(
    "ResultContentNulls", "`content` holds null beside a text.", {"content": [None, {"type": "text", "text": "x"}]}
)
ResultEmpty = _case("ResultEmpty", "The result is `{}`.", {})
ResultNull = _case("ResultNull", "The result is null.", None, timeout=5, works=False, lost=True)
ResultText = _case("ResultText", "The result is a text.", "just a text", timeout=5, works=False, lost=True)
ResultArray = _case(
    "ResultArray", "The result is a list of blocks.", [{"type": "text", "text": "x"}], timeout=5, works=False, lost=True
)
ResultTextNumber = _case("ResultTextNumber", "A text is a number.", text(42))  # type: ignore[arg-type]
ResultTextNull = _case("ResultTextNull", "A text is null.", text(None))  # type: ignore[arg-type]
ResultTextMissing = _case("ResultTextMissing", "A text block has no text.", block("text"))
ResultTextObject = _case("ResultTextObject", "A text is an object.", text({"a": 1}))  # type: ignore[arg-type]
ResultTypeUnknown = _case(
    "ResultTypeUnknown",
    "A block of an unknown type stands beside a text.",
    {"content": [{"type": "text", "text": "known"}, {"type": "video", "url": "x://y"}]},
)
ResultTypeMissing = _case("ResultTypeMissing", "A block has no type.", {"content": [{"text": "x"}]})
ResultTypeUpperCase = _case("ResultTypeUpperCase", "A block's type is `Text`.", block("Text", text="x"))
ResultImage = _case(
    "ResultImage",
    "A picture and a text.",
    {"content": [{"type": "text", "text": "shot"}, {"type": "image", "data": PICTURE, "mimeType": "image/png"}]},
)
ResultImageNoType = _case("ResultImageNoType", "A picture without a MIME type.", block("image", data=PICTURE))
ResultImageSource = _case(
    "ResultImageSource",
    "A picture as Anthropic's API has it.",
    block("image", source={"type": "base64", "media_type": "image/png", "data": PICTURE}),
)
ResultAudio = _case("ResultAudio", "A sound.", block("audio", data="UklGRg==", mimeType="audio/wav"))
ResultLink = _case(
    "ResultLink",
    "A link to a resource.",
    block("resource_link", uri="file:///a/b.pdf", name="b.pdf", mimeType="application/pdf", size=12),
)
ResultLinkNameless = _case(
    "ResultLinkNameless", "A link without a name.", block("resource_link", uri="file:///a/b.pdf")
)
ResultLinkOdd = _case(
    "ResultLinkOdd", "A link whose URI is a path.", block("resource_link", uri="/a/b c.pdf", name="b")
)
ResultEmbeddedText = _case(
    "ResultEmbeddedText",
    "A resource with its text.",
    block("resource", resource={"uri": "notes://1", "mimeType": "text/plain", "text": "inside"}),
)
ResultEmbeddedBlob = _case(
    "ResultEmbeddedBlob",
    "A resource with its bytes.",
    block("resource", resource={"uri": "file:///r.pdf", "mimeType": "application/pdf", "blob": "JVBERi0="}),
)
ResultEmbeddedOdd = _case(
    "ResultEmbeddedOdd", "A resource without a URI.", block("resource", resource={"text": "inside"})
)
ResultNulls = _case(
    "ResultNulls",
    "Null stands for what is optional.",
    {
        "_meta": None,
        "content": [{"type": "text", "text": "ok", "annotations": None, "_meta": None}],
        "structuredContent": None,
        "isError": False,
    },
)
ResultMore = _case(
    "ResultMore",
    "The result and its blocks have unknown members.",
    {
        "content": [
            {
                "type": "text",
                "text": "ok",
                "cache_control": {"type": "x"},
                "annotations": {"audience": ["user"], "priority": 0.5, "x": 1},
            }
        ],
        "took": 3,
        "_meta": {"a": 1},
    },
)
ResultMetaArray = _case("ResultMetaArray", "`_meta` is `[]`, as PHP writes it.", text("ok", _meta=[]))
ResultAnnotationsOdd = _case(
    "ResultAnnotationsOdd",
    "A block's annotations are a text.",
    {"content": [{"type": "text", "text": "ok", "annotations": "none"}]},
)
ResultIsErrorNull = _case("ResultIsErrorNull", "`isError` is null.", text("ok", isError=None))
ResultIsErrorZero = _case("ResultIsErrorZero", "`isError` is 0.", text("ok", isError=0))
ResultUnicode = _case(
    "ResultUnicode",
    "Emoji, right-to-left marks, NUL, a byte order mark, U+2028.",
    text("\U0001f469\u200d\U0001f467 \u202eabc\u202c nul \u0000 \u00fc \ufeff \u2028"),
)
ResultJsonText = _case("ResultJsonText", "A text that is JSON.", text('{"a": [1, 2], "b": null}'))
ResultManyTexts = _case(
    "ResultManyTexts", "Three texts.", {"content": [{"type": "text", "text": word} for word in ("a", "b", "c")]}
)
ResultDeep = _case(
    "ResultDeep",
    "A structure of 110 levels.",
    b'{"content":[{"type":"text","text":"d"}],"structuredContent":' + b'{"c":' * 110 + b"1" + b"}" * 111,
)
ResultNan = _case(
    "ResultNan",
    "`NaN` stands in `structuredContent`, as Python writes it.",
    b'{"content":[{"type":"text","text":"x"}],"structuredContent":{"mean":NaN,"max":Infinity}}',
    differs="JSON has no such number",
)
ResultInfinity = _case(
    "ResultInfinity",
    "`-Infinity` stands in `_meta`, and the word in a text.",
    b'{"content":[{"type":"text","text":"from -Infinity to NaN"}],"_meta":{"least":-Infinity}}',
)
ResultLarge = _case("ResultLarge", "A text of three megabytes.", text("x" * 3_000_000))

ErrorPlain = _case(
    "ErrorPlain",
    "`isError`, and a text.",
    text("the note is locked", isError=True),
    says=("the note is locked",),
    **FAILED,
)
ErrorEmpty = _case("ErrorEmpty", "`isError`, and `content` is `[]`.", {"content": [], "isError": True}, **FAILED)
ErrorBlank = _case("ErrorBlank", "`isError`, and an empty text.", text("", isError=True), **FAILED)
ErrorFlagText = _case(
    "ErrorFlagText", '`isError` is the text "true".', text("the note is locked", isError="true"), **FAILED
)
ErrorFlagNumber = _case("ErrorFlagNumber", "`isError` is 1.", text("the note is locked", isError=1), **FAILED)
ErrorContentMissing = _case("ErrorContentMissing", "`isError`, and `content` is missing.", {"isError": True}, **FAILED)
ErrorContentNull = _case(
    "ErrorContentNull", "`isError`, and `content` is null.", {"content": None, "isError": True}, **FAILED
)
ErrorContentText = _case(
    "ErrorContentText",
    "`isError`, and `content` is a text.",
    {"content": "the note is locked", "isError": True},
    says=("the note is locked",),
    **FAILED,
)
ErrorContentObject = _case(
    "ErrorContentObject",
    "`isError`, and `content` is one block.",
    {"content": {"type": "text", "text": "the note is locked"}, "isError": True},
    says=("the note is locked",),
    **FAILED,
)
ErrorTypeUnknown = _case(
    "ErrorTypeUnknown",
    "`isError`, and a block of an unknown type.",
    {"content": [{"type": "problem", "detail": "the note is locked"}], "isError": True},
    **FAILED,
)
ErrorStructured = _case(
    "ErrorStructured",
    "`isError`, with a text and `structuredContent`.",
    text("the note is locked", structuredContent={"code": 7}, isError=True),
    says=("the note is locked",),
    **FAILED,
)
ErrorStructuredAlone = _case(
    "ErrorStructuredAlone",
    "`isError`, and all is in `structuredContent`.",
    {"content": [], "structuredContent": {"message": "the note is locked"}, "isError": True},
    says=("the note is locked",),
    **FAILED,
)
ErrorWithSchema = _case(
    "ErrorWithSchema",
    "`isError` of a tool with an output schema.",
    text("the note is locked", isError=True),
    {"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]},
    says=("the note is locked",),
    **FAILED,
)

NUMBER_A = {"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]}
OutputFits = _case(
    "OutputFits", "An output schema, and what fits it.", text('{"a": 1}', structuredContent={"a": 1}), NUMBER_A
)
OutputUnfulfilled = _case(
    "OutputUnfulfilled", "An output schema, and no `structuredContent`.", text('{"a": 1}'), NUMBER_A
)
OutputMismatch = _case(
    "OutputMismatch",
    "An output schema, and what does not fit it.",
    text("x", structuredContent={"a": "no number"}),
    NUMBER_A,
)
OutputInvalid = _case(
    "OutputInvalid",
    "An output schema with the type `Number|null`.",
    text("x", structuredContent={"a": 1}),
    {"type": "object", "properties": {"a": {"type": "Number|null"}}},
)
OutputDangling = _case(
    "OutputDangling",
    "An output schema whose `$ref` does not resolve.",
    text("x", structuredContent={"a": {"id": 1}}),
    {"type": "object", "properties": {"a": {"$ref": "#/$defs/Gone"}}},
)
OutputRemote = _case(
    "OutputRemote",
    "An output schema whose `$ref` leads to another host.",
    text("x", structuredContent={"a": 1}),
    {"type": "object", "properties": {"a": {"$ref": "https://schemas.invalid/a.json"}}},
)
OutputRecursive = _case(
    "OutputRecursive",
    "An output schema that refers to itself.",
    text("x", structuredContent={"root": {"children": [{"children": []}]}}),
    {
        "type": "object",
        "properties": {"root": {"$ref": "#/$defs/N"}},
        "$defs": {
            "N": {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/N"}}}}
        },
    },
)
OutputAnyOf = _case(
    "OutputAnyOf",
    "An output schema with `anyOf` at the top.",
    text("x", structuredContent={"a": 1}),
    {"anyOf": [NUMBER_A, {"type": "object", "properties": {"b": {"type": "string"}}}]},
)
OutputArray = _case(
    "OutputArray",
    "An output schema for an array, and an array.",
    text("[1]", structuredContent=[1]),
    {"type": "array", "items": {"type": "integer"}},
)
OutputArrayWrapped = _case(
    "OutputArrayWrapped",
    "An output schema for an array, and an object around it.",
    text("[1]", structuredContent={"result": [1]}),
    {"type": ["null", "array"], "items": {"type": "integer"}},
)
OutputEmpty = _case("OutputEmpty", "The output schema is `{}`.", text("x"), {})
OutputTrue = _case("OutputTrue", "The output schema is `true`.", text("x"), True)
OutputPropertyTrue = _case(
    "OutputPropertyTrue",
    "A property of the output schema is `true`.",
    text("x", structuredContent={"a": 1}),
    {"type": "object", "properties": {"a": True}},
)
OutputPropertyNull = _case(
    "OutputPropertyNull",
    "A property of the output schema is null.",
    text("x", structuredContent={"a": 1}),
    {"type": "object", "properties": {"a": None}},
)
OutputRequiredNull = _case(
    "OutputRequiredNull",
    "`required` of the output schema is null.",
    text("x", structuredContent={"a": 1}),
    {"type": "object", "properties": {"a": {"type": "number"}}, "required": None},
)
OutputFormat = _case(
    "OutputFormat",
    "An output schema with formats and a pattern that only JavaScript reads.",
    text("x", structuredContent={"a": "2026"}),
    {"type": "object", "properties": {"a": {"type": "string", "format": "date-time", "pattern": "^\\p{N}+$"}}},
)
OutputNumbers = _case(
    "OutputNumbers",
    "An output schema with `integer`, and `1.0`.",
    b'{"content":[{"type":"text","text":"1"}],"structuredContent":{"a":1.0}}',
    {"type": "object", "properties": {"a": {"type": "integer"}}},
)
OutputStrict = _case(
    "OutputStrict",
    "`additionalProperties: false`, and one more.",
    text("x", structuredContent={"a": 1, "b": 2}),
    NUMBER_A | {"additionalProperties": False},
)
OutputEscapedPointer = _case(
    "OutputEscapedPointer",
    "An output schema with `$ref` by `$anchor` and an escaped pointer.",
    text("x", structuredContent={"a": 1}),
    {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/a~1b"}, "c": {"$ref": "#n"}},
        "$defs": {"a/b": {"type": "number"}, "N": {"$anchor": "n", "type": "string"}},
    },
)
