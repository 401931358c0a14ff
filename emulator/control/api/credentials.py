"""What callers from elsewhere prove themselves by: certificates and a token, from files that can be believed.

A secret's file may be read and written by its owner alone, who is root or the caller.
"""

from __future__ import annotations

import os
import ssl
import stat
import tempfile
from pathlib import Path

from ...errors import InputError
from ...safe_files import Folder, trusted_uids

LEAST_TOKEN_CHARACTERS = 16
_MOST_BYTES = 1 << 20


def read_secret(path: Path, option: str) -> bytes:
    """InputError, in words, where others could read it or put another in its place."""
    data, status = _read(path, option)
    if status.st_mode & 0o077:
        raise InputError(
            f"{path} can be read by others (mode {stat.S_IMODE(status.st_mode):o}): chmod 600 {path}",
            key=option,
        )
    return data


def read_certificate(path: Path, option: str) -> bytes:
    data, status = _read(path, option)
    if status.st_mode & 0o022:
        raise InputError(f"{path} can be written by others: chmod go-w {path}", key=option)
    if b"-----BEGIN CERTIFICATE-----" not in data:
        raise InputError(f"{path} holds no certificate in PEM", key=option)
    return data


def read_token(path: Path, option: str) -> bytes:
    token = read_secret(path, option).strip()
    if len(token) < LEAST_TOKEN_CHARACTERS or not token.isascii() or any(c <= 32 or c == 127 for c in token):
        raise InputError(
            f"{path} holds no token: one word of at least {LEAST_TOKEN_CHARACTERS} characters, as from "
            f"openssl rand -hex 32 > {path}",
            key=option,
        )
    return token


def _read(path: Path, option: str) -> tuple[bytes, os.stat_result]:
    try:
        with Folder.reach(path.parent) as folder:
            status = os.stat(path.name, dir_fd=folder.fd)
            data = folder.read(path.name, _MOST_BYTES)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", key=option) from None
    if status.st_uid not in trusted_uids():
        raise InputError(f"{path} belongs to user {status.st_uid}: take one of your own", key=option)
    return data, status


def check_pair(certificate: bytes, key: bytes) -> None:
    """InputError where the key is not the certificate's, or has a passphrase."""
    server_context(certificate, key)


def server_context(certificate: bytes, key: bytes) -> ssl.SSLContext:
    """For a server with this certificate; raises as above."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory(prefix="orbitmesh-tls-") as folder:  # for its owner alone
        names = [Path(folder, "certificate"), Path(folder, "key")]
        for name, data in zip(names, (certificate, key), strict=True):
            name.touch(0o600)
            name.write_bytes(data)
        try:
            context.load_cert_chain(names[0], names[1], password=lambda: b"")
        except (ssl.SSLError, OSError, ValueError) as error:
            why = getattr(error, "reason", None) or error
            raise InputError(
                f"is not the key of --tls-cert ({why}); without a passphrase", key="--tls-key"
            ) from None
    return context
