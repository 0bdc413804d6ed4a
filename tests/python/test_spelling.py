"""Spelling: every word of the documentation and of the help texts is known, and nothing is misspelt in the sources.

A word is known when it is English, or in `words.txt`.
With `UPDATE=1` in the environment the list is written anew: read what came into it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import HERE, Pflow, needed
from spellchecker import SpellChecker

ROOT = HERE.parent.parent
OURS = HERE / "words.txt"
# What is no prose: code, links, and markup.
NO_PROSE = re.compile(r"```.*?```|^ {4}.*?$|`[^`]*`|\]\([^)]*\)|https?://\S+|<[^>]*>", re.DOTALL | re.MULTILINE)
WORD = re.compile(r"[A-Za-z][a-z']+")
# Not ours, or words only by chance: what tests mistype on purpose, and signs of programs.
LEFT_OUT = re.compile(
    r"\.(lock|json|svg|wasm|snap|ico|cwasm)$|wit/deps/|^tests/fuzz/corpus/|^tests/python/words\.txt$|^tests/service/.*\.yaml$"
)
ON_PURPOSE = "wit,fro,te,nd,fo,inpu,ser,celcius,wether,dokcer,titel,cursos,matchs,statics,notin,wronly,woth"


def tracked() -> list[str]:
    """The project's own files."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        pytest.skip("this is no clone: git does not know its files")
    return [name for name in done.stdout.splitlines() if not LEFT_OUT.search(name) and (ROOT / name).is_file()]


def words(text: str) -> Iterator[str]:
    """The words of prose, in small letters."""
    for word in WORD.findall(NO_PROSE.sub(" ", text)):
        yield word.strip("'").removesuffix("'s").lower()


def help_texts(pflow: Pflow, *group: str) -> Iterator[str]:
    """What `--help` says, of all commands."""
    shown = pflow.program(needed("PFLOW_GATEWAY_BIN"), *group, "--help", COLUMNS="100").stdout
    yield shown.replace("\n          ", "\n")
    for command in re.findall(r"^  ([a-z]+)  ", shown.partition("Commands:")[2].partition("\n\n")[0], re.MULTILINE):
        if command != "help":
            yield from help_texts(pflow, *group, command)


def test_every_word_of_the_documentation_and_of_the_help_is_known(pflow: Pflow) -> None:
    english = SpellChecker()
    pages = [(ROOT / name).read_text(encoding="utf-8") for name in tracked() if name.endswith(".md")]
    helps = list(help_texts(pflow))
    assert len(pages) > 40 and len(helps) > 25
    unknown = english.unknown({word for text in (*pages, *helps) for word in words(text)})
    if os.environ.get("UPDATE"):
        OURS.write_text("\n".join(sorted(unknown)) + "\n", encoding="utf-8")
    ours = set(OURS.read_text(encoding="utf-8").split())
    assert not unknown - ours, "misspelt, or a word for tests/python/words.txt"
    assert not ours - unknown, "no page has these any more: take them out of tests/python/words.txt"


def test_nothing_is_misspelt_in_the_sources() -> None:
    codespell = Path(sys.executable).with_name("codespell")
    done = subprocess.run(
        [codespell, "--ignore-words-list", ON_PURPOSE, *tracked()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout or done.stderr


def test_a_misspelt_word_would_be_found() -> None:
    assert SpellChecker().unknown(words("The gatewey anserws `a_flag` at [one](of-ours.md).")) == {"gatewey", "anserws"}
