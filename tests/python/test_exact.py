"""What passes as it was written, and what is made fit for pflow: numbers, odd schemas, odd results."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import Pflow, needed
from exact import Exact, tool
from pflow_gateway import Gateway

HUGE = 123456789012345678901234567890
DIGITS = f'[{HUGE},1.0,1e400,-0.0,2047948614742839297,1.10]'


@pytest.fixture(autouse=True)
def isolated(pflow: Pflow, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in pflow.env.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def numbers() -> Iterator[Exact]:
    """A tool that answers in numbers, and has numbers in its schema."""
    schema = f'{{"type":"object","properties":{{"n":{{"default":{DIGITS}}}}}}}'
    result = f'{{"content":[{{"type":"text","text":"n"}}],"structuredContent":{{"n":{DIGITS}}}}}'
    with Exact({"numbers": result}, tool("numbers", schema)) as exact:
        yield exact


def program(pflow: Pflow, *args: str) -> subprocess.CompletedProcess[str]:
    return pflow.program(needed("PFLOW_GATEWAY_BIN"), *args)


def squeezed(text: str) -> str:
    """JSON without its white space."""
    return "".join(text.split())


class TestDigits:
    """No number changes on its way, in either direction."""

    def test_on_the_command_line(self, pflow: Pflow, numbers: Exact) -> None:
        called = program(pflow, "call", numbers.url, "numbers", "--args", f'{{"n": {DIGITS}}}', "--json")
        assert called.returncode == 0, called.stderr
        assert f'"n":{DIGITS}' in squeezed(called.stdout)
        assert f'"n": {DIGITS}'.encode() in numbers.calls[-1]
        assert f'"default":{DIGITS}' in squeezed(program(pflow, "tools", numbers.url, "--json").stdout)

    def test_through_serve(self, pflow: Pflow, numbers: Exact) -> None:
        with Serve(pflow, numbers) as serve:
            assert f'"default":{DIGITS}' in squeezed(serve.ask("tools/list", "{}"))
            params = f'{{"name":"numbers","arguments":{{"n":{DIGITS}}}}}'
            assert f'"structuredContent":{{"n":{DIGITS}}}' in squeezed(serve.ask("tools/call", params))
        assert f'"n":{DIGITS}'.encode() in numbers.calls[-1]

    def test_in_python(self, numbers: Exact) -> None:
        with Gateway(numbers.url) as gateway:
            assert gateway.tools()["tools"][0]["input_schema"]["properties"]["n"]["default"][0] == HUGE
            n = gateway.call("numbers", {"n": [HUGE, 10**400, 1.0]})["result"]["structuredContent"]["n"]
        assert n[0] == HUGE
        assert [str(x) for x in n[1:4]] == ["1.0", "inf", "-0.0"]
        sent = json.loads(numbers.calls[-1])["params"]["arguments"]["n"]
        assert sent[:2] == [HUGE, 10**400]
        assert str(sent[2]) == "1.0"


class Serve:
    """`serve` of the program, spoken to in lines of text."""

    def __init__(self, pflow: Pflow, exact: Exact) -> None:
        pflow.configure(
            {"gw": {"command": str(needed("PFLOW_GATEWAY_BIN")), "args": ["serve", "gw"], "gateway": {"url": exact.url}}}
        )
        self.process = subprocess.Popen(
            [needed("PFLOW_GATEWAY_BIN"), "serve", "gw"],
            env=pflow.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.asked = 0

    def __enter__(self) -> Serve:
        self.ask("initialize", '{"protocolVersion":"2025-11-25","capabilities":{}}')
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate(timeout=30)

    def ask(self, method: str, params: str) -> str:
        """One request; gives the line of its answer."""
        assert self.process.stdin
        assert self.process.stdout
        self.asked += 1
        line = f'{{"jsonrpc":"2.0","id":{self.asked},"method":"{method}","params":{params}}}\n'
        self.process.stdin.write(line)
        self.process.stdin.flush()
        for answer in self.process.stdout:
            if json.loads(answer).get("id") == self.asked:
                return answer
        raise AssertionError("serve ended without an answer")


SCHEMAS = {
    "good": '{"type":"object","properties":{"a":{"type":"string"}}}',
    "boolean": '{"type":"object","properties":{"payload":true,"gone":false},"required":["payload"]}',
    "null": '{"type":"object","properties":{"x":null},"required":null}',
    "text": '{"type":"object","properties":{"x":"string"}}',
    "php": '{"type":"object","properties":[],"required":[]}',
    "typed": '{"type":"object","properties":{"x":{"type":{"type":"string"}},"y":{"type":[{"a":1}]}}}',
    "required": '{"type":"object","properties":{"a":{}},"required":true}',
}

NUMBER = '{"type":"object","properties":{"a":{"type":"number"}},"required":["a"]}'
# Result, output schema, and what pflow has then.
RESULTS: dict[str, tuple[str, str | None, Any]] = {
    "null": ('{"content":null,"structuredContent":{"a":1}}', None, {"a": 1}),
    "missing": ('{"structuredContent":{"a":1}}', None, {"a": 1}),
    "string": ('{"content":"it worked"}', None, "it worked"),
    "block": ('{"content":{"type":"text","text":"one block"}}', None, "one block"),
    "number": ('{"content":[{"type":"text","text":42}]}', None, "42"),
    "video": ('{"content":[{"type":"video","url":"x://y"}]}', None, '{"type":"video","url":"x://y"}'),
    "flag": ('{"content":[{"type":"text","text":"ok"}],"isError":null}', None, "ok"),
    "list": ('{"content":[{"type":"text","text":"[1]"}],"structuredContent":[1]}', None, "[1]"),
    "unkept": ('{"content":[{"type":"text","text":"x"}]}', NUMBER, "x"),
    "wrong": ('{"content":[],"structuredContent":{"a":"no number"}}', NUMBER, {"a": "no number"}),
    "dangling": (
        '{"content":[],"structuredContent":{"a":{"id":1}}}',
        '{"type":"object","properties":{"a":{"$ref":"#/$defs/nowhere"}}}',
        {"a": {"id": 1}},
    ),
    "invalid": (
        '{"content":[],"structuredContent":{"a":1}}',
        '{"type":"object","properties":{"a":{"type":"Number|null"}}}',
        {"a": 1},
    ),
}


def workflow(name: str) -> str:
    return (
        f"# One step\n\nCalls it.\n\n## Steps\n\n### step\n\nCalls it.\n\n- type: mcp-gw-{name}\n\n"
        "## Outputs\n\n### said\n\nWhat it said.\n\n- source: ${step.result}\n"
    )


def as_json(value: Any) -> Any:
    """What a text stands for where it is JSON; anything else as it is."""
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value


class TestFit:
    """Stock pflow takes what its own client would refuse."""

    def test_one_odd_schema_hides_no_tool_and_is_told(self, pflow: Pflow) -> None:
        with Exact({}, ",".join(tool(name, schema) for name, schema in SCHEMAS.items())) as exact, Serve(
            pflow, exact
        ) as serve:
            serve.ask("tools/list", "{}")
            serve.ask("tools/list", "{}")
            _, said = serve.process.communicate(timeout=30)
            assert said.count("the inputSchema of boolean was mended for pflow") == 1, said
            assert f"Discovered {len(SCHEMAS)} tools" in pflow("mcp", "sync", "gw")
            assert set(pflow.registered("gw")) == set(SCHEMAS)
            warnings = json.loads(program(pflow, "tools", "gw", "--json").stdout)["warnings"]
            odd = [name for name in SCHEMAS if name != "good"]
            assert [any(f" of {name} " in warning for warning in warnings) for name in odd] == [True] * len(odd)
            assert "was mended for pflow" in program(pflow, "tools", "gw").stdout
            with Gateway("gw", config=pflow.home / ".pflow" / "mcp-servers.json") as gateway:
                assert gateway.tools()["warnings"] == warnings

    def test_a_tool_that_answered_is_a_step_that_went_well(self, pflow: Pflow) -> None:
        tools = ",".join(
            tool(name, **({"outputSchema": schema} if schema else {})) for name, (_, schema, _) in RESULTS.items()
        )
        with Exact({name: result for name, (result, *_) in RESULTS.items()}, tools) as exact:
            pflow.configure(
                {
                    "gw": {
                        "command": str(needed("PFLOW_GATEWAY_BIN")),
                        "args": ["serve", "gw"],
                        "gateway": {"url": exact.url},
                    }
                }
            )
            pflow("mcp", "sync", "gw")
            for name, (_, _, wanted) in RESULTS.items():
                step = pflow.home / f"{name}.pflow.md"
                step.write_text(workflow(name), encoding="utf-8")
                before = len(exact.calls)
                out = json.loads(pflow("--output-format", "json", step))
                # pflow reads a text that is JSON.
                assert out["result"]["said"] in (wanted, as_json(wanted)), (name, out)
                assert len(exact.calls) == before + 1, name

    def test_a_failure_is_one_whatever_stands_beside_it(self, pflow: Pflow) -> None:
        results = {
            "text": '{"content":"it failed","isError":true}',
            "word": '{"content":[{"type":"text","text":"it failed"}],"isError":"true"}',
            "both": '{"content":[],"structuredContent":{"why":"it failed"},"isError":true}',
        }
        with Exact(results) as exact, Serve(pflow, exact) as serve:
            for name in results:
                result = json.loads(serve.ask("tools/call", f'{{"name":"{name}"}}'))["result"]
                assert result["isError"] is True
                assert "structuredContent" not in result
                assert "it failed" in result["content"][0]["text"]
                called = program(pflow, "call", exact.url, name, "--json")
                assert (called.returncode, json.loads(called.stdout)["ok"]) == (1, False), name


def test_a_line_that_is_no_request_is_answered(pflow: Pflow) -> None:
    with Exact({"t": '{"content":[]}'}) as exact, Serve(pflow, exact) as serve:
        assert serve.process.stdin
        assert serve.process.stdout
        for line in ("no json", '{"a":"\\ud83d"}', "[]", "7"):
            serve.process.stdin.write(line + "\n")
            serve.process.stdin.flush()
            answer = json.loads(serve.process.stdout.readline())
            assert answer["id"] is None
            assert answer["error"]["code"] in (-32700, -32600)
        large = json.dumps({"text": "x" * 20_000_000})
        assert '"result"' in serve.ask("tools/call", f'{{"name":"t","arguments":{large}}}')
        larger = json.dumps({"text": "x" * 27_000_000})
        assert "request_body_bytes" in serve.ask("tools/call", f'{{"name":"t","arguments":{larger}}}')
