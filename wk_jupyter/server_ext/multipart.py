"""A form with one file that is read as it comes: fields first, then the file, never all of it in memory."""

from __future__ import annotations

from collections.abc import Callable
from email.message import Message
from typing import Final

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError

from wk_jupyter.errors import InvalidInput

_MAX_FIELDS: Final = 64
_MAX_FIELD_BYTES: Final = 2**16


class FormReader:
    """Feed it with ``feed``; it returns what came of the file since the last time.

    ``fields`` are complete when ``file_begun`` is true.
    """

    def __init__(self, content_type: str) -> None:
        told = Message()
        told["Content-Type"] = content_type
        boundary = told.get_param("boundary")
        if told.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
            raise InvalidInput("the body is no multipart/form-data.")
        self.fields: dict[str, str] = {}
        self.file_begun = False
        self.is_over = False
        self._name = ""
        self._is_file = False
        self._header = b""
        self._headers: dict[str, str] = {}
        self._value = bytearray()
        self._pieces: list[bytes] = []
        on: dict[str, Callable[..., None]] = {
            "on_part_begin": self._begin_part,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._data,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(boundary.encode("latin-1"), on)  # type: ignore[arg-type]
        except (FormParserError, UnicodeEncodeError) as error:
            raise InvalidInput(f"the form cannot be read: {error}.") from None

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes of the body. Returns those of the file. Raises InvalidInput."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise InvalidInput(f"the form cannot be read: {error}.") from None
        pieces, self._pieces = self._pieces, []
        return pieces

    def _begin_part(self) -> None:
        self._headers = {}
        self._header = b""
        self._value.clear()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        name = self._header.decode("latin-1").lower()
        if name not in self._headers and len(self._headers) >= _MAX_FIELDS:
            raise InvalidInput("the form has too many headers.")
        self._headers[name] = self._headers.get(name, "") + data[start:end].decode("utf-8", "replace")
        if len(self._headers[name]) > _MAX_FIELD_BYTES:
            raise InvalidInput("a header of the form is too long.")

    def _end_header(self) -> None:
        self._header = b""

    def _end_headers(self) -> None:
        told = Message()
        told["Content-Disposition"] = self._headers.get("content-disposition", "")
        name = told.get_param("name", header="Content-Disposition")
        self._name = name if isinstance(name, str) else ""
        self._is_file = self._name == "file"
        if self._is_file:
            self.file_begun = True
        elif self.file_begun:
            raise InvalidInput(
                f"the field {self._name[:40]!r} comes after the file.", hint="Send fields first."
            )
        elif len(self.fields) >= _MAX_FIELDS:
            raise InvalidInput("the form has too many fields.")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._pieces.append(data[start:end])
            return
        self._value += data[start:end]
        if len(self._value) > _MAX_FIELD_BYTES:
            raise InvalidInput(f"the field {self._name[:40]!r} is too long.")

    def _end_part(self) -> None:
        if not self._is_file:
            self.fields[self._name] = self._value.decode("utf-8", "replace")
        self._is_file = False

    def _end(self) -> None:
        self.is_over = True
