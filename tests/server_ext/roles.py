"""One of each who may come: users of two organizations, with a token each, and those without."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sample_datasets import TOKEN

from wk_jupyter.store import Store
from wk_jupyter.store.access import Principal, principal_of
from wk_jupyter.store.catalog.database import new_id
from wk_jupyter.store.catalog.folders import insert_folder
from wk_jupyter.store.catalog.organizations import ensure_organization
from wk_jupyter.store.catalog.tables import (
    dataset_teams,
    datasets,
    folder_teams,
    jobs,
    team_members,
    teams,
    users,
)
from wk_jupyter.store.catalog.users import find_users, insert_user

OWNER = "owner"  # of the Jupyter server, by its own token
ADMIN = "admin"
DATASET_MANAGER = "dataset manager"
TEAM_MANAGER = "team manager"  # of the team that is allowed on the dataset
BY_TEAM = "member by team"
BY_FOLDER = "member by folder"
MEMBER = "member"
OUTSIDER = "outsider"  # an admin, but of another organization
DEACTIVATED = "deactivated admin"
SHARING = "sharing token"
WRONG_SHARING = "sharing token of another dataset"
ANONYMOUS = "anonymous"
ROLES = (
    OWNER, ADMIN, DATASET_MANAGER, TEAM_MANAGER, BY_TEAM, BY_FOLDER, MEMBER, OUTSIDER, DEACTIVATED,
    SHARING, WRONG_SHARING, ANONYMOUS,
)  # fmt: skip
_FLAGS = {
    ADMIN: {"is_admin": True},
    DATASET_MANAGER: {"is_dataset_manager": True},
    OUTSIDER: {"is_admin": True},
    DEACTIVATED: {"is_admin": True, "is_active": False},
}


@dataclass
class Roles:
    """``headers`` and user ids by role. The dataset lies in ``folder``, below ``above``.

    ``team`` is allowed on the dataset, ``readers`` on the folder above.
    """

    headers: dict[str, dict[str, str]]
    ids: dict[str, str]
    folder: str
    above: str
    team: str
    readers: str
    job: str  # of the team manager, and over
    path: str  # what an admin may import


def make_roles(store: Store, dataset: str, other: str) -> Roles:
    """Put a dataset into a folder in a folder, allow one team on it and one above, and hire everybody.

    ``dataset`` and ``other``, whose sharing token fits nothing else, are names of folders on disk.
    """
    home, abroad = store.home, ensure_organization(store.context.engine, "elsewhere")
    ids: dict[str, str] = {}
    with store.changes.writing() as writer:
        write = writer.connection.execute
        for role in (ADMIN, DATASET_MANAGER, TEAM_MANAGER, BY_TEAM, BY_FOLDER, MEMBER, DEACTIVATED):
            ids[role] = insert_user(writer.connection, home, role.replace(" ", "."), **_FLAGS.get(role, {}))
        ids[OUTSIDER] = insert_user(writer.connection, abroad, "eve", **_FLAGS[OUTSIDER])
        reviewers, readers = new_id(), new_id()
        for team, name in ((reviewers, "reviewers"), (readers, "readers")):
            write(sa.insert(teams).values(id=team, organization_id=home.id, name=name, created=0))
        for team, role, manages in (
            (reviewers, TEAM_MANAGER, True),
            (reviewers, BY_TEAM, False),
            (readers, BY_FOLDER, False),
        ):
            write(sa.insert(team_members).values(team_id=team, user_id=ids[role], is_manager=manages))
        above = insert_folder(writer.connection, home.id, home.root_folder_id, "2026")
        folder = insert_folder(writer.connection, home.id, above, "march")
        write(sa.insert(folder_teams).values(folder_id=above, team_id=readers))
        found = dict(writer.connection.execute(sa.select(datasets.c.directory_name, datasets.c.id)).all())
        write(sa.update(datasets).where(datasets.c.id == found[dataset]).values(folder_id=folder))
        write(sa.insert(dataset_teams).values(dataset_id=found[dataset], team_id=reviewers))
        for name in (dataset, other):
            nonce = name[0] * 32
            write(sa.update(datasets).where(datasets.c.id == found[name]).values(sharing_nonce=nonce))
        writer.note("dataset", "changed", found[dataset], home.id)
    headers = {OWNER: {"X-Auth-Token": TOKEN}, ANONYMOUS: {}}
    for role, name in ((SHARING, dataset), (WRONG_SHARING, other)):
        headers[role] = {"X-Auth-Token": store.sharing.token(found[name], name[0] * 32)}
    with store.context.engine.connect() as connection:
        hired = find_users(connection, users.c.id.in_(ids.values()))
    for role, user_id in ids.items():
        (user,) = (each for each in hired if each.id == user_id)
        root = principal_of(store.owner) if role != OUTSIDER else principal_of(user)
        _, secret = store.tokens.create(root, role, user_id=user_id)
        headers[role] = {"X-Auth-Token": secret}
    with store.changes.writing() as writer:
        manager = Principal("manager", user_id=ids[TEAM_MANAGER], organization_id=home.id)
        job = store.jobs.add(writer, dataset_id=found[dataset], kind="test", owner=manager, request={})
        writer.connection.execute(sa.update(jobs).where(jobs.c.id == job).values(state="failed"))
    path = store.config.data_dir / "binaryData" / home.name / dataset
    return Roles(headers, ids, folder, above, reviewers, readers, job, str(path))
