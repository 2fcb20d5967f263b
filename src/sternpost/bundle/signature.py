"""Who sealed a bundle: ed25519 over its digest.

Owed to callers: a signature that is present is always checked; trust is given to keys that the caller names, never to
the key inside the bundle, because whoever changes a bundle can also put in a key and a signature of their own.

What is signed is `b"sternpost-bundle\\n"` and the 64 hex characters of the digest; the prefix keeps a signature made
for another purpose with the same key from being passed off as a seal.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sternpost.errors import DataError, SignatureError, UsageError

# A public key: the object, its 32 raw bytes or its PEM text as bytes, or the path of a PEM file.
PublicKeyLike = Ed25519PublicKey | bytes | str | os.PathLike[str]
PrivateKeyLike = Ed25519PrivateKey | str | os.PathLike[str]

_PREFIX = b"sternpost-bundle\n"
_RAW_KEY_BYTES = 32


def generate_key(private_path: str | os.PathLike[str], public_path: str | os.PathLike[str]) -> str:
    """Write a new key pair as PEM (PKCS8, mode 0600; SubjectPublicKeyInfo) and return its fingerprint.

    Never overwrites: raises `UsageError` when one of the files exists, `DataError` when the system refuses.
    """
    private = Ed25519PrivateKey.generate()
    secret = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    # The public half first: if the second write fails, what remains is no secret and opens nothing.
    _write_new(Path(public_path), public, 0o644)
    try:
        _write_new(Path(private_path), secret, 0o600)
    except BaseException:
        Path(public_path).unlink(missing_ok=True)
        raise
    return fingerprint(private.public_key())


def load_private(key: PrivateKeyLike) -> Ed25519PrivateKey:
    """The private key of a PEM file. Raises `UsageError` for other content, `DataError` when it cannot be read."""
    if isinstance(key, Ed25519PrivateKey):
        return key
    data = _read(Path(key))
    try:
        loaded = serialization.load_pem_private_key(data, password=None)
    except TypeError:
        raise UsageError(
            f"{os.fspath(key)}: the key is encrypted; write it without a passphrase: openssl pkcs8 -topk8 -nocrypt"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise UsageError(f"{os.fspath(key)}: expected an ed25519 private key in PEM form, {_found(data)}") from None
    if not isinstance(loaded, Ed25519PrivateKey):
        raise UsageError(f"{os.fspath(key)}: expected an ed25519 private key, found {type(loaded).__name__}")
    return loaded


def load_public(key: PublicKeyLike) -> Ed25519PublicKey:
    """The public key of a PEM file, of PEM bytes or of 32 raw bytes. Errors as `load_private`."""
    if isinstance(key, Ed25519PublicKey):
        return key
    if isinstance(key, bytes):
        place, data = "the given key", key
        if len(data) == _RAW_KEY_BYTES:
            return Ed25519PublicKey.from_public_bytes(data)
    else:
        place, data = os.fspath(key), _read(Path(key))
    try:
        loaded = serialization.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise UsageError(f"{place}: expected an ed25519 public key in PEM form, {_found(data)}") from None
    if not isinstance(loaded, Ed25519PublicKey):
        raise UsageError(f"{place}: expected an ed25519 public key, found {type(loaded).__name__}")
    return loaded


def fingerprint(key: Ed25519PublicKey) -> str:
    """How a key is named in messages: the first 16 hex characters of the sha256 of its 32 raw bytes."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def sign(digest: str, key: Ed25519PrivateKey) -> tuple[str, str]:
    """`(signature, public key)` for a bundle's digest, both base64 of the raw bytes."""
    signature = key.sign(_PREFIX + digest.encode("ascii"))
    return _encode(signature), _encode(key.public_key().public_bytes_raw())


def verify(
    digest: str,
    signature: str | None,
    public_key: str | None,
    *,
    require_signature: bool = False,
    trusted_keys: Sequence[PublicKeyLike] = (),
) -> None:
    """Raise `SignatureError` unless the signature is one to accept.

    A signature that is present must fit the key beside it. With `trusted_keys` there must be one, and it must fit one
    of these. `require_signature` guards a caller whose list of keys came out empty: it raises `UsageError` without
    any.
    """
    trusted = [load_public(key) for key in trusted_keys]
    if require_signature and not trusted:
        raise UsageError(
            "a required signature needs the keys to trust: a bundle carries its own public key, and whoever alters "
            "a bundle can sign it again and put in theirs, so that key proves nothing about who signed; name at least "
            "one trusted key"
        )
    names = ", ".join(sorted(fingerprint(key) for key in trusted))
    if signature is None or public_key is None:
        if trusted:
            raise SignatureError(
                f"the bundle is not signed; it was to be signed by {names}; sign it with that key, or get the signed "
                "file from its owner"
            )
        return
    embedded = _public(public_key)
    raw = _decode(signature, "signature", 64)
    message = _PREFIX + digest.encode("ascii")
    if not _fits(embedded, raw, message):
        raise SignatureError(
            f"the signature does not fit the bundle and its key {fingerprint(embedded)}: the bundle, the signature or "
            "the key was changed after signing; do not use it, get the file from its owner again"
        )
    if trusted and not any(_fits(key, raw, message) for key in trusted):
        raise SignatureError(
            f"the bundle is signed by {fingerprint(embedded)}, which is not trusted here (trusted: {names}); if you "
            "know that key, add it, else get the bundle from its owner"
        )


def _fits(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _public(text: str) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(_decode(text, "public key", _RAW_KEY_BYTES))
    except ValueError:
        raise SignatureError("the public key in the seal is not an ed25519 key") from None


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _decode(text: str, what: str, size: int) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise SignatureError(f"the {what} in the seal is not base64; get the bundle from its owner again") from None
    # base64 has several spellings of the same bytes; only one is ours.
    if len(raw) != size or _encode(raw) != text:
        raise SignatureError(
            f"the {what} in the seal is not {size} bytes of base64; get the bundle from its owner again"
        )
    return raw


def _found(data: bytes) -> str:
    first = data.split(b"\n", 1)[0].strip()
    if first.startswith(b"-----BEGIN ") and len(first) < 60:
        return f"found {first.decode('ascii', 'replace').strip('- ')!r}"
    return f"found {len(data)} bytes that are not such a PEM file"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"cannot read the key {path}: {error.strerror or error}; check the path and its permissions"
        ) from error


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise UsageError(
            f"{path} exists and a key is never overwritten: bundles signed by it could not be verified any more; "
            "choose another name"
        ) from None
    except OSError as error:
        raise DataError(f"cannot write the key {path}: {error.strerror or error}; choose another folder") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise DataError(f"cannot write the key {path}: {error.strerror or error}; choose another folder") from error
