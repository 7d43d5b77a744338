"""A made-up lab's catalog: people, teams, a tree of folders, datasets, and who may see which."""

from __future__ import annotations

import random
from dataclasses import dataclass

import sqlalchemy as sa

from wk_jupyter.store.catalog.database import new_id, writing
from wk_jupyter.store.catalog.organizations import ensure_organization
from wk_jupyter.store.catalog.tables import (
    dataset_tags,
    dataset_teams,
    datasets,
    folder_ancestors,
    folder_teams,
    folders,
    team_members,
    teams,
    users,
)
from wk_jupyter.store.catalog.text import dataset_text

DEPTH = 8
_TISSUES = ("retina", "cortex", "cerebellum", "hippocampus", "liver", "kidney", "lung", "zebrafish larva")
_METHODS = ("SBEM", "FIB-SEM", "light sheet", "confocal", "ssTEM", "X-ray")
_TAGS = tuple(f"tag {number}" for number in range(40))


@dataclass(frozen=True)
class Size:
    datasets: int
    folders: int = 2000
    teams: int = 200
    users: int = 500


def fill(engine: sa.Engine, organization: str, size: Size) -> list[str]:
    """Write a lab into an empty catalog, the same for the same size. Returns its users' ids."""
    chance = random.Random(3)
    home = ensure_organization(engine, organization)
    base = {"organization_id": home.id, "created": 1_700_000_000_000}
    people = [{"id": new_id(), "name": f"user {n}", **base} for n in range(size.users)]
    groups = [{"id": new_id(), "name": f"team {n}", **base} for n in range(size.teams)]
    team_ids = [row["id"] for row in groups]
    members = [
        {"team_id": team, "user_id": person["id"], "is_manager": chance.random() < 0.1}
        for person in people
        for team in chance.sample(team_ids, 4)
    ]
    members += [{"team_id": home.everyone_id, "user_id": row["id"], "is_manager": False} for row in people]
    tree, level = _tree(chance, home.root_folder_id, home.id, size.folders)
    # As in a lab: a team has a few corners of the tree, none has the roots of it.
    deep = [folder for folder, depth in level.items() if depth >= 3]
    folder_grants = [
        {"folder_id": folder, "team_id": team} for team in team_ids for folder in chance.sample(deep, 3)
    ]
    with writing(engine) as connection:
        for table, rows in ((users, people), (teams, groups), (team_members, members), (folders, tree)):
            connection.execute(sa.insert(table), rows)
        connection.execute(sa.insert(folder_ancestors), _above(tree, home.root_folder_id))
        connection.execute(sa.insert(folder_teams), folder_grants)
        _fill_datasets(connection, chance, home.id, list(level), [row["id"] for row in people], size)
        ids = connection.scalars(sa.select(datasets.c.id)).all()
        direct = [
            {"dataset_id": dataset, "team_id": team}
            for team in team_ids
            for dataset in chance.sample(ids, min(5, len(ids)))
        ]
        connection.execute(sa.insert(dataset_teams), direct)
    return [row["id"] for row in people]


def settle(engine: sa.Engine) -> None:
    """Let the database take stock, as it does by itself from time to time."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE" if engine.dialect.name == "sqlite" else "VACUUM ANALYZE")


def _tree(
    chance: random.Random, root: str, organization: str, count: int
) -> tuple[list[dict[str, str]], dict[str, int]]:
    level = {root: 0}
    inner, rows = [root], []
    for number in range(count):
        parent = chance.choice(inner[-200:])
        row = {"id": new_id(), "organization_id": organization, "parent_id": parent}
        rows.append({**row, "name": f"folder {number}"})
        level[row["id"]] = level[parent] + 1
        if level[row["id"]] < DEPTH:
            inner.append(row["id"])
    return rows, level


def _above(tree: list[dict[str, str]], root: str) -> list[dict[str, str]]:
    """Each folder but the root with itself and all above it; parents come before those in them."""
    chains = {root: [root]}
    for row in tree:
        chains[row["id"]] = [row["id"], *chains[row["parent_id"]]]
    return [
        {"folder_id": folder, "ancestor_id": above}
        for folder, chain in chains.items()
        for above in chain
        if folder != root
    ]


def _fill_datasets(
    connection: sa.Connection,
    chance: random.Random,
    organization: str,
    places: list[str],
    people: list[str],
    size: Size,
) -> None:
    rows, tags = [], []
    for number in range(size.datasets):
        name = f"{chance.choice(_TISSUES)} {chance.choice(_METHODS)} {chance.randrange(10**6):06}"
        own = chance.sample(_TAGS, 2)
        metadata = [{"key": "animal", "type": "string", "value": f"mouse {number % 977}"}]
        row = {
            "id": new_id(),
            "organization_id": organization,
            "folder_id": chance.choice(places),
            "directory_name": f"dataset_{number:06}",
            "name": name,
            "description": "Fixed, stained and embedded as ever; cut at 30 nm.",
            "tags": own,
            "metadata": metadata,
            "is_public": chance.random() < 0.01,
            "owner_id": chance.choice(people) if chance.random() < 0.2 else None,
            "created": 1_700_000_000_000 + number,
            "status": "active",
            "layers": [["color", "color"], ["segmentation", "segmentation"]],
            "disk_key": f"{number}-1700000000",
            "sort_name": name.lower(),
            "search_text": dataset_text(f"dataset_{number:06}", name=name, tags=own, metadata=metadata),
            "layer_text": "color\nsegmentation",
            "element_classes": " uint8 uint32 ",
            "used_storage_bytes": chance.randrange(10**12),
        }
        rows.append(row)
        tags += [{"dataset_id": row["id"], "tag": tag} for tag in own]
    connection.execute(sa.insert(datasets), rows)
    connection.execute(sa.insert(dataset_tags), tags)
