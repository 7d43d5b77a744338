"""Absolute addresses in replies, as a client behind proxies can use them."""

from __future__ import annotations

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from wk_jupyter.server_ext.addresses import outer_address


def address(headers: dict[str, str], base_url: str = "/", *, trusts_proxies: bool = True) -> str:
    line = RequestStartLine("GET", "/", "HTTP/1.1")
    request = HTTPServerRequest(start_line=line, headers=HTTPHeaders({"Host": "inner:8888", **headers}))
    return outer_address(request, base_url, trusts_proxies=trusts_proxies)


FORWARDED = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "lab.org", "X-Forwarded-Prefix": "/jup"}


@pytest.mark.parametrize(
    ("headers", "base_url", "expected"),
    [
        ({}, "/", "http://inner:8888/"),
        (FORWARDED, "/", "https://lab.org/jup/"),
        (FORWARDED, "/user/ada/", "https://lab.org/jup/user/ada/"),
        (FORWARDED, "/jup/", "https://lab.org/jup/"),
        (
            {"X-Forwarded-Proto": "https,http"},
            "/",
            "https://inner:8888/",
        ),  # JupyterHub's proxy behind another
        ({"X-Scheme": "https", "X-Forwarded-Proto": "http"}, "/", "https://inner:8888/"),
        ({"X-Forwarded-Host": "[::1]:8443, inner"}, "/", "http://[::1]:8443/"),
        ({"X-Forwarded-Proto": "javascript", "X-Forwarded-Host": "a b/<c>"}, "/", "http://inner:8888/"),
        ({"X-Forwarded-Prefix": '/a"onload=x'}, "/", "http://inner:8888/"),
        ({"X-Forwarded-Prefix": "//evil.org"}, "/", "http://inner:8888/"),
        ({"X-Forwarded-Prefix": "/"}, "/", "http://inner:8888/"),
    ],
)
def test_what_trusted_proxies_say(headers, base_url, expected):
    assert address(headers, base_url) == expected


def test_what_others_say_is_ignored():
    assert address(FORWARDED, "/jup/", trusts_proxies=False) == "http://inner:8888/jup/"
