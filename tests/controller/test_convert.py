"""Values of the core survive the wire, and what the wire brings is checked."""

from __future__ import annotations

import pytest

from iris_api.errors import InvalidSpec
from iris_api.jobs import Cause, CauseKind, Constraint, ConstraintOp, Entry, JobSpec
from iris_api.platform import Exit, ExitKind
from iris_api.resources import ResourceSpec
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc import convert

FULL = JobSpec(
    name="train",
    entry=Entry(call=b"pickle", python="3.11"),
    resources=ResourceSpec(0.5, "2GB"),
    env_vars={"A": "1"},
    image="python:3.12-slim",
    pip_packages=("numpy>=2", "./wheels/a-1.0-py3-none-any.whl"),
    extras=("gpu",),
    python_packages_from="pyproject",
    bundle="ab" * 32,
    replicas=3,
    ports=("actor",),
    constraints=(Constraint("zone", ConstraintOp.IN, ("a", "b")), Constraint("gpu", ConstraintOp.EXISTS)),
    max_retries_failure=2,
    max_retries_preemption=7,
    max_task_failures=1,
    timeout=5.0,
    scheduling_timeout=2.5,
)


@pytest.mark.parametrize("spec", [FULL, JobSpec(name="c", entry=Entry(argv=("true", "-x")))])
def test_spec_survives_the_wire(spec: JobSpec) -> None:
    wire = pb.JobSpec.FromString(convert.spec_to_proto(spec).SerializeToString())
    assert convert.spec_from_proto(wire) == spec


def test_cause_keeps_the_difference_between_zero_and_nothing() -> None:
    for cause in (
        Cause(kind=CauseKind.EXIT, message="m", exit_code=0, last_lines=("a", "b")),
        Cause(kind=CauseKind.CANCELLED, message="m", by="me"),
    ):
        assert convert.cause_from_proto(convert.cause_to_proto(cause)) == cause


def test_exit_survives_the_wire() -> None:
    for end in (Exit(kind=ExitKind.EXITED, code=0), Exit(kind=ExitKind.SIGNALED, signal=9, memory_peak=5)):
        assert convert.exit_from_proto(convert.exit_to_proto(end)) == end


def test_what_a_hand_written_request_leaves_out_is_the_default() -> None:
    wire = pb.JobSpec(name="j", entry=pb.Entry(command=pb.Command(argv=["true"])))
    spec = convert.spec_from_proto(wire)
    assert (spec.replicas, spec.resources, spec.timeout) == (1, ResourceSpec(), None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "a/b"}, "no '/' or ':'"),
        ({"replicas": -1}, "whole number from 1"),
        ({"timeout": -1.0}, "seconds > 0"),
        ({"resources": pb.Resources(cpu=-1)}, "cores >= 0"),
        ({"resources": pb.Resources(memory=-1)}, "memory -1 is not allowed"),
        ({"constraints": [pb.Constraint(key="k", op="LIKE")]}, "give one of EQ, NE"),
        ({"entry": pb.Entry()}, "at least the program"),
        ({"ports": ["1"]}, "starting with a letter"),
        ({"environment": pb.Environment(image="-x")}, "image '-x' is not allowed"),
        ({"environment": pb.Environment(pip_packages=["a=1"])}, r"pip_packages\[0\] 'a=1'"),
        ({"environment": pb.Environment(extras=["gpu"])}, "python_packages_from='pyproject' too"),
        ({"environment": pb.Environment(python_packages_from="conda")}, "give 'pyproject' or ''"),
    ],
)
def test_bad_input_is_refused_saying_what_is_allowed(change: dict[str, object], message: str) -> None:
    wire = convert.spec_to_proto(FULL)
    wire.MergeFrom(pb.JobSpec())
    for key in change:
        wire.ClearField(key)
    wire.MergeFrom(pb.JobSpec(**change))  # type: ignore[arg-type]
    with pytest.raises(InvalidSpec, match=message):
        convert.spec_from_proto(wire)
