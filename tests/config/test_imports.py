"""What is not needed is not imported: the client's start has a budget."""

import subprocess
import sys


def _loaded(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*(n for n in sys.modules if not n.startswith('_')))"
    return set(subprocess.check_output([sys.executable, "-c", script], text=True).split())


def test_importing_the_configuration_is_cheap() -> None:
    loaded = _loaded("import iris_api.config, iris_api.plugins")
    assert not loaded & {"cattrs", "importlib.metadata", "pluggy", "tomllib", "difflib"}


def test_reading_a_file_without_options_needs_no_cattrs() -> None:
    assert "cattrs" not in _loaded(
        "from iris_api.config import *; parse_config('[transport]\\nkind = \"http\"')"
    )
