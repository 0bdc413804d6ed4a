"""Large results: what they cost."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable

from conftest import FakeGateway, Pflow

MIB = 1024 * 1024


def test_a_result_of_sixteen_mebibytes_sent_twice_costs_a_few_times_its_size(
    pflow: Pflow, fake_gateway: Callable[..., FakeGateway]
) -> None:
    gateway = fake_gateway("generic")
    arguments = json.dumps({"bytes": 16 * MIB, "structured": True})
    child = subprocess.Popen(
        [pflow.binary.parent / "pflow-gateway", "call", gateway.url, "lab__big", "--args", arguments],
        env=pflow.env,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert len(child.stdout.read()) == 16 * MIB + 1
    child.stdout.close()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    # 32 MiB come over the wire; Python and the compiled component take 60 MiB by themselves.
    assert used.ru_maxrss * 1024 < 320 * MIB, f"{used.ru_maxrss} KiB"
