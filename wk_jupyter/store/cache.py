"""A bounded memory of what was made for others, shared by threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class LruCache(Generic[K, V]):
    """Keeps the ``limit`` values that were asked for last."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def put(self, key: K, value: V) -> None:
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            self._shrink()

    def keep_first(self, key: K, value: V) -> V:
        """Remember a value and return it, or the one that another thread remembered before."""
        with self._lock:
            kept = self._values.setdefault(key, value)
            self._values.move_to_end(key)
            self._shrink()
            return kept

    def drop(self, condition: Callable[[K], bool]) -> None:
        """Forget what has a key that meets a condition."""
        with self._lock:
            for key in [key for key in self._values if condition(key)]:
                del self._values[key]

    def clear(self) -> None:
        with self._lock:
            self._values.clear()

    def _shrink(self) -> None:
        while len(self._values) > self._limit:
            self._values.popitem(last=False)
