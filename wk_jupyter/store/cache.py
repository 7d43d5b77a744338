"""Bounded memories of what was made or found for others, shared by threads."""

from __future__ import annotations

import threading
import time
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


class RecentCache(Generic[K, V]):
    """Keeps what was found for some seconds, and no longer than until it is cleared.

    Whoever looks for something takes the ``era`` first and gives it to ``put``: what was found before
    somebody cleared, and is put after, was outdated from the beginning.
    """

    def __init__(self, limit: int, seconds: float) -> None:
        self._seconds = seconds
        self._values: LruCache[K, tuple[float, object, V]] = LruCache(limit)
        self._era = object()

    @property
    def era(self) -> object:
        return self._era

    def get(self, key: K) -> V | None:
        found = self._values.get(key)
        if found is None or found[1] is not self._era or found[0] < time.monotonic():
            return None
        return found[2]

    def put(self, key: K, value: V, era: object) -> None:
        self._values.put(key, (time.monotonic() + self._seconds, era, value))

    def clear(self) -> None:
        self._era = object()
        self._values.clear()
