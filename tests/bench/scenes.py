"""What is measured: each scene is one server, its contenders, and the rows that come of it.

Takes the programs; fills a table. Never compares figures of different runs: the contenders of a scene take turns.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from budgets import Table
from clock import Clock, Contender, Wrong, difference, ratio, spread

# The tool that is called.
TOOL = "github_tool_0"


@dataclass
class Programs:
    """Where everything is. What is None is not measured."""

    gateway: Path
    pace: Path
    # pflow's own environment, with the wheel.
    pflow: Path
    fastmcp: Path | None
    node: Path | None
    curl: str | None
    other: tuple[str, Path] | None = None


class Stage:
    """A home, a clock, servers, and a table to fill."""

    def __init__(self, programs: Programs, table: Table, folder: Path, rounds: int, say: Callable[[str], None]) -> None:
        self.programs, self.table, self.folder, self.rounds, self.say = programs, table, folder, rounds, say
        self.clock = Clock(programs.pace, folder)
        self.extra: list[dict[str, Any]] = []
        self.home = self._home("home", {})
        path = "/usr/local/bin:/usr/bin:/bin"
        if programs.node:
            path = f"{programs.node}:{path}"
        self.env = {"PATH": path, "HOME": str(self.home), "LANG": "C.UTF-8", "NO_COLOR": "1"}

    def _home(self, name: str, servers: dict[str, Any]) -> Path:
        home = self.folder / name
        (home / ".pflow").mkdir(parents=True)
        file = home / ".pflow" / "mcp-servers.json"
        file.write_text(json.dumps({"mcpServers": servers}), encoding="utf-8")
        file.chmod(0o600)
        return home

    @contextmanager
    def server(self, *flags: object) -> Iterator[list[str]]:
        """The URLs of a server that is there as long as the block."""
        command = [str(self.programs.pace), "serve", *map(str, flags)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout
            line = child.stdout.readline()
            if not line:
                raise Wrong("pace serve did not start")
            yield json.loads(line)["urls"]
            assert child.stdin
            child.stdin.close()

    # Contenders

    def ours(self, url: str, tools: int, name: str = "pflow-gateway", program: Path | None = None) -> Contender:
        """The program."""
        command = [program or self.programs.gateway, "tools", url, "--json"]
        return Contender(name, command, self.env, counted(tools))

    def natives(self, url: str, tools: int) -> list[Contender]:
        """rmcp as it comes, and with connections that are kept, which its documentation advises against."""
        plain: list[object] = [self.programs.pace, "list", "--url", url]
        return [
            Contender("native rmcp", plain, self.env, counted(tools)),
            Contender("native rmcp, connections kept", [*plain, "--pooled"], self.env, counted(tools)),
        ]

    def curl(self, url: str, tools: int, page: int) -> list[Contender]:
        """One curl for all requests of a client that knows every cursor beforehand."""
        if not self.programs.curl:
            return []
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "curl", "version": "1"}}
        asked = [("initialize", hello)]
        asked += [("tools/list", {"cursor": f"page-{n}"} if n else {}) for n in range(-(-tools // page))]
        file = self.folder / f"curl-{tools}.conf"
        blocks = []
        for id, (method, params) in enumerate(asked):
            message = json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
            blocks.append(
                f'url = "{url}"\nheader = "Content-Type: application/json"\n'
                f'header = "Accept: application/json, text/event-stream"\ndata = {json.dumps(message)}\n'
            )
        file.write_text("next\n".join(blocks), encoding="utf-8")
        command = [self.programs.curl, "--silent", "--fail", "--config", file]
        return [Contender("curl", command, self.env, answered(tools, len(asked)))]

    def peers(self, url: str, tools: int) -> list[Contender]:
        """Other people's clients, as a person would type them."""
        found = []
        if node := self.programs.node:
            found += [
                Contender(
                    "mcporter", [node / "mcporter", "list", url, "--allow-http", "--json"], self.env, counted(tools)
                ),
                Contender(
                    "MCP Inspector's CLI",
                    [node / "mcp-inspector", "--cli", url, "--transport", "http", "--method", "tools/list"],
                    self.env,
                    counted(tools),
                ),
            ]
        if fastmcp := self.programs.fastmcp:
            script = Path(__file__).with_name("mcp_script.py")
            found += [
                Contender("FastMCP's CLI", [fastmcp / "fastmcp", "list", url, "--json"], self.env, counted(tools)),
                Contender("mcp script (Python SDK)", [fastmcp / "python", script, url], self.env, counted(tools)),
            ]
        return found

    # Scenes

    def lists(self, tools: int, page: int, rounds: int) -> None:
        """How long it takes to see all tools."""
        self.say(f"{tools:,} tools in {-(-tools // page):,} pages")
        with self.server("--tools", tools, "--page", page) as (url,):
            ours, natives = self.ours(url, tools), self.natives(url, tools)
            others = [*natives, *self.curl(url, tools, page)]
            self.clock.race([ours, *others], rounds)
            peers = self.peers(url, tools) if tools == 500 else []
            if peers:
                # Each takes half a second: fewer rounds, ours among them.
                again = self.ours(url, tools)
                self.clock.race([again, *peers], max(2, rounds // 4))
        figures = [contender.figures() for contender in (ours, *others, *peers)]
        native = quicker(natives)
        self.table.put(f"list-{tools}", ratio(ours.wall, native.wall), figures, f"to {native.name}")
        if f"memory-{tools}" in (row.id for row in self.table):
            peaks = [max(peak, *ours.tree) if ours.tree else peak for peak in ours.peak]
            self.table.put(f"memory-{tools}", spread(peaks), figures, "the largest process, or the tree if that is more")
        if peers:
            fastest = quicker(peers)
            self.table.put("fastest-peer", ratio(again.wall, fastest.wall), figures, f"to {fastest.name}")
        elif tools == 500:
            self.table.skip("fastest-peer", "not with --quick")

    def wheel(self, rounds: int) -> None:
        """What the way through pflow adds to both of its parts."""
        self.say("pflow mcp gateway tools")
        with self.server("--tools", 500) as (url,):
            pflow, words = self.programs.pflow, ["tools", url, "--json"]
            ours = self.ours(url, 500)
            script = Contender("pflow-gateway of the wheel", [pflow / "pflow-gateway", *words], self.env, counted(500))
            through = Contender(
                "pflow mcp gateway tools", [pflow / "pflow", "mcp", "gateway", *words], self.env, counted(500)
            )
            # What pflow's console script does before anybody's code is asked, with our hook out of the way.
            own = Contender(
                "pflow's own import",
                [pflow / "python", "-c", "from pflow.cli import cli_main"],
                {**self.env, "PFLOW_GATEWAY_DISABLE": "1"},
                lambda said: f"printed {said!r}" if said else None,
            )
            contenders = [ours, script, through, own]
            self.clock.race(contenders, rounds)
        parts = [a + b for a, b in zip(ours.wall, own.wall, strict=True)]
        figures = [contender.figures() for contender in contenders]
        self.table.put("wheel", difference(through.wall, parts), figures, "pflow mcp gateway tools − program − import")

    def network(self, rounds: int) -> None:
        """The same over a network that takes 10 ms for each answer."""
        self.say("500 tools, 10 ms of network")
        with self.server("--tools", 500, "--delay", 10) as (url,):
            ours, natives = self.ours(url, 500), self.natives(url, 500)
            others = [*natives, *self.curl(url, 500, 100)]
            self.clock.race([ours, *others], rounds)
        native = quicker(natives)
        figures = [contender.figures() for contender in (ours, *others)]
        self.table.put("network-10", ratio(ours.wall, native.wall), figures, f"to {native.name}")

    def calls(self, rounds: int, count: int) -> None:
        """Calls through `serve`, and without it."""
        for service in (0, 5, 10):
            self.say(f"calls through serve, service of {service} ms")
            with self.server("--service", service, "--tools", 500) as (url,):
                direct, ours = ("--url", url, "--pooled"), ("--", self.programs.gateway, "serve", url)
                if service == 0:
                    plain, through = self._talk((direct, ours), rounds, 1, count)
                    figures = [talk("native rmcp, direct", plain), talk("through serve", through)]
                    beyond = difference(of(through, "median_ms"), of(plain, "median_ms"))
                    self.table.put("serve-call", beyond, figures, "median latency of each round")
                plain, through = self._talk((direct, ours), rounds, 70, count * 4)
            figures = [talk("native rmcp, direct", plain), talk("through serve", through)]
            share = ratio(of(through, "calls_per_second"), of(plain, "calls_per_second"))
            self.table.put(f"at-once-{service}", share, figures)
            self.table.put(f"latency-{service}", ratio(of(through, "median_ms"), of(plain, "median_ms")), figures)

    def _talk(
        self, ways: tuple[tuple[object, ...], ...], rounds: int, at_once: int, count: int
    ) -> list[list[dict[str, Any]]]:
        told: list[list[dict[str, Any]]] = [[] for _ in ways]
        for _ in range(rounds):
            for way, here in zip(ways, told, strict=True):
                flags = ["calls", "--at-once", at_once, "--count", count, "--tool", TOOL, *way]
                command = [self.programs.pace, *flags]
                done = subprocess.run(
                    [str(word) for word in command], env=self.env, capture_output=True, text=True, check=False
                )
                if done.returncode != 0:
                    raise Wrong(f"{' '.join(map(str, flags))}: {done.stderr.strip()[-2000:]}")
                said = json.loads(done.stdout)
                if (said["tools"], said["calls"]) != (500, count):
                    raise Wrong(f"{' '.join(map(str, flags))}: {said['tools']} tools and {said['calls']} calls")
                here.append(said)
        return told

    def sync(self, rounds: int) -> None:
        """`pflow mcp sync`, with pflow's own client and through `serve`."""
        self.say("pflow mcp sync of 1,000 tools")
        with self.server("--tools", 1000, "--page", 1000) as (url,):
            entries = {
                "stock, direct": {"type": "http", "url": url},
                "through serve": {
                    "command": str(self.programs.gateway),
                    "args": ["serve", "gw"],
                    "gateway": {"url": url},
                },
            }
            contenders = []
            for number, (name, entry) in enumerate(entries.items()):
                home = self._home(f"sync-{number}", {"gw": entry})
                env = {**self.env, "HOME": str(home), "PFLOW_GATEWAY_DISABLE": "1"}
                command = [self.programs.pflow / "pflow", "mcp", "sync", "gw"]
                contenders.append(Contender(name, command, env, has("Discovered 1000 tools")))
            self.clock.race(contenders, rounds)
        stock, ours = contenders
        figures = [contender.figures() for contender in contenders]
        self.table.put("sync-1000", ratio(ours.wall, stock.wall), figures)

    def help(self, rounds: int) -> None:
        """What the start-up hook costs everybody; off twice, to know what is noise."""
        self.say("pflow --help, start-up hook on and off")
        command = [self.programs.pflow / "pflow", "--help"]
        off = {**self.env, "PFLOW_GATEWAY_DISABLE": "1"}
        contenders = [
            Contender("off", command, off, has("Usage")),
            Contender("on", command, self.env, has("Usage")),
            Contender("off, once more", command, off, has("Usage")),
        ]
        self.clock.race(contenders, rounds)
        first, on, again = contenders
        # The median of medians moves by about this much between two runs of one command; never taken for less than 2 %.
        noise = max(0.02, abs(ratio(again.wall, first.wall)["median"] - 1))
        figures = [contender.figures() for contender in contenders]
        self.table.put("help", ratio(on.wall, first.wall), figures, "noise: two runs of the same command", noise)

    def health(self, rounds: int, slowest: int, gateways: int = 200) -> None:
        """Many gateways at once, one of them slow."""
        self.say(f"{gateways} gateways in one health")
        with self.server("--tools", 20, "--ports", gateways) as urls:
            urls = [url.replace("/mcp", f"/delay-{slowest if n == 0 else 10}/mcp") for n, url in enumerate(urls)]
            contenders = []
            for name, some in (("the slowest alone", urls[:1]), (f"all {gateways}", urls)):
                servers = {
                    f"g{n}": {"command": "pflow-gateway", "args": ["serve", f"g{n}"], "gateway": {"url": url}}
                    for n, url in enumerate(some)
                }
                home = self._home(f"health-{len(some)}", servers)
                command = [self.programs.gateway, "health", "--json"]
                contenders.append(Contender(name, command, {**self.env, "HOME": str(home)}, healthy(len(some))))
            self.clock.race(contenders, rounds)
        alone, together = contenders
        figures = [contender.figures() for contender in contenders]
        self.table.put("health-200", ratio(together.wall, alone.wall), figures, f"the slowest takes {slowest} ms an answer")

    def against(self, rounds: int) -> None:
        """Another revision's program, command by command."""
        if not self.programs.other:
            return
        name, program = self.programs.other
        with self.server("--tools", 500) as (url,):
            for words in (["test", url], ["tools", url, "--json"], ["call", url, TOOL, "--args", '{"query":"x"}']):
                self.say(f"{words[0]}, now and at {name}")
                then, now = (
                    Contender(label, [binary, *words], self.env, lambda said: None if said else "printed nothing")
                    for label, binary in ((f"at {name}", program), ("now", self.programs.gateway))
                )
                self.clock.race([then, now], rounds)
                self.extra.append(
                    {
                        "what": words[0],
                        "ratio": ratio(now.wall, then.wall),
                        "contenders": [then.figures(), now.figures()],
                    }
                )


def quicker(contenders: list[Contender]) -> Contender:
    """The one with the lower median."""
    return min(contenders, key=lambda contender: spread(contender.wall)["median"])


def of(told: list[dict[str, Any]], key: str) -> list[float]:
    """One figure of each round."""
    return [said[key] for said in told]


def talk(name: str, told: list[dict[str, Any]]) -> dict[str, Any]:
    """What a client measured in one conversation."""
    keys = ("calls_per_second", "median_ms", "p90_ms", "max_ms", "connected_ms", "listed_ms")
    return {"name": name, **{key: spread(of(told, key)) for key in keys}}


def counted(tools: int) -> Callable[[str], str | None]:
    """The answer is JSON with so many tools."""

    def wrong(said: str) -> str | None:
        try:
            answer = json.loads(said)
        except ValueError as error:
            return f"no JSON ({error}): {said[:200]}"
        found = answer["tools"] if isinstance(answer, dict) else answer
        names = {tool["name"] for tool in found}
        return None if len(names) == len(found) == tools else f"{len(found)} tools, {tools} are there"

    return wrong


def answered(tools: int, answers: int) -> Callable[[str], str | None]:
    """The answer is JSON-RPC responses one after the other, with so many tools."""

    def wrong(said: str) -> str | None:
        decoder, at, found, seen = json.JSONDecoder(), 0, 0, 0
        while at < len(said):
            response, at = decoder.raw_decode(said, at)
            found += len(response.get("result", {}).get("tools", []))
            seen += 1
        return None if (found, seen) == (tools, answers) else f"{found} tools in {seen} answers"

    return wrong


def has(words: str) -> Callable[[str], str | None]:
    """The answer has these words."""
    return lambda said: None if words in said else f"no {words!r} in {said[-500:]!r}"


def healthy(gateways: int) -> Callable[[str], str | None]:
    """So many gateways, all of them well."""

    def wrong(said: str) -> str | None:
        found = json.loads(said)["gateways"]
        ill = [gateway for gateway in found if gateway.get("status") != "ok"]
        return None if len(found) == gateways and not ill else f"{len(found)} gateways, not well: {ill[:1]}"

    return wrong


if __name__ == "__main__":
    sys.exit("started by bench.py")
