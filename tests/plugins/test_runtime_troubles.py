"""A runtime that raises, returns nonsense or hangs is named with the attempt's end, and in /health."""

from __future__ import annotations

import logging
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from attrs import evolve, frozen

from iris.client import IrisClient
from iris.client.errors import JobFailedError
from iris.cluster.compose import Cluster
from iris.cluster.types import Entrypoint
from iris_api.config import parse_config
from iris_api.context import Context
from iris_api.hookspecs import hookimpl
from iris_api.platform import Launch, Platform, Runtime, Sandbox
from iris_api.plugins import Plugins
from iris_api.provider import Provider
