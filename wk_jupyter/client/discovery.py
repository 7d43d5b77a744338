"""Finding the server and its token: what is said, else the Jupyter server that this kernel belongs to."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

from wk_jupyter.errors import InvalidInput, Unreachable

_KNOWN_PATHS = re.compile(r"/(lab|tree|notebooks|doc|voila|nbclassic|api|data|datasets)(/|$).*")


@dataclass(frozen=True)
class Endpoint:
    """A server's address, which ends with ``wk/``, and the token that it takes."""

    url: str
    token: str | None = field(default=None, repr=False)
    is_own: bool = False  # the Jupyter server that this kernel runs in


def find_endpoint(url: str | None = None, token: str | None = None) -> Endpoint:
    """Return where to connect. Raises Unreachable, saying what to do, where nothing is found."""
    if url is not None:
        address, in_url = normalise(url)
        return Endpoint(address, token or in_url or _token_for(address) or os.environ.get("WK_JUPYTER_TOKEN"))
    told = os.environ.get("WK_JUPYTER_URL")
    running = _own_server()
    if told is None and running is None:
        raise Unreachable(
            "no server is known: this process was not started by a Jupyter server with wk_jupyter.",
            hint='Name one: wk.connect("http://localhost:8888/", token="…").',
        )
    address, in_url = normalise(told or f"{running['url']}wk/" if running else told or "")
    found = token or in_url or os.environ.get("WK_JUPYTER_TOKEN") or (running or {}).get("token")
    return Endpoint(address, found or os.environ.get("JUPYTERHUB_API_TOKEN"), is_own=running is not None)


def normalise(url: str) -> tuple[str, str | None]:
    """Return the address of the extension below a Jupyter server, and the token that stands in the URL.

    Takes the address of the server, of a page on it, or of the extension itself. Raises InvalidInput.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInput(
            f"{redacted(url)!r} is not the address of a server.", hint="It begins with http:// or https://."
        )
    tokens = parse_qs(parts.query).get("token")
    path = parts.path
    before, wk, _ = path.partition("/wk/") if "/wk/" in path else (path.removesuffix("/wk"), "", "")
    if not wk:
        before = _KNOWN_PATHS.sub("", before)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, f"{before.rstrip('/')}/wk/", "", "")), tokens[
        0
    ] if tokens else None


def redacted(url: str) -> str:
    """Return an address that may be shown: without its query and password."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _own_server() -> dict[str, Any] | None:
    """The Jupyter server that started this kernel, by its process id."""
    parent = os.environ.get("JPY_PARENT_PID")
    if parent is None:
        return None
    return next((server for server in _running_servers() if str(server.get("pid")) == parent), None)


def _token_for(address: str) -> str | None:
    """The token of a server on this machine, for its own user, who could read it from the same files."""
    for server in _running_servers():
        if normalise(server["url"])[0] == address:
            token: str | None = server.get("token")
            return token
    return None


def _running_servers() -> list[dict[str, Any]]:
    try:
        from jupyter_server.serverapp import list_running_servers  # noqa: PLC0415 loads tornado
    except ImportError:
        return []
    return list(list_running_servers())
