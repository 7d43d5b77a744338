"""Pictures that were drawn lately: a page of a list asks for the same ones again and again."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Hashable

Key: TypeAlias = "tuple[str, Hashable]"
"""The id of a dataset, and all else that the picture is made from."""


@dataclass(frozen=True)
class Picture:
    """An image file, and the tag by which a browser asks whether it is still the same."""

    image: bytes
    etag: str

    @classmethod
    def of(cls, image: bytes) -> Picture:
        return cls(image, f'"{hashlib.blake2b(image, digest_size=12).hexdigest()}"')


class PictureCache:
    """Keeps up to ``limit`` bytes of the pictures that were asked for last. For the event loop alone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self._pictures: OrderedDict[Key, Picture] = OrderedDict()

    def get(self, key: Key) -> Picture | None:
        picture = self._pictures.get(key)
        if picture is not None:
            self._pictures.move_to_end(key)
        return picture

    def put(self, key: Key, picture: Picture) -> None:
        self._remove(key)
        self._pictures[key] = picture
        self._bytes += len(picture.image)
        while self._bytes > self._limit:
            self._remove(next(iter(self._pictures)))

    def drop(self, dataset_id: str) -> None:
        """Forget a dataset's pictures: its voxels may have changed below the same properties file."""
        for key in [key for key in self._pictures if key[0] == dataset_id]:
            self._remove(key)

    def _remove(self, key: Key) -> None:
        picture = self._pictures.pop(key, None)
        if picture is not None:
            self._bytes -= len(picture.image)
