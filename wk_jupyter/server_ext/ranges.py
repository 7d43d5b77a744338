"""``Range: bytes=…`` of a request."""

from __future__ import annotations

import re
from typing import Final

from tornado.web import HTTPError

_ONE_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class Unsatisfiable(HTTPError):
    """The range begins after the end of the content, which has ``size`` bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(416)
        self.size = size


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the first byte and the one after the last, or None for the whole content.

    What is not one well-formed range is ignored, as the standard allows. ``bytes=-N`` are the last N.
    Raises Unsatisfiable.
    """
    match = _ONE_RANGE.fullmatch((header or "").strip().replace(" ", ""))
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        length = min(int(match[2]), size)
        if length == 0:
            raise Unsatisfiable(size)
        return size - length, size
    start = int(match[1])
    end = min(int(match[2]) + 1, size) if match[2] else size
    if match[2] and int(match[2]) < start:
        return None
    if start >= size:
        raise Unsatisfiable(size)
    return start, end
