"""Whatever a gateway answers, within the limits and beyond: what it costs outside of the sandbox is bounded, and measured.

Every shape meets every command. Memory and CPU are those that the system counted for the whole process (and for what it started).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import Pflow, needed
from exact import Exact, tool
from measured import Launched

pytestmark = pytest.mark.alone

MIB = 1024 * 1024
# Promised by docs/security.md.
PEAK = 512 * MIB
# In the entry; what is measured may be late by what a busy machine takes: on two cores with other work a second of CPU takes ten.
TIMEOUT = 20.0
LATE = 120.0
# The component may use 20 s in each call (`cpu_seconds`); a bound that is missing takes minutes.
CPU = 45.0


@dataclass
class Shape:
    """What a gateway lists, and what a call of its tool `big` gives."""

    tools: str = tool("big")
    result: str = '{"content":[{"type":"text","text":"x"}]}'
    events: bytes | None = None


def text(words: str) -> str:
    return f'{{"content":[{{"type":"text","text":"{words}"}}]}}'


def listed(*tools: str) -> Shape:
    return Shape(",".join((tool("big"), *tools)))


def properties(count: int, name: str = "a") -> str:
    named = ",".join(f'"{name}{number}":{{}}' for number in range(count))
    return f'{{"type":"object","properties":{{{named}}}}}'


def floods(small: str, size: int) -> str:
    return ",".join([small] * (size // (len(small) + 1)))


def progress(count: int) -> bytes:
    event = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 1}}
    return f"data: {json.dumps(event, separators=(',', ':'))}\n\n".encode() * count


SHAPES: dict[str, Callable[[], Shape]] = {
    "a result of objects": lambda: Shape(
        result=f'{{"content":[],"structuredContent":{{"r":[{floods("{}", 38 * MIB)}]}}}}'
    ),
    "a result of blocks": lambda: Shape(result=f'{{"content":[{floods("{}", 30 * MIB)}]}}'),
    "a result of members": lambda: Shape(
        result=f'{{"content":[],{",".join(f"{chr(34)}m{n}{chr(34)}:0" for n in range(1_000_000))}}}'
    ),
    "a result of invisible characters": lambda: Shape(result=text("\u202e" * (8 * MIB))),
    "a deep result": lambda: Shape(
        result=text("x")[:-1] + f',"structuredContent":{"[" * 5_000_000}{"]" * 5_000_000}}}'
    ),
    "a result that is too large": lambda: Shape(result=text("x" * (60 * MIB))),
    "many events": lambda: Shape(events=progress(300_000)),
    "one event of many lines": lambda: Shape(events=b"data:\n" * (4 * MIB) + b"\n"),
    "many tools": lambda: listed(*(tool(f"t{number}") for number in range(150_000))),
    "many services": lambda: listed(*(tool(f"s{number}__t") for number in range(60_000))),
    "tools of one name": lambda: listed(*([tool("same")] * 200_000)),
    "200,000 arguments": lambda: listed(tool("wide", properties(200_000, "__a"))),
    "arguments of everybody": lambda: listed(*(tool(f"t{number}", properties(5_000, "__")) for number in range(60))),
    "a schema of objects": lambda: listed(tool("dense", f'{{"type":"object","x":[{floods("{}", 30 * MIB)}]}}')),
    "schemas that are mended": lambda: listed(
        *(
            tool(f"t{number}", f'{{"properties":{{"x":{{"allOf":[{floods("true", 1_900_000)}]}}}}}}')
            for number in range(16)
        )
    ),
    "a deep schema": lambda: listed(tool("deep", '{"not":' * 1_000_000 + "{}" + "}" * 1_000_000)),
    "descriptions": lambda: listed(*(tool(f"t{number}", description=f'"{"d" * MIB}"') for number in range(36))),
    "a list that is too large": lambda: listed(tool("large", description=f'"{"d" * (60 * MIB)}"')),
}
# Which commands meet it: those that read a list, or those that call. `serve` does both.
OF_LISTS = ("tools --json", "health", "serve")
OF_CALLS = ("call", "serve")


class Measured:
    """A child, ended by itself or after its time; what the system counted."""

    def __init__(
        self, argv: list[str | Path], env: dict[str, str], messages: list[dict[str, Any]] | None = None
    ) -> None:
        started = time.monotonic()
        out = subprocess.PIPE if messages else subprocess.DEVNULL
        launched = Launched(argv, env, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.PIPE)
        child = launched.process
        errors: list[bytes] = []
        assert child.stderr
        reader = threading.Thread(target=lambda stream=child.stderr: errors.append(stream.read()))
        reader.start()
        self.answers: list[bytes] = []
        alarm = threading.Timer(3 * (TIMEOUT + LATE), os.killpg, (child.pid, signal.SIGKILL))
        alarm.start()
        assert child.stdin
        if messages:
            assert child.stdout
            for message in messages:
                child.stdin.write(json.dumps(message).encode() + b"\n")
                child.stdin.flush()
                if "id" in message:
                    self.answers.append(child.stdout.readline())
        child.stdin.close()
        if child.stdout:
            child.stdout.close()
        usage = launched.usage()
        self.took = time.monotonic() - started
        alarm.cancel()
        reader.join()
        child.stderr.close()
        assert usage, f"ended after {self.took:.0f} s: {errors[0].decode(errors='replace')[-2000:]}"
        self.code, self.peak, self.cpu = usage
        self.said = errors[0].decode(errors="replace")

    def within(self, operations: int) -> None:
        """The bounds, for so many operations one after the other."""
        measured = f"{self.peak // MIB} MiB, {self.cpu:.1f} s of CPU, {self.took:.1f} s; exit code {self.code}"
        print(measured)
        assert self.code in (0, 1), f"{measured}\n{self.said[-2000:]}"
        assert self.peak < PEAK, measured
        assert self.cpu < CPU * operations, measured
        assert self.took < TIMEOUT * operations + LATE, measured


def serving() -> list[dict[str, Any]]:
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "mcp", "version": "0"}}
    asked: list[tuple[str, dict[str, Any]]] = [("initialize", hello), ("tools/list", {})]
    asked.append(("tools/call", {"name": "big", "arguments": {"timeout_arg": 1}}))
    return [
        {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        for number, (method, params) in enumerate(asked)
    ]


@pytest.mark.parametrize("shape", SHAPES)
def test_what_an_answer_costs_is_bounded(pflow: Pflow, shape: str, subtests: pytest.Subtests) -> None:
    made = SHAPES[shape]()
    lists = made.tools != tool("big")
    with Exact({"big": made.result}, made.tools) as exact:
        if made.events is not None:
            exact.events["big"] = made.events
        entry = {"url": exact.url, "timeout": TIMEOUT}
        binary = needed("PFLOW_GATEWAY_BIN")
        pflow.configure({"g": {"command": "pflow-gateway", "args": ["serve", "g"], "gateway": entry}})
        for command in OF_LISTS if lists else OF_CALLS:
            with subtests.test(command=command):
                if command == "serve":
                    measured = Measured([binary, "serve", "g"], pflow.env, serving())
                    measured.within(3)
                    assert all(answer.startswith(b'{"jsonrpc":"2.0","id":') for answer in measured.answers), shape
                else:
                    words = command.split()
                    what = ["big"] if words[0] == "call" else []
                    Measured([binary, words[0], "g", *what, *words[1:]], pflow.env).within(2)


def leb(number: int) -> bytes:
    """As WebAssembly writes numbers."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def section(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + leb(len(content)) + content


def heavy(functions: int, size: int, variables: int) -> bytes:
    """A core module as a section of a component: functions of so many bytes, all of whose variables live all the time."""
    code = bytearray()
    at = 0
    while len(code) < size:
        at = (at * 7 + 1) % variables
        # local.get a, local.get b, i64.mul, local.tee c, drop
        code += (
            b"\x20"
            + leb(at)
            + b"\x20"
            + leb((at * 3 + 2) % variables)
            + b"\x7e\x22"
            + leb((at + 5) % variables)
            + b"\x1a"
        )
    body = leb(1) + leb(variables) + b"\x7e" + bytes(code) + b"\x0b"
    bodies = leb(functions) + (leb(len(body)) + body) * functions
    types = section(1, b"\x01\x60\x00\x00")
    module = b"\0asm\x01\0\0\0" + types + section(3, leb(functions) + b"\0" * functions) + section(10, bodies)
    return section(1, module)


@pytest.mark.parametrize(
    ("functions", "size", "variables"),
    [(60, 500_000, 9_000), (2_000, 10_000, 300)],
    ids=["large functions", "many functions"],
)
def test_what_compiling_a_component_costs_is_bounded(
    pflow: Pflow, tmp_path: Path, functions: int, size: int, variables: int
) -> None:
    binary = needed("PFLOW_GATEWAY_BIN")
    component = tmp_path / "heavy.wasm"
    assert pflow.program(binary, "component", "export", component).returncode == 0
    with component.open("ab") as file:
        file.write(heavy(functions, size, variables))
    env = pflow.env | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    with Exact({"big": "{}"}) as exact:
        argv = [binary, "call", exact.url, "big", "--component", component, "--timeout", "10"]
        measured = Measured(argv, env)
    # What it started is counted too: the compiler is a process of its own, of at most 2 GiB.
    assert measured.code in (0, 1), measured.said
    assert measured.peak < 2_200 * MIB, f"{measured.peak // MIB} MiB"
    assert measured.took < 10 + LATE, f"{measured.took} s: {measured.said}"
