"""Every exception that the core raises. A caller may act on each; each formats its own sentence."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "ConfigError",
    "DeadlineExceeded",
    "Denied",
    "InvalidSpec",
    "IrisError",
    "JobFault",
    "Lost",
    "MissingDependency",
    "NoCapacity",
    "NotInJob",
    "NotSent",
    "PlatformError",
    "PluginConflict",
    "PluginError",
    "PluginLoadError",
    "PluginNotFound",
    "Refused",
    "TransportError",
    "UnpicklableError",
]


class IrisError(Exception):
    """The root: catch this to catch everything that Iris itself raises."""


class InvalidSpec(IrisError, ValueError):
    """A value that a user gave is not allowed; the message says which and what is."""


class NotInJob(IrisError, RuntimeError):
    """Something that only a job has was asked for outside one."""


class UnpicklableError(IrisError, TypeError):
    """A callable or an argument cannot be pickled; ``path`` leads to the guilty object."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"cannot pickle {path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type[UnpicklableError], tuple[str, str]]:
        return type(self), (self.path, self.reason)


class ConfigError(IrisError):
    """The configuration is wrong; ``problems`` holds all that was found, a line each."""

    def __init__(self, problems: Sequence[str], source: str = "") -> None:
        self.problems = tuple(problems)
        self.source = source
        where = f"{source}: " if source else ""
        super().__init__("\n".join(f"{where}{problem}" for problem in self.problems))


class PluginError(IrisError):
    """A selected plugin cannot be used."""


class PluginNotFound(PluginError):
    """No installed package offers a plugin of that name."""


class PluginConflict(PluginError):
    """Two packages claim one plugin name."""


class PluginLoadError(PluginError):
    """Importing or validating a plugin failed."""


class MissingDependency(PluginError):
    """A plugin needs a package that is not installed."""

    def __init__(self, package: str, *, extra: str) -> None:
        super().__init__(f"{package} is not installed; run: pip install 'iris-cluster[{extra}]'")
        self.package = package
        self.extra = extra


class PlatformError(IrisError):
    """A platform could not do what it was asked; trying again may help."""


class NoCapacity(PlatformError):
    """The platform has no room now: back off and try again."""


class Denied(PlatformError):
    """The platform refuses for want of a right: stop and tell."""


class JobFault(PlatformError):
    """What a job asks for is not to be had, such as an image that there is not: no other worker helps."""


class TransportError(IrisError):
    """A call did not bring a reply of the application."""


class NotSent(TransportError):
    """The request never reached the server: to send it again is safe."""


class Lost(TransportError):
    """The request may have run, and its reply will not come."""


class DeadlineExceeded(Lost, TimeoutError):
    """The deadline passed after the request was sent."""


class Refused(TransportError):
    """The server answered that it did not run the request. ``code`` is a Connect code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message or code)
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[type[Refused], tuple[str, str]]:
        return type(self), (self.code, self.message)
