"""From what installers print to the reason and the requirement. The transcripts are of pip 23.2 and 26.3
and of uv 0.4 and 0.13.
"""

from __future__ import annotations

import pytest

from iris_worker.environments.faults import explain

THING = "./files/993b4c84b735f7c0/thing-1.0-py3-none-any.whl"
NEEDY = "./files/5e5b4c84b735f7c0/needy-1.0-py3-none-any.whl"
SDIST = "./files/993b4c84b735f7c0/thing-1.0.tar.gz"
METADATA = "Preparing metadata (pyproject.toml) did not run successfully"
OLD = "./files/1a2b4c84b735f7c0/old-1.0-py3-none-any.whl"
UNSATISFIABLE = "we can conclude that your requirements are unsatisfiable."
NOSUCH = f"Because nosuch was not found in the package registry and you require nosuch==1, {UNSATISFIABLE}"
NEEDED = (
    "Because nosuchdep was not found in the package registry and needy==1.0 depends on nosuchdep>=5, "
    "we can conclude that needy==1.0 cannot be used."
)
AND_SO = f"And because only needy==1.0 is available and you require needy, {UNSATISFIABLE}"
CONFLICT = "because these package versions have conflicting dependencies."

PIP_NOT_FOUND = """
Looking in links: /opt/links
Processing ./files/993b4c84b735f7c0/thing-1.0-py3-none-any.whl (from -r /e/requirements.txt (line 1))
ERROR: Could not find a version that satisfies the requirement nosuch==1 (from versions: none)
ERROR: No matching distribution found for nosuch==1
"""
PIP_INNER = """
ERROR: Could not find a version that satisfies the requirement nosuchdep>=5 (from needy) (from versions: none)
ERROR: No matching distribution found for nosuchdep>=5
"""
PIP_CONFLICT = f"""
ERROR: Cannot install -r /e/requirements.txt (line 2) and thing 1.0 (from /e/{THING[2:]}) {CONFLICT}

The conflict is caused by:
    The user requested thing 1.0 (from /e/files/993b4c84b735f7c0/thing-1.0-py3-none-any.whl)
    old 1.0 depends on thing<1

To fix this you could try to:
1. loosen the range of package versions you've specified
2. remove package versions to allow pip attempt to solve the dependency conflict

ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/en/latest/topics/dependency-resolution/
"""
PIP_PLATFORM = "ERROR: thing-1.0-py3-none-any.whl is not a supported wheel on this platform."
PIP_REFUSED = """
Collecting thing==1.0 (from -r /e/requirements.txt (line 1))
  WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('...')': /thing-1.0.zip
ERROR: Could not install packages due to an OSError: HTTPSConnectionPool(host='h', port=9): \
Max retries exceeded with url: /thing-1.0.zip
"""
PIP_BUILD_OLD = """
Processing ./files/993b4c84b735f7c0/thing-1.0.tar.gz (from -r /e/requirements.txt (line 2))
  Preparing metadata (pyproject.toml): finished with status 'error'
  error: subprocess-exited-with-error

  × Preparing metadata (pyproject.toml) did not run successfully.
  │ exit code: 1
  ╰─> [2 lines of output]
      Traceback (most recent call last):
      RuntimeError: broken
      [end of output]

  note: This error originates from a subprocess, and is likely not a problem with pip.
error: metadata-generation-failed

× Encountered error while generating package metadata.
╰─> See above for output.

note: This is an issue with the package mentioned above, not pip.
hint: See above for details.
"""
PIP_BUILD = PIP_BUILD_OLD.replace(
    "See above for output.", "from file:///e/files/993b4c84b735f7c0/thing-1.0.tar.gz"
)
UV_BUILD = """
   Building thing @ file:///e/files/993b4c84b735f7c0/thing-1.0.tar.gz
error: Failed to build `thing @ file:///e/files/993b4c84b735f7c0/thing-1.0.tar.gz`
  cause: The build backend returned an error
  cause: Call to `backend.build_wheel` failed (exit status: 1)

         [stderr]
         Traceback (most recent call last):
         RuntimeError: broken

hint: Build failures usually indicate a problem with the package or the build environment
"""
UV_BUILD_OLD = """
error: Failed to prepare distributions
  Caused by: Failed to build `thing @ file:///e/files/993b4c84b735f7c0/thing-1.0.tar.gz`
  Caused by: Build backend failed to build wheel through `build_wheel` (exit status: 1)

[stderr]
Traceback (most recent call last):
RuntimeError: broken
"""
PIP_CRASH = """
ERROR: Exception:
Traceback (most recent call last):
  File "/x/pip/_internal/cli/base_command.py", line 180, in exc_logging_wrapper
OSError: [Errno 28] No space left on device
"""
UV_NOT_FOUND = f"""
Using CPython 3.11.7 interpreter at: /e/python
error: No solution found when resolving dependencies
  cause: {NOSUCH}
"""
UV_NOT_FOUND_OLD = """
  × No solution found when resolving dependencies:
  ╰─▶ Because nosuch was not found in the package registry and you require
      nosuch==1, we can conclude that your requirements are unsatisfiable.
  hint: Packages were unavailable because the network was disabled.
"""
UV_INNER = f"""
error: No solution found when resolving dependencies
  cause: {NEEDED}
         {AND_SO}
"""
UV_TWICE = f"""
error: No solution found when resolving dependencies
  cause: Because you require thing==1.0 and thing==2.0, {UNSATISFIABLE}
"""
UV_REFUSED = """
error: Failed to download `thing @ https://h/thing-1.0.zip`
  cause: Request failed after 3 retries in 10.7s
  cause: Failed to fetch: https://h/thing-1.0.zip
  cause: Connection refused (os error 111)
"""
UV_TORN = """
error: Failed to read `thing @ file:///e/files/993b4c84b735f7c0/thing-1.0-py3-none-any.whl`
  cause: Failed to read from zip file
  cause: unable to locate the end of central directory record
"""


@pytest.mark.parametrize(
    ("requirements", "output", "reason", "guilty"),
    [
        ((THING, "nosuch==1"), PIP_NOT_FOUND, "No matching distribution found for nosuch==1", (1,)),
        ((NEEDY, THING), PIP_INNER, "No matching distribution found for nosuchdep>=5", (0,)),
        (
            (THING, "old>=1"),
            PIP_CONFLICT,
            f"Cannot install old>=1 and thing 1.0 (from thing-1.0-py3-none-any.whl) {CONFLICT}",
            (0, 1),
        ),
        (("a", THING), PIP_PLATFORM, PIP_PLATFORM.removeprefix("ERROR: "), (1,)),
        (("a", SDIST), PIP_BUILD, f"{METADATA}: RuntimeError: broken", (1,)),
        (("a", SDIST), PIP_BUILD_OLD, f"{METADATA}: RuntimeError: broken", (1,)),
        (
            (SDIST,),
            UV_BUILD,
            "Failed to build `thing @ thing-1.0.tar.gz`: Call to `backend.build_wheel` failed "
            "(exit status: 1): RuntimeError: broken",
            (0,),
        ),
        (
            ("a", SDIST),
            UV_BUILD_OLD,
            "Failed to prepare distributions: Build backend failed to build wheel through `build_wheel` "
            "(exit status: 1): RuntimeError: broken",
            (1,),
        ),
        (
            ("nosuch==1", THING),
            UV_NOT_FOUND,
            NOSUCH,
            (0,),
        ),
        (
            ("nosuch==1", THING),
            UV_NOT_FOUND_OLD,
            NOSUCH,
            (0,),
        ),
        (
            (OLD, "Needy"),
            UV_INNER,
            f"{NEEDED} {AND_SO}",
            (1,),
        ),
        (
            ("thing==1.0", "thing==2.0", "a"),
            UV_TWICE,
            f"Because you require thing==1.0 and thing==2.0, {UNSATISFIABLE}",
            (0, 1),
        ),
        (
            (THING,),
            UV_TORN,
            "Failed to read `thing @ thing-1.0-py3-none-any.whl`: unable to locate the end of central "
            "directory record",
            (0,),
        ),
        (("a",), "bash: pip: not found", "bash: pip: not found", ()),
        (("a",), "", "it said nothing", ()),
    ],
)
def test_the_guilty_line_is_found(
    requirements: tuple[str, ...], output: str, reason: str, guilty: tuple[int, ...]
) -> None:
    fault = explain(requirements, output.splitlines())
    assert (fault.reason, fault.lines, fault.outside) == (reason, guilty, False)


@pytest.mark.parametrize("output", [PIP_REFUSED, UV_REFUSED])
def test_a_network_that_fails_is_not_the_requirement_s_fault(output: str) -> None:
    """It is named all the same: its address may be wrong."""
    fault = explain(["a", "https://h/thing-1.0.zip"], output.splitlines())
    assert (fault.lines, fault.outside) == ((1,), True)


def test_a_crash_of_pip_is_told_by_its_last_line() -> None:
    fault = explain(["a"], PIP_CRASH.splitlines())
    assert fault.reason == "OSError: [Errno 28] No space left on device"
    assert (fault.lines, fault.outside) == ((), True)


def test_a_name_is_not_found_in_a_longer_one() -> None:
    output = "ERROR: No matching distribution found for thing-extra==1"
    assert explain(["thing", "thing-extra==1"], [output]).lines == (1,)


def test_a_long_reason_is_cut() -> None:
    assert len(explain(["a"], ["ERROR: " + "x" * 10_000]).reason) < 1000
