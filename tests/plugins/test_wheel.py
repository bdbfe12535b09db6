"""With the built wheel, away from the checkout: a new plugin is written, installed, and its tests pass."""

from __future__ import annotations

import pytest

from tests.rigs.apart import ROOT, Apart

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Apart:
    return Apart(tmp_path_factory.mktemp("wheel"), ROOT)


def test_iris_is_that_of_the_wheel(apart: Apart) -> None:
    said = apart.run("-c", "import iris_api.transport; print(iris_api.transport.__file__)")
    assert said.startswith(str(apart.folder))


def test_a_new_platform_is_installed_and_keeps_the_rules(apart: Apart) -> None:
    iris = str(apart.bin / "iris")
    apart.do(iris, "plugin", "new", "demo", "--kind", "platform")
    apart.install("./iris-demo")
    assert " demo " in apart.do(iris, "plugins")
    assert "TestDemo: 21 of 22 rules kept" in apart.run("-m", "pytest", "-q", "iris-demo/tests")
    assert "demo: 21 passed, 1 not promised of 22 rules" in apart.do(iris, "plugin", "check", "demo")
