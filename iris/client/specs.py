"""From what a user says of a job to the JobSpec that travels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from iris_api.errors import InvalidSpec
from iris_api.jobs import Constraint, CoschedulingConfig, Entrypoint, EnvironmentSpec, JobSpec
from iris_api.requirements import file_of
from iris_api.resources import ResourceSpec

__all__ = ["check_workspace", "job_spec"]


def job_spec(
    *,
    name: str,
    entrypoint: Entrypoint,
    resources: ResourceSpec | None = None,
    environment: EnvironmentSpec | None = None,
    replicas: int = 1,
    ports: Sequence[str] = (),
    constraints: Iterable[Constraint] = (),
    coscheduling: CoschedulingConfig | None = None,
    priority: int | None = None,
    max_retries_failure: int = 0,
    max_retries_preemption: int = 100,
    max_task_failures: int = 0,
    refill_after: float | None = None,
    timeout: float | None = None,
    scheduling_timeout: float | None = None,
) -> JobSpec:
    """As `IrisClient.submit` takes it. Raises InvalidSpec and UnpicklableError."""
    if not isinstance(entrypoint, Entrypoint):
        raise InvalidSpec("entrypoint must be made by Entrypoint.from_callable or Entrypoint.from_command")
    _check_kind("resources", resources or ResourceSpec(), ResourceSpec)
    environment = environment or EnvironmentSpec()
    _check_kind("environment", environment, EnvironmentSpec)
    constraints = tuple(constraints)
    for constraint in constraints:
        _check_kind("each of constraints", constraint, Constraint)
    return JobSpec(
        name=name,
        entry=entrypoint.entry(),
        resources=resources or ResourceSpec(),
        env_vars=environment.env_vars,
        image=environment.image,
        pip_packages=environment.pip_packages,
        extras=environment.extras,
        python_packages_from=environment.python_packages_from,
        replicas=replicas,
        ports=tuple(ports),
        constraints=constraints,
        coscheduling=coscheduling,
        priority=priority,
        max_retries_failure=max_retries_failure,
        max_retries_preemption=max_retries_preemption,
        max_task_failures=max_task_failures,
        refill_after=refill_after,
        timeout=timeout,
        scheduling_timeout=scheduling_timeout,
    )


def check_workspace(spec: JobSpec) -> None:
    """For a job that has no workspace, of its own or of its parent: raises InvalidSpec where it needs one."""
    files = (f"pip_packages {line!r}" for line in spec.pip_packages if file_of(line) is not None)
    needs = next(files, "python_packages_from 'pyproject'" if spec.python_packages_from else "")
    if needs:
        raise InvalidSpec(
            f"{needs} leads to a file of the job's workspace, and there is no workspace: give the client one "
            "(`workspace=`, iris run --workspace)"
        )


def _check_kind(what: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise InvalidSpec(f"{what} must be {kind.__name__}, got {type(value).__name__}")
