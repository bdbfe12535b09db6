"""Tasks in containers, next to ``docker run`` of the same image on the same daemon, in turns."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from benchmarks.cluster import start_cluster
from benchmarks.idle import pss
from benchmarks.processes import BenchmarkError, Program, Session
from benchmarks.report import Metric, at_least, at_most, figure, per_round

__all__ = ["run"]

_SAMPLES: Final = 20
_WARM_UP: Final = 3
_TOGETHER: Final = 20
_ROUNDS: Final = 5
_LINES: Final = 400_000
_SETTLE: Final = 5.0  # seconds until memory is read


def run() -> Iterator[Metric]:
    image = _image()
    with Session() as session:
        platform = f'[platforms.docker]\nkind = "docker"\nimage = "{image}"\n'
        address = start_cluster(session, own_workers=True, runtime="docker", more=platform)
        driver = session.driver("containers", address)
        yield from _first_line(driver, image)
        yield from _together(driver, image)
        yield from _logs(driver)
        yield from _overhead(session, driver)


def _first_line(driver: Program, image: str) -> Iterator[Metric]:
    ours: dict[str, list[float]] = {"callable": [], "command": []}
    docker: list[float] = []
    for number in range(_WARM_UP + _SAMPLES):
        took = {kind: driver.ask("line", kind=kind) * 1e3 for kind in ours}
        bare = _docker_run(image) * 1e3
        if number >= _WARM_UP:
            docker.append(bare)
            for kind, value in took.items():
                ours[kind].append(value)
    for kind, values in ours.items():
        yield Metric(
            name=f"docker: submit to first line of a {kind}, p50",
            value=statistics.median(values),
            unit="ms",
            peer=f"docker run: {figure(statistics.median(docker))} ms",
            ratio=per_round(values, docker),
            wanted=at_most(1.3, of="ratio"),
        )


def _together(driver: Program, image: str) -> Iterator[Metric]:
    ours, docker = [], []
    for _ in range(_ROUNDS):
        ours.append(driver.ask("together", count=_TOGETHER))
        with ThreadPoolExecutor(_TOGETHER) as pool:
            began = time.monotonic()
            list(pool.map(_docker_run, [image] * _TOGETHER))
            docker.append(time.monotonic() - began)
    yield Metric(
        name=f"docker: {_TOGETHER} containers from submit to done",
        value=statistics.median(ours),
        unit="s",
        peer=f"{_TOGETHER} docker run in parallel: {figure(statistics.median(docker))} s",
        ratio=per_round(ours, docker),
        wanted=at_most(1.0, of="ratio"),
    )


def _logs(driver: Program) -> Iterator[Metric]:
    rates = []
    for _ in range(3):
        seconds, wrong = driver.ask("logs", count=_LINES, timeout=300.0)
        if wrong:
            raise BenchmarkError(f"{wrong} of {_LINES} lines are not as they were printed")
        rates.append(_LINES / seconds)
    yield Metric(
        name="docker: lines of one container kept, none lost",
        value=statistics.median(rates),
        unit="lines/s",
        wanted=at_least(20_000),
    )


def _overhead(session: Session, driver: Program) -> Iterator[Metric]:
    """Of Iris's own processes; those of the daemon are the daemon's."""
    time.sleep(_SETTLE)
    before, threads = pss(session.pids()), _threads(session)
    driver.ask("hold", count=_TOGETHER)
    time.sleep(_SETTLE)
    grown = (pss(session.pids()) - before) / _TOGETHER
    yield Metric(
        name="docker: memory of Iris for each running container", value=grown, unit="MB", wanted=at_most(1)
    )
    yield Metric(
        name=f"docker: threads of Iris more with {_TOGETHER} containers",
        value=_threads(session) - threads,
        unit="",
        wanted=at_most(_TOGETHER // 2),
    )
    driver.ask("release")


def _threads(session: Session) -> int:
    return sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in session.pids())


def _docker_run(image: str) -> float:
    """Seconds."""
    began = time.monotonic()
    subprocess.run(["docker", "run", "--rm", image, "python3", "-c", "pass"], check=True, capture_output=True)
    return time.monotonic() - began


def _image() -> str:
    import docker
    from docker.errors import DockerException

    from tests.docker.image import ensure_image

    try:
        client = docker.from_env()
    except DockerException as error:
        raise BenchmarkError(f"no Docker daemon answers: {error}") from error
    try:
        return ensure_image(client)
    finally:
        client.close()
