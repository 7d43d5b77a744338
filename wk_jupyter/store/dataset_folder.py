"""What one folder of the data directory says of itself, whatever lies in it. Nothing here raises for that."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import stat
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import wk_jupyter
from wk_jupyter.datasource import check_document, encode_document
from wk_jupyter.errors import InvalidDataSource, WkError
from wk_jupyter.properties_document import MAX_PROPERTIES_BYTES, PROPERTIES_FILE, decode_document
from wk_jupyter.store.catalog.text import storable
from wk_jupyter.store.links import broken_link
from wk_jupyter.store.records import FolderFinding, Status

if TYPE_CHECKING:
    from hashlib import blake2b

_log: Final = logging.getLogger(__name__)
_LOOK_AGAIN: Final = ""  # the disk key of what may be cured without a trace in the file
_MAX_REASON: Final = 2000
_MAX_CLASSES: Final = 255
# Another process may just have put a pipe in the file's place: opening it must not wait for a writer.
_OPEN_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
_METADATA: Final = (
    "zarr.json", ".zarray", ".zattrs", ".zgroup", "attributes.json", "info", "header.wkw", PROPERTIES_FILE,
)  # fmt: skip
_MAX_FOLDERS: Final = 100


def properties_key(status: os.stat_result) -> str:
    """Return what changes when a properties file does."""
    return f"{status.st_mtime_ns}:{status.st_size}:{status.st_ino}"


def contents_key(folder: str) -> str:
    """Return what changes when a folder without a properties file may be taken for something else.

    That is: folders and metadata files, down to the mags of its layers. What the next version of this
    program makes of the same folder is another matter, so its version is part of the key.
    """
    digest = hashlib.blake2b(wk_jupyter.__version__.encode(), digest_size=16)
    try:
        _add_folder(digest, folder, 0)
    except OSError:
        return _LOOK_AGAIN
    return f"folder:{digest.hexdigest()}"


def look(root: str, name: str, root_fd: int) -> FolderFinding:
    """Return what the folder ``name`` in ``root`` is; ``root_fd`` is ``root``, opened."""
    origin = f"{name}/{PROPERTIES_FILE}"
    key = _LOOK_AGAIN
    try:
        raw, key = _read_properties(origin, root_fd)
        document = decode_document(raw, origin=origin)
        check_document(document, origin=origin)
    except WkError as error:
        return _unusable(name, "unreadable", str(error), key)
    except OSError as error:
        return _without_properties(root, name, error)
    except (RecursionError, MemoryError) as error:
        return _unusable(name, "unreadable", f"{origin} cannot be read: {error or type(error).__name__}.")
    layers = tuple([(layer.name, layer.category) for layer in document.data_layers])
    classes = _element_classes(*[layer.element_class for layer in document.data_layers])
    return FolderFinding(name, key, layers=layers, element_classes=classes)


def _read_properties(path: str, root_fd: int) -> tuple[bytes, str]:
    """Return the bytes and the key of a properties file; of one that is too long, a byte too many."""
    descriptor = os.open(path, _OPEN_FLAGS, dir_fd=root_fd)
    try:
        status = os.fstat(descriptor)  # before reading: a later change is seen next time
        if not stat.S_ISREG(status.st_mode):
            raise InvalidDataSource(f"{path} is not a file.", path=path)
        enough = min(status.st_size, MAX_PROPERTIES_BYTES) + 1
        raw = os.read(descriptor, enough)
        if len(raw) == enough:  # it has just grown, or its file system does not tell sizes
            with open(descriptor, "rb", buffering=0, closefd=False) as stream:
                raw += _read_up_to(stream, MAX_PROPERTIES_BYTES + 1 - enough)
    finally:
        os.close(descriptor)
    return raw, properties_key(status)


def _read_up_to(stream: Any, limit: int) -> bytes:
    parts: list[bytes] = []
    while limit > 0 and (part := stream.read(min(limit, 1 << 20))):
        parts.append(part)
        limit -= len(part)
    return b"".join(parts)


def _without_properties(root: str, name: str, error: OSError) -> FolderFinding:
    path = f"{root}/{name}"
    link = broken_link(path, name) or broken_link(f"{path}/{PROPERTIES_FILE}", f"{name}/{PROPERTIES_FILE}")
    if link is not None:
        return _unusable(name, "unreadable", link)
    if error.errno not in {errno.ENOENT, errno.ENOTDIR}:
        return _unusable(name, "unreadable", f"{name}/{PROPERTIES_FILE} cannot be read: {error.strerror}.")
    from wk_jupyter.store.explore import explore  # noqa: PLC0415 loads tensorstore

    key = contents_key(path)
    try:
        found = explore(Path(path))
        layers = tuple([(layer.name, layer.category) for layer in found.data_source.layers])
        classes = _element_classes(*[layer.element_class for layer in found.data_source.layers])
        properties = encode_document(found.data_source)
    except WkError as refused:
        return _unusable(name, "not imported yet", str(refused), key)
    except OSError as refused:
        return _unusable(name, "unreadable", f"{name} cannot be read: {refused.strerror or refused}.")
    except Exception as unexpected:  # noqa: BLE001 said below
        # Foreign metadata meet foreign libraries here: no dataset may break the list of the others.
        _log.exception("exploring %s failed", path)
        return _unusable(name, "unreadable", f"{name} cannot be read: {unexpected!r}.", key)
    notices = tuple([storable(notice) for notice in found.notices])
    return FolderFinding(
        name, key, layers=layers, warnings=notices, properties=properties, element_classes=classes
    )


@lru_cache(maxsize=256)  # most datasets have layers of the same few
def _element_classes(*classes: str) -> str:
    return f" {' '.join(dict.fromkeys(classes))} "[:_MAX_CLASSES]


def _unusable(name: str, status: Status, reason: str, key: str = _LOOK_AGAIN) -> FolderFinding:
    return FolderFinding(name, key, status=status, status_reason=storable(reason)[:_MAX_REASON])


def _add_folder(digest: blake2b, folder: str, depth: int) -> None:
    """Add a folder to a key: its time, its metadata files, and those of the folders in it."""
    _add(digest, folder, os.stat(folder))  # noqa: PTH116 faster than a Path
    if depth == 2:  # a mag may hold any number of chunks: they are not listed
        names, folders = list(_METADATA), []
    else:
        with os.scandir(folder) as entries:
            shown = [entry for entry in entries if entry.name in _METADATA or entry.name[0] != "."]
        names = sorted(entry.name for entry in shown if entry.name in _METADATA)
        folders = sorted(entry.path for entry in shown if entry.is_dir())
    for name in names:
        try:
            _add(digest, name, os.stat(f"{folder}/{name}"))  # noqa: PTH116
        except OSError:
            continue
    for child in folders[:_MAX_FOLDERS]:
        _add_folder(digest, child, depth + 1)


def _add(digest: blake2b, name: str, status: os.stat_result) -> None:
    text = f"{name}\0{status.st_mtime_ns}\0{status.st_size}\0{status.st_ino}\0"
    digest.update(text.encode("utf-8", "surrogateescape"))
