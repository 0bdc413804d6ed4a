"""The components of `docs/components`, and the program with one gateway configured.

`cargo xtask test` builds them and sets

    EXAMPLE_COMPONENTS  a folder: `rust.wasm`, `python.wasm`, `python-directory.wasm`, `javascript.wasm`, whole; `rust-part.wasm`
                        and so on, parts; `gateway.wasm`, the built-in one
    COMPOSE_BIN         `docs/components/compose`
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from conftest import needed

LANGUAGES = ("rust", "python", "javascript")
NAMES = (*LANGUAGES, "python-directory")


def whole(name: str) -> Path:
    """A whole component: the example of this name, and the built-in one behind it, which alone is `gateway`."""
    return needed("EXAMPLE_COMPONENTS") / f"{name}.wasm"


def part(name: str) -> Path:
    """What the example does itself."""
    return needed("EXAMPLE_COMPONENTS") / f"{name}-part.wasm"


class Program:
    """The program in a home of its own, which knows the gateway `gw`."""

    def __init__(
        self, home: Path, url: str, paths: tuple[str, ...] = (), settings: dict[str, str] | None = None
    ) -> None:
        self.home = home
        self.binary = needed("PFLOW_GATEWAY_BIN")
        folder = home / ".pflow"
        folder.mkdir(parents=True)
        gateway = {"url": url, "paths": list(paths), "settings": settings or {}}
        servers = {"gw": {"command": "pflow-gateway", "args": ["serve", "gw"], "gateway": gateway}}
        (folder / "mcp-servers.json").write_text(json.dumps({"mcpServers": servers}), encoding="utf-8")
        # Machine code is kept from run to run: compiling Python's interpreter takes seconds.
        cache = needed("EXAMPLE_COMPONENTS") / "cache"
        self.env = {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_CACHE_HOME": str(cache)}

    def start(self, *args: str | Path, **pipes: Any) -> subprocess.Popen[bytes]:
        """A command line that goes on by itself."""
        argv = [str(self.binary), *map(str, args)]
        return subprocess.Popen(argv, env=self.env, cwd=self.home, **pipes)

    def run(self, *args: str | Path) -> subprocess.CompletedProcess[str]:
        """A command line, whatever comes of it."""
        return subprocess.run(
            [str(self.binary), *map(str, args)],
            env=self.env,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def json(self, *args: str | Path) -> Any:
        """What a command line says with `--json`, whatever its exit code."""
        done = self.run(*args, "--json")
        assert done.stdout, done.stderr
        return json.loads(done.stdout)
