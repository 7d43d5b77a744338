"""From a folder to a proposed data source; one module a dialect."""

from __future__ import annotations

from wk_jupyter.store.explore.exploration import Exploration, explore

__all__ = ["Exploration", "explore"]
