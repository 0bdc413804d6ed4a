"""The proposals of `docs/upstream`, each put into a copy of the installed pflow.

A proposal is a file of lines that are added at the end of one of pflow's modules, `# In MODULE`, where it may say besides which few
words become others. Takes a proposal's name; gives a copy's folder. Never changes what is installed, nor keeps a line of it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from conftest import HERE

FOLDER = HERE.parent.parent / "docs" / "upstream"
SECTION = re.compile(r"^# In (pflow/[\w/]+\.py)(?:: `(.+)` becomes `(.+)`)?$", re.MULTILINE)


def names() -> list[str]:
    """All of them, in the order of their numbers."""
    return sorted(path.stem for path in FOLDER.glob("[0-9]*.py"))


def installed(python: Path) -> Path:
    """Pflow's package in this environment."""
    asks = "import importlib.util; print(importlib.util.find_spec('pflow').submodule_search_locations[0])"
    done = subprocess.run([python, "-c", asks], capture_output=True, text=True, timeout=60, check=True)
    return Path(done.stdout.strip())


def tried(python: Path, folder: Path, *proposals: str) -> Path:
    """A folder for PYTHONPATH: pflow as it is installed, with these."""
    shutil.copytree(installed(python), folder / "pflow", ignore=shutil.ignore_patterns("__pycache__"))
    for proposal in proposals:
        put_into(folder, (FOLDER / f"{proposal}.py").read_text(encoding="utf-8"))
    return folder


def put_into(folder: Path, text: str) -> None:
    """Add one to a copy."""
    headings = list(SECTION.finditer(text))
    assert headings and headings[0].start() == 0, "a proposal begins with the module that it is for"
    for at, heading in enumerate(headings):
        end = headings[at + 1].start() if at + 1 < len(headings) else len(text)
        module = folder / heading[1]
        before = module.read_text(encoding="utf-8")
        if heading[2]:
            assert heading[2] in before, f"{heading[1]} does not have {heading[2]}"
            before = before.replace(heading[2], heading[3])
        module.write_text(f"{before}\n\n{text[heading.end() : end].strip()}\n", encoding="utf-8")
