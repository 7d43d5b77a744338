"""The rule of access against a model that is too simple to be wrong, over random labs and their changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, multiple, rule

from wk_jupyter.store.access import ANONYMOUS, AccessPolicy, Action, Principal, principal_of
from wk_jupyter.store.catalog.database import new_id, open_database
from wk_jupyter.store.catalog.folders import insert_folder, move_folder
from wk_jupyter.store.catalog.grants import folder_grants
from wk_jupyter.store.catalog.listing import DatasetReader, Listed
from wk_jupyter.store.catalog.organizations import ensure_organization
from wk_jupyter.store.catalog.tables import (
    dataset_teams,
    datasets,
    folder_ancestors,
    folder_teams,
    folders,
    metadata,
    team_members,
    teams,
    users,
)
from wk_jupyter.store.catalog.users import find_users, insert_user
from wk_jupyter.store.records import DatasetQuery, DatasetRecord, FolderRecord
from wk_jupyter.store.sharing import SharingTokens

ORGANIZATIONS = ("lab", "lab", "lab", "other")  # mostly one: what crosses organizations is refused


@cache
def catalog() -> sa.Engine:
    return open_database("sqlite://")


def empty_catalog() -> sa.Engine:
    """Make the tables once: that takes longer than all the rest."""
    engine = catalog()
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        for table in reversed(metadata.sorted_tables):
            connection.execute(sa.delete(table))
    return engine


@dataclass
class Person:
    id: str
    organization: str
    is_admin: bool
    is_dataset_manager: bool
    is_active: bool = True
    teams: dict[str, bool] = field(default_factory=dict)  # team -> whether she manages it


@dataclass
class Place:
    """A folder, or a dataset, whose ``parent`` is then its folder."""

    id: str
    organization: str
    parent: str | None
    teams: set[str] = field(default_factory=set)
    is_public: bool = False
    owner: str | None = None
    is_trashed: bool = False


class Lab(RuleBasedStateMachine):
    """Every rule changes the catalog and the model; the invariant asks both the same questions."""

    people, groups, places, things = Bundle("people"), Bundle("groups"), Bundle("places"), Bundle("things")

    @initialize(target=places)
    def begin(self):
        self.engine = empty_catalog()
        self.policy = AccessPolicy(SharingTokens(b"s" * 32))
        self.reader = DatasetReader(self.engine)
        self.organizations = {name: ensure_organization(self.engine, name) for name in ORGANIZATIONS}
        self.persons: dict[str, Person] = {}
        self.folders: dict[str, Place] = {}
        self.datasets: dict[str, Place] = {}
        self.team_of: dict[str, str] = {each.everyone_id: name for name, each in self.organizations.items()}
        for name, each in self.organizations.items():
            self.folders[each.root_folder_id] = Place(each.root_folder_id, name, None)
        return multiple(*(each.root_folder_id for each in self.organizations.values()))

    def teardown(self):
        if hasattr(self, "engine"):
            self.compare()

    def write(self, statement) -> None:
        with self.engine.begin() as connection:
            connection.execute(statement)

    # --- people -----------------------------------------------------------------------------

    @rule(
        target=people, organization=st.sampled_from(ORGANIZATIONS), admin=st.booleans(), manager=st.booleans()
    )
    def hire(self, organization, admin, manager):
        roles = {"is_admin": admin and manager, "is_dataset_manager": manager}
        with self.engine.begin() as connection:
            person_id = insert_user(
                connection, self.organizations[organization], f"p{len(self.persons)}", **roles
            )
        person = Person(person_id, organization, **roles)
        person.teams[self.organizations[organization].everyone_id] = False
        self.persons[person_id] = person
        return person_id

    @rule(person=people, active=st.booleans())
    def activate(self, person, active):
        self.persons[person].is_active = active
        self.write(sa.update(users).where(users.c.id == person).values(is_active=active))

    @rule(target=groups, organization=st.sampled_from(ORGANIZATIONS))
    def found_team(self, organization):
        team = new_id()
        name = f"t{len(self.team_of)}"
        row = {"id": team, "organization_id": self.organizations[organization].id, "name": name}
        self.write(sa.insert(teams).values(**row, created=0))
        self.team_of[team] = organization
        return team

    @rule(person=people, team=groups, manages=st.booleans())
    def join(self, person, team, manages):
        member = self.persons[person]
        if member.organization != self.team_of[team]:
            return
        self.leave(person, team)
        member.teams[team] = manages
        row = {"team_id": team, "user_id": person, "is_manager": manages}
        self.write(sa.insert(team_members).values(row))

    @rule(person=people, team=groups)
    def leave(self, person, team):
        self.persons[person].teams.pop(team, None)
        is_it = sa.and_(team_members.c.team_id == team, team_members.c.user_id == person)
        self.write(sa.delete(team_members).where(is_it))

    # --- folders and datasets ---------------------------------------------------------------

    @rule(target=places, parent=places)
    def make_folder(self, parent):
        organization = self.folders[parent].organization
        home, name = self.organizations[organization].id, new_id()  # as a number comes again
        with self.engine.begin() as connection:
            place = Place(insert_folder(connection, home, parent, name), organization, parent)
        self.folders[place.id] = place
        return place.id

    @rule(folder=places, into=places)
    def move_folder(self, folder, into):
        if self.folders[folder].parent is None or folder in self.chain(into):
            return
        if self.folders[folder].organization != self.folders[into].organization:
            return
        self.folders[folder].parent = into
        with self.engine.begin() as connection:
            move_folder(connection, folder, into)

    @rule(target=places, folder=consumes(places))
    def delete_folder(self, folder):
        """Only an empty one; others stay where they are."""
        taken = {place.parent for place in (*self.folders.values(), *self.datasets.values())}
        if self.folders[folder].parent is None or folder in taken:
            return folder
        del self.folders[folder]
        self.write(sa.delete(folders).where(folders.c.id == folder))
        return multiple()

    @rule(target=things, folder=places, owner=people, brought=st.booleans(), public=st.booleans())
    def bring_dataset(self, folder, owner, brought, public):
        organization = self.folders[folder].organization
        place = Place(new_id(), organization, folder, is_public=public)
        if brought and self.persons[owner].organization == organization:
            place.owner = owner
        name = place.id  # its number would come again after a purge
        self.write(
            sa.insert(datasets).values(
                id=place.id, organization_id=self.organizations[organization].id, folder_id=folder,
                directory_name=name, name=name, sort_name=name, created=0, status="active", layers=[],
                disk_key="", is_public=public, owner_id=place.owner,
            )
        )  # fmt: skip
        self.datasets[place.id] = place
        return place.id

    @rule(dataset=things, folder=places)
    def move_dataset(self, dataset, folder):
        if self.datasets[dataset].organization != self.folders[folder].organization:
            return
        self.datasets[dataset].parent = folder
        self.write(sa.update(datasets).where(datasets.c.id == dataset).values(folder_id=folder))

    @rule(dataset=things, public=st.booleans())
    def publish(self, dataset, public):
        self.datasets[dataset].is_public = public
        self.write(sa.update(datasets).where(datasets.c.id == dataset).values(is_public=public))

    @rule(dataset=things, trashed=st.booleans())
    def trash(self, dataset, trashed):
        self.datasets[dataset].is_trashed = trashed
        self.write(sa.update(datasets).where(datasets.c.id == dataset).values(trashed=1 if trashed else None))

    @rule(dataset=consumes(things))
    def purge(self, dataset):
        del self.datasets[dataset]
        self.write(sa.delete(datasets).where(datasets.c.id == dataset))

    @rule(dataset=things, team=groups)
    def allow_on_dataset(self, dataset, team):
        self.toggle(dataset_teams, dataset_teams.c.dataset_id, self.datasets[dataset], team)

    @rule(folder=places, team=groups)
    def allow_on_folder(self, folder, team):
        self.toggle(folder_teams, folder_teams.c.folder_id, self.folders[folder], team)

    def toggle(self, table, key, place, team):
        if self.team_of[team] != place.organization:
            return
        if team in place.teams:
            place.teams.remove(team)
            self.write(sa.delete(table).where(key == place.id, table.c.team_id == team))
        else:
            place.teams.add(team)
            self.write(sa.insert(table).values({key.name: place.id, "team_id": team}))

    # --- the model --------------------------------------------------------------------------

    def chain(self, folder: str | None) -> list[str]:
        found = []
        while folder is not None:
            found.append(folder)
            folder = self.folders[folder].parent
        return found

    def allowed_teams(self, place: Place) -> set[str]:
        return place.teams.union(*(self.folders[above].teams for above in self.chain(place.parent)))

    def expected(self, person: Person | None, action: Action, place: Place, *, is_folder: bool) -> bool:
        if not is_folder and place.is_public and action is Action.READ and not place.is_trashed:
            return True
        if person is None or not person.is_active or person.organization != place.organization:
            return False
        if person.is_admin or person.is_dataset_manager or (not is_folder and place.owner == person.id):
            return True
        needs_manager = action is Action.EDIT or place.is_trashed
        if is_folder and place.parent is None and action is Action.READ:
            return True
        return any(team in person.teams and (person.teams[team] or not needs_manager)
                   for team in self.allowed_teams(place))  # fmt: skip

    @rule()
    def compare(self):
        """The policy agrees with the model about everybody and everything."""
        with self.engine.connect() as connection:
            users_now = {user.id: user for user in find_users(connection, sa.true())}
            rows = connection.execute(sa.select(folders.c.id, folders.c.organization_id, folders.c.parent_id))
            grants = folder_grants(connection, self.folders)
            above = sa.select(folder_ancestors.c.folder_id, folder_ancestors.c.ancestor_id)
            pairs = [tuple(row) for row in connection.execute(above)]
            assert sorted(pairs) == sorted((each, up) for each in self.folders for up in self.chain(each))
            records = [
                FolderRecord(row.id, row.organization_id, "f", row.parent_id, (), *grants[row.id])
                for row in rows
            ]
        everything = self.reader.page(Listed(sa.true(), (sa.true(),)), DatasetQuery()).records
        asking = [(person, principal_of(users_now[key])) for key, person in self.persons.items()]
        for person, principal in [*asking, (None, ANONYMOUS)]:
            self.check_datasets(person, principal, everything)
            self.check_folders(person, principal, records)

    def check_datasets(
        self, person: Person | None, principal: Principal, everything: list[DatasetRecord]
    ) -> None:
        for action in Action:
            wanted = {
                key for key, place in self.datasets.items()
                if self.expected(person, action, place, is_folder=False)
            }  # fmt: skip
            found = {each.id for each in everything if self.policy.may(principal, action, each)}
            assert found == wanted, (action, person)
            in_sql = self.policy.readable if action is Action.READ else self.policy.editable
            with self.engine.connect() as connection:
                listed = set(connection.scalars(sa.select(datasets.c.id).where(in_sql(principal))))
            shown = {key for key in wanted if action is Action.EDIT or not self.datasets[key].is_trashed}
            assert listed == shown, (action, person)

    def check_folders(self, person: Person | None, principal: Principal, records: list[FolderRecord]) -> None:
        for action in Action:
            wanted = {
                key for key, place in self.folders.items()
                if self.expected(person, action, place, is_folder=True)
            }  # fmt: skip
            found = {each.id for each in records if self.policy.may_folder(principal, action, each)}
            assert found == wanted, (action, person)


Lab.TestCase.settings = settings(
    max_examples=100, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAccess = Lab.TestCase
