"""Large results: what they cost."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest
from conftest import FakeGateway, Pflow, needed
from exact import Exact, tool
from measured import Launched

pytestmark = pytest.mark.alone

MIB = 1024 * 1024

# What is worst for a parser that makes a tree: three bytes of text for each value. 30 MB of it took 1.5 to 2.1 GiB.
DENSE = 10_000_000


def used(child: Launched) -> tuple[int, float]:
    """Bytes at the peak, and seconds of CPU, of a child that ended well."""
    usage = child.usage()
    assert usage
    assert usage.code == 0
    return usage.peak, usage.cpu


@pytest.fixture(scope="module")
def dense() -> str:
    return ",".join(["{}"] * DENSE)


@pytest.mark.parametrize("flags", [["--json"], []], ids=["json", "text"])
def test_a_call_of_thirty_megabytes_of_small_values(pflow: Pflow, dense: str, flags: list[str]) -> None:
    result = f'{{"content":[{{"type":"text","text":"x"}}],"structuredContent":{{"rows":[{dense}]}}}}'
    with Exact({"big": result}) as exact:
        argv = [needed("PFLOW_GATEWAY_BIN"), "call", exact.url, "big", *flags]
        peak, cpu = used(Launched(argv, pflow.env, stdout=subprocess.DEVNULL))
    assert peak < 512 * MIB, f"{peak // MIB} MiB"
    # Most of it is the sandbox's; a minute and more is what a bound that is missing looks like.
    assert cpu < 30, f"{cpu} s"


@pytest.mark.parametrize("what", ["result", "list", "schema"])
def test_serve_passes_thirty_megabytes_of_small_values_on(pflow: Pflow, dense: str, what: str) -> None:
    tools = {
        "result": tool("big"),
        # Many tools, each of a size that is taken.
        "list": ",".join(
            tool(f"t{number}", f'{{"type":"object","x":[{",".join(["{}"] * (DENSE // 100))}]}}') for number in range(100)
        ),
        "schema": f'{tool("big")},{tool("whole", f"""{{"x":[{dense}]}}""")}',
    }[what]
    result = f'{{"content":[{{"type":"text","text":"x"}}],"structuredContent":[{dense}]}}' if what == "result" else "{}"
    with Exact({"big": result}, tools) as exact:
        pflow.configure({"gw": {"command": "pflow-gateway", "args": ["serve", "gw"], "gateway": {"url": exact.url}}})
        argv = [needed("PFLOW_GATEWAY_BIN"), "serve", "gw"]
        serve = Launched(
            argv, pflow.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        child = serve.process
        assert child.stdin
        assert child.stdout
        asked = "tools/call" if what == "result" else "tools/list"
        for number, (method, params) in enumerate(
            [("initialize", {"protocolVersion": "2025-11-25"}), (asked, {"name": "big"} if what == "result" else {})]
        ):
            message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            child.stdin.write(json.dumps(message).encode() + b"\n")
            child.stdin.flush()
            answer = child.stdout.readline()
            assert b'"result"' in answer[:60], answer[:500]
        child.stdin.close()
        child.stdout.close()
        peak, cpu = used(serve)
    if what == "schema":
        assert b'"big"' in answer, "the other tool is shown"
        assert len(answer) < MIB, "the one that is too large is not"
    else:
        assert len(answer) > 29_000_000
    assert peak < 512 * MIB, f"{peak // MIB} MiB"
    assert cpu < 30, f"{cpu} s"


def test_a_result_of_sixteen_mebibytes_sent_twice_costs_a_few_times_its_size(
    pflow: Pflow, fake_gateway: Callable[..., FakeGateway]
) -> None:
    gateway = fake_gateway("generic")
    arguments = json.dumps({"bytes": 16 * MIB, "structured": True})
    argv = [pflow.binary.parent / "pflow-gateway", "call", gateway.url, "lab__big", "--args", arguments]
    child = Launched(argv, pflow.env, stdout=subprocess.PIPE)
    assert child.process.stdout is not None
    assert len(child.process.stdout.read()) == 16 * MIB + 1
    child.process.stdout.close()
    peak, _ = used(child)
    # 32 MiB come over the wire; Python and the compiled component take 60 MiB by themselves. Seen: 327 MiB.
    assert peak < 400 * MIB, f"{peak // MIB} MiB"
