"""Names at a controller: registry, resolver, servers inside jobs, fencing."""

from __future__ import annotations

import pickle
import threading

import pytest

from iris_actor.client import ActorClient
from iris_actor.errors import ActorUnavailable
from iris_actor.registry import EndpointRegistry
from iris_actor.resolvers.cluster import ClusterResolver
from iris_actor.server import ActorServer
from iris_api.errors import InvalidSpec, NotInJob, Refused, TransportError
from iris_api.job_info import JobInfo, job_info_scope
from iris_api.testing import wait_for_condition
from iris_api.threads import get_thread_registry
from tests.actor.actors import Calculator
from tests.actor.cluster import Cluster


@pytest.fixture
def resolver(cluster: Cluster) -> ClusterResolver:
    return ClusterResolver(cluster.address, job="root/child", token=cluster.token)


def serve(cluster: Cluster, job_id: str = "root/child", uid: str = "attempt-1") -> ActorServer:
    server = ActorServer()
    server.register("calc", Calculator())
    with job_info_scope(cluster.job(job_id, uid)):
        server.serve_background()
    return server


def test_in_a_job_an_actor_is_an_endpoint_until_the_server_stops(cluster: Cluster) -> None:
    with serve(cluster) as server:
        assert cluster.names() == ["/root/calc"]
        (endpoint,) = cluster.service.table.values()
        assert (endpoint.address, endpoint.attempt_uid) == (server.address, "attempt-1")
    assert cluster.names() == []


def test_unregister_takes_the_endpoint_away(cluster: Cluster) -> None:
    with serve(cluster) as server:
        server.unregister("calc")
        assert cluster.names() == []


def test_the_named_port_and_the_advertised_host_are_the_jobs(cluster: Cluster) -> None:
    probe = ActorServer()
    port = probe.serve_background()
    probe.stop()
    with ActorServer() as server:
        with job_info_scope(cluster.job(ports={"actor": port}, advertise_host="localhost")):
            assert server.serve_background() == port
        assert server.address == f"http://localhost:{port}"


def test_a_name_means_the_one_in_the_jobs_namespace(cluster: Cluster, resolver: ClusterResolver) -> None:
    with serve(cluster) as server, serve(cluster, "other", "attempt-2") as other:
        assert [e.address for e in resolver.resolve("calc")] == [server.address]
        assert [e.address for e in resolver.resolve("/other/calc")] == [other.address]
        assert ClusterResolver(cluster.address, token=cluster.token).resolve("calc") == ()
    resolver.close()


def test_inside_a_job_the_namespace_and_token_are_ambient(cluster: Cluster) -> None:
    with serve(cluster), job_info_scope(cluster.job("root/sibling", "attempt-3")):
        resolver = ClusterResolver(cluster.address)
        assert ActorClient(resolver, "calc").add(1, 2) == 3
        assert ActorClient(resolver, "/root/calc").add(1, 2) == 3
    resolver.close()


def test_an_unknown_name_is_nobody_not_an_error(resolver: ClusterResolver) -> None:
    assert resolver.resolve("nobody") == ()
    assert resolver.lookup("nobody").size == 0
    resolver.close()


def test_a_call_waits_for_an_actor_that_comes_later(cluster: Cluster, resolver: ClusterResolver) -> None:
    future = ActorClient(resolver, "calc", timeout=20).add.remote(1, 2)
    found: list[int] = []
    caller = get_thread_registry().container.spawn(
        lambda _: found.append(ActorClient(resolver, "calc", timeout=20).add(3, 4)), "caller"
    )
    with serve(cluster):
        assert future.result(10) == 3
        assert caller.join(10)
        assert found == [7]
    resolver.close()


def test_nobody_by_the_deadline_is_an_error_that_says_so(resolver: ClusterResolver) -> None:
    with pytest.raises(ActorUnavailable, match=r"within 0\.3 s; last seen: nobody is registered as 'calc'"):
        ActorClient(resolver, "calc", timeout=0.3).add(1, 2)
    resolver.close()


def test_a_dead_controller_is_an_error_within_the_deadline(
    cluster: Cluster, resolver: ClusterResolver
) -> None:
    cluster.stop()
    with pytest.raises(ActorUnavailable, match=r"the resolver failed: .*cannot connect"):
        ActorClient(resolver, "calc", timeout=0.3).add(1, 2)
    resolver.close()


def test_a_wrong_token_at_the_controller_is_told_at_once(cluster: Cluster) -> None:
    from iris_api.credentials import new_token

    resolver = ClusterResolver(cluster.address, token=new_token())
    with pytest.raises(Refused, match="wrong token"):
        ActorClient(resolver, "calc", timeout=30).add(1, 2)
    resolver.close()


def test_a_displaced_endpoint_refuses_and_the_newer_one_is_found(cluster: Cluster) -> None:
    """The resolver remembers the old registration; a server with another uid took over its port."""
    resolver = ClusterResolver(cluster.address, job="root", token=cluster.token)
    calc = ActorClient(resolver, "calc", timeout=10)
    server = serve(cluster)
    port = int(server.address.rpartition(":")[2])
    assert calc.add(1, 1) == 2
    server.stop()
    newer = ActorServer(port=port)
    newer.register("calc", Calculator())
    with job_info_scope(cluster.job("root", "attempt-2")), newer:
        newer.serve_background()
        assert calc.add(2, 2) == 4
        assert calc.add.remote(3, 3).result(5) == 6
    resolver.close()


def test_a_call_of_another_endpoint_is_refused_unrun(cluster: Cluster) -> None:
    from iris_actor.http.transport import HttpTransport
    from iris_actor.payload import dump_arguments
    from iris_api.transport import Request

    with serve(cluster) as server:
        channel = HttpTransport().connect(server.address, cluster.token)
        head, _ = dump_arguments((1, 2), {}, "x")
        with pytest.raises(Refused, match="another endpoint") as caught:
            channel.call(Request("calc", "add", head, endpoint_uid="0000"))
        assert caught.value.code == "aborted"
        assert server._actors["calc"].actor.calls == []
        channel.close()


def test_a_watch_survives_a_restart_of_the_controller(cluster: Cluster, resolver: ClusterResolver) -> None:
    told: list[int] = []
    end = resolver.watch("calc", lambda endpoints: told.append(len(endpoints)))
    with serve(cluster):
        wait_for_condition(lambda: told == [0, 1])
        cluster.stop()
        cluster.start()
        wait_for_condition(lambda: told == [0, 1, 0])
    end()
    resolver.close()


def test_a_controller_that_forgot_is_told_again(cluster: Cluster) -> None:
    registry = EndpointRegistry.of_job(cluster.job())
    uid = registry.register("calc", "localhost:80", {"zone": "a"})
    cluster.service.table.clear()
    registry.renew([uid])
    (endpoint,) = cluster.service.table.values()
    assert (endpoint.name, endpoint.address, endpoint.uid) == ("/root/calc", "http://localhost:80", uid)
    registry.close()
    assert cluster.names() == []


def test_unregister_takes_a_name_or_a_uid(cluster: Cluster) -> None:
    registry = EndpointRegistry.of_job(cluster.job())
    registry.register("a", "localhost:1")
    uid = registry.register("b", "localhost:2")
    registry.unregister("a")
    assert cluster.names() == ["/root/b"]
    registry.unregister(uid)
    registry.unregister("never")
    assert cluster.names() == []
    registry.close()


def test_a_registration_that_the_controller_refuses_is_an_error_and_stops_the_server(
    cluster: Cluster,
) -> None:
    cluster.stop()
    info = cluster.job()
    cluster.token = info.token  # type: ignore[assignment]
    cluster.start()
    from iris_api.credentials import new_token

    stranger = JobInfo(
        job_id=info.job_id, attempt_uid="x", controller_address=cluster.address, token=new_token()
    )
    server = ActorServer()
    server.register("calc", Calculator())
    with job_info_scope(stranger), pytest.raises(TransportError, match="wrong token"):
        server.serve_background()
    assert "not up" in repr(server)
    assert not [t for t in threading.enumerate() if t.name.startswith("actor-")]


@pytest.mark.parametrize("address", ["", "localhost", "http://", "localhost:http", ":80"])
def test_a_bad_address_is_refused(cluster: Cluster, address: str) -> None:
    registry = EndpointRegistry(cluster.address, token=cluster.token)
    with pytest.raises(InvalidSpec, match="host:port"):
        registry.register("calc", address)
    registry.close()


def test_a_job_without_a_controller_has_no_registry() -> None:
    with pytest.raises(NotInJob, match="no controller"):
        EndpointRegistry.of_job(JobInfo(job_id="a", attempt_uid="b"))


def test_a_resolver_travels_without_its_token(cluster: Cluster, resolver: ClusterResolver) -> None:
    data = pickle.dumps(resolver)
    assert cluster.token.reveal().encode() not in data
    with job_info_scope(cluster.job("elsewhere")):
        twin = pickle.loads(data)
    assert (twin.address, twin.namespace, twin.token) == (resolver.address, "root", cluster.token)
    twin.close()
    resolver.close()
