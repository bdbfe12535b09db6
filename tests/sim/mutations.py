"""Bugs to plant, one at a time: ``python -m tests.sim.mutations NAME FIRST LAST`` says which seed of these
sees it, and by which check. A simulation that catches nothing proves nothing.
"""

import asyncio
import sys
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from attrs import evolve

from iris.client import client, job
from iris.sim.batch import run_seeds
from iris_api.jobs import Cause, JobState
from iris_controller import controller, loop, restore
from iris_controller.clock import Now
from iris_controller.rows import Attempt, Endpoint, Job, Verdict, Worker
from iris_controller.state import Draft
from iris_controller.store import sql
from iris_controller.timers import Timers
from iris_controller.transitions import attempts, jobs, timeouts, workers
from iris_controller.transitions.attempts import end_attempt
from iris_worker import attempt as worker_attempt
from iris_worker.attempts import Attempts
from iris_worker.logs import AttemptLog

PATCH = pytest.MonkeyPatch()  # never undone: a mutation has the process for itself
MUTATIONS: dict[str, Callable[[], None]] = {}


def mutation(plant: Callable[[], None]) -> Callable[[], None]:
    MUTATIONS[plant.__name__] = plant
    return plant


@mutation
def answers_before_the_commit() -> None:
    """The loop does not wait for what it stores."""
    commit = loop.ControlLoop._commit

    async def hasty(self: Any, draft: Any, changes: Any) -> None:
        self._background = asyncio.get_running_loop().create_task(commit(self, draft, changes))

    PATCH.setattr(loop.ControlLoop, "_commit", hasty)


@mutation
def forgets_the_children() -> None:
    """A parent's end does not end its children."""
    PATCH.setattr(jobs, "_end_children", lambda draft, parent, now: None)
    PATCH.setattr(jobs, "end_submitted_by", lambda draft, attempt, now: None)


@mutation
def frees_what_is_told_to_stop() -> None:
    """Capacity is given back when the kill is sent, and not when the sandbox is gone."""
    order = attempts.order_stop

    def hasty(draft: Draft, attempt: Attempt, cause: Cause, *rest: Any) -> None:
        order(draft, attempt, cause, *rest)
        end_attempt(draft, draft.get(Attempt, attempt.uid), cause, Now(0.0, 0.0))

    PATCH.setattr(attempts, "order_stop", hasty)


@mutation
def believes_an_old_incarnation() -> None:
    """A report of a worker process that was replaced is taken for news."""
    contact = workers._contact

    def credulous(before: Worker | None, *rest: Any) -> Worker:
        return contact(before and evolve(before, past=()), *rest)

    PATCH.setattr(workers, "_contact", credulous)
    PATCH.setattr(workers, "precedes", lambda _one, _other: False)


@mutation
def keeps_the_endpoints_of_the_dead() -> None:
    """An attempt's end leaves its names behind."""
    PATCH.setattr(attempts, "drop_endpoints", lambda draft, uids: None)


@mutation
def reports_an_end_only_once() -> None:
    """The worker forgets an attempt that has ended as soon as it has said so, heard or not."""
    observe = Attempts.observe

    def once(self: Any) -> Any:
        request = observe(self)
        self.forget(request)
        return request

    PATCH.setattr(Attempts, "observe", once)


@mutation
def adopts_nothing() -> None:
    """A worker that restarts does not look for what it left."""
    PATCH.setattr(Attempts, "adopt", lambda self: None)


@mutation
def submits_without_a_request_id() -> None:
    """A submit that is repeated is another submit."""
    PATCH.setattr(client, "new_uid", lambda: "")


@mutation
def ends_what_has_ended() -> None:
    """A job that has ended is told to end once more, and does."""
    doom = jobs.doom

    def again(draft: Draft, one: Job, state: JobState, cause: Cause, *rest: Any) -> None:
        doom(draft, one, state, cause, *rest)
        if one.state.ended:
            draft.put(evolve(one, verdict=Verdict(state, cause), cause=cause, state=state))

    PATCH.setattr(jobs, "doom", again)
    jobs.terminate.__globals__["doom"] = again


@mutation
def forgets_names_at_a_restart() -> None:
    """A controller that starts does not know what its predecessor had registered."""
    PATCH.setattr(
        controller,
        "restore",
        lambda rows, *rest: [row for row in restore.restore(rows, *rest) if not isinstance(row, Endpoint)],
    )


@mutation
def does_not_drain_the_output() -> None:
    """An attempt's end is told before its output has arrived."""
    PATCH.setattr(worker_attempt.AttemptRun, "_drain", lambda self, stop: None)


@mutation
def loses_a_line_where_a_reply_was_lost() -> None:
    """The worker numbers the lines of a log anew when it sends them again."""
    sent = AttemptLog.sent_up_to
    PATCH.setattr(AttemptLog, "sent_up_to", lambda self, index: sent(self, index + 1))


@mutation
def never_loses_a_worker() -> None:
    """What ran on a machine that is gone is waited for."""
    PATCH.setattr(timeouts, "lose_worker", lambda draft, worker, *rest: None)


@mutation
def forgets_what_is_due() -> None:
    """A task that backs off is never looked at again."""
    PATCH.setattr(Timers, "arm", lambda self, row: None)


@mutation
def takes_a_lost_reply_for_a_lost_commit() -> None:
    """A commit that raised is taken for one that was not carried out."""
    settle = sql.SqlStore.settle

    def gloomy(self: Any) -> bool:
        settle(self)
        return False

    PATCH.setattr(sql.SqlStore, "settle", gloomy)


@mutation
def retries_for_ever() -> None:
    """No failure uses up a budget."""
    PATCH.setattr(attempts, "_may_retry", lambda *rest: True)


@mutation
def waits_past_the_deadline() -> None:
    """Job.wait does not look at the clock."""
    until = job.Job._until_ended
    PATCH.setattr(job.Job, "_until_ended", lambda self, deadline, timeout: until(self, None, timeout))


def caught(name: str, seeds: Iterable[int]) -> str:
    """The first of the seeds that sees the bug, and what it saw; empty if none does."""
    MUTATIONS[name]()
    for result in run_seeds(seeds, 1):
        if result.broken:
            return f"seed {result.seed}: {result.broken}"
    return ""


if __name__ == "__main__":
    found = caught(sys.argv[1], range(int(sys.argv[2]), int(sys.argv[3]) + 1))
    print(found)
    sys.exit(0 if found else 1)
