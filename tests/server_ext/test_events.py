"""The stream of events, from a real server."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import asynccontextmanager

import pytest
import sqlalchemy as sa
from roles import BY_TEAM, MEMBER, SHARING, TEAM_MANAGER

from wk_jupyter.server_ext import event_feed
from wk_jupyter.server_ext.handlers import events as handlers
from wk_jupyter.store import Store, StoreConfig
from wk_jupyter.store.access import owner
from wk_jupyter.store.catalog.tables import changes
from wk_jupyter.store.people import UserPatch


class Told:
    """What comes on one stream."""

    def __init__(self, reply) -> None:
        self.reply = reply
        self.lines = reply.aiter_lines()
        self.last_id: int | None = None
        self.missed: list[dict[str, str]] = []

    async def catch_up(self) -> None:
        """Keep what comes at once for ``event``, until the stream is one of those that wait for news."""
        while set(fields := await self.block()) != {"id"}:
            self.missed.append(fields)

    async def block(self) -> dict[str, str]:
        """The next block of lines, as fields; a comment's name is empty."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(30):
            async for line in self.lines:
                if line:
                    name, _, value = line.partition(":")
                    fields[name] = value.removeprefix(" ")
                elif fields:
                    break
            else:
                raise EOFError
        if "id" in fields:
            self.last_id = int(fields["id"])
        return fields

    async def event(self) -> tuple[str, str | None]:
        """The next event, with what it is about."""
        fields = {}
        while "data" not in fields:
            fields = self.missed.pop(0) if self.missed else await self.block()
            self.last_id = int(fields.get("id", self.last_id))
        data = json.loads(fields["data"])
        if data:
            assert fields["event"] == f"{data['noun']}.{data['kind']}"
        return fields["event"], data.get("id")

    async def is_over(self) -> bool:
        while True:
            try:
                await self.block()
            except EOFError:
                return True


@pytest.fixture
def listening(wk):
    """Open a stream as one of the roles, past its greeting."""

    @asynccontextmanager
    async def listen(role="owner", headers=None, **params):
        headers = wk.headers[role] | (headers or {})
        async with wk.http.stream("GET", f"{wk.url}api/events", headers=headers, params=params) as reply:
            assert reply.status_code == 200
            told = Told(reply)
            await told.catch_up()
            yield told

    return listen


@pytest.fixture
def store(jp_serverapp, jp_asyncio_loop) -> Store:
    services = jp_serverapp.web_app.settings["wk_jupyter"].services
    return jp_asyncio_loop.run_until_complete(services.store())


async def change(wk, description: str) -> str:
    dataset = await wk.id_of("cells")
    reply = await wk.request(
        "PATCH", f"api/datasets/{dataset}/updatePartial", json={"description": description}
    )
    assert reply.status_code == 200
    return dataset


async def allow(wk, *teams: str) -> str:
    dataset = await wk.id_of("cells")
    reply = await wk.request("PATCH", f"api/datasets/{dataset}/teams", json=list(teams))
    assert reply.status_code == 200
    return dataset


async def test_who_sees_the_dataset_is_told_and_who_does_not_is_not(wk, roles, listening, store):
    async with listening(BY_TEAM) as hers, listening(MEMBER) as his:
        dataset = await change(wk, "new")
        assert await hers.event() == ("dataset.changed", dataset)
        own = store.people.update_user(owner("test"), roles.ids[MEMBER], UserPatch(first_name="Max"))
        # What comes next for him is not about the dataset.
        assert await his.event() == ("user.changed", own.id)
        assert his.last_id == hers.last_id + 1


async def test_the_answer_is_an_event_stream_that_nobody_keeps(listening):
    async with listening() as told:
        headers = told.reply.headers
        assert headers["content-type"] == "text/event-stream"
        assert headers["cache-control"] == "no-store"
        assert headers["x-accel-buffering"] == "no"


@pytest.mark.both_databases
async def test_losing_sight_is_told_as_removed_and_gaining_it_as_added(wk, roles, listening):
    async with listening(BY_TEAM) as hers:
        dataset = await allow(wk)
        assert await hers.event() == ("dataset.removed", dataset)
        await change(wk, "not hers any more")
        await allow(wk, roles.team)
        assert await hers.event() == ("dataset.added", dataset)


async def test_rights_that_are_lost_count_at_once(wk, roles, listening, store):
    """She leaves the team: what follows is not hers to know, though her stream is still open."""
    async with listening(BY_TEAM) as hers:
        leave = {"teams": [{"id": store.home.everyone_id}]}
        await wk.request("PATCH", f"api/users/{roles.ids[BY_TEAM]}", json=leave)
        assert await hers.event() == ("user.changed", roles.ids[BY_TEAM])
        await change(wk, "secret")
        await wk.request("PATCH", f"api/users/{roles.ids[BY_TEAM]}", json={"firstName": "Bea"})
        assert await hers.event() == ("user.changed", roles.ids[BY_TEAM])


async def test_a_stream_ends_with_the_token(roles, listening, store):
    async with listening(BY_TEAM) as hers:
        whose = owner("test")
        (record,) = store.tokens.list(whose, roles.ids[BY_TEAM])
        store.tokens.revoke(whose, record.id)
        assert await hers.is_over()


async def test_a_token_that_expires_ends_its_stream_without_any_change(roles, listening, store, monkeypatch):
    monkeypatch.setattr(handlers, "_RIGHTS_SECONDS", 0.0)
    async with listening(BY_TEAM) as hers:
        with store.context.engine.begin() as connection:
            connection.execute(sa.text("UPDATE api_tokens SET expires = 1"))
        assert await hers.is_over()


@pytest.mark.parametrize("by", ["header", "query"])
async def test_after_a_break_one_learns_what_happened_meanwhile(wk, roles, listening, by):
    async with listening(BY_TEAM) as hers:
        last = hers.last_id
    first = await change(wk, "one")
    await allow(wk)
    resumed = {"headers": {"Last-Event-ID": str(last)}} if by == "header" else {"since": str(last)}
    async with listening(BY_TEAM, **resumed) as hers:
        for _ in range(2):  # what she saw then and does not see now is gone, whatever happened to it first
            assert await hers.event() == ("dataset.removed", first)
        await allow(wk, roles.team)
        assert await hers.event() == ("dataset.added", first)


async def test_two_streams_of_different_age_each_learn_everything_once(wk, listening):
    async with listening() as old:
        start = old.last_id
        names = ["a", "b", "c"]
        for name in names[:2]:
            await change(wk, name)
        async with listening(since=start) as young:
            await change(wk, names[2])
            for told in (old, young):
                for number in range(start + 1, start + 4):
                    await told.event()
                    assert told.last_id == number


async def test_a_break_that_was_too_long_begins_anew(wk, listening, store):
    await change(wk, "one")
    newest = store.changes.newest()
    with store.context.engine.begin() as connection:
        connection.execute(sa.delete(changes).where(changes.c.number < newest))
    for since in (0, newest - 2, 2**31, 2**70, -1):
        async with listening(since=since) as told:
            assert await told.event() == ("reset", None)
            assert told.last_id == newest
            dataset = await change(wk, f"after {since}")
            assert await told.event() == ("dataset.changed", dataset)
            newest = told.last_id


@pytest.mark.parametrize(
    ("role", "headers", "params", "status"),
    [
        ("anonymous", {}, {}, 403),
        (SHARING, {}, {}, 403),
        ("owner", {"Last-Event-ID": "x"}, {}, 400),
        ("owner", {"Last-Event-ID": "²".encode("latin-1")}, {}, 400),
        ("owner", {"Last-Event-ID": "9" * 5000}, {}, 400),
        ("owner", {}, {"since": "x"}, 400),
        ("owner", {}, {"since": "1.5"}, 400),
    ],
)
async def test_who_may_not_and_what_is_no_id(wk, roles, role, headers, params, status):
    reply = await wk.get("api/events", role=role, headers=headers, params=params)
    assert reply.status_code == status
    assert reply.json()["messages"][0]["error"]


async def test_head_and_the_description(wk):
    reply = await wk.request("HEAD", "api/events")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/event-stream")
    described = (await wk.get("api/openapi.json")).json()["paths"]["/api/events"]["get"]
    schema = described["responses"]["200"]["content"]["text/event-stream"]["schema"]
    assert schema == {"$ref": "#/components/schemas/Event"}


async def test_what_another_process_does_is_told_as_well(wk, listening, samples):
    other = Store(StoreConfig(samples.data_dir, "lab", owner_name="ada"))
    try:
        async with listening() as told:
            team = other.people.create_team(owner("shell"), "made elsewhere")
            assert await told.event() == ("team.added", team.id)
    finally:
        other.close()


async def test_signs_of_life_move_the_place_to_resume_at(wk, roles, listening, store, monkeypatch):
    monkeypatch.setattr(handlers, "_LIFE_SECONDS", 0.0)
    async with listening(MEMBER) as his:
        await change(wk, "not for him")
        newest = store.changes.newest()
        while his.last_id < newest:
            fields = await his.block()
            assert set(fields) == {"", "id"}


async def test_one_may_not_take_all_places(wk, roles, listening):
    readers = [listening(BY_TEAM) for _ in range(event_feed.MOST_STREAMS)]
    for reader in readers:
        await reader.__aenter__()
    reply = await wk.get("api/events", role=BY_TEAM)
    assert reply.status_code == 429
    assert "streams" in reply.json()["messages"][0]["error"]
    async with listening(TEAM_MANAGER):
        pass
    for reader in readers:
        await reader.__aexit__(None, None, None)
    async with listening(BY_TEAM):
        pass


async def test_nothing_is_left_of_those_who_went(listening, services):
    for _ in range(3):
        async with listening():
            telling = services.events._telling
        async with asyncio.timeout(30):
            await telling
        assert not services.events._streams
        assert not services.events._places


@pytest.fixture
def services(jp_serverapp):
    return jp_serverapp.web_app.settings["wk_jupyter"].services


async def test_a_hundred_idle_streams_cost_nothing(wk, roles, store, services, jp_http_port, jp_base_url):
    """No thread each, no task beside that of the connection, and no work of the database each."""
    threads, tasks = threading.active_count(), len(asyncio.all_tasks())
    statements: list[str] = []
    sa.event.listen(store.context.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    readers = []
    for role in (BY_TEAM, TEAM_MANAGER, "owner", MEMBER):
        token = wk.headers[role]["X-Auth-Token"]
        for _ in range(25):
            reader, writer = await asyncio.open_connection("127.0.0.1", jp_http_port)
            line = (
                f"GET {jp_base_url}wk/api/events HTTP/1.1\r\nHost: localhost\r\nX-Auth-Token: {token}\r\n\r\n"
            )
            writer.write(line.encode())
            assert b"200" in await reader.readline()
            await reader.readuntil(b"id: ")
            readers.append((reader, writer))
    for description in ("all are there", "all are told"):
        statements.clear()
        dataset = await change(wk, description)
        for reader, _ in readers[:75]:  # not those of the last role, who does not see it
            await reader.readuntil(dataset.encode())
    # Of the change itself, of looking who asked, and of looks at the journal: none for each stream.
    assert len(statements) < 50
    assert len(services.events._streams) == 100
    assert threading.active_count() - threads <= services.threads._max_workers
    # tornado has one task for a connection and one for its request; the feed has one.
    assert len(asyncio.all_tasks()) - tasks <= 2 * 100 + 1
    for _, writer in readers:
        writer.close()


async def test_streams_end_with_the_server(wk, listening, services):
    async with listening() as told:
        services.events.close()
        assert await told.is_over()


async def test_a_catalog_that_fails_ends_streams_and_is_logged_once(
    wk, listening, services, monkeypatch, caplog
):
    async with listening() as told:

        async def fail(_number: int):
            raise OSError("the disk is gone")

        monkeypatch.setattr(services.events, "_read", fail)
        assert await told.is_over()
    assert [r.getMessage() for r in caplog.records if "cannot be read" in r.getMessage()] != []
    monkeypatch.undo()
    async with listening() as told:
        dataset = await change(wk, "again")
        assert await told.event() == ("dataset.changed", dataset)
