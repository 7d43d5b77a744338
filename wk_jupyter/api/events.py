"""What happened, as it goes over the wire as server-sent events."""

from __future__ import annotations

from typing import Literal

from wk_jupyter.api.wire import Wire


class Event(Wire):
    """The data of an event ``<noun>.<kind>``, such as ``dataset.changed``; its id is a growing number.

    ``id`` null: many of the noun, of which one may see some. Whoever gains or loses sight of something is
    told that it was added or removed. Where one's own user changed, all that one sees may be another. An
    event ``reset``, whose data is ``{}``, says that what happened in between is not known: read all anew.
    """

    noun: Literal["dataset", "folder", "team", "user", "job"]
    kind: Literal["added", "changed", "removed"]
    id: str | None


class EventsQuery(Wire):
    """``since``: the id of the last event that one knows, as the header Last-Event-ID, which wins."""

    since: int | None = None
