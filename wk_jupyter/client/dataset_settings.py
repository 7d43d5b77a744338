"""What the catalog has of a dataset, read and changed by a handle: each change is written at once.

Each change says what the handle last saw of the field. Where somebody else changed that meanwhile,
Conflict tells both values, and the handle stays as it was; ``reload`` brings it up to date.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wk_jupyter.client.access_explained import AccessExplained
from wk_jupyter.client.allowed_teams import AllowedTeams, allowed_teams, several, team_ids
from wk_jupyter.client.connection import Connection
from wk_jupyter.client.guarded import Guarded
from wk_jupyter.client.metadata import Metadata, metadata_entries
from wk_jupyter.client.sharing_link import SharingLink, page_address
from wk_jupyter.client.tags import Tags
from wk_jupyter.client.view_config import ViewConfig
from wk_jupyter.errors import InvalidInput
from wk_jupyter.geometry import VoxelSize

if TYPE_CHECKING:
    from wk_jupyter.client.folders import Folder
    from wk_jupyter.datasource import DataSource


class DatasetSettings(Guarded):
    """The part of a dataset that is about its row in the catalog. A folder without a server has none."""

    connection: Connection | None
    data_source: DataSource
    _entry: dict[str, Any]
    _in_trash: bool

    def _take(self, entry: Mapping[str, Any]) -> None:
        """Make the handle what the server tells."""
        raise NotImplementedError

    # --- words ------------------------------------------------------------------------------

    @property
    def id(self) -> str | None:
        """The server's id, which stays when the dataset is renamed; None for a folder."""
        return self._entry.get("id")

    @property
    def name(self) -> str:
        """What people read, in any script; the folder on disk keeps its name when it is set."""
        return str(self._entry.get("name") or self.data_source.name)

    @name.setter
    def name(self, value: str) -> None:
        self._update(name=value)

    @property
    def display_name(self) -> str:
        """The same as ``name``."""
        return self.name

    @display_name.setter
    def display_name(self, value: str) -> None:
        self.name = value

    @property
    def description(self) -> str | None:
        """Some words in Markdown, or None."""
        return self._entry.get("description")

    @description.setter
    def description(self, value: str | None) -> None:
        self._update(description=value)

    @property
    def tags(self) -> Tags:
        """Words to find the dataset by: ``ds.tags += ["fixed"]``, ``ds.tags = ["a", "b"]``."""
        return Tags(self, lambda: list(self._entry.get("tags", [])), self._write_tags)

    @tags.setter
    def tags(self, values: Iterable[str]) -> None:
        if not (isinstance(values, Tags) and values.owner is self):  # which += has written already
            self._write_tags(several(values, "tags"))

    @property
    def metadata(self) -> Metadata:
        """Notes by key, which are text, numbers or lists of text: ``ds.metadata["species"] = "mouse"``."""
        return Metadata(self._entry.get("metadata", []), lambda entries, _: self._update(metadata=entries))

    @metadata.setter
    def metadata(self, values: Mapping[str, Any]) -> None:
        self._update(metadata=metadata_entries(values))

    @property
    def created(self) -> dt.datetime | None:
        """When the catalog first had it, in UTC; None for a folder."""
        made = self._entry.get("created")
        return None if made is None else dt.datetime.fromtimestamp(made / 1000, dt.UTC)

    # --- who may see it ---------------------------------------------------------------------

    @property
    def is_editable(self) -> bool:
        """Whether you may change it."""
        return bool(self._entry.get("isEditable", False))

    @property
    def is_public(self) -> bool:
        """Whether everybody may see it, without signing in."""
        return bool(self._entry.get("isPublic", False))

    @is_public.setter
    def is_public(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise InvalidInput(f"is_public: {value!r} is neither True nor False.")
        self._update(isPublic=value)

    @property
    def allowed_teams(self) -> AllowedTeams:
        """Names of the teams that may see it, set by names, ids or teams: ``ds.allowed_teams = ["em"]``.

        Those of the folders above may as well; no team: admins and dataset managers alone.
        """
        return allowed_teams({"allowedTeams": [], "allowedTeamsCumulative": [], **self._entry})

    @allowed_teams.setter
    def allowed_teams(self, wanted: Iterable[Any]) -> None:
        server = self._server()
        seen = [team["id"] for team in self._entry["allowedTeams"]]
        body = {"teams": team_ids(server, wanted, self._entry), "expected": seen}
        self._take(server.api("PATCH", f"datasets/{self.id}/teams", body=body))

    def share(self) -> SharingLink:
        """Return a link by which anybody may see the dataset, until it is revoked; the same each time."""
        server = self._server()
        token = None if self.is_public else server.get(f"datasets/{self.id}/sharingToken")["sharingToken"]
        return SharingLink(page_address(server.url, self.name, str(self.id)), token, self.unshare)

    def unshare(self) -> None:
        """End all links to the dataset at once; a link that is made later is another."""
        self._server().api("DELETE", f"datasets/{self.id}/sharingToken")

    def explain_access(self, user: Any = None) -> AccessExplained:
        """Tell in words why a user may see or edit the dataset, or that she may not; by default yourself.

        ``user`` is a name, an id, or one of ``wk.users()``. For others than yourself you need the right
        to edit the dataset. Raises NotFound, Forbidden.
        """
        server = self._server()
        wanted = None if user is None else user_id(server, user)
        told = server.get(f"datasets/{self.id}/access", userId=wanted)
        return AccessExplained(self.name, tuple(told["reasons"]))

    # --- how it is shown --------------------------------------------------------------------

    @property
    def view_config(self) -> ViewConfig:
        """How it is shown to you: ``ds.view_config["zoom"] = 2``; see ``save_as_default`` for everybody."""
        return ViewConfig(self._server(), str(self.id))

    # --- where it lies ----------------------------------------------------------------------

    @property
    def parent(self) -> Folder:
        """The folder of the catalog that it lies in."""
        from wk_jupyter.client.folders import Folder  # noqa: PLC0415 folders list datasets

        told = self._server().get(f"folders/{self._entry['folderId']}")
        return Folder(self._server(), told["id"], told["name"])

    def move_to(self, folder: Folder | str) -> None:
        """Put it into a folder, given by its path, id or as a Folder: ``ds.move_to("Lab/2026")``.

        Teams of that folder and those above it may see it then. Raises NotFound, Forbidden, Conflict.
        """
        from wk_jupyter.client.folders import Folders  # noqa: PLC0415 folders list datasets

        target = Folders(self._server()).given(folder)
        self._update(folderId=target.id)

    def delete(self) -> None:
        """Move it to the trash, from which ``restore`` brings it back. Links to it end."""
        self._server().api("DELETE", f"datasets/{self.id}")
        self._in_trash = True
        self.reload()  # its files lie elsewhere now

    def restore(self) -> None:
        """Bring it back from the trash. Raises Conflict where it is not there."""
        entry = self._server().api("POST", f"datasets/{self.id}/restore")
        self._in_trash = False
        self._take(entry)

    def purge(self) -> None:
        """Remove it for good, with its files. Raises InvalidInput where it is not in the trash."""
        if not self._in_trash:
            raise InvalidInput(
                f"{self.name!r} is not in the trash.",
                hint="ds.delete() moves it there: then it can be purged.",
            )
        self._server().api("DELETE", f"datasets/{self.id}", params={"purge": True})

    def reload(self) -> None:
        """Read anew from the server what others may have changed."""
        self._take(self._server().get(f"datasets/{self.id}"))

    # --- its properties file ----------------------------------------------------------------

    @property
    def voxel_size(self) -> VoxelSize:
        """The size of a mag-1 voxel; set by a VoxelSize or by x, y, z in nanometers."""
        return self.data_source.voxel_size

    @voxel_size.setter
    def voxel_size(self, value: VoxelSize | Sequence[float]) -> None:
        try:
            size = value if isinstance(value, VoxelSize) else VoxelSize(tuple(value))  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise InvalidInput(f"a voxel size is three positive numbers, not {value!r}.") from None
        self._edit_source({"scale": size.to_json()}, {"scale": self.voxel_size.to_json()})

    def _edit_layer(self, name: str, changes: Mapping[str, Any]) -> None:
        """Change fields of one layer, named as in the properties file."""
        layers, seen, renamings = [], [], []
        for layer in self.data_source.layers:
            document = layer.to_document()
            fields = changes if layer.name == name else {}
            layers.append({"name": layer.name, **fields})
            seen.append({"name": layer.name, **{key: document.get(key) for key in fields if key != "name"}})
            if fields.get("name", name) != name:
                renamings.append({"oldName": name, "newName": fields["name"]})
        self._edit_source({"dataLayers": layers}, {"dataLayers": seen}, layerRenamings=renamings)

    def _edit_source(self, changes: dict[str, Any], seen: dict[str, Any], **more: Any) -> None:
        body = {"dataSource": changes, "expected": {"dataSource": seen}, **more}
        self._take(self._server().api("PATCH", f"datasets/{self.id}/updatePartial", body=body))

    # --- the server -------------------------------------------------------------------------

    def _server(self) -> Connection:
        if self.connection is None:
            raise InvalidInput(
                f"{self.name!r} is a folder that lies here: no catalog has it.",
                hint="Put it into the data directory, call wk.refresh(), and open it by its name.",
            )
        return self.connection

    def _update(self, **fields: Any) -> None:
        server = self._server()
        seen = {name: self._entry.get(name) for name in fields}
        path = f"datasets/{self.id}/updatePartial"
        self._take(server.api("PATCH", path, body={**fields, "expected": seen}))

    def _write_tags(self, tags: list[str]) -> None:
        self._update(tags=tags)


def user_id(connection: Connection, user: Any) -> str:
    """Return the id of a user who is given by her name, her id or as an object. Raises InvalidInput."""
    asked = str(getattr(user, "id", user))
    known = connection.get("users")
    for entry in known:
        if asked in (entry["id"], entry.get("name"), entry["email"]):
            return str(entry["id"])
    names = ", ".join(repr(entry["name"]) for entry in known[:10])
    raise InvalidInput(f"there is no user {asked!r}, or you may not see her.", hint=f"There are {names}.")
