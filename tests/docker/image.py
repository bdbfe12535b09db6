"""The image that tests run containers of: this machine's own Python, made without a registry.

`python -m tests.docker.image` makes it where it is missing, and prints its tag.
"""

from __future__ import annotations

import hashlib
import io
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import docker
from docker.errors import ImageNotFound

__all__ = ["REPOSITORY", "ensure_image", "tag"]

REPOSITORY = "iris-test-python"

_MINOR = f"python3.{sys.version_info.minor}"
_STDLIB = Path(sysconfig.get_path("stdlib"))
# What a shell line in a test may call; one that this machine does not have is left out.
_TOOLS = (
    "sh awk cat chmod cp cut date dd df echo env false grep head hostname id ip kill ln ls mkdir mkfifo mv "
    "nproc ps pwd rm sed seq setsid sleep sort stat tail tee timeout touch tr true uname wc yes"
)
# Nothing here is linked with these, but glibc and wheels load them: the old parts of glibc too.
_LOADED = (
    *("libgcc_s.so.1", "libstdc++.so.6", "libnss_dns.so.2", "libnss_files.so.2"),
    *("libdl.so.2", "libm.so.6", "libpthread.so.0", "librt.so.1", "libutil.so.1"),
)
# Other people's packages, and what no task runs.
_LEFT_OUT = re.compile(
    r"^(site-packages|dist-packages|test|tests|idlelib|idle_test|lib2to3|tkinter|turtledemo|config-.+)$"
    r"|^(_tkinter|_test.*|_ctypes_test|xx.*)\.\S*so$"
    r"|\.opt-[12]\.pyc$"
)
_FOLDERS = {
    "etc": 0o755,
    "proc": 0o755,
    "root": 0o700,
    "run": 0o755,
    "sys": 0o755,
    "tmp": 0o1777,
    "var/tmp": 0o1777,
}
_FILES = {
    "etc/passwd": (
        "root:x:0:0::/root:/bin/sh\niris:x:1000:1000::/tmp:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"
    ),
    "etc/group": "root:x:0:\niris:x:1000:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}
_LINKS = {"usr/local/bin/python3": _MINOR, "usr/local/bin/python": _MINOR}
_SETTINGS = [
    "ENV PATH=/usr/local/bin:/usr/bin:/bin",
    "ENV LANG=C.UTF-8",
    f"ENV PYTHON_VERSION={platform.python_version()}",  # as the official images have it
    'CMD ["python3"]',
]


def ensure_image(client: docker.DockerClient) -> str:
    """The tag of the image; made now if the daemon does not have it."""
    name = tag()
    if not _has(client, name):
        with tempfile.NamedTemporaryFile(suffix=".tar") as archive:
            _write(Path(archive.name))
            repository, version = name.split(":")
            said = client.api.import_image(archive.name, repository, version, changes=_SETTINGS)
        if not _has(client, name):
            raise RuntimeError(f"Docker did not take the image {name}: {said}")
    return name


def tag() -> str:
    """Another one whenever something that goes into the image is another one."""
    seen = hashlib.sha256(Path(__file__).read_bytes())
    # Whoever installs a library renews the cache of the loader.
    for path in (_interpreter(), Path("/etc/ld.so.cache"), *_programs().values(), *_stdlib()):
        # Bytecode comes and goes with the use of the interpreter.
        if path.suffix != ".pyc" and path.exists():
            status = path.stat()
            seen.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return f"{REPOSITORY}:3.{sys.version_info.minor}-{seen.hexdigest()[:12]}"


def _has(client: docker.DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except ImageNotFound:
        return False
    return True


def _write(archive: Path) -> None:
    contents = _contents()
    with tarfile.open(archive, "w") as tar:
        # Not every storage driver gives a folder that is not in the archive a mode of use.
        for name in sorted({str(folder) for path in (*contents, *_FOLDERS) for folder in Path(path).parents}):
            tar.addfile(_entry(name, type=tarfile.DIRTYPE, mode=0o755))
        for name, mode in _FOLDERS.items():
            tar.addfile(_entry(name, type=tarfile.DIRTYPE, mode=mode))
        for name, text in _FILES.items():
            tar.addfile(_entry(name, size=len(text)), io.BytesIO(text.encode()))
        for name, target in _LINKS.items():
            tar.addfile(_entry(name, type=tarfile.SYMTYPE, linkname=target))
        for name, path in contents.items():
            _add(tar, name, path)


def _add(tar: tarfile.TarFile, name: str, path: Path) -> None:
    """Readable for every user, whoever owns it here; with its time, which bytecode goes by."""
    status = path.stat()
    mode = 0o755 if status.st_mode & 0o100 else 0o644
    with path.open("rb") as content:
        tar.addfile(_entry(name, size=status.st_size, mtime=int(status.st_mtime), mode=mode), content)


def _entry(name: str, **fields: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def _contents() -> dict[str, Path]:
    """Path in the image -> file of this machine."""
    python = {f"usr/local/bin/{_MINOR}": _interpreter()}
    tools = {f"bin/{name}": path for name, path in _programs().items()}
    stdlib = {f"usr/local/{sys.platlibdir}/{_MINOR}/{path.relative_to(_STDLIB)}": path for path in _stdlib()}
    extensions = [path for path in stdlib.values() if path.suffix == ".so"]
    return python | tools | stdlib | _libraries([*python.values(), *tools.values(), *extensions])


def _interpreter() -> Path:
    return Path(sys.base_prefix, "bin", _MINOR).resolve(strict=True)


def _programs() -> dict[str, Path]:
    found = {name: shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin") for name in _TOOLS.split()}
    return {name: Path(path).resolve() for name, path in found.items() if path}


def _stdlib() -> Iterator[Path]:
    for top, folders, files in os.walk(_STDLIB):
        folders[:] = sorted(name for name in folders if not _LEFT_OUT.search(name))
        yield from (Path(top, name) for name in sorted(files) if not _LEFT_OUT.search(name))


def _libraries(programs: Iterable[Path]) -> dict[str, Path]:
    """All that the loader needs for these, and the loader."""
    # It ends with 1 when one of them is static; what is missing shows when the image is used.
    said = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    loader = {path.lstrip("/"): Path(path) for path in re.findall(r"^\s+(/\S+) \(0x", said, re.MULTILINE)}
    found = {name: Path(path) for name, path in re.findall(r"^\s+(\S+) => (/\S+) \(0x", said, re.MULTILINE)}
    folder = found["libc.so.6"].parent
    found |= {name: folder / name for name in _LOADED if (folder / name).exists()}
    # All into the one folder where the loader looks without being told.
    return loader | {f"{folder}/{name}".lstrip("/"): path for name, path in found.items()}


if __name__ == "__main__":
    print(ensure_image(docker.from_env()))
