"""A server behind reverse proxies, of which it learns by the headers that they send."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from known_server import TOKEN, running, write_known

# As JupyterHub's proxy sends them, which stands behind one that speaks TLS.
HUB = {
    "Host": "hub.lab.org",
    "X-Forwarded-Proto": "https,http",
    "X-Forwarded-Host": "hub.lab.org,hub.lab.org",
}
# As a proxy sends them that takes a part of the path away and talks to us by our own name.
STRIPPING = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "lab.org:8443", "X-Forwarded-Prefix": "/inner"}


@pytest.fixture(scope="module", params=[True, False], ids=["trusted", "not trusted"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, bool]]:
    home: Path = tmp_path_factory.mktemp("behind")
    voxels = np.ones((1, 105, 130, 43), np.uint8)
    write_known(home / "data" / "binaryData" / "lab" / "known", voxels, voxels.astype(np.uint64))
    options = [f"--ServerApp.trust_xheaders={request.param}", "--ServerApp.allow_remote_access=True"]
    with running(home, *options) as url:
        yield url, request.param


def addresses(url: str, headers: dict[str, str]) -> set[str]:
    """Every absolute address that the API tells."""
    with httpx.Client(headers={"X-Auth-Token": TOKEN, **headers}, trust_env=False) as client:
        (listed,) = client.get(f"{url}api/v13/datasets").raise_for_status().json()
        detail = client.get(f"{url}api/datasets/{listed['id']}").raise_for_status().json()
        (store,) = client.get(f"{url}api/datastores").raise_for_status().json()
        (described,) = client.get(f"{url}api/openapi.json").raise_for_status().json()["servers"]
    return {listed["dataStore"]["url"], detail["dataStore"]["url"], store["url"], described["url"]}


def test_a_client_is_told_the_address_by_which_it_came(server: tuple[str, bool]) -> None:
    url, trusted = server
    direct = url.rstrip("/")
    assert addresses(url, {}) == {direct}
    hub = "https://hub.lab.org/user/ada/wk" if trusted else "http://hub.lab.org/user/ada/wk"
    assert addresses(url, HUB) == {hub}
    stripped = "https://lab.org:8443/inner/user/ada/wk" if trusted else direct
    assert addresses(url, STRIPPING) == {stripped}


def test_one_request_does_not_change_the_address_for_the_next(server: tuple[str, bool]) -> None:
    url, _ = server
    with httpx.Client(trust_env=False) as client:
        client.get(f"{url}api/datastores", headers=STRIPPING)
        (store,) = client.get(f"{url}api/datastores").json()
    assert store["url"] == url.rstrip("/")
