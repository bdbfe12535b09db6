"""The worker: the agent on a machine that runs attempts in sandboxes, as its controller desires."""

from iris_worker.config import WorkerConfig
from iris_worker.worker import Worker

__all__ = ["Worker", "WorkerConfig"]
