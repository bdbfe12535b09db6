"""Plan: what a seed means. Machines, what the clients do, which faults happen when; plain data, as JSON.

A change of what is drawn here gives every seed another meaning: then GENERATOR goes up.
"""

from __future__ import annotations

import random
from typing import Any, Final

from iris.sim.programs import Spec

__all__ = ["GENERATOR", "Plan", "make_plan"]

GENERATOR: Final = 5
Plan = dict[str, Any]
_LASTING: Final = ("worker_down", "stale", "power", "suspend", "pause", "partition", "weather", "disk_full",
                   "disk_slow", "disk_lost", "broken")  # fmt: skip
_LONG: Final = 60.0  # seconds: longer than the silence after which a worker is lost


def make_plan(seed: int) -> Plan:
    dice = random.Random(f"plan/{GENERATOR}/{seed}")  # a str is hashed the same in every process
    machines = [
        {"name": f"m{number}", "cpu": dice.choice((3, 4, 4, 8))} for number in range(dice.randint(1, 3))
    ]
    chaos = dice.uniform(8.0, 40.0)
    names = [f"m{number}" for number in range(len(machines))]
    clients = [_client(dice, number, chaos) for number in range(dice.choice((1, 1, 2)))]
    plan: Plan = {
        "seed": seed,
        "generator": GENERATOR,
        "machines": machines,
        "clients": clients,
        "chaos": chaos,
        "faults": _faults(dice, names, len(clients), chaos),
    }
    if dice.random() < 0.2:
        plan["pool"] = {
            "least": dice.choice((1, 1, 2)),
            "size": dice.choice((1, 2)),
            "trouble": dice.choice((0.0, 0.3, 0.6)),
        }
        plan["faults"].append({"kind": "reclaim", "at": dice.uniform(5.0, 40.0)})
    return plan


def _client(dice: random.Random, number: int, chaos: float) -> list[list[Any]]:
    """What a user's program does, in order; jobs are counted as they are submitted."""
    script: list[list[Any]] = []
    for job in range(dice.choice((1, 1, 2, 2, 3))):
        script.append(["sleep", dice.uniform(0.0, chaos / 6)])
        script.append(["submit", _job(dice, f"c{number}j{job}", 0)])
        roll = dice.random()
        if roll < 0.25:
            script += [["sleep", dice.uniform(0.0, 4.0)], ["terminate", job]]
        elif roll < 0.6:
            script.append(["wait", job, dice.uniform(1.0, 30.0)])
        elif roll < 0.75:
            script.append(["follow", job, dice.uniform(1.0, 15.0)])
    return script


def _job(dice: random.Random, name: str, depth: int) -> Spec:
    spec: Spec = {
        "name": name,
        "program": _program(dice, name, depth),
        "replicas": dice.choice((1, 1, 1, 2, 3)),
        "cpu": dice.choice((1, 1, 1, 2)),
        "max_retries_failure": dice.choice((0, 0, 1, 2)),
    }
    if dice.random() < 0.15:
        spec["timeout"] = dice.uniform(2.0, 15.0)
    if dice.random() < 0.1:
        spec["scheduling_timeout"] = dice.uniform(2.0, 20.0)
    if dice.random() < 0.1:
        spec["max_task_failures"] = 1
    if dice.random() < 0.03:
        spec["cpu"] = 64
    if dice.random() < 0.2:
        spec["priority"] = dice.choice((10, 90))
    if spec["replicas"] > 1 and dice.random() < 0.3:
        spec |= {"gang": dice.choice(("", "", "pool", "slice")), "cpu": 1}  # any machine could hold it
    return spec


def _program(dice: random.Random, name: str, depth: int) -> dict[str, Any]:
    steps: list[list[Any]] = []
    if dice.random() < 0.6:
        steps.append(["print", dice.randint(1, 6)])
    if dice.random() < 0.2:
        steps.append(["register", dice.choice(("a", "b"))])
        steps.append(["sleep", dice.choice((0.0, 0.0, dice.uniform(5.0, 40.0)))])
    if depth < 2 and dice.random() < (0.45, 0.3)[depth]:
        for child in range(dice.choice((1, 1, 2))):
            steps.append(["spawn", _job(dice, f"k{child}", depth + 1)])
            steps.append(["sleep", dice.uniform(0.0, 2.0)])
        if dice.random() < 0.7:
            steps.append(["join", dice.uniform(2.0, 15.0)])
    if dice.random() < 0.15:
        steps.append(["resolve", dice.choice(("a", "b"))])
    steps.append(["sleep", dice.choice((0.0, dice.uniform(0.1, 2.0), dice.uniform(1.0, 12.0)))])
    steps.append(["print", dice.randint(0, 3)])
    program: dict[str, Any] = {"steps": steps}
    program["term"] = dice.choice(("die", "die", "slow", "ignore"))
    if dice.random() < 0.2:
        program["fails"] = dice.randint(1, 2)
    elif dice.random() < 0.08:
        program["code"] = 1
    elif dice.random() < 0.05:
        program["signal"] = True
    return program


def _faults(dice: random.Random, machines: list[str], clients: int, chaos: float) -> list[Plan]:
    faults = []
    for _ in range(dice.choice((0, 1, 1, 2, 2, 3, 4, 6))):
        at = dice.uniform(0.0, chaos)
        faults.append(_fault(dice, machines, clients) | {"at": at})
        if dice.random() < 0.25:  # the next one into the wound
            faults.append(_fault(dice, machines, clients) | {"at": at + dice.uniform(0.0, 3.0)})
    if dice.random() < 0.25:
        faults.append({"kind": "weather", "at": 0.0, "for": chaos, "reset": 0.06, "hang": 0.0, "slow": 0.06})
    if len(machines) > 1 and dice.random() < 0.06:
        faults.append({"kind": "gone", "at": dice.uniform(0.0, chaos), "target": dice.choice(machines)})
    return sorted(faults, key=lambda fault: float(fault["at"]))


def _span(dice: random.Random) -> float:
    """Mostly short, at times longer than any patience."""
    return dice.uniform(0.5, 8.0) if dice.random() < 0.7 else dice.uniform(8.0, _LONG)


def _fault(dice: random.Random, machines: list[str], clients: int) -> Plan:
    kind = dice.choice(
        ("controller_crash", "controller_crash", "controller_crash", "worker_crash", "worker_crash",
         "worker_down", "stale", "controller_stop", "worker_stop", "power",
         "suspend", "pause", "partition", "partition", "weather", "disk_full", "disk_slow", "disk_lost",
         "clock", "client_crash", "kill_sandbox", "broken")
    )  # fmt: skip
    fault: Plan = {"kind": kind}
    if kind in ("controller_crash", "worker_crash"):
        fault["steps"] = dice.choice((0, dice.randint(1, 40), dice.randint(1, 400)))
    if kind in ("worker_crash", "worker_stop", "worker_down", "stale", "power", "broken"):
        fault["target"] = dice.choice(machines)
    if kind in ("suspend", "pause", "partition", "clock"):
        fault["target"] = dice.choice([*machines, "controller"])
    if kind in _LASTING:
        fault["for"] = _span(dice)
    if kind == "partition":
        fault["way"] = dice.choice(("both", "both", "to", "from"))
        fault["peer"] = "controller" if fault["target"] != "controller" else dice.choice(machines)
    elif kind == "weather":
        fault["reset"], fault["hang"] = dice.choice((0.0, 0.2, 0.5)), dice.choice((0.0, 0.0, 0.1))
        fault["slow"] = dice.choice((0.0, 0.2, 0.5))
    elif kind == "clock":
        fault["by"] = dice.choice((-1, 1)) * dice.choice((0.5, 30.0, 3600.0, 2 * 86400.0))
    elif kind == "client_crash":
        fault["target"] = f"client{dice.randrange(clients)}"
    return fault
