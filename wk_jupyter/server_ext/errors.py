"""From an exception to a reply: one table, one JSON shape."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import msgspec
from tornado.web import HTTPError

from wk_jupyter import errors
from wk_jupyter.api.models import Message, Messages

STATUS: Final[dict[type[errors.WkError], HTTPStatus]] = {
    errors.WkError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.InvalidInput: HTTPStatus.BAD_REQUEST,
    errors.TooLarge: HTTPStatus.BAD_REQUEST,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    # Never 401: it would make browsers and the Jupyter pages ask for a login.
    errors.Unauthorized: HTTPStatus.FORBIDDEN,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.Conflict: HTTPStatus.CONFLICT,
    # Not in the 500s: tensorstore and others would ask again and again for what stays broken.
    errors.InvalidDataSource: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.CorruptData: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UnsupportedFormat: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.Unreachable: HTTPStatus.BAD_GATEWAY,
}

_LONGEST: Final = 2000  # characters of a message

UNEXPECTED: Final = Message(
    error="The server failed to answer this request.",
    hint="The server's log has the details; please report them.",
    code="internal_error",
)

_HTTP_MESSAGES: Final = {
    HTTPStatus.FORBIDDEN: Message(
        error="This request is not allowed.",
        hint="Sign in, or send the server's token in the header X-Auth-Token.",
        code="forbidden",
    ),
    HTTPStatus.NOT_FOUND: Message(
        error="There is nothing at this address.",
        hint="api/openapi.json lists all addresses.",
        code="not_found",
    ),
    HTTPStatus.METHOD_NOT_ALLOWED: Message(
        error="This address does not take this method.",
        hint="The header Allow and api/openapi.json name the methods.",
        code="method_not_allowed",
    ),
    HTTPStatus.TOO_MANY_REQUESTS: Message(
        error="You have as many streams of events open as one may have.",
        hint="Close other pages of this server.",
        code="too_many_streams",
    ),
}


def status_of(error: BaseException) -> HTTPStatus:
    """The HTTP status of an exception; the nearest class in the table counts."""
    if isinstance(error, HTTPError):
        return HTTPStatus(error.status_code)
    for cls in type(error).__mro__:
        if cls in STATUS:
            return STATUS[cls]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def body_of(error: BaseException | None, status: int, tell: Callable[[str], str]) -> bytes:
    """The JSON body of an error reply; ``tell`` leaves out of a text what the client may not know.

    Nothing of an unexpected exception is told to anybody.
    """
    return msgspec.json.encode(Messages(messages=[_message(error, status, tell)]))


def _message(error: BaseException | None, status: int, tell: Callable[[str], str]) -> Message:
    if isinstance(error, errors.WkError):
        return Message(
            error=_clipped(tell(error.message)),
            hint=_clipped(tell(error.hint)),
            code=error.code,
            changed=error.details.get("changed", msgspec.UNSET),
        )
    if status in _HTTP_MESSAGES:
        return _HTTP_MESSAGES[HTTPStatus(status)]
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return Message(error=HTTPStatus(status).description or HTTPStatus(status).phrase, code="bad_request")
    return UNEXPECTED


def _clipped(text: str) -> str:
    """What a client sent may be long, and stands in the message."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
