"""Readers of uploaded image files: one module a format, found by its first bytes and its suffix."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from wk_jupyter.errors import InvalidInput, UnsupportedFormat
from wk_jupyter.store.readers.base import Image, ImageFile, ImageRef, Reader

# Name and module. Asked in this order; formats without magic bytes come last.
_MODULES: Final = {
    "dicom": "dicom",  # before TIFF, whose magic its first 128 bytes may hold
    "tiff": "tiff",
    "picture": "pictures",
    "array": "arrays",
    "nifti": "nifti",
    "dm": "dm",
    "czi": "czi",
    "hdf5": "hdf5",
    "nrrd": "nrrd",
    "metaimage": "metaimage",
    "mrc": "mrc",
    "knossos": "knossos",
    "raw": "raw",
    "sequence": "sequence",
    "tiles": "tiles",
}
_HEAD_BYTES: Final = 512


def reader_named(name: str) -> Reader:
    """Return the reader of a plan; no other one is imported. Raises InvalidInput."""
    if name not in _MODULES:
        raise InvalidInput(f"there is no reader called {name!r}.")
    return _reader_in(_MODULES[name])


def readers() -> Iterator[Reader]:
    """Each reader, its module imported when it is reached."""
    yield from map(_reader_in, _MODULES.values())


def _reader_in(module: str) -> Reader:
    reader: Reader = importlib.import_module(f"wk_jupyter.store.readers.{module}").READER
    return reader


def reader_for(path: Path) -> Reader:
    """Return the reader of a file, told by its first bytes. Raises UnsupportedFormat."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError as error:
        raise UnsupportedFormat(f"{path.name} cannot be read: {error.strerror}.") from None
    for reader in readers():
        if reader.recognises(path, head):
            return reader
    raise UnsupportedFormat(f"{path.name} is of no format that is known here.")


def open_image(ref: ImageRef) -> tuple[ImageFile, Image]:
    """Open what a plan names. Close the file when done. Raises as ``Reader.open`` does."""
    opened = reader_named(ref.reader).open([Path(path) for path in ref.paths], ref.hints)
    if not 0 <= ref.image < len(opened.images):
        opened.close()
        raise InvalidInput(f"{ref.paths[0]} has {len(opened.images)} images, not {ref.image + 1}.")
    return opened, opened.images[ref.image]
