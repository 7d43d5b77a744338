"""Who one is, and what a page of another site can make a browser do."""

from __future__ import annotations

import re

import pytest
from sample_datasets import TOKEN

REFRESH = "api/datasets/refresh"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Auth-Token": TOKEN},
        {"x-auth-token": TOKEN},
        {"Authorization": f"token {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN}"},
        {"X-Auth-Token": TOKEN, "Authorization": "Basic eDp5"},
        {"X-Auth-Token": TOKEN, "Origin": "https://elsewhere.example"},
    ],
)
async def test_the_servers_token_is_the_owner_and_needs_no_xsrf(wk, headers):
    user = await wk.get("api/user", role="anonymous", headers=headers)
    assert user.status_code == 200
    assert user.json()["isAdmin"] is True
    assert (await wk.post(REFRESH, role="anonymous", headers=headers)).status_code == 200
    assert "set-cookie" not in user.headers


async def test_the_token_in_the_address(wk):
    assert (await wk.get(f"api/user?token={TOKEN}", role="anonymous")).status_code == 200


@pytest.fixture
def cookies(wk, jp_asyncio_loop, jp_base_url):
    """What a browser holds after a login: the login cookie and the XSRF cookie."""

    async def log_in():
        root = wk.url.removesuffix("wk/")
        reply = await wk.http.get(f"{root}api/me?token={TOKEN}")
        set_cookies = reply.headers.get_list("set-cookie")
        page = await wk.http.get(f"{root}login")
        set_cookies += page.headers.get_list("set-cookie")
        return dict(re.match(r"([^=]+)=([^;]*)", cookie).groups() for cookie in set_cookies)

    cookies = jp_asyncio_loop.run_until_complete(log_in())
    assert "_xsrf" in cookies
    assert len(cookies) == 2
    return cookies


def as_browser(cookies, **headers):
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()), **headers}


async def test_a_login_cookie_reads(wk, cookies):
    assert (await wk.get("api/user", role="anonymous", headers=as_browser(cookies))).status_code == 200


async def test_a_login_cookie_alone_changes_nothing(wk, cookies):
    reply = await wk.post(REFRESH, role="anonymous", headers=as_browser(cookies))
    assert reply.status_code == 403
    assert reply.json()["messages"][0]["code"] == "forbidden"
    wrong = as_browser(cookies, **{"X-XSRFToken": "2|00000000|0|0"})
    assert (await wk.post(REFRESH, role="anonymous", headers=wrong)).status_code == 403


async def test_a_login_cookie_with_the_xsrf_header_does(wk, cookies):
    headers = as_browser(cookies, **{"X-XSRFToken": cookies["_xsrf"]})
    assert (await wk.post(REFRESH, role="anonymous", headers=headers)).status_code == 200


async def test_a_page_of_another_site_gets_nothing_by_the_cookie(wk, cookies):
    headers = as_browser(cookies, Origin="https://elsewhere.example", **{"X-XSRFToken": cookies["_xsrf"]})
    for method, path in (("GET", "api/user"), ("GET", "api/datasets"), ("POST", REFRESH)):
        reply = await wk.request(method, path, role="anonymous", headers=headers)
        assert reply.status_code == 403
        assert "access-control-allow-origin" not in reply.headers


async def test_a_forged_cookie_is_nobodys(wk, cookies):
    forged = {name: value if name == "_xsrf" else value[:-4] + "0000" for name, value in cookies.items()}
    assert (await wk.get("api/user", role="anonymous", headers=as_browser(forged))).status_code == 403


async def test_anonymous_posts_to_what_is_public_need_no_xsrf(wk, make_public):
    await make_public("cells")
    dataset = await wk.id_of("cells")
    reply = await wk.post(f"api/datasetConfigurations/{dataset}", role="anonymous", json=[])
    assert reply.status_code == 200


async def test_a_token_that_changes_counts_at_once(wk, jp_serverapp):
    assert (await wk.get("api/user")).status_code == 200
    jp_serverapp.identity_provider.token = "another"
    assert (await wk.get("api/user")).status_code == 403
    assert (await wk.get("api/user", headers={"X-Auth-Token": "another"})).status_code == 200


async def test_another_host_name_is_refused(wk):
    """As Jupyter does against DNS rebinding."""
    reply = await wk.get("api/datasets", headers={"Host": "evil.example"})
    assert reply.status_code == 403
    assert reply.json()["messages"]


async def test_no_cors_by_default(wk):
    reply = await wk.get("api/buildinfo", headers={"Origin": "https://elsewhere.example"})
    assert not [name for name in reply.headers if name.startswith("access-control")]


class TestAllowedOrigin:
    @pytest.fixture
    def jp_server_config(self, jp_server_config):
        jp_server_config["ServerApp"]["allow_origin"] = "https://viewer.example"
        return jp_server_config

    async def test_preflight_and_reply(self, wk):
        origin = {"Origin": "https://viewer.example"}
        asked = await wk.request("OPTIONS", "api/datasets", role="anonymous", headers=origin)
        assert asked.status_code == 204
        assert "x-auth-token" in asked.headers["access-control-allow-headers"]
        assert "GET" in asked.headers["access-control-allow-methods"]
        reply = await wk.get("api/user", headers=origin)
        assert reply.headers["access-control-allow-origin"] == "https://viewer.example"
        assert "MISSING-BUCKETS" in reply.headers["access-control-expose-headers"]
        refused = await wk.get("api/user", role="anonymous", headers=origin)
        assert refused.status_code == 403
        assert refused.headers["access-control-allow-origin"] == "https://viewer.example"


class TestOtherAuthorizers:
    """An administrator's own rule also counts for us."""

    @pytest.fixture
    def jp_server_config(self, jp_server_config):
        from jupyter_server.auth import Authorizer

        class Nobody(Authorizer):
            def is_authorized(self, handler, user, action, resource):
                return resource != "wk_jupyter" or action == "read"

        jp_server_config["ServerApp"]["authorizer_class"] = Nobody
        return jp_server_config

    async def test_it_is_asked(self, jp_serverapp, http_server_client, jp_http_port, jp_base_url):
        import httpx

        base = f"http://127.0.0.1:{jp_http_port}{jp_base_url}wk/"
        async with httpx.AsyncClient(headers={"X-Auth-Token": TOKEN}) as http:
            assert (await http.get(f"{base}api/user")).status_code == 200
            http.cookies.clear()
            assert (await http.post(f"{base}{REFRESH}")).status_code == 403


async def test_no_log_line_has_a_token(wk, caplog, cookies):
    dataset = await wk.id_of("cells")
    for path in (
        "api/user",
        "api/nowhere",
        f"data/datasets/{dataset}/layers/color/data",
        "api/datasets?limit=x",
    ):
        mark = "&" if "?" in path else "?"
        await wk.get(f"{path}{mark}token={TOKEN}")
        await wk.get(f"{path}{mark}token={TOKEN}", role="anonymous", headers=as_browser(cookies))
        await wk.post(f"{path}{mark}token={TOKEN}", headers={"Authorization": f"token {TOKEN}"})
    lines = [record.getMessage() for record in caplog.records if "/wk/" in record.getMessage()]
    assert len(lines) >= 12
    assert not [line for line in lines if TOKEN in line]
    assert not [line for line in lines if any(value in line for value in cookies.values())]
