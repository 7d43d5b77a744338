"""Tokens by which a dataset is shown to people without an account.

A token is made of a secret that lies in the data directory, the dataset's id and a random number that is
kept with the dataset: whoever reads the catalog alone cannot make one, and dropping the number revokes it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Final

from wk_jupyter.errors import InvalidInput

SECRET_FILE: Final = ".wk_jupyter_secret"  # noqa: S105 - a file's name
_SECRET_BYTES: Final = 32
_NONCE_BYTES: Final = 16  # 128 bit


class SharingTokens:
    """Makes and checks tokens of 256 bit."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @staticmethod
    def new_nonce() -> str:
        return secrets.token_hex(_NONCE_BYTES)

    def token(self, dataset_id: str, nonce: str) -> str:
        """Return the token of a dataset; the same until its nonce changes.

        Digits and letters alone: clients look for a dataset's id behind the last hyphen of an address.
        """
        text = f"sharing:{dataset_id}:{nonce}".encode()
        return hmac.digest(self._secret, text, hashlib.sha256).hex()

    def fits(self, token: str, dataset_id: str, nonce: str) -> bool:
        """Whether a token is the dataset's, in a time that does not tell how much of it is right."""
        expected = self.token(dataset_id, nonce).encode()
        return hmac.compare_digest(token.encode("utf-8", "replace"), expected)


def read_or_make_secret(data_dir: Path) -> bytes:
    """Return the data directory's secret, which its owner alone may read. Raises InvalidInput."""
    path = data_dir / SECRET_FILE
    try:
        secret = _read(path)
        if secret is None:
            _write(path, secrets.token_hex(_SECRET_BYTES))
            return read_or_make_secret(data_dir)
    except OSError as error:
        raise InvalidInput(
            f"the data directory {data_dir} cannot be written to: {error.strerror}.",
            hint="Set WkJupyterApp.data_dir or WK_JUPYTER_DATA_DIR to a folder that you may write to.",
        ) from None
    return secret


def _read(path: Path) -> bytes | None:
    try:
        text = path.read_text("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(secret) == _SECRET_BYTES:
        return secret
    raise InvalidInput(
        f"{path} is damaged.", hint="Remove it: it is made anew, and sharing links made so far end."
    )


def _write(path: Path, text: str) -> None:
    """Put the secret in place whole; where another server was faster, its secret stays."""
    fresh = path.with_name(f"{path.name}-{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    except PermissionError:  # a disk that knows no links
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
