"""Controllers of the store's tests are those of the controller's tests."""

from tests.controller.conftest import start

__all__ = ["start"]
