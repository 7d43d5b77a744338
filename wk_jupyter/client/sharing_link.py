"""A link by which anybody may see a dataset."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from urllib.parse import quote

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_.-]+")


class SharingLink:
    """``link.url`` is the whole address; shown as a value it keeps its token to itself.

    So that a notebook which is given away does not give away the dataset too: ``print(link.url)`` does.
    """

    def __init__(self, address: str, token: str | None, revoke: Callable[[], None]) -> None:
        self.address = address
        self._token = token
        self._revoke = revoke

    @property
    def url(self) -> str:
        """The address with its token, to be given to others; without one where the dataset is public."""
        return self.address if self._token is None else f"{self.address}?token={quote(self._token, safe='')}"

    def revoke(self) -> None:
        """End this link and all others to the dataset, at once; ``ds.share()`` makes another one then."""
        self._revoke()

    def __repr__(self) -> str:
        hidden = "" if self._token is None else "?token=… (.url has it all)"
        return f"<SharingLink {self.address}{hidden}>"

    def _repr_html_(self) -> str:
        if self._token is None:
            return f"<code>{escape(self.address)}</code> — public: everybody may see it"
        return (
            f"<code>{escape(self.address)}?token=…</code> — whoever has the link may see the dataset; "
            "<code>.url</code> has it all, <code>.revoke()</code> ends it"
        )


def page_address(server: str, name: str, dataset_id: str) -> str:
    """Return the address of a dataset's page; its name is in it for people, the id counts."""
    plain = _NOT_PLAIN.sub("-", name).strip("-.")[:80]
    return f"{server}datasets/{plain}-{dataset_id}" if plain else f"{server}datasets/{dataset_id}"
