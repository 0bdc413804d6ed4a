"""What is wrong with what was seen of a case.

Takes a case, and what both ways came to; gives sentences, none where all is well. Never looks at anything but that.
"""

from __future__ import annotations

import re

from cases.peer import Peer
from differential import Pair, Seen

# What is never said of a tool that ran and that writes; "check before calling it again" is what shall be said.
AGAIN = re.compile(
    r"\b(try|call|run|send|ask|repeat|start)\w*\b[^.;:→]{0,20}\b(again|once more)\b|\bretr(y|ies)\b|\brepeat\b", re.I
)
CHECK = re.compile(r"check\b[^.;→]*\bbefore calling it again|before (you )?call(ing)? it again", re.I)
MAY_HAVE_RUN = re.compile(r"may (still )?have run|may (still )?be running|may still run", re.I)


def problems(case: type[Peer], pair: Pair) -> list[str]:
    """All that is wrong."""
    peer, direct, ours = case(), pair.direct, pair.ours
    return [*_works(peer, direct, ours), *_runs(peer, direct, ours), *_same(peer, direct, ours), *_words(peer, ours)]


def _works(peer: Peer, direct: Seen, ours: Seen) -> list[str]:
    if direct.works and not ours.works and not peer.fails:
        return [f"stock pflow works, and ours is {ours.outcome!r}: {ours.said}"]
    if peer.works and not ours.works:
        return [f"ours should work, and is {ours.outcome!r}: {ours.said}"]
    if peer.fails and ours.works:
        return [f"the tool failed, and ours shows a success: {ours.output}"]
    return []


def _runs(peer: Peer, direct: Seen, ours: Seen) -> list[str]:
    if direct.works and ours.works and ours.ran != direct.ran:
        return [f"the tool ran {direct.ran} times with stock pflow, and {ours.ran} times with ours"]
    allowed = max(len(peer.steps), direct.ran) * (2 if reads(peer) else 1)
    return [f"the tool ran {ours.ran} times"] if ours.ran > allowed else []


def _same(peer: Peer, direct: Seen, ours: Seen) -> list[str]:
    if not (direct.synced and ours.synced) or peer.differs or ours.declined:
        return []
    found = []
    if missing := set(direct.tools) - set(ours.tools):
        found.append(f"stock pflow lists {sorted(missing)}, ours does not")
    for name, tool in direct.tools.items():
        same = ours.tools.get(name, tool)
        found += [
            f"{name}: {what} is {tool[what]!r} with stock pflow, and {same[what]!r} with ours"[:400]
            for what in ("schema", "params")
            if same[what] != tool[what] or repr(same[what]) != repr(tool[what])
        ]
        said = tool["description"].strip()
        # pflow's own sentence where there is none.
        if not said.startswith("MCP tool from") and not same["description"].startswith(said[:1000]):
            found.append(f"{name}: the description is {same['description'][:200]!r} with ours")
    if direct.works and ours.works and direct.output != ours.output:
        found.append(f"stock pflow gives {direct.output[:200]!r}, ours {ours.output[:200]!r}")
    return found


def _words(peer: Peer, ours: Seen) -> list[str]:
    if ours.works:
        return []
    said = ours.declined or ours.said
    found = [f"ours does not say {word!r}: {said}" for word in peer.says if word.lower() not in said.lower()]
    found += [f"ours says {word!r}: {said}" for word in peer.unsaid if word.lower() in said.lower()]
    if not said:
        found.append("ours fails, and says nothing")
    if ours.ran and not reads(peer):
        if AGAIN.search(CHECK.sub("", said)):
            found.append(f"the tool ran, and ours says to do it again: {said}")
        if peer.lost and not MAY_HAVE_RUN.search(said):
            found.append(f"the tool ran, and ours does not say that it may have: {said}")
    return found


def reads(peer: Peer) -> bool:
    """Whether every step calls a tool that only reads."""
    return all(name == "note__list" for name, _ in peer.steps)
