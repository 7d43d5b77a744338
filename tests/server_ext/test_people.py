"""Users, teams and tokens over HTTP, beyond who may do what, which the matrix of permissions has."""

from __future__ import annotations

import re

import pytest
from roles import ADMIN, BY_TEAM, TEAM_MANAGER


def message(reply) -> str:
    return reply.json()["messages"][0]["error"]


async def user(wk, role, as_role=None):
    reply = await wk.get(f"api/users/{role}", role=as_role or "owner")
    assert reply.status_code == 200, reply.text
    return reply.json()


async def test_a_team_manager_sends_all_of_a_user_as_the_official_client_does(wk, roles):
    bea = await user(wk, roles.ids[BY_TEAM], TEAM_MANAGER)
    assert bea["email"].endswith("@localhost")  # none is known
    for membership in bea["teams"]:
        membership["isTeamManager"] = membership["id"] == roles.team
    path = f"api/users/{bea['id']}"
    reply = await wk.request("PATCH", path, role=TEAM_MANAGER, json=bea | {"experiences": {}, "other": 1})
    assert reply.status_code == 200, reply.text
    assert await user(wk, bea["id"]) == bea
    for changed in ({"isAdmin": True}, {"email": "x@y.org"}, {"firstName": "X"}):
        refused = await wk.request("PATCH", path, role=TEAM_MANAGER, json=bea | changed)
        assert refused.status_code == 403
    assert await user(wk, bea["id"]) == bea


@pytest.mark.both_databases
async def test_a_new_user(wk, roles):
    wanted = {"name": " zoe ", "lastName": "Z.", "teams": [{"id": roles.team, "isTeamManager": True}]}
    made = (await wk.post("api/users", role=ADMIN, json=wanted)).json()
    assert (made["name"], made["firstName"], made["lastName"], made["isActive"]) == ("zoe", "zoe", "Z.", True)
    assert {team["name"]: team["isTeamManager"] for team in made["teams"]} == {
        "default": False,
        "reviewers": True,
    }
    again = await wk.post("api/users", role=ADMIN, json=wanted)
    assert (again.status_code, message(again)) == (409, "there is a user 'zoe' already.")


async def test_what_is_no_user_is_refused_in_words(wk, roles):
    path = f"api/users/{roles.ids[BY_TEAM]}"
    before = await user(wk, roles.ids[BY_TEAM])
    for body, names in (
        ({"isActive": "yes"}, "isActive"),
        ({"teams": [{"isTeamManager": True}]}, "id"),
        ({"teams": {"a": 1}}, "teams"),
        ({"lastName": "a\nb"}, "last_name"),
        ({"email": "x" * 1000}, "email"),
        ({"teams": [{"id": "\0"}]}, "teams"),
        ([], "object"),
    ):
        reply = await wk.request("PATCH", path, json=body)
        assert reply.status_code == 400, body
        assert names in message(reply)
    assert await user(wk, roles.ids[BY_TEAM]) == before
    for name in ("", "  ", "a\0b", "x" * 256, None, 7):
        for where in ("users", "teams", "tokens"):
            reply = await wk.post(f"api/{where}", json={"name": name})
            assert (reply.status_code, "name" in message(reply)) == (400, True), (where, name)
    for unknown in ("f" * 24, "%00", "x" * 2000):
        assert (await wk.get(f"api/users/{unknown}")).status_code == 404
        assert (await wk.request("DELETE", f"api/teams/{unknown}")).status_code == 404
        assert (await wk.request("DELETE", f"api/tokens/{unknown}")).status_code == 404


async def test_two_who_change_a_user_at_once(wk, roles):
    path, seen = f"api/users/{roles.ids[BY_TEAM]}", await user(wk, roles.ids[BY_TEAM])
    first = {"teams": [*seen["teams"], {"id": roles.readers}], "expected": {"teams": seen["teams"]}}
    assert (await wk.request("PATCH", path, json=first)).status_code == 200
    second = await wk.request("PATCH", path, json={"teams": seen["teams"], "expected": seen})
    assert second.status_code == 409
    assert "somebody else changed the user" in message(second)
    assert len((await user(wk, roles.ids[BY_TEAM]))["teams"]) == len(seen["teams"]) + 1


async def test_the_last_admin_stays(wk):
    (ada,) = (await wk.get("api/users")).json()
    for patch in ({"isAdmin": False}, {"isActive": False}):
        reply = await wk.request("PATCH", f"api/users/{ada['id']}", json=patch)
        assert reply.status_code == 409
        assert "without an admin" in message(reply)
    assert (await wk.get("api/users")).json() == [ada]


@pytest.mark.both_databases
async def test_a_token_is_told_once(wk, roles):
    reply = await wk.post("api/tokens", role=BY_TEAM, json={"name": "laptop", "days": 7})
    made = reply.json()
    secret = made.pop("token")
    assert reply.headers["cache-control"] == "no-store"
    assert re.fullmatch(r"wkt_[A-Za-z0-9_-]{43}", secret)
    assert made["expires"] - made["created"] == 7 * 86_400_000
    as_it = {"X-Auth-Token": secret}
    whoever = (await wk.get("api/user", role="anonymous", headers=as_it)).json()
    assert whoever["id"] == roles.ids[BY_TEAM]
    listed = await wk.get("api/tokens", role=BY_TEAM)
    assert secret not in listed.text
    assert {each["name"]: each["token"] for each in listed.json()} == {"laptop": None, BY_TEAM: None}
    assert (await wk.request("DELETE", f"api/tokens/{made['id']}", role=BY_TEAM)).status_code == 200
    ended = await wk.get("api/user", role="anonymous", headers=as_it)
    assert ended.status_code == 403
    assert "not accepted" in message(ended)


async def test_tokens_that_are_none_are_refused_alike(wk, roles):
    """Unknown, damaged or revoked: the same words, and no hint which."""
    made = (await wk.post("api/tokens", role=BY_TEAM, json={"name": "x"})).json()
    await wk.request("DELETE", f"api/tokens/{made['id']}", role=BY_TEAM)
    dataset = await wk.id_of("cells")
    said = set()
    for token in (made["token"], "wkt_", "wkt_" + "A" * 43, made["token"][:-1], "x" * 3000):
        headers = {"X-Auth-Token": token}
        refused = await wk.get("api/user", role="anonymous", headers=headers)
        assert refused.status_code == 403
        said.add(message(refused))
        hidden = await wk.get(f"api/datasets/{dataset}", role="anonymous", headers=headers)
        assert hidden.status_code == 404
    assert len(said) == 1
