"""iris.toml is found, read strictly, and everything that is wrong with it is told at once."""

from pathlib import Path

import pytest

from iris_api.config import (
    ClusterConfig,
    Config,
    ControllerConfig,
    PluginTable,
    PoolConfig,
    StateConfig,
    load_config,
    parse_config,
)
from iris_api.errors import ConfigError
from iris_api.resources import ResourceSpec


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration but the test's own is found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IRIS_CONFIG", raising=False)


def _problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    return caught.value.problems


def _named(name: str) -> str:
    return f'[cluster]\nname = "{name}"\n'


FULL = """
[cluster]
name = "research"
[controller]
listen = "0.0.0.0:9000"
state = "data"
[platforms.cloud]
kind = "gcp"
project = "my-project"
[pools.cpu]
platform = "cloud"
runtime = "docker"
min = 0
max = 20
size = 2
resources = { cpu = 8, memory = "32GB" }
template = { zone = "europe-west4-a", spot = true }
[transport]
kind = "quic"
streams = 4
[resolver]
kind = "fixed"
"""


def test_every_key_is_read(tmp_path: Path) -> None:
    pool = PoolConfig(
        platform="cloud",
        runtime="docker",
        min=0,
        max=20,
        size=2,
        resources=ResourceSpec(8, "32GB"),
        template={"zone": "europe-west4-a", "spot": True},
    )
    assert parse_config(FULL, tmp_path / "iris.toml") == Config(
        cluster=ClusterConfig(name="research"),
        controller=ControllerConfig(listen="0.0.0.0:9000", state=StateConfig(directory=tmp_path / "data")),
        platforms={"cloud": PluginTable("gcp", {"project": "my-project"})},
        pools={"cpu": pool},
        transport=PluginTable("quic", {"streams": 4}),
        resolver=PluginTable("fixed"),
        source=tmp_path / "iris.toml",
    )


@pytest.mark.parametrize("text", ["", "# nothing\n", "[pools]\n", _named("default")])
def test_without_pools_there_is_one_on_this_machine(text: str) -> None:
    config = parse_config(text)
    assert config.pools == {"default": PoolConfig(platform="local", runtime="process", min=1, max=1)}
    assert (config.transport.kind, config.resolver.kind) == ("http", "cluster")


def test_an_absent_file_is_the_same_as_an_empty_one() -> None:
    assert load_config() == parse_config("")


def test_only_the_runtime_need_be_named_to_change_it() -> None:
    pool = parse_config('[pools.default]\nruntime = "local"\n').pools["default"]
    assert (pool.platform, pool.runtime) == ("local", "local")


def test_a_pool_that_names_neither_platform_nor_runtime_is_like_the_default_one() -> None:
    pool = parse_config("[pools.big]\nmax = 3\n").pools["big"]
    assert (pool.platform, pool.runtime, pool.min, pool.max) == ("local", "process", 1, 3)


def test_a_pool_that_names_a_platform_gets_its_runtime() -> None:
    assert parse_config('[pools.x]\nplatform = "docker"\n').pools["x"].runtime is None


def test_max_is_at_least_min_when_it_is_not_given() -> None:
    assert parse_config("[pools.x]\nmin = 4\n").pools["x"].max == 4


def test_an_explicit_path_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("explicit", "env", "iris"):
        (tmp_path / f"{name}.toml").write_text(_named(name))
    monkeypatch.setenv("IRIS_CONFIG", str(tmp_path / "env.toml"))
    assert load_config(tmp_path / "explicit.toml").cluster.name == "explicit"


def test_the_variable_goes_before_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "iris.toml").write_text(_named("here"))
    (tmp_path / "env.toml").write_text(_named("env"))
    monkeypatch.setenv("IRIS_CONFIG", str(tmp_path / "env.toml"))
    assert load_config().cluster.name == "env"


def test_the_working_directory_is_looked_at_last(tmp_path: Path) -> None:
    (tmp_path / "iris.toml").write_text(_named("here"))
    assert load_config().source == tmp_path / "iris.toml"


def test_an_explicit_path_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "nope.toml")
    assert str(caught.value) == f"{tmp_path}/nope.toml: no such file"


def test_a_variable_that_names_no_file_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRIS_CONFIG", "nope.toml")
    with pytest.raises(ConfigError) as caught:
        load_config()
    assert str(caught.value) == f"{tmp_path}/nope.toml: no such file (IRIS_CONFIG names it)"


def test_an_empty_variable_is_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRIS_CONFIG", "")
    assert load_config().source is None


def test_a_directory_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: .*directory"):
        load_config(tmp_path)


def test_what_is_not_utf8_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "iris.toml").write_bytes(b"x = '\xff'")
    with pytest.raises(ConfigError, match=r"cannot be read: .*utf-8"):
        load_config()


def test_state_is_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "my.toml").write_text('[controller]\nstate = "data"\n')
    assert load_config("sub/my.toml").controller.state.directory == tmp_path / "sub" / "data"


def test_state_without_a_file_is_relative_to_the_working_directory(tmp_path: Path) -> None:
    assert load_config().controller.state.directory == tmp_path / "iris-state"


def test_state_may_be_a_table() -> None:
    text = """
    [controller.state]
    directory = "/var/iris"
    database = "postgresql://iris@db.example:5432/iris?sslmode=verify-full"
    keep_ended = 100
    keep_tasks = 1000
    keep_for = 3600
    keep_bundles = 60
    max_logs = "1GB"
    """
    assert parse_config(text).controller.state == StateConfig(
        directory=Path("/var/iris"),
        database="postgresql://iris@db.example:5432/iris?sslmode=verify-full",
        keep_ended=100,
        keep_tasks=1000,
        keep_for=3600.0,
        keep_bundles=60.0,
        max_logs=10**9,
    )


@pytest.mark.parametrize("url", ["mysql://h/d", "sqlite:///x", "postgres://h/d", "/var/db", "postgresql:d"])
def test_a_database_of_another_kind_is_refused(url: str) -> None:
    assert _problems(f'controller.state.database = "{url}"') == (
        f"controller.state.database: '{url}' is not allowed: give 'postgresql://user@host/database', "
        "or leave it out for SQLite in the state directory",
    )


@pytest.mark.parametrize("url", ["postgresql://me:hush@h/d", "postgresql://h/d?user=me&password=hush"])
def test_a_password_in_the_url_of_the_database_is_refused(url: str) -> None:
    (problem,) = _problems(f'controller.state.database = "{url}"')
    assert problem.startswith("controller.state.database: a password does not belong in this file: put it in")
    assert "hush" not in problem


def test_no_error_shows_the_password_of_another_database() -> None:
    (problem,) = _problems('controller.state.database = "mysql://me:hush@h/d"')
    assert "'mysql://...@h/d' is not allowed" in problem


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("keep_ended = -1", "keep_ended: expected 0 or more, got -1"),
        ("keep_tasks = -1", "keep_tasks: expected 0 or more, got -1"),
        ("keep_for = -0.5", "keep_for: expected seconds, 0 or more, got -0.5"),
        ("keep_for = inf", "keep_for: expected seconds, 0 or more, got inf"),
        ("keep_bundles = 59", "keep_bundles: expected seconds, 60 or more, got 59"),
        ("keep_logs = 1", "keep_logs: unknown key; did you mean 'keep_for'?"),
    ],
)
def test_a_bad_retention_is_refused(line: str, problem: str) -> None:
    (found,) = _problems(f"[controller.state]\n{line}\n")
    assert found.startswith(f"controller.state.{problem.partition(';')[0]}")


def test_an_absolute_state_stays() -> None:
    assert parse_config('[controller]\nstate = "/var/iris"\n').controller.state.directory == Path("/var/iris")


def test_state_may_start_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert parse_config('[controller]\nstate = "~/iris"\n').controller.state.directory == Path(
        "/home/me/iris"
    )


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [("127.0.0.1:0", "127.0.0.1", 0), ("[::1]:65535", "::1", 65535), ("localhost:80", "localhost", 80)],
)
def test_listen_has_a_host_and_a_port(listen: str, host: str, port: int) -> None:
    controller = parse_config(f'[controller]\nlisten = "{listen}"\n').controller
    assert (controller.host, controller.port) == (host, port)


@pytest.mark.parametrize(
    "listen", ["", "10000", ":10000", "host", "host:", "host:99999", "http://h:1", "a b:1", "::1:5"]
)
def test_a_bad_listen_is_refused(listen: str) -> None:
    (problem,) = _problems(f'[controller]\nlisten = "{listen}"\n')
    assert problem.startswith("controller.listen: expected 'host:port'")


def test_the_spans_of_the_controller() -> None:
    controller = parse_config("[controller]\nworker_grace = 5\nabsence = 60.5\n").controller
    assert (controller.worker_grace, controller.absence) == (5.0, 60.5)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("worker_grace = 0.5", "controller.worker_grace: expected seconds, 1 or more, got 0.5"),
        ("absence = 10", "controller.absence: expected seconds, 30 (worker_grace) or more, got 10"),
        ("absence = inf", "controller.absence: expected seconds, 30 (worker_grace) or more, got inf"),
        ('absence = "1h"', "controller.absence: expected a number, got '1h'"),
    ],
)
def test_a_bad_span_is_refused(text: str, problem: str) -> None:
    assert _problems(f"[controller]\n{text}\n") == (problem,)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('pools.cpu.max = "20"', "pools.cpu.max: expected a whole number, got '20'"),
        ("pools.cpu.max = 1.0", "pools.cpu.max: expected a whole number, got 1.0"),
        ("pools.cpu.max = true", "pools.cpu.max: expected a whole number, got true"),
        ("pools.cpu.platform = 1", "pools.cpu.platform: expected a text, got 1"),
        ("pools.cpu.runtime = false", "pools.cpu.runtime: expected a text, got false"),
        ("pools.cpu.template = [1]", "pools.cpu.template: expected a table, got a list"),
        ("pools.cpu.resources = 8", "pools.cpu.resources: expected a table, got 8"),
        ('pools.cpu.resources.cpu = "8"', "pools.cpu.resources.cpu: expected a number, got '8'"),
        ("pools.cpu = 1", "pools.cpu: expected a table, got 1"),
        ("pools = 1", "pools: expected a table, got 1"),
        ("platforms = []", "platforms: expected a table, got a list"),
        ("platforms.x = 1", "platforms.x: expected a table, got 1"),
        ("cluster = 1", "cluster: expected a table, got 1"),
        ("cluster.name = 1", "cluster.name: expected a text, got 1"),
        ("controller.state = 1", "controller.state: expected a path or a table, got 1"),
        ("transport = 'http'", "transport: expected a table, got 'http'"),
        ("transport.kind = 1", "transport.kind: expected a text, got 1"),
    ],
)
def test_a_wrong_type_is_refused(text: str, problem: str) -> None:
    assert _problems(text) == (problem,)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("clustr.name = 'x'", "clustr: unknown key; did you mean 'cluster'?"),
        ("pools.cpu.maxx = 1", "pools.cpu.maxx: unknown key; did you mean 'max'?"),
        (
            "controller.zzz = 1",
            "controller.zzz: unknown key; known here: listen, state, worker_grace, absence",
        ),
        ("pools.cpu.resources.gpu = 1", "pools.cpu.resources.gpu: unknown key; did you mean 'cpu'?"),
        ('cluster."a b" = 1', 'cluster."a b": unknown key; known here: name'),
    ],
)
def test_an_unknown_key_is_refused_with_the_closest_one(text: str, problem: str) -> None:
    assert _problems(text) == (problem,)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("cluster.name = 'My Cluster'", "cluster.name: cluster name 'My Cluster' is not allowed: "),
        ("pools.A.max = 1", "pools.A: pool name 'A' is not allowed: "),
        ("platforms.A.kind = 'x'", "platforms.A: platform name 'A' is not allowed: "),
        ("pools.x.min = -1", "pools.x.min: expected 0 or more, got -1"),
        ("pools.x = { min = 3, max = 2 }", "pools.x.max: 2 is less than min (3)"),
        ("pools.x.max = 0", "pools.x.max: 0 is less than min (1)"),
        ("pools.x.size = 0", "pools.x.size: expected 1 or more, got 0"),
        ("pools.x.resources.memory = '2 gigs'", "pools.x.resources.memory: memory '2 gigs' is not allowed: "),
        ("pools.x.resources.cpu = -1", "pools.x.resources.cpu: cpu -1.0 is not allowed: "),
        ("platforms.x.project = 'p'", "platforms.x.kind: is required"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(text: str, start: str) -> None:
    (problem,) = _problems(text)
    assert problem.startswith(start)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a = ", "(at line 1, column 5)"),
        ("a = 1\nb = [", "(at line 2, column 6)"),
        ("[x\n", "(at line 1, column 3)"),
        ("a = 1\na = 2\n", "(at line 2, column 6)"),
    ],
)
def test_a_syntax_error_has_line_and_column(text: str, where: str) -> None:
    (problem,) = _problems(text)
    assert problem.startswith("not valid TOML: ")
    assert problem.endswith(where)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("controller.token = 'hush'", "controller.token"),
        ("transport.password = 'hush'", "transport.password"),
        ("platforms.x = { kind = 'gcp', client_secret = 'hush' }", "platforms.x.client_secret"),
        ("pools.x.template.env = { API_TOKEN = 'hush' }", "pools.x.template.env.API_TOKEN"),
        ("pools.x.template.disks = [{ password = 'hush' }]", "pools.x.template.disks[0].password"),
    ],
)
def test_a_secret_is_refused_and_not_repeated(text: str, path: str) -> None:
    (problem,) = _problems(text)
    assert problem.startswith(f"{path}: secrets do not belong in this file: ")
    assert "IRIS_TOKEN_FILE" in problem
    assert "hush" not in problem


def test_a_file_that_a_secret_is_in_may_be_named() -> None:
    assert parse_config("[transport]\ntoken_file = 'x'\n").transport.options == {"token_file": "x"}


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "iris.toml"
    file.write_text("""
clustr = 1
cluster.name = "A B"
cluster.nme = 1
controller.listen = "nope"
pools.b = { min = 3, max = 2, size = "1" }
pools.c = 1
transport.token = "x"
""")
    with pytest.raises(ConfigError) as caught:
        load_config()
    assert {problem.partition(":")[0] for problem in caught.value.problems} == {
        "clustr", "cluster.name", "cluster.nme", "controller.listen", "pools.b.max", "pools.b.size",
        "pools.c", "transport.token",
    }  # fmt: skip
    assert all(line.startswith(f"{file}: ") for line in str(caught.value).splitlines())


def test_quotas_are_by_user() -> None:
    quotas = parse_config("[quotas.default]\nrunning = 10\n[quotas.ann]\npending = 5\n").quotas
    assert (quotas["default"].running, quotas["default"].pending) == (10, None)
    assert (quotas["ann"].running, quotas["ann"].pending) == (None, 5)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[quotas.ann]\nrunning = -1", "quotas.ann.running: expected 0 or more, got -1"),
        ("[quotas.ann]\nrunning = 1.5", "quotas.ann.running: expected a whole number, got 1.5"),
        ("[quotas.ann]\nmax = 1", "quotas.ann.max: unknown key; known here: running, pending"),
    ],
)
def test_a_bad_quota_is_refused(text: str, problem: str) -> None:
    assert _problems(text) == (problem,)
