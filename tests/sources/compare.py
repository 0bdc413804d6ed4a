"""Whether the wheel that is built of the source archive is the one that is built of the workspace.

`compare.py WHEEL OTHER`: fails with the files that only one of them has, or that differ. Two may: the machine code, which the
archive has not, and the module, which is compiled in another folder.
"""

import sys
import zipfile

MACHINE_CODE = "pflow_gateway/gateway.cwasm"
# What is in it names the files' digests, and the platform's tag.
OF_THE_FORMAT = ("RECORD", "WHEEL")


def files(wheel: str) -> dict[str, bytes]:
    """What is in a wheel, by name."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def main() -> str | None:
    """What is wrong, for `sys.exit`; None when nothing is."""
    usual, other = map(files, sys.argv[1:])
    if usual.pop(MACHINE_CODE, None) is None:
        return f"{MACHINE_CODE} is not in {sys.argv[1]}: then this compares nothing"
    licences = [name for name in other if "/licenses/LICENSE-" in name]
    if len(licences) != 2:
        return f"the licences are not in {sys.argv[2]}"
    wrong = [f"only in one of them: {name}" for name in sorted(usual.keys() ^ other.keys())]
    for name in sorted(usual.keys() & other.keys()):
        compiled = name.startswith("pflow_gateway/_native.") and not name.endswith(".pyi")
        if not compiled and not name.endswith(OF_THE_FORMAT) and usual[name] != other[name]:
            wrong.append(f"differs: {name}")
    return "\n".join(wrong) or None


sys.exit(main())
