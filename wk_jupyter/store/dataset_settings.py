"""What people set about a dataset in the catalog: names, words, tags, metadata, folder, who may see it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from wk_jupyter.datasource import DataSource, read_properties
from wk_jupyter.errors import Forbidden, InvalidInput, NotFound
from wk_jupyter.properties_document import PROPERTIES_FILE
from wk_jupyter.store.access import Action, Principal, no_such_folder
from wk_jupyter.store.allowed_teams import teams_to_be, write_teams
from wk_jupyter.store.attachment_edits import AttachmentRenaming
from wk_jupyter.store.catalog.database import now_ms, writing
from wk_jupyter.store.catalog.folders import find_folder
from wk_jupyter.store.catalog.tables import (
    SORT_LENGTH,
    dataset_tags,
    dataset_teams,
    dataset_uses,
    datasets,
    users,
)
from wk_jupyter.store.catalog.text import dataset_text, fold
from wk_jupyter.store.catalog.users import find_users
from wk_jupyter.store.changes import Writer
from wk_jupyter.store.context import Context
from wk_jupyter.store.data_source_edits import Renaming, compared, edited, put_aside, write_edited
from wk_jupyter.store.expectations import require_as_expected
from wk_jupyter.store.metadata import checked_metadata
from wk_jupyter.store.names import checked_name
from wk_jupyter.store.records import DatasetRecord, UserRecord

_log: Final = logging.getLogger(__name__)
_NOTED_EVERY_MS: Final = 60_000
_MAX_TAGS: Final = 100
_MAX_DESCRIPTION: Final = 2**16
_UNSTORABLE: Final = re.compile(r"[\x00\ud800-\udfff]")  # what no database takes


@dataclass(frozen=True)
class DatasetPatch:
    """What shall change; what is unset stays. None where a field may be empty: description, sorting_key."""

    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    metadata: tuple[Mapping[str, Any], ...] | UnsetType = UNSET
    is_public: bool | UnsetType = UNSET
    folder_id: str | UnsetType = UNSET
    sorting_key: int | UnsetType | None = UNSET
    data_source: Mapping[str, Any] | UnsetType = UNSET
    layer_renamings: tuple[Renaming, ...] = ()
    attachment_renamings: tuple[AttachmentRenaming, ...] | None = None  # None: the caller knows of none


class DatasetSettings:
    """Changes datasets on somebody's behalf, each time in one transaction. Thread-safe."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def update(
        self,
        principal: Principal,
        ref: str,
        patch: DatasetPatch,
        expected: Mapping[str, Any] | None = None,
    ) -> DatasetRecord:
        """Change what a patch names, and return the dataset as it is then.

        ``expected`` are fields as the caller last saw them. Raises DatasetNotFound, Forbidden, InvalidInput
        naming the field, Conflict where somebody else changed an expected field meanwhile.
        """
        with self._context.changes.writing() as writer:
            record = self._context.dataset(writer.connection, principal, ref, Action.EDIT)
            self._require_as_expected(record, expected or {})
            values = _checked(record, patch)
            if "folder_id" in values:
                self._require_target(writer.connection, principal, record, values["folder_id"])
            edit = self._edit(record, patch)
            if values or edit is not None:
                self._write(writer, record, values)
            if edit is None:
                return self._context.find(writer.connection, record.id)
            folder, before, after = edit
            write_edited(folder, after)  # last: what has failed by now has changed nothing
        put_aside(folder, before, after)
        return self._context.look_again(record)

    def set_teams(
        self,
        principal: Principal,
        ref: str,
        team_ids: Iterable[str],
        expected: Iterable[str] | None = None,
    ) -> DatasetRecord:
        """Allow these teams on the dataset, beside those of its folders; see ``allowed_teams``.

        Whoever takes away the team by which she may edit it may not edit it any more.
        """
        with self._context.changes.writing() as writer:
            record = self._context.dataset(writer.connection, principal, ref, Action.EDIT)
            if expected is not None:
                seen = {"teams": sorted(expected)}
                require_as_expected(f"the dataset {record.name!r}", seen, {"teams": sorted(record.team_ids)})
            wanted = teams_to_be(
                writer.connection, principal, record.organization_id, current=record.team_ids, wanted=team_ids
            )
            if wanted == record.team_ids:
                return record
            key = {"dataset_id": record.id}
            write_teams(writer.connection, dataset_teams, key, current=record.team_ids, wanted=wanted)
            writer.note("dataset", "changed", record.id, record.organization_id, before=record)
            return self._context.find(writer.connection, record.id)

    # --- sharing ----------------------------------------------------------------------------

    def sharing_token(self, principal: Principal, ref: str) -> str:
        """Return the token by which anybody may see the dataset, made when it is first asked for.

        For members of its organization who may see it by themselves. Raises DatasetNotFound, Forbidden.
        """
        with self._context.changes.writing() as writer:
            record = self._context.dataset(writer.connection, principal, ref, Action.READ)
            if not principal.is_member_of(record.organization_id):
                raise Forbidden("a sharing link is made by members of the dataset's organization.")
            nonce = record.sharing_nonce
            if nonce is None:
                nonce = self._context.sharing.new_nonce()
                self._set(writer.connection, record, sharing_nonce=nonce)
                writer.note("dataset", "changed", record.id, record.organization_id)
            return self._context.sharing.token(record.id, nonce)

    def revoke_sharing_token(self, principal: Principal, ref: str) -> None:
        """End all links that were given away; the next one is another. Raises DatasetNotFound, Forbidden."""
        with self._context.changes.writing() as writer:
            record = self._context.dataset(writer.connection, principal, ref, Action.EDIT)
            if record.sharing_nonce is not None:
                self._set(writer.connection, record, sharing_nonce=None)
                writer.note("dataset", "changed", record.id, record.organization_id)

    # --- what one has with a dataset ----------------------------------------------------------

    def note_use(self, principal: Principal, record: DatasetRecord) -> None:
        """Remember, once a minute, that a user opened a dataset now. Whoever comes by a link is nobody."""
        if principal.user_id is None or principal.sharing_token:
            return
        key = {"user_id": principal.user_id, "dataset_id": record.id}
        is_it = sa.and_(*(dataset_uses.c[name] == value for name, value in key.items()))
        now, last = now_ms(), sa.select(dataset_uses.c.last_used).where(is_it)
        with self._context.engine.connect() as connection:
            if now - (connection.scalar(last) or 0) < _NOTED_EVERY_MS:
                return
        try:
            with writing(self._context.engine) as connection:
                updated = connection.execute(sa.update(dataset_uses).where(is_it).values(last_used=now))
                if not updated.rowcount:
                    connection.execute(sa.insert(dataset_uses).values(**key, last_used=now))
        except sa.exc.SQLAlchemyError:  # nobody is to be kept from her dataset by it
            _log.exception("wk_jupyter: the use of a dataset could not be noted")

    def explain_access(self, principal: Principal, ref: str, user_id: str) -> list[str]:
        """Return in words why a user may see or edit a dataset; that she may not, where nothing says so.

        For those who may edit it, and for everybody about herself.
        Raises DatasetNotFound, Forbidden, NotFound.
        """
        with self._context.engine.connect() as connection:
            action = Action.READ if user_id == principal.user_id else Action.EDIT
            record = self._context.dataset(connection, principal, ref, action)
            found = find_users(connection, users.c.id == user_id)
            if not found or not principal.is_member_of(found[0].organization_id):
                raise NotFound(f"there is no user {user_id[:100]!r}.", hint="See wk.users().")
        return reasons(record, found[0])

    def _edit(self, record: DatasetRecord, patch: DatasetPatch) -> tuple[Path, DataSource, DataSource] | None:
        """Return the folder, the data source as it is and as it shall be; None where that is the same."""
        if isinstance(patch.data_source, UnsetType):
            return None
        folder, before = self._context.folder(record), self._on_disk(record)
        after = edited(before, patch.data_source, patch.layer_renamings, folder, patch.attachment_renamings)
        return None if after.to_document() == before.to_document() else (folder, before, after)

    # --- shared -----------------------------------------------------------------------------

    def _on_disk(self, record: DatasetRecord) -> DataSource:
        """Read the properties file again: somebody may have edited it since the catalog looked at it."""
        folder = self._context.folder(record)
        known = self._context.data_source(record)
        return read_properties(folder) if (folder / PROPERTIES_FILE).exists() else known

    def _require_as_expected(self, record: DatasetRecord, expected: Mapping[str, Any]) -> None:
        """Compare what the caller last saw, named and written as JSON has it."""
        current = {
            "name": record.name,
            "description": record.description,
            "tags": list(record.tags),
            "metadata": [dict(entry) for entry in record.metadata],
            "isPublic": record.is_public,
            "folderId": record.folder_id,
            "sortingKey": record.sorting_key,
        }
        seen = dict(expected)
        what = f"the dataset {record.name!r}"
        if "dataSource" in seen:
            require_as_expected(what, *compared(seen.pop("dataSource"), self._on_disk(record)))
        unknown = sorted(set(seen) - set(current))
        if unknown:
            raise InvalidInput(f"expected: there is no field {unknown[0][:100]!r}.", hint=", ".join(current))
        require_as_expected(what, seen, current)

    def _require_target(
        self, connection: sa.Connection, principal: Principal, record: DatasetRecord, folder_id: str
    ) -> None:
        folder = find_folder(connection, folder_id)
        if folder is None or folder.organization_id != record.organization_id:
            raise no_such_folder(folder_id)
        self._context.policy.require_folder(principal, Action.EDIT, folder)

    def _write(self, writer: Writer, record: DatasetRecord, values: dict[str, Any]) -> None:
        if "tags" in values:
            is_its = dataset_tags.c.dataset_id == record.id
            writer.connection.execute(sa.delete(dataset_tags).where(is_its))
            rows = [{"dataset_id": record.id, "tag": tag} for tag in values["tags"]]
            if rows:
                writer.connection.execute(sa.insert(dataset_tags), rows)
        now = {name: values.get(name, getattr(record, name)) for name in _SEARCHED}
        self._set(
            writer.connection,
            record,
            **values,
            sort_name=fold(now["name"])[:SORT_LENGTH],
            search_text=dataset_text(record.directory_name, **now),
        )
        writer.note("dataset", "changed", record.id, record.organization_id, before=record)

    @staticmethod
    def _set(connection: sa.Connection, record: DatasetRecord, **values: Any) -> None:
        connection.execute(sa.update(datasets).where(datasets.c.id == record.id).values(values))


_SEARCHED: Final = ("name", "description", "tags", "metadata")


def _checked(record: DatasetRecord, patch: DatasetPatch) -> dict[str, Any]:
    """Return the columns that a patch changes. Raises InvalidInput."""
    wanted = {field.name: getattr(patch, field.name) for field in fields(patch)}
    del wanted["data_source"], wanted["layer_renamings"], wanted["attachment_renamings"]
    wanted = {name: value for name, value in wanted.items() if value is not UNSET}
    if "name" in wanted:
        wanted["name"] = checked_name(wanted["name"], "name")
    if wanted.get("description") is not None:
        _check_description(wanted["description"])
    if "tags" in wanted:
        wanted["tags"] = _checked_tags(wanted["tags"])
    if "metadata" in wanted:
        wanted["metadata"] = checked_metadata(wanted["metadata"])
    if wanted.get("sorting_key") is not None and abs(wanted["sorting_key"]) >= 2**63:
        raise InvalidInput("sortingKey: it is no time in ms since 1970.")
    return {name: value for name, value in wanted.items() if value != getattr(record, name)}


def _check_description(text: str) -> None:
    if len(text) > _MAX_DESCRIPTION:
        raise InvalidInput(
            f"description: it has {len(text):,} characters.", hint=f"At most {_MAX_DESCRIPTION:,} are kept."
        )
    if _UNSTORABLE.search(text):
        raise InvalidInput("description: it holds a character that cannot be kept.")


def _checked_tags(tags: Iterable[str]) -> tuple[str, ...]:
    checked = tuple(dict.fromkeys(checked_name(tag, "tags") for tag in tags))
    if len(checked) > _MAX_TAGS:
        raise InvalidInput(f"tags: there are {len(checked)}.", hint=f"At most {_MAX_TAGS} are kept.")
    return checked


def reasons(record: DatasetRecord, user: UserRecord) -> list[str]:
    """Return in words why a user may see or edit a dataset."""
    if not user.is_active:
        return [f"{user.name} is not active: she sees what is public, as everybody does."]
    found = ["Everybody may see it: it is public."] if record.is_public else []
    if user.organization_id != record.organization_id:
        return found or [f"{user.name} may not see it: she is in another organization."]
    if user.is_admin:
        found.append(f"{user.name} may see and edit it as an admin.")
    if user.is_dataset_manager:
        found.append(f"{user.name} may see and edit it as a dataset manager.")
    if record.owner_id == user.id:
        found.append(f"{user.name} may see and edit it as the one who brought it.")
    for membership in user.memberships:
        if membership.team_id not in record.cumulative_team_ids:
            continue
        where = "the dataset" if membership.team_id in record.team_ids else "a folder above it"
        what, role = ("see and edit", "manager") if membership.is_manager else ("see", "member")
        found.append(
            f"{user.name} may {what} it as a {role} of the team {membership.team!r}, "
            f"which is allowed on {where}."
        )
    return found or [
        f"{user.name} may not see it: none of her teams is allowed on it or on a folder above it."
    ]
