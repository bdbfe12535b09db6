"""Order: the packages that one attempt needs, and all that is known of the attempt."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import field, frozen

from iris_api.job_info import JobInfo
from iris_api.platform import Interpreter, LogSink
from iris_api.resources import ResourceSpec
from iris_worker.environments.faults import Fault
from iris_worker.environments.installer import settings
from iris_worker.environments.wanted import Wanted
from iris_worker.errors import BadEnvironment

__all__ = ["Order"]

_FORMAT: Final = 1  # of environments; another one is found by no key


@frozen(kw_only=True)
class Order:
    """`holder` is the attempt's directory, which is there for as long as the attempt needs the packages.
    `env` is the job's. Orders of one `key` want the same, however they were written."""

    info: JobInfo
    wanted: tuple[Wanted, ...]
    interpreter: Interpreter
    image: str = ""
    limits: ResourceSpec = field(factory=ResourceSpec)
    env: Mapping[str, str] = field(factory=dict, repr=False)
    holder: Path
    log: LogSink
    lines: tuple[str, ...] = field(init=False)  # of the file that the installer is given, in its order
    key: str = field(init=False)

    @lines.default
    def _make_lines(self) -> tuple[str, ...]:
        return tuple(sorted({one.line for one in self.wanted}))

    @key.default
    def _make_key(self) -> str:
        """Of all that decides about the content, which is also how the job sets its installer."""
        told = [_FORMAT, self.interpreter.identity, self.lines, sorted(settings(self.env).items())]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:40]

    @property
    def uid(self) -> str:
        return self.info.attempt_uid

    def copy_files(self, draft: Path) -> None:
        """Bring the workspace's wheels and sdists to where `lines` says. Raises OSError."""
        for one in self.wanted:
            if one.file is not None:
                target = draft / one.line.partition("[")[0]
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(one.file, target)

    def refusal(self, fault: Fault) -> BadEnvironment:
        """The fault of an installer that had these lines, in the words of this job."""
        guilty = {self.lines[index] for index in fault.lines}
        named = " and ".join(dict.fromkeys(str(one) for one in self.wanted if one.line in guilty))
        reason = f"{named}: {fault.reason}" if named else fault.reason
        return BadEnvironment(reason, of_job=not fault.outside)
