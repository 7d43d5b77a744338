"""How a dataset is shown to somebody: built-in < file < the admins' defaults < her own settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any, Final, TypeAlias

import msgspec
import sqlalchemy as sa

from wk_jupyter.datasource import DataSource
from wk_jupyter.errors import Forbidden, TooLarge
from wk_jupyter.store.access import Action, Principal
from wk_jupyter.store.catalog.tables import dataset_uses, datasets
from wk_jupyter.store.context import Context
from wk_jupyter.store.expectations import require_as_expected
from wk_jupyter.store.records import DatasetRecord
from wk_jupyter.view_configuration import known_settings, view_configuration

_MAX_BYTES: Final = 256 * 1024
Settings: TypeAlias = dict[str, Any]


class ViewSettings:
    """Reads and writes view configurations on somebody's behalf. Thread-safe.

    Unknown keys and invalid values are left out, as are settings of layers that are not there: what is
    returned says what holds.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def defaults(self, record: DatasetRecord) -> Settings:
        """Return how a dataset is shown to those who have set nothing. Raises InvalidDataSource."""
        return view_configuration(self._context.data_source(record), record.admin_view_configuration)

    def of(self, principal: Principal, record: DatasetRecord) -> Settings:
        """Return how a dataset is shown to one principal. Raises InvalidDataSource."""
        own: Settings = {}
        if principal.user_id is not None:
            with self._context.engine.connect() as connection:
                own = self._own(connection, principal.user_id, record.id)
        return view_configuration(self._context.data_source(record), record.admin_view_configuration, own)

    def change_own(
        self,
        principal: Principal,
        ref: str,
        settings: Mapping[str, Any],
        forget: Iterable[Sequence[str]] = (),
    ) -> Settings:
        """Set some of her own settings, after forgetting others: then what is weaker counts again.

        ``forget`` are paths, as ``("zoom",)``, ``("layers", "color", "alpha")``, or ``()`` for all of them.
        Raises DatasetNotFound, Forbidden for those who are not signed in, TooLarge.
        """
        if principal.user_id is None:
            raise Forbidden(
                "settings of one's own are kept for users.", hint="Sign in, or use a user's token."
            )
        with self._context.changes.writing() as writer:  # nothing is noted: it concerns nobody else
            record = self._context.dataset(writer.connection, principal, ref, Action.READ)
            own = self._own(writer.connection, principal.user_id, record.id)
            for path in forget:
                own = _without(own, path)
            source = self._context.data_source(record)
            own = _kept(source, _merged(own, settings))
            self._write_own(writer.connection, principal.user_id, record.id, own)
        return view_configuration(source, record.admin_view_configuration, own)

    def set_defaults(
        self,
        principal: Principal,
        ref: str,
        settings: Mapping[str, Any],
        expected: Mapping[str, Any] | None = None,
    ) -> Settings:
        """Set how a dataset is shown to those who have set nothing; what is not said is as in the file.

        Raises DatasetNotFound, Forbidden, InvalidDataSource, TooLarge, Conflict where something is not as
        it was ``expected``.
        """
        with self._context.changes.writing() as writer:
            record = self._context.dataset(writer.connection, principal, ref, Action.EDIT)
            source = self._context.data_source(record)
            now = view_configuration(source, record.admin_view_configuration)
            what = f"how the dataset {record.name!r} is shown"
            require_as_expected(what, _by_layer(expected or {}), _by_layer(now))
            kept = _kept(source, settings)
            is_it = datasets.c.id == record.id
            writer.connection.execute(sa.update(datasets).where(is_it).values(admin_view_configuration=kept))
            writer.note("dataset", "changed", record.id, record.organization_id)
        return view_configuration(source, kept)

    @staticmethod
    def _own(connection: sa.Connection, user_id: str, dataset_id: str) -> Settings:
        wanted = sa.select(dataset_uses.c.view_configuration).where(_is_use(user_id, dataset_id))
        return connection.execute(wanted).scalar() or {}

    @staticmethod
    def _write_own(connection: sa.Connection, user_id: str, dataset_id: str, own: Settings) -> None:
        is_it = _is_use(user_id, dataset_id)
        update = sa.update(dataset_uses).where(is_it).values(view_configuration=own)
        if not connection.execute(update).rowcount:
            row = {"user_id": user_id, "dataset_id": dataset_id, "view_configuration": own}
            connection.execute(sa.insert(dataset_uses).values(row))


def _is_use(user_id: str, dataset_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(dataset_uses.c.user_id == user_id, dataset_uses.c.dataset_id == dataset_id)


def _kept(source: DataSource, settings: Mapping[str, Any]) -> Settings:
    kept = known_settings(source, settings)
    size = len(msgspec.json.encode(kept))
    if size > _MAX_BYTES:
        raise TooLarge(f"the settings have {size:,} bytes.", hint=f"At most {_MAX_BYTES:,} are kept.")
    return kept


def _by_layer(settings: Mapping[str, Any]) -> Settings:
    """Return settings as JSON has them, those of layers beside those of the dataset."""
    told: Settings = msgspec.to_builtins({key: value for key, value in settings.items() if key != "layers"})
    layers = settings.get("layers")
    for name, layer in (layers if isinstance(layers, Mapping) else {}).items():
        told |= {f"{key} of {name}": msgspec.to_builtins(value) for key, value in dict(layer or {}).items()}
    return told


def _merged(own: Settings, settings: Mapping[str, Any]) -> Settings:
    """Put settings over others, key by key, in each layer too."""
    merged = {**own, **settings}
    layers = settings.get("layers")
    if isinstance(layers, Mapping):
        old = own.get("layers", {})
        fresh = {
            name: {**old.get(name, {}), **layer} if isinstance(layer, Mapping) else {}
            for name, layer in layers.items()
        }
        merged["layers"] = {**old, **fresh}
    return merged


def _without(own: Settings, path: Sequence[str]) -> Settings:
    if not path:
        return {}
    changed = deepcopy(own)
    inner: Any = changed
    for key in path[:-1]:
        inner = inner.get(key) if isinstance(inner, dict) else None
    if isinstance(inner, dict):
        inner.pop(path[-1], None)
    return changed
