"""The output of attempts on its way: to a real controller, by a worker's own pusher."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from iris_api.credentials import Token
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc.client import RpcClient
from iris_api.testing import wait_for_condition
from iris_api.threads import ThreadRegistry
from iris_controller.controller import Controller, ControllerConfig
from iris_worker.logs import AttemptLog, LogPusher
from tests.controller.client import TOKEN, Agent, Client


@pytest.fixture
def client(thread_registry: ThreadRegistry) -> Iterator[Client]:
    controller = Controller(ControllerConfig(token=Token(TOKEN)), threads=thread_registry.container)
    controller.start()
    client = Client(controller)
    yield client
    client.stop()


@pytest.fixture
def pusher(client: Client, thread_registry: ThreadRegistry) -> Iterator[LogPusher]:
    rpc = RpcClient(client.address, Token(TOKEN))
    pusher = LogPusher(rpc, lambda: "")
    yield pusher
    rpc.close()


@pytest.fixture
def run(pusher: LogPusher, thread_registry: ThreadRegistry) -> Callable[[], None]:
    """Start sending."""

    def run() -> None:
        thread_registry.container.spawn_loop(pusher.run, name="logs", on_stop=pusher.wake)

    return run


def attempt(client: Client, pusher: LogPusher) -> tuple[Agent, AttemptLog]:
    agent = Agent(client)
    client.submit()
    (uid,) = agent.pull()
    return agent, AttemptLog(uid, agent.runs[uid].task_id, pusher)


def kept(client: Client, log: AttemptLog) -> list[tuple[str, str, int]]:
    """All that the controller has."""
    found: list[tuple[str, str, int]] = []
    cursor = ""
    while True:
        request = pb.FetchLogsRequest(task_id=log.task_id, cursor=cursor)
        reply = client.call("Controller/FetchLogs", request)
        if not reply.entries:
            return found
        found += [(one.source, one.data, one.timestamp_us) for one in reply.entries]
        cursor = reply.cursor


def test_lines_arrive_in_order_and_as_they_were(
    client: Client, pusher: LogPusher, run: Callable[[], None]
) -> None:
    _, log = attempt(client, pusher)
    run()
    given = [("stdout", f"line {number} ü\t", number) for number in range(3000)]
    for one in given:
        log.write(*one)
    assert log.wait_sent(10)
    assert kept(client, log) == given


def test_an_entry_is_one_line_whatever_it_holds(
    client: Client, pusher: LogPusher, run: Callable[[], None]
) -> None:
    _, log = attempt(client, pusher)
    run()
    log.write("std out\n", "a\nb", 1)
    log.write("", "\udcff#", 2)
    log.write("stdout", "", 3)
    assert log.wait_sent(10)
    assert kept(client, log) == [("stdout", "a\\nb", 1), ("log", "?#", 2), ("stdout", "", 3)]


def test_much_goes_in_several_requests(client: Client, pusher: LogPusher, run: Callable[[], None]) -> None:
    _, log = attempt(client, pusher)
    for number in range(5):
        log.write("stdout", "x" * 2**20, number)
    request = log.batch()
    assert request is not None
    assert request.count == 2
    run()
    assert log.wait_sent(10)
    assert [len(data) for _, data, _ in kept(client, log)] == [2**20] * 5


def test_a_log_that_never_ends_does_not_hold_up_another(
    client: Client, pusher: LogPusher, run: Callable[[], None], thread_registry: ThreadRegistry
) -> None:
    agent, loud = attempt(client, pusher)
    job = client.submit("other")
    other = next(uid for uid in agent.pull() if agent.runs[uid].job_id == job)
    quiet = AttemptLog(other, f"{job}:0", pusher)

    def shout(stop: threading.Event) -> None:
        while not stop.is_set():
            loud.write("stdout", "x" * 1000, 1)

    thread_registry.container.spawn(shout, "shout")
    run()
    wait_for_condition(lambda: (batch := loud.batch()) is not None and batch.first > 0)
    quiet.write("stdout", "here I am", 1)
    assert quiet.wait_sent(10)


def test_what_an_ended_attempt_still_says_is_dropped(
    client: Client, pusher: LogPusher, run: Callable[[], None]
) -> None:
    agent, log = attempt(client, pusher)
    agent.end(log.uid)
    log.write("stdout", "late", 1)
    run()
    assert log.wait_sent(10)
    log.write("stdout", "later", 2)
    assert log.batch() is None
    assert kept(client, log) == []
    assert log.last_lines() == ("late", "later")
