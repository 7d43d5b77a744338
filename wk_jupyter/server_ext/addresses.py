"""The address by which a client reaches this server, which a reverse proxy may have changed on the way."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tornado.httputil import HTTPServerRequest

_HOST: Final = re.compile(r"([\w.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?", re.ASCII)
_PREFIX: Final = re.compile(r"(/[\w.~%@+:-]+)+", re.ASCII)


def outer_address(request: HTTPServerRequest, base_url: str, *, trusts_proxies: bool) -> str:
    """Scheme, host and path of Jupyter's ``base_url`` as the client has them, with a slash at the end.

    Where proxies are trusted (``ServerApp.trust_xheaders``, as under JupyterHub), ``X-Forwarded-Proto``
    (or ``X-Scheme``), ``-Host`` and ``-Prefix`` count. Of several values the first is the outermost
    proxy's, which the client talks to; a lie in them comes back to the liar alone. The prefix is what a
    proxy took away: where it stands before ``base_url`` already, it is not put there again.
    """
    if not trusts_proxies:
        return f"{request.protocol}://{request.host}{base_url}"
    headers = request.headers
    scheme = _first(headers.get("X-Scheme") or headers.get("X-Forwarded-Proto", ""))
    host, prefix = _first(headers.get("X-Forwarded-Host", "")), _first(headers.get("X-Forwarded-Prefix", ""))
    prefix = prefix.rstrip("/")
    if not _PREFIX.fullmatch(prefix) or base_url.startswith(f"{prefix}/"):
        prefix = ""
    return "".join(
        (
            scheme if scheme in ("http", "https") else request.protocol,
            "://",
            host if _HOST.fullmatch(host) else request.host,
            prefix,
            base_url,
        )
    )


def _first(values: str) -> str:
    return values.split(",", maxsplit=1)[0].strip()
