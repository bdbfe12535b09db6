"""Wheels as small as they can be, written by hand: no registry and no build is needed for them."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

__all__ = ["wheel"]


def wheel(folder: Path, name: str, version: str = "1.0", requires: Sequence[str] = ()) -> str:
    """Make the wheel of a module with a `VERSION`, and of a program of that name which prints it; returns its
    file name."""
    folder.mkdir(parents=True, exist_ok=True)
    file, info = f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    with zipfile.ZipFile(folder / file, "w") as made:
        made.writestr(f"{name}.py", f"VERSION = {version!r}\ndef main():\n    print(VERSION)\n")
        made.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")
        made.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        made.writestr(f"{info}/entry_points.txt", f"[console_scripts]\n{name} = {name}:main\n")
        made.writestr(f"{info}/RECORD", "")
    return file
