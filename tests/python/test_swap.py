"""`component use` under a stream of calls through one `serve`: Rust, Python, JavaScript, built-in; none lost, none doubled.

Who answered is seen in the log: each example writes a line for each call, with the id that the call has on the wire; the built-in
component writes none.
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conftest import FakeGateway
from examples import LANGUAGES, Program, whole

CALLS = 2_000
# More than that for one swap, and it did not happen.
PATIENCE = 3_000
AT_ONCE = 12
PARTS = {"rule": "rust", "data-class": "python", "status-page": "javascript"}
LINE = re.compile(r"call (\d+) of .* part=\"?([a-z-]+)\"?")
BUILT_IN = "built-in"


class Stream:
    """Calls through `serve`, many in flight, each with a number that has to come back; keeps every answer and the log."""

    def __init__(self, program: Program) -> None:
        self.process = program.start(
            "serve", "gw", "-v", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._changed = threading.Condition()
        self.answers: dict[int, list[dict[str, Any]]] = {}
        self.sent = 0
        self.log: list[str] = []
        # Who answered the call with this id on the wire, for those who say so.
        self.answered: dict[int, list[str]] = {}
        self._readers = [threading.Thread(target=self._read), threading.Thread(target=self._listen)]
        for reader in self._readers:
            reader.start()
        client = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        self._say({"id": "hello", "method": "initialize", "params": client})
        self._say({"method": "notifications/initialized"})

    def _say(self, message: dict[str, Any]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self.process.stdin.flush()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            message = json.loads(line)
            number = message.get("id")
            with self._changed:
                if isinstance(number, int):
                    self.answers.setdefault(number, []).append(message)
                self._changed.notify()
        with self._changed:
            self._changed.notify()

    def _listen(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            text = line.decode("utf-8", "replace")
            said = LINE.search(text)
            with self._changed:
                self.log.append(text)
                if said:
                    self.answered.setdefault(int(said[1]), []).append(PARTS[said[2]])

    def by(self, who: str) -> int:
        """How many calls this component answered, as far as is known by now."""
        with self._changed:
            if who == BUILT_IN:
                # The last lines of the others may not be read yet.
                return len(self.answers) - len(self.answered) - AT_ONCE
            return sum(parts == [who] for parts in self.answered.values())

    def call(self, in_flight: int) -> None:
        """One more call, as soon as fewer than so many wait for their answers."""
        with self._changed:
            done = self._changed.wait_for(
                lambda: self.process.poll() is not None or self.sent - len(self.answers) < in_flight, 120
            )
        assert done and self.process.poll() is None, f"serve answers no more\n{''.join(self.log[-20:])}"
        arguments = {"key": str(self.sent)}
        params = {"name": "crm.item_000_lookup", "arguments": arguments}
        self._say({"id": self.sent, "method": "tools/call", "params": params})
        self.sent += 1

    def until(self, who: str) -> None:
        """Call until this component answered some, then go on with it for a while."""
        start = self.sent
        while self.by(who) < 20:
            assert self.sent < start + PATIENCE, f"{who} has not answered\n{''.join(self.log[-20:])}"
            # Slowly: it takes a moment, and that is not what the calls are for.
            self.call(3)
        for _ in range(300):
            self.call(AT_ONCE)

    def finish(self) -> None:
        """Wait for the last answers, and end it as pflow does."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.answers) == self.sent, 120), "calls without an answer"
        self.end()

    def end(self) -> None:
        """Close its stdin; it ends by itself."""
        assert self.process.stdin
        self.process.stdin.close()
        try:
            self.process.wait(30)
        finally:
            self.process.kill()
            for reader in self._readers:
                reader.join()


def test_a_swap_loses_no_call_and_doubles_none(tmp_path: Path, fake_gateway: Callable[..., FakeGateway]) -> None:
    gateway = fake_gateway("generic", "--services", "crm:5", "--separator", ".", "--latency", "10")
    program = Program(tmp_path, gateway.url)
    for language in LANGUAGES:
        # Compiled beforehand: what is tried here is the swap.
        assert program.json("--component", whole(language), "tools", "gw").get("error") is None
    assert program.run("component", "use", whole("rust")).returncode == 0
    stream = Stream(program)
    try:
        stream.until("rust")
        for who, choose in (
            ("python", ("use", whole("python"))),
            ("javascript", ("use", whole("javascript"))),
            (BUILT_IN, ("reset",)),
        ):
            choosing = program.start("component", *choose, stdout=subprocess.DEVNULL)
            stream.until(who)
            assert choosing.wait() == 0
        while stream.sent < CALLS:
            stream.call(AT_ONCE)
        stream.finish()
    finally:
        if stream.process.poll() is None:
            stream.end()

    said = "".join(stream.log)
    assert "rolled back" not in said, said
    assert stream.process.returncode == 0, said
    assert sorted(stream.answers) == list(range(stream.sent))
    for number, answers in stream.answers.items():
        assert len(answers) == 1, f"call {number} was answered {len(answers)} times"
        result = answers[0].get("result", {})
        # The gateway gives the arguments back: this answer is this call's, so that it got there.
        assert result.get("structuredContent", {}).get("arguments") == {"key": str(number)}, answers
    arrived = Counter(request["id"] for request in gateway.requests("tools/call"))
    assert set(arrived.values()) == {1}, "a call reached the gateway twice"
    assert len(arrived) == stream.sent, f"{stream.sent} calls, and {len(arrived)} reached the gateway"
    assert all(len(parts) == 1 for parts in stream.answered.values())
    by = Counter(stream.answered.get(call, [BUILT_IN])[0] for call in arrived)
    assert min(by[who] for who in (*LANGUAGES, BUILT_IN)) >= 20, by
