"""Generate iris_api/rpc/ from proto/, or with --check: fail where the two differ."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
OUTPUT = Path("iris_api/rpc")  # also the protos' folder in proto/, so that absolute imports come out right
GENERATED = ("*_pb2.py", "*_pb2.pyi", "*_connect.py")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 and name what is stale")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        fresh = read(Path(scratch) / OUTPUT)
    require_runtime_not_older(fresh)
    committed = read(ROOT / OUTPUT)
    stale = sorted(name for name in fresh | committed if fresh.get(name) != committed.get(name))
    if check and stale:
        print("not what proto/ generates (run `make proto`):", *(OUTPUT / name for name in stale), sep="\n  ")
        return 1
    for name in stale:
        write(ROOT / OUTPUT / name, fresh.get(name))
    print(f"{len(fresh)} generated files, {len(stale)} changed")
    return 0


def generate(target: Path) -> None:
    plugin = Path(sys.executable).with_name("protoc-gen-connectrpc")
    protos = sorted(path.relative_to(PROTO).as_posix() for path in PROTO.rglob("*.proto"))
    astray = [name for name in protos if Path(name).parent != OUTPUT]
    if astray or not protos:
        sys.exit(f"every .proto file belongs in proto/{OUTPUT}, found: {', '.join(astray) or 'none'}")
    outputs = [f"--{kind}_out={target}" for kind in ("python", "pyi", "connectrpc")]
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}"),
            *(f"--plugin=protoc-gen-connectrpc={plugin}", "--connectrpc_opt=protobuf=google"),
            *outputs,
            *protos,
        ],
        check=True,
    )


def read(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for pattern in GENERATED for path in folder.glob(pattern)}


def write(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    print(f"{'removed' if content is None else 'wrote'} {path.relative_to(ROOT)}")


def require_runtime_not_older(fresh: dict[str, bytes]) -> None:
    """The protobuf runtime refuses code that is newer than itself, so the lowest one we accept decides."""
    wanted = {
        found.group(1).decode()
        for content in fresh.values()
        if (found := re.search(rb"^# Protobuf Python Version: (\S+)$", content, re.MULTILINE))
    }
    floor = re.search(r'"protobuf>=([\d.]+)', (ROOT / "pyproject.toml").read_text())
    lowest = min(as_numbers(version("protobuf")), as_numbers(floor.group(1) if floor else "0"))
    for needed in wanted:
        if as_numbers(needed) > lowest:
            sys.exit(f"the generated code needs protobuf>={needed}: raise the bound in pyproject.toml")


def as_numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


if __name__ == "__main__":
    sys.exit(main())
