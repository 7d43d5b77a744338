"""Arrays whose chunk files tensorstore can't read as they lie: packed by a codec that it lacks, or named
otherwise than it expects. Each chunk is unpacked here and handed to it in memory, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import tensorstore as ts
from numpy.typing import NDArray

from wk_jupyter.errors import CorruptData, WkError
from wk_jupyter.store.volumes.chunk_guard import Cell, Index, cells_of
from wk_jupyter.store.volumes.tensorstore_volume import (
    FAILURES,
    AxisMap,
    TensorStoreVolume,
    damaged,
    open_array,
)

_COPY_AGAIN: Final = "The file was cut short or damaged: copy it again from its source."


@dataclass(frozen=True)
class StoredChunks:
    """The grid of chunks, in the array's own dimensions.

    ``name`` tells the key that tensorstore asks for, ``load`` the bytes it is to find there: None for a
    chunk that was never written; it raises CorruptData, naming the file.
    """

    origin: tuple[int, ...]
    shape: tuple[int, ...]
    name: Callable[[Cell], str]
    load: Callable[[Cell], bytes | None]


class TranscodedVolume(TensorStoreVolume):
    """A volume that unpacks chunks by itself. Nothing is kept between reads."""

    _is_awaitable = False

    def __init__(
        self,
        spec: Mapping[str, Any],
        chunks: StoredChunks,
        axes: AxisMap,
        label: str,
        *,
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        """``spec`` lacks the store; ``files`` are put into it beside the chunks."""
        self._spec = {**spec, "kvstore": {"driver": "memory"}}
        self._files = files or {}
        self._chunks = chunks
        super().__init__(self._open(label)[1], axes, label)

    def _open(self, label: str) -> tuple[Any, Any]:
        """Return an empty store in memory and the array in it."""
        context = ts.Context()
        memory = ts.KvStore.open({"driver": "memory"}, context=context).result()
        for name, data in self._files.items():
            memory[name] = data
        return memory, open_array(self._spec, label, context)

    def _fetch(self, index: Index) -> NDArray[Any]:
        memory, array = self._open(self.info.label)
        result: NDArray[Any] = array[index].read().result()  # what no chunk covers: the fill value
        for cell in cells_of(index, self._chunks.origin, self._chunks.shape):
            data = self._chunks.load(cell)
            if data is None:
                continue
            name = self._chunks.name(cell)
            memory[name] = data
            source, target = self._part(index, cell)
            try:
                result[target] = array[source].read().result()
            except FAILURES as error:
                raise damaged(f"the chunk {name} of {self.info.label}", error) from None
            del memory[name]
        return result

    def _part(self, index: Index, cell: Cell) -> tuple[Index, tuple[slice, ...]]:
        """Return what a chunk holds of ``index``, and where that goes in the result."""
        source: list[slice | int] = []
        target = []
        for place, number, origin, size in zip(
            index, cell, self._chunks.origin, self._chunks.shape, strict=True
        ):
            if isinstance(place, slice):
                begin = max(place.start, origin + number * size)
                end = min(place.stop, origin + (number + 1) * size)
                source.append(slice(begin, end))
                target.append(slice(begin - place.start, end - place.start))
            else:
                source.append(place)
        return tuple(source), tuple(target)


def read_chunk(path: Path, unpack: Callable[[bytes], bytes] | None, limit: int) -> bytes | None:
    """Return a chunk file unpacked, or None where there is none. Raises CorruptData, naming it.

    ``limit`` is how many bytes it may have, packed.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CorruptData(f"{path} cannot be read: {error.strerror}.", path=str(path)) from None
    if len(data) > limit:
        raise CorruptData(f"{path} is larger than any chunk may be.", path=str(path), hint=_COPY_AGAIN)
    try:
        return unpack(data) if unpack is not None else data
    except WkError:
        raise
    except Exception as error:  # noqa: BLE001 a codec raises whatever its author chose
        raise CorruptData(
            f"{path} cannot be unpacked: {str(error) or type(error).__name__}.",
            path=str(path),
            hint=_COPY_AGAIN,
        ) from None
