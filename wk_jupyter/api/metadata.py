"""Metadata of datasets and folders as it goes over the wire."""

from __future__ import annotations

from typing import Literal

from wk_jupyter.api.wire import Wire


class MetadataEntry(Wire):
    """``value`` is what ``type`` says; keys occur once."""

    key: str
    type: Literal["string", "number", "string[]"]
    value: str | int | float | list[str]
