"""As much of the Docker Engine's API as a keeper needs. Standard library only, and imported when needed."""

import http.client
import json
import socket
from urllib.parse import quote, urlencode, urlsplit

_TIMEOUT = 5.0  # seconds
_AT_ONCE = 20
_ALIVE = ("running", "paused", "restarting")


class DaemonError(Exception):
    """It is away, or cannot do what it was asked."""


class Daemon:
    """That at this URL: ``unix:///path``, ``tcp://host:port`` or ``http://host:port``."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)

    def containers(self, label: str) -> dict[str, bool]:
        """The ids of all that have this label, and whether they run. Raises DaemonError."""
        query = urlencode({"all": "1", "filters": json.dumps({"label": [label]})})
        ((status, body),) = self._ask("GET", [f"/containers/json?{query}"])
        try:
            if status == http.HTTPStatus.OK:
                return {one["Id"]: one["State"] in _ALIVE for one in json.loads(body)}
        except (KeyError, TypeError, ValueError):
            pass  # it is something else that listens there
        raise DaemonError(f"{status}: {body[:500].decode(errors='replace').strip()}")

    def terminate(self, ids: list[str]) -> None:
        """Send SIGTERM. One that has ended is fine, as is one that will not: it is removed later."""
        self._ask("POST", [f"/containers/{quote(one)}/kill?signal=SIGTERM" for one in ids])

    def remove(self, ids: list[str]) -> None:
        """Kill and remove, with the volumes of their own. One that is gone is fine. Raises DaemonError."""
        for status, body in self._ask("DELETE", [f"/containers/{quote(one)}?v=1&force=1" for one in ids]):
            if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
                raise DaemonError(f"{status}: {body[:500].decode(errors='replace').strip()}")

    def _ask(self, method: str, paths: list[str]) -> "list[tuple[int, bytes]]":
        """Ask all of these at once: one after another twenty containers would take seconds."""
        answers = []
        for first in range(0, len(paths), _AT_ONCE):
            connections = []
            try:
                for path in paths[first : first + _AT_ONCE]:
                    connections.append(self._connection())
                    connections[-1].request(method, path)
                for connection in connections:
                    response = connection.getresponse()
                    answers.append((response.status, response.read()))
            except (OSError, http.client.HTTPException) as error:
                raise DaemonError(str(error) or type(error).__name__) from error
            finally:
                for connection in connections:
                    connection.close()
        return answers

    def _connection(self) -> http.client.HTTPConnection:
        if self._url.scheme == "unix":
            return _UnixConnection(self._url.path)
        return http.client.HTTPConnection(self._url.hostname or "", self._url.port, timeout=_TIMEOUT)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
