"""Edits of a layer's attachments: renamed, or taken out. Their files stay where they are.

Each is known by its kind, a field of ``attachments``, and its name. Where it lies is not the caller's to say.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from wk_jupyter.errors import InvalidDataSource, InvalidInput
from wk_jupyter.store.names import checked_name

KINDS: Final = ("meshes", "agglomerates", "segmentIndex", "segmentStatistics", "cumsum", "connectomes")
_FIELD: Final = "dataLayers[].attachments"


@dataclass(frozen=True)
class AttachmentRenaming:
    layer: str
    kind: str
    old: str
    new: str


def edited_attachments(
    stored: Any, wanted: Any, renamings: Sequence[AttachmentRenaming], layer: str
) -> dict[str, Any]:
    """Return the attachments of a layer as ``wanted`` lists them, each with all that the file says of it.

    Kinds that nobody here knows stay. Raises InvalidDataSource, InvalidInput.
    """
    if not isinstance(wanted, dict):
        raise InvalidDataSource("dataSource: it has to be an object.", field=_FIELD)
    now: dict[str, Any] = stored if isinstance(stored, dict) else {}
    for renaming in renamings:
        if renaming.kind not in KINDS or renaming.old not in _named(now.get(renaming.kind)):
            raise InvalidInput(
                f"attachmentRenamings: the layer {layer!r} has no attachment {renaming.old[:100]!r} "
                f"among its {renaming.kind[:100]}."
            )
        checked_name(renaming.new, "attachmentRenamings: newName", refused="/\\", most=200)
    kept = {kind: value for kind, value in now.items() if kind not in KINDS}
    for kind in KINDS:
        former = {each.new: each.old for each in renamings if each.kind == kind}
        entries = _edited(_named(now.get(kind)), wanted.get(kind), former, kind=kind, layer=layer)
        if entries:
            is_list = isinstance(now.get(kind), list)
            kept[kind] = entries if is_list else entries[0]
    return kept


def _edited(
    now: Mapping[str, dict[str, Any]], wanted: Any, former: Mapping[str, str], *, kind: str, layer: str
) -> list[dict[str, Any]]:
    listed = _named(wanted)
    if wanted is not None and len(listed) != len(wanted if isinstance(wanted, list) else [wanted]):
        raise InvalidDataSource("dataSource: attachments have names, each its own.", field=f"{_FIELD}.{kind}")
    entries = []
    for name in listed:
        old = now.get(former.get(name, name))
        if old is None or (name not in former and name in former.values()):
            raise InvalidInput(
                f"dataSource: the layer {layer!r} has no attachment {name[:100]!r} among its {kind}.",
                hint="Refer to one of another dataset (…/compose/addAttachment).",
            )
        entries.append({**old, "name": name})
    return entries


def _named(value: Any) -> dict[str, dict[str, Any]]:
    """Return attachments by their names; what is malformed is left out."""
    entries: Collection[Any] = value if isinstance(value, list) else [value]
    return {
        entry["name"]: entry
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("name"), str)
    }
