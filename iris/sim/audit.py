"""The promises that have a time, looked at every second; and those that hold when all is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from iris_api.ids import TaskId
from iris_api.jobs import TaskState
from iris_api.resources import ResourceSpec
from iris_controller.reasons import Reasons
from iris_controller.rows import Attempt, Endpoint, Job, Task, Worker
from iris_controller.transitions.causes import Blame, blame

if TYPE_CHECKING:
    from iris.sim.sandboxes import SimSandbox
    from iris.sim.world import World

__all__ = ["every_second", "finish", "settled"]

PROMPT: Final = 5.0  # seconds that the promises give
_RECOVERY: Final = 25.0  # seconds until calls that hang are given up and made again, once a fault is healed
_SILENT: Final = 20.0  # seconds beyond the grace after which a silent worker has been given up


def every_second(world: World) -> None:
    if world.kernel.errors:
        world.checks.fail("no crash", world.kernel.errors[0])
    for box in world.running():
        _is_wanted(world, box)
    for job in world.checks.all(Job):
        if not job.state.ended:
            _ends_with_its_parent(world, job)
    for user in world.users:
        if user.overdue():
            world.checks.fail("waits end", f"{user.name} still waits")
    _gives_up_the_silent(world)
    _waits_with_a_reason(world)
    _resolves(world)


def settled(world: World) -> bool:
    """Nothing is left to do."""
    return (
        world.loop is not None
        and all(user.done or not user.process.alive for user in world.users)
        and all(job.state.ended for job in world.checks.all(Job))
        and not any(True for _ in world.running())
        and (world.platform is None or world.platform.ready() >= world.platform.pool.min)
    )


def finish(world: World) -> None:
    """All faults are healed, and everything had its time."""
    checks = world.checks
    every_second(world)
    for job_id, by_attempt in checks.acknowledgements.items():
        if not by_attempt and checks.find(Job, job_id) is None:
            checks.fail("acknowledged is kept", f"job {job_id} is gone")
    for job in checks.all(Job):
        if not job.state.ended:
            checks.fail("settles", f"job {job.id} is still {job.state}: {_story(world, job)}")
    for box in world.running():
        checks.fail("nothing is left", f"sandbox {box.uid} runs on {box.machine.host.name}")
    for user in world.users:
        if not user.done and user.process.alive:
            checks.fail("waits end", f"{user.name} is not done")
    for endpoint in checks.all(Endpoint):
        checks.fail("nothing is left", f"endpoint {endpoint.name} of {endpoint.attempt}")
    if world.platform is not None and world.platform.ready() < world.platform.pool.min:
        checks.fail("pools are filled", f"{world.platform.ready()} of {world.platform.pool.min} slices")
    for task in checks.all(Task):
        _kept_its_budget(world, task)
    _memory_is_disk(world)


def _is_wanted(world: World, box: SimSandbox) -> None:
    """No sandbox outlives its attempt by more than the promised time, once its worker is in touch."""
    since = world.checks.condemned.get(box.uid)
    calm = world.faults.calm_since(box.machine.host.name)
    if since is None or calm is None:
        return
    over = world.kernel.now - max(since, calm + _RECOVERY)
    if over > PROMPT:
        world.checks.fail("no sandbox outlives", f"{box.uid} on {box.machine.host.name} by {over:.1f} s")


def _ends_with_its_parent(world: World, job: Job) -> None:
    since = world.checks.ended.get(job.id.parent or "")
    if since is None:
        return
    held = [one for one in world.checks.all(Attempt) if one.job == job.id and not one.state.ended]
    machines = [world.machines[one.worker] for one in held] or list(world.machines.values())
    calm = [None if one.gone else world.faults.calm_since(one.host.name) for one in machines]
    known = [when for when in calm if when is not None]
    if len(known) < len(calm):
        return
    over = world.kernel.now - max(since, *(when + _RECOVERY for when in known))
    if over > PROMPT:
        world.checks.fail("descendants end", f"{job.id} goes on {over:.1f} s after its parent's end")


def _gives_up_the_silent(world: World) -> None:
    """What ran on a machine without power is given to others when its grace is over."""
    ready = world.ready_since
    if ready is None or world.faults.troubled("controller"):
        return
    for attempt in world.checks.all(Attempt):
        machine = world.machines[attempt.worker]
        silent = world.kernel.now - max(ready, machine.lost_power, world.faults.calm_controller_since())
        if not attempt.state.ended and not machine.host.up and silent > world.rules.grace + _SILENT:
            world.checks.fail("given up", f"{attempt.uid} is still live on {attempt.worker}")


def _waits_with_a_reason(world: World) -> None:
    loop = world.loop
    if loop is None:
        return
    reasons = Reasons(loop.state, loop.rules, loop.clock())
    for task in loop.state.rows(Task):
        if task.state is TaskState.PENDING and not reasons.of(task):
            world.checks.fail("a reason", f"task {task.id} waits for no reason")


def _resolves(world: World) -> None:
    """What a live attempt has registered is there: always, where there were but crashes of the controller,
    else as soon as it has been able to register it again."""
    for uid, (name, attempt_uid, since) in world.registered.items():
        box = world.boxes[attempt_uid]
        if world.loop is None or box.end is not None or attempt_uid in world.checks.condemned:
            continue
        calm = world.faults.calm_since(box.machine.host.name)
        recovered = calm is not None and world.kernel.now - calm > _RECOVERY
        if not (recovered or world.faults.only_crashes_since(since)):
            continue
        if world.loop.state.find(Endpoint, uid) is None:
            world.checks.fail("resolves", f"{name} of {attempt_uid}, which runs, is not there")


def _kept_its_budget(world: World, task: Task) -> None:
    job = world.checks.find(Job, task.job)
    attempts = [world.checks.find(Attempt, uid) for uid in task.attempts]
    failures = sum(
        1 for one in attempts if one is not None and one.cause is not None and blame(one.cause) is Blame.USER
    )
    if job is not None and failures > job.spec.max_retries_failure + 1:
        world.checks.fail("budgets", f"task {task.id} failed {failures} times")


def _memory_is_disk(world: World) -> None:
    loop = world.loop
    if loop is None:
        world.checks.fail("settles", "there is no controller")
        return
    stored = {(type(row), row.key): row for row in loop._store.load()}
    memory = {(type(row), row.key): row for row in loop.state.everything()}
    for key in dict.fromkeys((*stored, *memory)):
        if stored.get(key) != memory.get(key):
            world.checks.fail("memory is disk", f"stored {stored.get(key)}, in memory {memory.get(key)}")
    for worker in loop.state.rows(Worker):
        if loop.state.used(worker.id) != ResourceSpec(0, 0):
            world.checks.fail("capacity", f"{worker.id} still holds {loop.state.used(worker.id)}")


def _story(world: World, job: Job) -> str:
    tasks = [world.checks.find(Task, f"{job.id}:{index}") for index in range(job.spec.replicas)]
    return ", ".join(f"{TaskId(one.id).replica} {one.state} {one.attempts}" for one in tasks if one)
