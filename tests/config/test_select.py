"""A configuration selects plugins: those are imported, their tables validated, all problems told."""

import sys
import types
from pathlib import Path

import attrs
import pytest

from iris_api.config import load_selection, parse_config, select
from iris_api.context import Context
from iris_api.errors import ConfigError, PluginError, PluginLoadError, PluginNotFound
from iris_api.plugins import Plugins
from tests.plugins.site import PLATFORM, Site

TRANSPORT = """
from attrs import frozen
from iris_api.hookspecs import hookimpl
from iris_api.provider import Provider
from iris_api.{kind} import {Kind}

@frozen
class Options:
    hops: int = 1

def create(options, context):
    return {made}

@hookimpl
def iris_{kind}():
    return Provider(Options, create, "of a test")
"""
BASE = '[transport]\nkind = "wire"\n[resolver]\nkind = "names"\n'


@pytest.fixture
def acme(site: Site) -> Site:
    """Installed: platforms `acme` and `other`, transport `wire`, resolver `names`."""
    wire = TRANSPORT.format(kind="transport", Kind="Transport", made="None")
    names = TRANSPORT.format(kind="resolver", Kind="Resolver", made="None")
    site.add("iris-acme", "2.3.0", {"acme": PLATFORM, "other": PLATFORM, "wire": wire, "names": names})
    return site


def _problems(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        select(parse_config(BASE + text))
    return caught.value


def test_a_pool_may_name_a_plugin_without_a_table(acme: Site) -> None:
    selection = select(parse_config(BASE + "[pools.x]\nplatform = 'acme'\n"))
    assert selection.platforms["acme"].options.size == 3


def test_a_pool_may_name_a_table_with_options(acme: Site) -> None:
    text = "[pools.x]\nplatform = 'mine'\n[platforms.mine]\nkind = 'acme'\nsize = 5\n"
    selection = select(parse_config(BASE + text))
    assert selection.platforms["mine"].options.size == 5


def test_two_tables_may_configure_one_plugin(acme: Site) -> None:
    text = "pools.x = { platform = 'a', runtime = 'b' }\nplatforms.a = { kind = 'acme', size = 1 }\n"
    config = parse_config(text + "platforms.b = { kind = 'acme', size = 2 }\n" + BASE)
    sizes = {name: chosen.options.size for name, chosen in select(config).platforms.items()}
    assert sizes == {"a": 1, "b": 2}


def test_transport_and_resolver_get_their_tables(acme: Site) -> None:
    text = "transport = { kind = 'wire', hops = 2 }\nresolver = { kind = 'names', hops = 3 }\n"
    selection = select(parse_config("pools.x.platform = 'acme'\n" + text))
    assert (selection.transport.options.hops, selection.resolver.options.hops) == (2, 3)


def test_only_what_is_selected_is_imported(acme: Site) -> None:
    text = "[pools.x]\nplatform = 'acme'\n[platforms.unused]\nkind = 'other'\n"
    selection = select(parse_config(BASE + text))
    assert set(selection.platforms) == {"acme"}
    assert "iris_acme_other" not in sys.modules


def test_selecting_creates_nothing(site: Site, acme: Site) -> None:
    site.add("iris-bad", "1.0", {"bad": PLATFORM.replace("self.options = options", "raise LookupError")})
    assert set(select(parse_config(BASE + "[pools.x]\nplatform = 'bad'\n")).platforms) == {"bad"}


def test_creating_gives_the_plugins_own_object(acme: Site) -> None:
    chosen = select(parse_config(BASE + "[pools.x]\nplatform = 'acme'\n")).platforms["acme"]
    made = chosen.create(Context())
    assert type(made).__name__ == "Made"


def test_what_create_raises_keeps_its_type_and_names_the_plugin(site: Site, acme: Site) -> None:
    source = PLATFORM.replace("self.options = options", "raise LookupError('no region')")
    site.add("iris-bad", "1.0", {"bad": source})
    chosen = select(parse_config(BASE + "[pools.x]\nplatform = 'bad'\n")).platforms["bad"]
    with pytest.raises(LookupError, match="no region") as caught:
        chosen.create(Context())
    assert caught.value.__notes__ == ["raised by iris plugin 'bad' (iris-bad 1.0) in create()"]


def test_create_must_return_what_the_hook_promises(acme: Site) -> None:
    selection = select(parse_config(BASE + "[pools.x]\nplatform = 'acme'\n"))
    with pytest.raises(PluginError) as caught:
        selection.transport.create(Context())
    text = "plugin 'wire' (iris-acme 2.3.0): create() must return a Transport, and returned NoneType"
    assert str(caught.value) == f"{text}; install another version of iris-acme; iris --debug shows where"


def test_a_wrong_option_has_its_path(acme: Site) -> None:
    error = _problems("[pools.x]\nplatform = 'mine'\n[platforms.mine]\nkind = 'acme'\nsize = '5'\nsiz = 1\n")
    assert sorted(error.problems) == [
        "platforms.mine.siz: unknown key; did you mean 'size'?",
        "platforms.mine.size: expected a whole number, got '5'",
    ]


def test_a_reference_to_nothing_has_its_path_and_the_closest_table(acme: Site) -> None:
    error = _problems("[pools.x]\nplatform = 'cloudd'\n[platforms.cloud]\nkind = 'acme'\n")
    (problem,) = error.problems
    assert problem.startswith("pools.x.platform: no plugin 'cloudd' is installed (installed: ")
    assert problem.endswith("; nor is there a table [platforms.cloudd]; did you mean 'cloud'?")
    assert isinstance(error.__cause__, PluginNotFound)


def test_a_kind_that_is_not_installed_has_its_path(acme: Site) -> None:
    error = _problems("[pools.x]\nplatform = 'mine'\n[platforms.mine]\nkind = 'acmee'\n")
    (problem,) = error.problems
    assert problem.startswith("platforms.mine.kind: no plugin 'acmee' is installed")
    assert problem.endswith("; did you mean 'acme'?")


def test_a_plugin_of_another_kind_is_refused(acme: Site) -> None:
    error = _problems("[pools.x]\nplatform = 'wire'\n")
    assert error.problems == (
        "pools.x.platform: plugin 'wire' (iris-acme 2.3.0) offers transport, not platform; "
        "iris plugins --check shows which one does",
    )


def test_a_plugin_that_does_not_load_is_the_cause(site: Site, acme: Site) -> None:
    site.add("iris-bad", "1.0", {"bad": "import no_such_sdk"})
    error = _problems("[pools.x]\nplatform = 'bad'\n")
    assert isinstance(error.__cause__, PluginLoadError)
    assert isinstance(error.__cause__.__cause__, ModuleNotFoundError)


def test_the_problems_of_all_plugins_are_told_at_once(acme: Site) -> None:
    pool = "pools.x = { platform = 'wire', runtime = 'nope' }\n"
    tables = "transport = { kind = 'wire', hopps = 1 }\nresolver.kind = 'acme'\n"
    with pytest.raises(ConfigError) as caught:
        select(parse_config(pool + tables))
    paths = [problem.partition(":")[0] for problem in caught.value.problems]
    assert paths == ["pools.x.platform", "pools.x.runtime", "transport.hopps", "resolver.kind"]
    assert isinstance(caught.value.__cause__, ExceptionGroup)


def test_a_wrong_file_and_wrong_plugins_are_told_in_one(acme: Site, tmp_path: Path) -> None:
    file = tmp_path / "iris.toml"
    file.write_text(
        BASE + "[pools.x]\nplatform = 'nope'\nmax = '1'\n[pools.y]\nplatform = 'half'\n[platforms.half]\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_selection(file)
    paths = [problem.partition(":")[0] for problem in caught.value.problems]
    assert paths == ["platforms.half.kind", "pools.x.max", "pools.x.platform"]


def test_a_configuration_made_by_a_program_is_checked_too(acme: Site) -> None:
    config = parse_config(BASE + "[pools.x]\nplatform = 'acme'\n")
    pools = {"x": attrs.evolve(config.pools["x"], min=5, max=1)}
    with pytest.raises(ConfigError, match=r"pools.x.max: 1 is less than min \(5\)"):
        select(attrs.evolve(config, pools=pools))


def test_registered_plugins_can_be_selected(acme: Site) -> None:
    module = types.ModuleType("fake")
    exec(PLATFORM, module.__dict__)
    plugins = Plugins()
    plugins.register(module, name="fake")
    selection = select(parse_config(BASE + "[pools.x]\nplatform = 'fake'\n"), plugins)
    assert selection.platforms["fake"].plugin.name == "fake"


def test_a_platform_says_what_runs_on_its_machines(acme: Site) -> None:
    """Of a pool that names no runtime, and that runtime is selected too."""
    own = PLATFORM.replace('"a platform of a test"', '"a platform of a test", runtime="other"')
    acme.add("iris-own", "1.0.0", {"own": own})
    pools = "[pools.x]\nplatform = 'own'\n[pools.y]\nplatform = 'own'\nruntime = 'acme'\n"
    selection = select(parse_config(BASE + pools))
    assert [pool.runtime for pool in selection.config.pools.values()] == ["other", "acme"]
    assert selection.platforms.keys() == {"own", "other", "acme"}
