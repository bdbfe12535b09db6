"""One plugin is imported, validated and known by what it offers, or refused with all that helps."""

import re
import sys
import types

import pytest

from iris_api.errors import PluginConflict, PluginError, PluginLoadError, PluginNotFound
from iris_api.plugins import Plugins
from tests.plugins.site import PLATFORM, Site

WAY_OUT = "; install another version of iris-acme; iris --debug shows where"
HEAD = """
from attrs import frozen
from iris_api.hookspecs import hookimpl
from iris_api.provider import Provider

@frozen
class Options:
    pass
"""


def _refusal(site: Site, source: str) -> PluginLoadError:
    site.add("iris-acme", "2.3.0", {"acme": source})
    with pytest.raises(PluginLoadError) as caught:
        Plugins().load("acme")
    assert str(caught.value).startswith("plugin 'acme' from iris-acme 2.3.0 did not load: ")
    return caught.value


def test_a_loaded_plugin_tells_its_name_package_and_version(site: Site) -> None:
    site.add("iris-acme", "2.3.0", {"acme": PLATFORM})
    plugin = Plugins().load("acme")
    assert (plugin.name, plugin.package, plugin.version) == ("acme", "iris-acme", "2.3.0")


def test_a_loaded_plugin_holds_the_provider_of_its_hook(site: Site) -> None:
    site.add("iris-acme", "2.3.0", {"acme": PLATFORM})
    plugin = Plugins().load("acme")
    assert plugin.provider("platform").summary == "a platform of a test"
    assert (plugin.transport, plugin.resolver) == (None, None)


def test_only_the_plugin_that_is_asked_for_is_imported(site: Site) -> None:
    site.add("iris-acme", "1", {"acme": PLATFORM, "other": PLATFORM})
    Plugins().load("acme")
    assert "iris_acme_acme" in sys.modules
    assert "iris_acme_other" not in sys.modules


def test_loading_twice_gives_the_same_plugin(site: Site) -> None:
    site.add("iris-acme", "1", {"acme": PLATFORM})
    plugins = Plugins()
    assert plugins.load("acme") is plugins.load("acme")


def test_a_plugin_may_offer_several_kinds(site: Site) -> None:
    resolver = "\n@hookimpl\ndef iris_resolver():\n    return Provider(Options, print, 'names')\n"
    site.add("iris-acme", "1", {"acme": PLATFORM + resolver})
    assert Plugins().load("acme").offers == ("platform", "resolver")


def test_each_plugin_gets_its_own_provider(site: Site) -> None:
    site.add("iris-acme", "1", {"one": PLATFORM, "two": PLATFORM.replace("of a test", "two")})
    plugins = Plugins()
    summaries = [plugins.load(name).provider("platform").summary for name in ("one", "two")]
    assert summaries == ["a platform of a test", "a platform two"]


def test_an_entry_point_may_name_an_object_of_a_module(site: Site) -> None:
    wrapped = PLATFORM.replace(
        "@hookimpl\ndef iris_platform():", "class Plugin:\n    @hookimpl\n    def iris_platform(self):"
    )
    wrapped = wrapped.replace("    return Provider(", "        return Provider(") + "\nplugin = Plugin()\n"
    (site.root / "acme_objects.py").write_text(wrapped)
    site.add_metadata("iris-acme", "1", "[iris]\nacme = acme_objects:plugin\n")
    assert Plugins().load("acme").offers == ("platform",)


def test_an_unknown_name_gets_the_installed_ones_and_the_closest() -> None:
    with pytest.raises(PluginNotFound) as caught:
        Plugins().load("proces")
    assert re.fullmatch(
        r"no plugin 'proces' is installed \(installed: .*\blocal\b.*\); did you mean 'process'\?",
        str(caught.value),
    )


@pytest.mark.parametrize("name", ["docker", "gcp"])
def test_a_first_party_name_gets_the_command_that_installs_it(
    name: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(site.root)])
    with pytest.raises(PluginNotFound, match=re.escape(f"run: pip install 'iris-cluster[{name}]'")):
        Plugins().load(name)


def test_a_name_that_two_packages_claim_is_refused_and_both_are_named(site: Site) -> None:
    site.add("iris-acme", "1.0", {"acme": PLATFORM})
    site.add("iris-rival", "2.0", {"acme": PLATFORM})
    with pytest.raises(PluginConflict) as caught:
        Plugins().load("acme")
    text = "plugin name 'acme' is claimed by iris-acme 1.0 and iris-rival 2.0; uninstall one"
    assert str(caught.value) == text


def test_an_import_error_names_plugin_package_and_version(site: Site) -> None:
    refusal = _refusal(site, "import no_such_sdk")
    assert str(refusal).endswith(f"ModuleNotFoundError: No module named 'no_such_sdk'{WAY_OUT}")
    assert isinstance(refusal.__cause__, ModuleNotFoundError)


def test_a_syntax_error_is_a_load_error(site: Site) -> None:
    assert isinstance(_refusal(site, "def").__cause__, SyntaxError)


def test_a_module_that_exits_when_imported_is_a_load_error(site: Site) -> None:
    assert isinstance(_refusal(site, "import sys\nsys.exit(3)").__cause__, SystemExit)


def test_an_entry_point_that_names_nothing_is_a_load_error(site: Site) -> None:
    (site.root / "acme_empty.py").write_text("")
    site.add_metadata("iris-acme", "1.0", "[iris]\nacme = acme_empty:plugin\n")
    with pytest.raises(PluginLoadError, match="has no attribute 'plugin'"):
        Plugins().load("acme")


def test_a_misspelt_hook_is_refused(site: Site) -> None:
    refusal = _refusal(site, HEAD + "@hookimpl\ndef iris_platfrom():\n    return None\n")
    assert "there is no hook 'iris_platfrom'; did you mean 'iris_platform'?" in str(refusal)


def test_a_misspelt_hook_beside_a_right_one_is_refused(site: Site) -> None:
    refusal = _refusal(site, PLATFORM + "\n@hookimpl\ndef iris_transprot():\n    return None\n")
    assert "'iris_transprot'" in str(refusal)


def test_a_hook_without_its_marker_is_refused(site: Site) -> None:
    refusal = _refusal(site, PLATFORM.replace("@hookimpl\n", ""))
    assert str(refusal).endswith(f"iris_platform() is not marked with @hookimpl{WAY_OUT}")


def test_a_module_without_a_hook_is_refused(site: Site) -> None:
    assert "it has no hook" in str(_refusal(site, "x = 1"))


def test_a_hook_that_takes_arguments_is_refused(site: Site) -> None:
    refusal = _refusal(site, PLATFORM.replace("iris_platform()", "iris_platform(config)"))
    assert "config" in str(refusal)


def test_a_hook_that_raises_is_refused_with_its_error(site: Site) -> None:
    refusal = _refusal(site, HEAD + "@hookimpl\ndef iris_platform():\n    raise KeyError('zone')\n")
    assert isinstance(refusal.__cause__, KeyError)


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        ("None", "iris_platform() must return one Provider, and returned None"),
        ("{}", "iris_platform() must return a Provider, and returned dict"),
        ("Options", "iris_platform() must return a Provider, and returned type"),
        ("Provider(dict, print, '')", "Provider.config must be an attrs class, and is <class 'dict'>"),
        ("Provider(Options(), print, '')", "Provider.config must be an attrs class, and is Options()"),
        ("Provider(Options, None, '')", "Provider.create must be callable, and is None"),
    ],
)
def test_a_hook_that_returns_something_else_is_refused(site: Site, returned: str, reason: str) -> None:
    assert reason in str(_refusal(site, HEAD + f"@hookimpl\ndef iris_platform():\n    return {returned}\n"))


def test_a_refused_plugin_leaves_nothing_registered(site: Site) -> None:
    site.add("iris-acme", "1", {"bad": HEAD + "@hookimpl\ndef iris_platfrom(): pass\n", "good": PLATFORM})
    plugins = Plugins()
    messages = []
    for _ in range(2):
        with pytest.raises(PluginLoadError) as caught:
            plugins.load("bad")
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert plugins.load("good").offers == ("platform",)


def test_a_plugin_of_another_kind_says_what_it_offers(site: Site) -> None:
    site.add("iris-acme", "2.3.0", {"acme": PLATFORM})
    with pytest.raises(PluginError) as caught:
        Plugins().load("acme").provider("transport")
    assert str(caught.value) == (
        "plugin 'acme' (iris-acme 2.3.0) offers platform, not transport; "
        "iris plugins --check shows which one does"
    )


def _module(source: str) -> types.ModuleType:
    module = types.ModuleType("made_here")
    exec(source, module.__dict__)
    return module


def test_a_registered_module_is_loaded_by_its_name() -> None:
    plugins = Plugins()
    plugins.register(_module(PLATFORM), name="fake")
    assert plugins.load("fake").offers == ("platform",)


def test_a_registered_plugin_is_of_its_host_alone() -> None:
    Plugins().register(_module(PLATFORM), name="fake")
    with pytest.raises(PluginNotFound):
        Plugins().load("fake")


def test_what_is_registered_goes_before_what_is_installed() -> None:
    plugins = Plugins()
    fake = plugins.register(_module(PLATFORM), name="gcp")
    assert plugins.load("gcp") is fake


def test_registering_a_name_twice_is_a_conflict() -> None:
    plugins = Plugins()
    plugins.register(_module(PLATFORM), name="fake")
    with pytest.raises(PluginConflict, match="'fake' is registered already"):
        plugins.register(_module(PLATFORM), name="fake")


def test_registering_what_is_no_plugin_is_refused() -> None:
    plugins = Plugins()
    with pytest.raises(PluginLoadError, match="it has no hook"):
        plugins.register(object(), name="fake")
    plugins.register(_module(PLATFORM), name="fake")


def test_an_error_of_a_running_plugin_keeps_its_type_and_gets_a_note(site: Site) -> None:
    site.add("iris-acme", "2.3.0", {"acme": PLATFORM})
    plugin = Plugins().load("acme")
    error = ZeroDivisionError()
    with (
        pytest.raises(ZeroDivisionError) as caught,
        plugin.blamed("outer()"),
        plugin.blamed("list()"),
        plugin.blamed("list()"),
    ):
        raise error
    assert caught.value is error
    assert error.__notes__ == [
        "raised by iris plugin 'acme' (iris-acme 2.3.0) in list()",
        "raised by iris plugin 'acme' (iris-acme 2.3.0) in outer()",
    ]
