"""Who sends a request.

The Jupyter server's own token, or Jupyter's identity (login cookie, JupyterHub), makes the owner of the
server, or, where ``users_by_name`` is set, the catalog's user of that name. An API token makes its user.
Any other token may be a sharing token: who holds it is anonymous but for one dataset. Tokens come in
``X-Auth-Token``, ``Authorization: token …``, ``?token=`` or ``?sharingToken=``. Everybody else is
anonymous, which is a principal too: public datasets are theirs to see.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from jupyter_core.utils import ensure_async
from jupyter_server.auth import AllowAllAuthorizer, IdentityProvider, User
from jupyter_server.auth.identity import PasswordIdentityProvider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_server.base.handlers import JupyterHandler

    from wk_jupyter.server_ext.services import Services
    from wk_jupyter.store.access import Principal
    from wk_jupyter.store.authentication import Authentication

RESOURCE: Final = "wk_jupyter"
"""The name by which Jupyter's authorizers know this extension."""

_AUTHORIZATION: Final = re.compile(r"(?:token|bearer)\s+(.+)", re.IGNORECASE)
_READING_METHODS: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class Identity:
    """What a request shows of itself.

    ``user`` is Jupyter's; None: she did not come through Jupyter. ``by_token``: nothing that a browser
    sends by itself. ``tokens`` are those that are not Jupyter's, the most telling first.
    """

    user: User | None
    by_token: bool = False
    tokens: tuple[str, ...] = ()

    @property
    def is_by_cookie(self) -> bool:
        return self.user is not None and not self.by_token


ANONYMOUS: Final = Identity(user=None)
_TOKEN_HOLDER: Final = Identity(user=User("owner", name="owner"), by_token=True)


async def principal_of(identity: Identity, services: Services) -> Principal:
    """Tell on whose behalf the store is asked. From memory in the usual case."""
    known = (await services.store()).authentication
    if identity.user is not None and (identity is _TOKEN_HOLDER or not services.users_by_name):
        return await _found(known, services, known.key_of_name(services.owner_name), services.owner_name)
    if identity.user is not None:
        name = identity.user.username
        return await _found(known, services, known.key_of_name(name), name)
    return await _of_tokens(identity.tokens, known, services)


async def _of_tokens(tokens: tuple[str, ...], known: Authentication, services: Services) -> Principal:
    from wk_jupyter.store.access import ANONYMOUS as NOBODY  # noqa: PLC0415 - loaded with the store

    principal, sharing = NOBODY, ""
    for token in tokens:
        if not known.is_token(token):
            sharing = sharing or token
        elif not principal.is_signed_in:
            principal = await _found(known, services, known.key_of_token(token), token)
    return replace(principal, sharing_token=sharing) if sharing else principal


async def _found(known: Authentication, services: Services, key: str, text: str) -> Principal:
    from wk_jupyter.store.access import ANONYMOUS as NOBODY  # noqa: PLC0415 - loaded with the store

    remembered = known.cached(key)
    if remembered is not None:
        return remembered.principal or NOBODY
    ask = known.of_name if key.startswith("name:") else known.of_token
    return await services.run(ask, text) or NOBODY


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
        tokens = tuple(_offered(handler))
        return Identity(user=None, by_token=True, tokens=tokens) if tokens else ANONYMOUS
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
    return any(hmac.compare_digest(text.encode("utf-8", "replace"), expected) for text in _offered(handler))


def _offered(handler: JupyterHandler) -> Iterator[str]:
    """Every token that the request carries."""
    headers, arguments = handler.request.headers, handler.request.query_arguments
    if text := headers.get("X-Auth-Token"):
        yield text
    if match := _AUTHORIZATION.match(headers.get("Authorization", "")):
        yield match[1]
    for name in ("token", "sharingToken"):
        if arguments and name in arguments and (text := handler.get_query_argument(name)):
            yield text


def _hand_token_to_jupyter(handler: JupyterHandler) -> None:
    """Let the identity provider see the official client's header as one that it knows."""
    headers = handler.request.headers
    if token := headers.get("X-Auth-Token"):
        headers["Authorization"] = f"token {token}"
