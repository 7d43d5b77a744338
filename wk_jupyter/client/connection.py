"""Requests to a server: its version, its errors as ours, the token in a header and nowhere else."""

from __future__ import annotations

import threading
from typing import Any, Final

import httpx
import msgspec

from wk_jupyter import errors
from wk_jupyter.client.discovery import Endpoint, find_endpoint

OLDEST_API: Final = 13
NEWEST_API: Final = 16
_DATA_API: Final = 15
_CONNECT_SECONDS: Final = 10.0
_READ_SECONDS: Final = 300.0
_TRIES: Final = 3
_BY_CODE: Final = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.WkError) and kind is not errors.WkError
}
_BY_STATUS: Final = {
    401: errors.Unauthorized,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
}


class Connection:
    """One server, reached with one token. Thread-safe."""

    def __init__(self, endpoint: Endpoint) -> None:
        headers = {"X-Auth-Token": endpoint.token} if endpoint.token else {}
        self.endpoint = endpoint
        self.url = endpoint.url
        self.version = NEWEST_API
        self._http = httpx.Client(
            base_url=endpoint.url,
            headers=headers,
            timeout=httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=8),
            follow_redirects=False,
        )
        self._health: dict[str, Any] | None = None
        self._negotiate()

    def get(self, path: str, **params: Any) -> Any:
        """Return the JSON at ``api/vN/<path>``. Raises what the server says, as our own errors."""
        return self.api("GET", path, params=params)

    def api(self, method: str, path: str, *, params: dict[str, Any] | None = None, body: Any = None) -> Any:
        answer = self.request(method, f"api/v{self.version}/{path}", params=params, json=body)
        return msgspec.json.decode(answer.content) if answer.content else None

    def listed(self, path: str, **params: Any) -> tuple[Any, int]:
        """Return a page of a list with all fields, and how many entries there are in all."""
        # Version 16 lists no more than names; 15 is the newest that tells all.
        answer = self.request("GET", f"api/v{min(self.version, 15)}/{path}", params=params)
        return msgspec.json.decode(answer.content), int(answer.headers.get("X-Total-Count", 0))

    def data(self, path: str, **params: Any) -> bytes:
        """Return the bytes at ``data/vN/<path>``."""
        return self.request("GET", f"data/v{_DATA_API}/{path}", params=params).content

    def post_for_bytes(self, path: str, body: Any) -> bytearray:
        """Return what is answered at ``path``, put together once: for megabytes of voxels."""
        whole = bytearray()
        try:
            with self._http.stream("POST", path, json=body) as answer:
                if not answer.is_success:
                    answer.read()
                    raise _error_of(answer)
                for part in answer.iter_bytes():
                    whole += part
        except httpx.TransportError as error:
            raise self._unreachable(error) from None
        return whole

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        params = options.pop("params", None) or {}
        options["params"] = {key: _text(value) for key, value in params.items() if value is not None}
        tries = _TRIES if method == "GET" else 1
        for attempt in range(1, tries + 1):
            try:
                answer = self._http.request(method, path, **options)
                break
            except UnicodeEncodeError as error:
                wrong = error.object[error.start : error.end]
                raise errors.InvalidInput(f"the text holds {wrong!r}, which no Unicode text has.") from None
            except httpx.TransportError as error:
                if attempt == tries:
                    raise self._unreachable(error) from None
        if answer.is_success:
            return answer
        raise _error_of(answer)

    @property
    def health(self) -> dict[str, Any]:
        """What the server tells of itself, asked once."""
        if self._health is None:
            found = self.get("health")
            self._health = found if isinstance(found, dict) else {}
        return self._health

    def close(self) -> None:
        self._http.close()

    def __repr__(self) -> str:
        return f"<Connection to {self.url}>"

    def _negotiate(self) -> None:
        info = msgspec.json.decode(self.request("GET", "api/buildinfo").content)
        versions = info.get("httpApiVersioning", {})
        newest, oldest = versions.get("currentApiVersion", 0), versions.get("oldestSupportedApiVersion", 0)
        if newest < OLDEST_API or oldest > NEWEST_API:
            raise errors.Unreachable(
                f"{self.url} speaks versions {oldest} to {newest}, this client {OLDEST_API} to {NEWEST_API}.",
                hint="Upgrade the older of the two.",
            )
        self.version = min(newest, NEWEST_API)

    def _unreachable(self, error: httpx.TransportError) -> errors.Unreachable:
        kind = "takes too long to answer" if isinstance(error, httpx.TimeoutException) else "does not answer"
        return errors.Unreachable(
            f"{self.url} {kind} ({type(error).__name__}).",
            hint="Is the server running, and wk_jupyter enabled there?",
        )


_lock = threading.Lock()
_default: Connection | None = None


def connect(url: str | None = None, token: str | None = None) -> Connection:
    """Connect to a server and use it from now on; by default the one that this kernel belongs to.

    ``url`` is the address of a Jupyter server with wk_jupyter, or of a page on it. Without ``token`` that
    of ``url``, of ``WK_JUPYTER_TOKEN`` or of a server of one's own on this machine is used.
    Raises Unreachable.
    """
    global _default  # noqa: PLW0603 one connection is current, as one notebook has one server
    connection = Connection(find_endpoint(url, token))
    with _lock:
        _default = connection
    return connection


def current() -> Connection:
    """Return the connection in use, made when this is first asked."""
    return _default or connect()


def _text(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _error_of(answer: httpx.Response) -> errors.WkError:
    try:
        message = msgspec.json.decode(answer.content)["messages"][0]
        text, hint, code = message["error"], message.get("hint", ""), message.get("code", "")
        details = {"changed": message["changed"]} if "changed" in message else {}
    except (msgspec.DecodeError, LookupError, TypeError, AttributeError):
        text, hint, code = f"the server answered {answer.status_code} {answer.reason_phrase}.", "", ""
        details = {}
        if 300 <= answer.status_code < 400:
            hint = "It redirects, as login pages do: is the token right?"
    kind = _BY_CODE.get(code) or _BY_STATUS.get(answer.status_code, errors.WkError)
    return kind(text, hint=hint, **details)
