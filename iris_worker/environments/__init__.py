"""Packages that jobs ask for: installed once on a machine, by an attempt of the runtime, for all that want
the same.
"""

from iris_worker.environments.build import NoLog, is_build
from iris_worker.environments.environments import Environments, found_first
from iris_worker.environments.order import Order
from iris_worker.environments.wanted import asks_for_packages, wanted

__all__ = ["Environments", "NoLog", "Order", "asks_for_packages", "found_first", "is_build", "wanted"]
