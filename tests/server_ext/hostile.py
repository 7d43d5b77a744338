"""Requests that no client of good will sends, made from the OpenAPI description."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

NUMBERS = st.one_of(
    st.sampled_from(
        [0, -1, 1, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63), -(2**64), 10**25, 10**400]
    ),
    st.integers(-70, 200),
    st.integers(),
    st.floats(),
)
_PATHS = [
    "",
    ".",
    "..",
    "../..",
    "/",
    "//",
    "/etc/passwd",
    "..%2f..",
    "%00",
    "\0",
    "a\0b",
    "\\..\\",
    "~",
    "*",
]
_WORDS = ["NaN", "null", "1-1-1", "0", "-1", "1e999", "9" * 400, "a" * 3000, "٣", "²", "𝟙", "\ud7ff\uffff"]
_TEXTS = ["'; --", "<b>", "\r\nX: y", "t=1", "t=9", "q=1", "t=1,t=2", "t", "=", "t=" + "9" * 5000]
STRINGS = st.one_of(st.sampled_from(_PATHS + _WORDS + _TEXTS), st.text(max_size=40))
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, STRINGS)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(st.one_of(STRINGS, st.text(max_size=9)), inner, max_size=5),
    ),
    max_leaves=12,
)
BODIES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [
            b"",
            b"null",
            b"[",
            b"{" * 100_000,
            b"[" * 100_000,
            b'{"a":' * 50_000,
            b"\xff\xfe",
            b"NaN",
            b"[[]]",
            b'"\\ud800"',
        ]
    ),
)
HEADERS = {
    "Range": [
        "bytes=0-0",
        "bytes=-5",
        "bytes=5-",
        "bytes=9-2",
        "bytes=0-1,3-4",
        "lines=1",
        "bytes=" + "9" * 500 + "-",
        "bytes=²-",
    ],
    "Accept-Encoding": ["zstd", "zstd;q=0", "", "x" * 2000],
    "Content-Type": ["text/plain", "application/json; charset=utf-16"],
    "If-None-Match": ["*", '"', "W/"],
    "X-Auth-Token": ["", "wrong", "\xe9"],
    "Origin": ["null", "http://evil.org"],
    "X-Forwarded-Host": ["a b", "evil.org"],
    "Accept": ["*/*;q=x"],
}


_PLAIN: Mapping[Any, st.SearchStrategy[Any]] = {
    "integer": st.one_of(st.integers(0, 70), st.integers(0, 3), NUMBERS),
    "number": NUMBERS,
    "boolean": st.booleans(),
    "null": st.none(),
    "string": STRINGS,
}


@dataclass(frozen=True)
class Request:
    method: str
    address: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Description:
    """The description of an API, and good values for the variables in its addresses."""

    document: dict[str, Any]
    known: Mapping[str, list[str]]

    def requests(self) -> st.SearchStrategy[Request]:
        operations = [
            (method.upper(), path, operation)
            for path, methods in self.document["paths"].items()
            for method, operation in methods.items()
        ]
        return st.sampled_from(operations).flatmap(lambda found: _requests(self, *found))

    def like(self, schema: Any) -> st.SearchStrategy[Any]:
        """Values that fit a schema, with some that don't in any of their places."""
        return st.integers(0, 24).flatmap(lambda n: ANYTHING if n == 24 else self._fitting(schema))

    def _fitting(self, schema: Any) -> st.SearchStrategy[Any]:
        if "$ref" in schema:
            return self.like(self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
        if "anyOf" in schema:
            return st.one_of(*(self.like(option) for option in schema["anyOf"]))
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        makers = {"object": self._object, "array": self._array}
        kind = schema.get("type")
        return makers[kind](schema) if kind in makers else _PLAIN.get(kind, ANYTHING)

    def _object(self, schema: Any) -> st.SearchStrategy[Any]:
        fields = {name: self.like(inner) for name, inner in schema.get("properties", {}).items()}
        required = {name: fields.pop(name) for name in schema.get("required", ())}
        return st.fixed_dictionaries(required, optional=fields)

    def _array(self, schema: Any) -> st.SearchStrategy[Any]:
        if "prefixItems" in schema:
            return st.tuples(*(self.like(item) for item in schema["prefixItems"])).map(list)
        return st.lists(self.like(schema.get("items") or {}), max_size=4)


@st.composite
def _requests(
    draw: st.DrawFn, description: Description, method: str, path: str, operation: dict[str, Any]
) -> Request:
    address, query = path, {}
    for parameter in operation["parameters"]:
        name = parameter["name"]
        if parameter["in"] == "path":
            good = st.sampled_from(description.known.get(name, ["0" * 24]))
            value = draw(good if draw(st.integers(0, 11)) < 11 else STRINGS)
            address = address.replace(f"{{{name}}}", quote(value, safe=draw(st.sampled_from(["", "/"]))))
        elif draw(st.integers(0, 3)):
            query[name] = draw(description.like(parameter["schema"]))
    if query:
        address += "?" + "&".join(f"{name}={quote(_text(value), safe='')}" for name, value in query.items())
    body = None
    if method != "GET":
        schema = operation.get("requestBody", {"content": {"application/json": {"schema": {}}}})
        model = schema["content"]["application/json"]["schema"]
        made = description.like(model).map(lambda value: json.dumps(value).encode())
        body = draw(st.one_of(made, made, made, made, BODIES))
    names = draw(st.lists(st.sampled_from(sorted(HEADERS)), max_size=2, unique=True))
    headers = {name: draw(st.sampled_from(HEADERS[name])) for name in names}
    others = ["HEAD" if method == "GET" else "GET", "PUT", "PATCH", "DELETE", "OPTIONS"]
    return Request(draw(st.sampled_from([method] * 24 + others)), address, body, headers)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
