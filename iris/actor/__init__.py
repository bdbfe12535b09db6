"""Actors: Python objects whose methods others call."""

from iris_actor.client import ActorClient
from iris_actor.errors import RemoteError
from iris_actor.futures import ActorFuture
from iris_actor.pool import ActorPool, CallResult
from iris_actor.server import ActorServer

__all__ = ["ActorClient", "ActorFuture", "ActorPool", "ActorServer", "CallResult", "RemoteError"]
