"""Everything that can go wrong, as one tree; each class has a stable ``code`` for programs.

WkError
├── InvalidInput            a caller's value is wrong: the field is named
│   ├── InvalidDataSource   a ``datasource-properties.json`` cannot be used
│   ├── TooLarge            an answer would be over a limit
│   └── UnknownOption (TypeError)   a keyword that does not exist
├── NotFound (LookupError)
│   ├── DatasetNotFound
│   ├── LayerNotFound
│   └── MagNotFound
├── Unauthorized            nobody is signed in, or the token is not accepted
├── Forbidden               signed in, but may not do this
├── Conflict                somebody else changed it meanwhile
├── CorruptData             stored voxels or headers cannot be decoded: the file is named
├── UnsupportedFormat       well-formed, but not a thing that we read
└── Unreachable (ConnectionError)   a server or a remote does not answer
"""

from __future__ import annotations

from typing import Any, ClassVar


class WkError(Exception):
    """Base of all errors that are meant for the user.

    ``message`` says what is wrong and names the file or field, ``hint`` says what to do next,
    ``details`` carry the same as data (never secrets).
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str = "", **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()

    def _render_traceback_(self) -> list[str]:
        """Shown by IPython in place of a traceback: a user's mistake needs a sentence, not a stack."""
        lines = [f"{type(self).__name__}: {self.message}"]
        if self.hint:
            lines.append(f"→ {self.hint}")
        return lines


class InvalidInput(WkError, ValueError):
    code = "invalid_input"


class InvalidDataSource(InvalidInput):
    """``field`` is a JSON path such as ``dataLayers[0].boundingBox.width``; ``path`` the file."""

    code = "invalid_data_source"

    def __init__(self, message: str, *, field: str = "", path: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint, field=field, path=path)
        self.field = field
        self.path = path


class TooLarge(InvalidInput):
    code = "too_large"


class UnknownOption(InvalidInput, TypeError):
    code = "unknown_option"


class NotFound(WkError, LookupError):
    code = "not_found"


class DatasetNotFound(NotFound):
    code = "dataset_not_found"


class LayerNotFound(NotFound):
    code = "layer_not_found"


class MagNotFound(NotFound):
    code = "mag_not_found"


class Unauthorized(WkError):
    code = "unauthorized"


class Forbidden(WkError):
    code = "forbidden"


class Conflict(WkError):
    code = "conflict"


class CorruptData(WkError):
    """``path`` is the file whose bytes are wrong."""

    code = "corrupt_data"

    def __init__(self, message: str, *, path: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint, path=path)
        self.path = path


class UnsupportedFormat(WkError):
    code = "unsupported_format"


class Unreachable(WkError, ConnectionError):
    code = "unreachable"
