"""Logs: appended once, kept under a quota, read by a cursor over all attempts."""

from __future__ import annotations

from pathlib import Path

import pytest

from iris_api.errors import InvalidSpec, Refused
from iris_api.ids import TaskId
from iris_api.rpc import cluster_pb2 as pb
from iris_api.testing import wait_for_condition
from iris_api.threads import ThreadRegistry
from iris_controller.logs import LogLine, LogStore
from tests.controller.client import Agent, Client

TASK = TaskId("root/child:0")


def add(store: LogStore, first: int, *data: str, source: str = "stdout") -> int:
    """Lines as a worker sends them."""
    block = "".join(f"{number} {source} {one}\n" for number, one in enumerate(data)).encode()
    return store.append(TASK, "u", first, len(data), block)


def data_of(store: LogStore) -> list[str]:
    return [line.data for line in store.read(TASK, "u", 0, 1000)[0]]


@pytest.fixture
def store(tmp_path: Path) -> LogStore:
    return LogStore(tmp_path)


def test_a_line_is_what_it_was(store: LogStore) -> None:
    block = "7 stderr a  b \t ü\n8 log \n9 stdout #5 x\n".encode()
    assert store.append(TASK, "u", 0, 3, block) == 3
    wanted = [LogLine(7, "stderr", "a  b \t ü"), LogLine(8, "log", ""), LogLine(9, "stdout", "#5 x")]
    assert store.read(TASK, "u", 0, 10)[0] == wanted


def test_blocks_are_kept_byte_by_byte(store: LogStore, tmp_path: Path) -> None:
    blocks = [b"1 stdout a\n2 stderr \xff\xfe\r\n", b"3 stdout \x00b\n"]
    store.append(TASK, "u", 0, 2, blocks[0])
    store.append(TASK, "u", 2, 1, blocks[1])
    (file,) = tmp_path.rglob("u.log")
    assert file.read_bytes() == b"".join(blocks)


@pytest.mark.parametrize(
    ("count", "block"),
    [
        (2, b"1 stdout a\n"),
        (1, b"1 stdout a\n2 stdout b\n"),
        (1, b"1 stdout a\n2 stdout b"),
        (1, b"#3 1 log of the store's own\n"),
        (2, b"1 stdout a\n#0 1 log the end\n"),
        (2, b"1 stdout a\n\n"),
        (0, b"1"),
    ],
)
def test_a_block_that_is_not_what_it_says_is_refused(store: LogStore, count: int, block: bytes) -> None:
    add(store, 0, "kept")
    with pytest.raises(InvalidSpec, match="lines are not allowed"):
        store.append(TASK, "u", 1, count, block)
    assert data_of(store) == ["kept"]


def test_a_line_of_another_form_can_be_read(store: LogStore) -> None:
    store.append(TASK, "u", 0, 2, b"no time at all\n" + b"9" * 30 + b" stdout x\n")
    assert data_of(store) == ["no time at all", "9" * 30 + " stdout x"]


def test_a_repeated_append_adds_nothing(store: LogStore) -> None:
    add(store, 0, "a", "b")
    assert add(store, 0, "a", "b") == 2
    assert add(store, 1, "b", "c") == 3
    assert add(store, 0, "a") == 3
    assert data_of(store) == ["a", "b", "c"]


def test_missing_lines_are_visible(store: LogStore) -> None:
    add(store, 0, "a")
    assert add(store, 5, "f") == 6
    assert data_of(store) == ["a", "[iris: 4 lines are missing here]", "f"]


def test_the_count_is_known_after_a_restart(tmp_path: Path) -> None:
    add(LogStore(tmp_path), 0, "a")
    add(LogStore(tmp_path), 3, "d")
    again = LogStore(tmp_path)
    assert add(again, 0, "a", "b", "c", "d", "e") == 5
    assert data_of(again)[-1] == "e"


def test_a_line_that_was_not_finished_is_written_again(tmp_path: Path) -> None:
    add(LogStore(tmp_path), 0, "a")
    (file,) = tmp_path.rglob("u.log")
    with file.open("a") as out:
        out.write("1 stdout b-with-no-en")
    again = LogStore(tmp_path)
    assert again.read(TASK, "u", 0, 10)[2]
    assert data_of(again) == ["a"]
    add(again, 1, "b")
    assert data_of(again) == ["a", "b"]


def test_what_is_over_the_quota_is_dropped_behind_a_mark(tmp_path: Path) -> None:
    store = LogStore(tmp_path, quota=100)
    assert add(store, 0, *["x" * 20] * 9) == 9
    assert add(store, 9, "more") == 10
    kept = data_of(store)
    assert kept[:-1] == ["x" * 20] * 3
    assert kept[-1] == "[iris: output over 100 bytes an attempt is dropped]"
    again = LogStore(tmp_path, quota=100)
    add(again, 10, "more")
    assert data_of(again) == kept


def test_a_read_goes_on_where_the_last_ended(store: LogStore) -> None:
    add(store, 0, "a", "b", "c")
    first, offset, at_end = store.read(TASK, "u", 0, 2)
    assert ([line.data for line in first], at_end) == (["a", "b"], False)
    rest, _, at_end = store.read(TASK, "u", offset, 2)
    assert ([line.data for line in rest], at_end) == (["c"], True)


def test_a_line_longer_than_a_read_is_whole(store: LogStore) -> None:
    long = "x" * (3 * 2**20)
    add(store, 0, long, "b")
    first, offset, _ = store.read(TASK, "u", 0, 10)
    assert [line.data for line in first] == [long]
    assert [line.data for line in store.read(TASK, "u", offset, 10)[0]] == ["b"]


def test_logs_of_a_forgotten_root_are_removed(store: LogStore, tmp_path: Path) -> None:
    add(store, 0, "a")
    store.discard("root")
    assert not list(tmp_path.iterdir())


def fetch(client: Client, job: str, **request: object) -> tuple[list[str], str, bool]:
    reply = client.call("Controller/FetchLogs", pb.FetchLogsRequest(task_id=f"{job}:0", **request))  # type: ignore[arg-type]
    return [one.data for one in reply.entries], reply.cursor, reply.ended


def test_all_attempts_are_read_in_order(client: Client) -> None:
    agent = Agent(client)
    job = client.submit(spec={"max_retries_failure": 1})
    (first,) = agent.pull()
    agent.log(first, "a1", "a2")
    entries, cursor, ended = fetch(client, job)
    assert (entries, ended) == (["a1", "a2"], False)
    agent.end(first, code=1)
    (second,) = agent.pull()
    agent.log(second, "b1")
    agent.end(second)
    assert fetch(client, job)[0] == ["a1", "a2", "b1"]
    entries, _, ended = fetch(client, job, cursor=cursor)
    assert (entries, ended) == (["b1"], True)
    assert fetch(client, job, attempt_uid=first)[::2] == (["a1", "a2"], True)


def test_small_pages_bring_everything(client: Client) -> None:
    agent = Agent(client)
    job = client.submit()
    (uid,) = agent.pull()
    agent.log(uid, *map(str, range(10)))
    agent.end(uid)
    found, cursor, ended = [], "", False
    while not ended:
        entries, cursor, ended = fetch(client, job, cursor=cursor, limit=3)
        found += entries
    assert found == list(map(str, range(10)))


def test_a_held_read_is_answered_by_the_next_line(client: Client, thread_registry: ThreadRegistry) -> None:
    agent = Agent(client)
    job = client.submit()
    (uid,) = agent.pull()
    found: list[str] = []
    thread_registry.container.spawn(
        lambda _stop: found.extend(fetch(client, job, hold_ms=10_000)[0]), "fetch"
    )
    wait_for_condition(lambda: client.controller._polls.holds("logs"))
    agent.log(uid, "now")
    wait_for_condition(lambda: found == ["now"])


def test_a_held_read_is_answered_by_the_end(client: Client, thread_registry: ThreadRegistry) -> None:
    agent = Agent(client)
    job = client.submit()
    (uid,) = agent.pull()
    found: list[bool] = []
    thread_registry.container.spawn(
        lambda _stop: found.append(fetch(client, job, hold_ms=10_000)[2]), "fetch"
    )
    wait_for_condition(lambda: client.controller._polls.holds("logs"))
    agent.end(uid)
    wait_for_condition(lambda: found == [True])


def test_lines_of_an_attempt_that_has_ended_are_refused(client: Client) -> None:
    agent = Agent(client)
    job = client.submit()
    (uid,) = agent.pull()
    agent.log(uid, "a")
    agent.end(uid)
    with pytest.raises(Refused, match=f"attempt '{uid}' of task '{job}:0' has ended") as refused:
        agent.log(uid, "late", first=1)
    assert refused.value.code == "failed_precondition"
    assert fetch(client, job)[0] == ["a"]


def test_lines_are_taken_until_the_end_is_confirmed(client: Client) -> None:
    """An attempt that is told to stop goes on to speak: why it took so long, perhaps."""
    agent = Agent(client)
    job = client.submit()
    (uid,) = agent.pull()
    client.call("Controller/TerminateJobs", pb.TerminateJobsRequest(job_ids=[job]))
    assert agent.log(uid, "a last word") == 1


@pytest.mark.parametrize("task", ["x:0", "{job}:0"])
def test_lines_of_an_attempt_that_never_was_are_refused(client: Client, task: str) -> None:
    job = client.submit()
    request = pb.AppendLogsRequest(
        attempt_uid="../../x", task_id=task.format(job=job), count=1, lines=b"1 log a\n"
    )
    with pytest.raises(Refused, match="or never was") as refused:
        client.call("Workers/AppendLogs", request)
    assert refused.value.code == "failed_precondition"


def test_a_malformed_block_is_refused_as_such(client: Client) -> None:
    agent = Agent(client)
    client.submit()
    (uid,) = agent.pull()
    request = pb.AppendLogsRequest(
        attempt_uid=uid, task_id=agent.runs[uid].task_id, count=2, lines=b"1 log a\n"
    )
    with pytest.raises(Refused, match="there are 1 newlines, and count is 2") as refused:
        client.call("Workers/AppendLogs", request)
    assert refused.value.code == "invalid_argument"
