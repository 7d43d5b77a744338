"""Who sends a request.

The server's own token, in ``X-Auth-Token``, ``Authorization: token …`` or ``?token=``, or Jupyter's
identity (login cookie, JupyterHub) makes the owner. Everybody else is anonymous, which is a principal
too: public datasets are theirs to see. Nothing is remembered between requests, so a token that is
changed or a login that ends counts at once.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jupyter_core.utils import ensure_async
from jupyter_server.auth import AllowAllAuthorizer, IdentityProvider, User
from jupyter_server.auth.identity import PasswordIdentityProvider

if TYPE_CHECKING:
    from jupyter_server.base.handlers import JupyterHandler

RESOURCE: Final = "wk_jupyter"
"""The name by which Jupyter's authorizers know this extension."""

_AUTHORIZATION: Final = re.compile(r"(?:token|bearer)\s+(.+)", re.IGNORECASE)
_READING_METHODS: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class Identity:
    """``user`` is None for the anonymous. ``by_token``: nothing that a browser sends by itself."""

    user: User | None
    by_token: bool = False

    @property
    def is_owner(self) -> bool:
        return self.user is not None


ANONYMOUS: Final = Identity(user=None)
_TOKEN_HOLDER: Final = Identity(user=User("owner", name="owner"), by_token=True)


async def identify(handler: JupyterHandler) -> Identity:
    """Tell who sends the request, asking Jupyter's identity provider where its token does not settle it."""
    provider = handler.identity_provider
    if _is_stock(handler) and _holds_token(handler, provider.token):
        handler.current_user = handler._jupyter_current_user = _TOKEN_HOLDER.user  # noqa: SLF001
        # What Jupyter's origin and XSRF checks ask for.
        setattr(handler, "_token_authenticated", True)  # noqa: B010 - not declared in its class
        return _TOKEN_HOLDER
    _hand_token_to_jupyter(handler)
    user = await ensure_async(provider.get_user(handler))
    handler.current_user = handler._jupyter_current_user = user  # noqa: SLF001 - as Jupyter's own prepare does
    if user is None:
        return ANONYMOUS
    action = "read" if handler.request.method in _READING_METHODS else "write"
    if not await ensure_async(handler.authorizer.is_authorized(handler, user, action, RESOURCE)):
        return ANONYMOUS
    return Identity(user=user, by_token=handler.token_authenticated)


def _is_stock(handler: JupyterHandler) -> bool:
    """Whether nobody configured another notion of who may do what than Jupyter's token and password.

    The short way then saves what Jupyter does on each token request: making up a user name and
    signing it into a cookie that scripts throw away.
    """
    return (
        type(handler.identity_provider) in (IdentityProvider, PasswordIdentityProvider)
        and type(handler.authorizer) is AllowAllAuthorizer
    )


def _holds_token(handler: JupyterHandler, token: str) -> bool:
    if not token:
        return False
    expected = token.encode()
    headers = handler.request.headers
    offered = [headers.get("X-Auth-Token", "")]
    if match := _AUTHORIZATION.match(headers.get("Authorization", "")):
        offered.append(match[1])
    if "token" in handler.request.query_arguments:
        offered.append(handler.get_query_argument("token"))
    return any(hmac.compare_digest(text.encode(), expected) for text in offered)


def _hand_token_to_jupyter(handler: JupyterHandler) -> None:
    """Let the identity provider see the official client's header as one that it knows."""
    headers = handler.request.headers
    if token := headers.get("X-Auth-Token"):
        headers["Authorization"] = f"token {token}"
