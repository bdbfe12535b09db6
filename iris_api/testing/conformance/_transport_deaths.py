"""What ends under way: connections that are cut, and listeners in another process, which is killed."""

from __future__ import annotations

import os
from collections.abc import Callable

from iris_api.errors import DeadlineExceeded, Lost, NotSent
from iris_api.testing.conformance._served import Caller, Connect, Elsewhere, Service, both_ways, request
from iris_api.testing.conformance.base import needs
from iris_api.testing.relay import relay_to
from iris_api.testing.waiting import wait_for_condition
from iris_api.threads import ThreadContainer
from iris_api.transport import Listener

__all__ = ["DeathRules"]


class DeathRules:
    @needs("sockets")
    @both_ways
    def test_cut_during(
        self, listener: Listener, connect: Connect, caller: Caller, service: Service, host: str, way: str
    ) -> None:
        """A call whose connection is cut while it runs is Lost at once, and is not sent again, although the
        listener is there; the next call reaches it over the same channel."""
        with ThreadContainer("conformance") as threads, relay_to(host, listener.port, threads) as relay:
            scheme, _, _ = listener.address.partition("://")
            channel = connect(f"{scheme}://127.0.0.1:{relay.port}")
            call = caller.begin(way, channel, request("wait"))
            service.begun()
            relay.reset_all()
            wait_for_condition(lambda: call.done() or service.count("wait") > 1, caller.prompt)
            assert service.count("wait") == 1, "it was sent again"
            error = call.exception(caller.prompt)
            assert isinstance(error, Lost), f"it ended with {error!r}"
            assert not isinstance(error, DeadlineExceeded)
            assert bytes(caller.do(way, channel, request("echo", b"next")).head) == b"next"
            assert service.count("wait") == 1, "it was sent again"

    @needs("processes")
    @both_ways
    def test_other_process(self, elsewhere: Elsewhere, connect: Connect, caller: Caller, way: str) -> None:
        """A listener in another process is reached, and sent bytes and buffers come back unchanged."""
        channel = connect(elsewhere.address)
        assert int(caller.do(way, channel, request("pid")).head) != os.getpid()
        sent = [b"", b"a", os.urandom(1024 * 1024)]
        reply = caller.do(way, channel, request("echo", b"head", tuple(map(memoryview, sent))))
        assert bytes(reply.head) == b"head"
        assert [bytes(buffer) for buffer in reply.buffers] == sent

    @needs("processes")
    @both_ways
    def test_killed_before(self, elsewhere: Elsewhere, connect: Connect, caller: Caller, way: str) -> None:
        """A call to a server that was killed before it is NotSent, and ends at once."""
        channel = connect(elsewhere.address)
        elsewhere.kill()
        error = caller.begin(way, channel, request("echo")).exception(caller.prompt)
        assert isinstance(error, NotSent), f"it ended with {error!r}"

    @needs("processes")
    @both_ways
    def test_killed_during(self, elsewhere: Elsewhere, connect: Connect, caller: Caller, way: str) -> None:
        """A call whose server is killed while it runs is Lost at once, not at its deadline, and ran once."""
        call = caller.begin(way, connect(elsewhere.address), request("hang", timeout=60.0))
        wait_for_condition(elsewhere.marks)
        elsewhere.kill()
        error = call.exception(caller.prompt)
        assert isinstance(error, Lost), f"it ended with {error!r}"
        assert not isinstance(error, DeadlineExceeded)
        assert elsewhere.marks() == 1

    @needs("processes")
    @both_ways
    def test_killed_after(
        self,
        start_elsewhere: Callable[..., Elsewhere],
        connect: Connect,
        caller: Caller,
        way: str,
    ) -> None:
        """A reply stays when its server is killed after it; the next call ends at once, without a deadline,
        and the next server at the address is reached over the same channel."""
        first = start_elsewhere()
        channel = connect(first.address)
        future = caller.begin(way, channel, request("pid"))
        assert int(future.result(caller.prompt).head) == first.pid
        first.kill()
        error = caller.begin(way, channel, request("echo")).exception(caller.prompt)
        assert isinstance(error, NotSent | Lost), f"it ended with {error!r}"
        assert not isinstance(error, DeadlineExceeded)
        assert int(future.result(0).head) == first.pid
        other = start_elsewhere(first.port)
        assert int(caller.do(way, channel, request("pid")).head) == other.pid
