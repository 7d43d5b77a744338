"""What all models of the wire share."""

from __future__ import annotations

import msgspec


class Wire(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=False):
    """Base of all models: names in snake case here, in camel case in JSON."""
