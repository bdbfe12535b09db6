"""Where committed rows are kept. The SQL store is imported when it is used: it costs half a second."""

from iris_controller.store.base import StateLost, Store
from iris_controller.store.memory import MemoryStore

__all__ = ["MemoryStore", "StateLost", "Store"]
