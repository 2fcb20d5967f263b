"""Who signed: the table of `docs/bundle-format.md`, key files, and what an attacker would try."""

import base64
import io
import json
import stat
import zipfile

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sternpost.bundle.archive import parse_archive, read_archive, sign_archive, write_archive
from sternpost.bundle.canonical import canonical_json
from sternpost.bundle.signature import fingerprint, generate_key, load_private, load_public, sign, verify
from sternpost.errors import DataError, SignatureError, UsageError
from tests.bundle.bundle_cases import CREATED, SMALL, contents, rezip

DIGEST = "ab" * 32


@pytest.fixture
def bundles(tmp_path, key, other_key):
    """The rows of the table: bundle bytes by state of the signature, `key` being the one that is trusted."""
    path = tmp_path / "a.sbundle"

    def made(signing_key=None):
        write_archive(path, SMALL, created=CREATED, signing_key=signing_key)
        return path.read_bytes()

    right, wrong, unsigned = made(key), made(other_key), made()
    seals = {name: json.loads(contents(data)["seal.json"]) for name, data in (("right", right), ("wrong", wrong))}

    def resealed(data, **change):
        entries = contents(data)
        entries["seal.json"] = canonical_json(json.loads(entries["seal.json"]) | change)
        return rezip(entries.items())

    sign_archive(path, key)
    sign_archive(path, other_key)
    write_archive(tmp_path / "more", SMALL | {"more": b""}, created=CREATED, signing_key=key)
    grafted = resealed(right, **json.loads(contents((tmp_path / "more").read_bytes())["seal.json"]))
    return {
        "unsigned": unsigned,
        "right key": right,
        "wrong key": wrong,
        "stripped": resealed(right, signature=None, public_key=None),
        "re-signed by another": path.read_bytes(),
        "embedded key replaced": resealed(right, public_key=seals["wrong"]["public_key"]),
        "signature of another bundle": grafted,
        "signature altered": resealed(right, signature=_flipped(seals["right"]["signature"])),
        "zeros": resealed(right, signature=base64.b64encode(bytes(64)).decode()),
    }


def _flipped(text):
    raw = bytearray(base64.b64decode(text))
    raw[40] ^= 1
    return base64.b64encode(raw).decode()


TABLE = {  # state: (opens without trusted keys, opens with the key trusted)
    "unsigned": (True, False),
    "right key": (True, True),
    "wrong key": (True, False),
    "stripped": (True, False),
    "re-signed by another": (True, False),
    "embedded key replaced": (False, False),
    "signature of another bundle": (False, False),
    "signature altered": (False, False),
    "zeros": (False, False),
}


@pytest.mark.parametrize("state", TABLE)
@pytest.mark.parametrize("required", [False, True])
def test_table(bundles, key, state, required):
    freely, trusted = TABLE[state]
    asked = {"trusted_keys": [key.public_key()], "require_signature": required}
    for opens, how in ((freely, {}), (trusted, asked)):
        if opens:
            assert dict(parse_archive(bundles[state], **how).parts) == SMALL
        else:
            with pytest.raises(SignatureError):
                parse_archive(bundles[state], **how)


def test_one_of_several_trusted_keys_is_enough(bundles, key, other_key):
    both = [other_key.public_key(), key.public_key()]
    for state in ("right key", "wrong key", "re-signed by another"):
        parse_archive(bundles[state], require_signature=True, trusted_keys=both)


def test_messages_name_the_keys_and_the_next_step(bundles, key, other_key):
    mine, theirs = fingerprint(key.public_key()), fingerprint(other_key.public_key())
    expected = {
        "unsigned": ["not signed", mine, "sign it"],
        "wrong key": [f"signed by {theirs}", f"trusted: {mine}", "add it"],
        "embedded key replaced": [theirs, "changed after signing", "get the file from its owner"],
    }
    for state, words in expected.items():
        with pytest.raises(SignatureError) as error:
            parse_archive(bundles[state], trusted_keys=[key.public_key()])
        assert all(word in str(error.value) for word in words), str(error.value)


@pytest.mark.parametrize("state", TABLE)
def test_required_without_a_trusted_key_is_explained(bundles, state):
    with pytest.raises(UsageError, match="proves nothing about who signed"):
        parse_archive(bundles[state], require_signature=True)


def test_content_is_looked_at_before_the_signature(bundles, key):
    entries = contents(bundles["right key"])
    entries["contract.json"] = b"other"
    with pytest.raises(Exception, match=r"contract\.json: wrong size"):
        parse_archive(rezip(entries.items()), trusted_keys=[key.public_key()])


def test_all_forms_of_a_public_key(bundles, key, tmp_path):
    public = key.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    path = tmp_path / "key.pub"
    path.write_bytes(pem)
    for form in (public, public.public_bytes_raw(), pem, path, str(path)):
        parse_archive(bundles["right key"], trusted_keys=[form])
        with pytest.raises(SignatureError):
            parse_archive(bundles["wrong key"], trusted_keys=[form])


def test_signing_with_a_key_file_and_again(tmp_path):
    private, public, path = tmp_path / "k", tmp_path / "k.pub", tmp_path / "a.sbundle"
    name = generate_key(private, public)
    assert name == fingerprint(load_public(public)) == fingerprint(load_private(private).public_key())
    digest = write_archive(path, SMALL, created=CREATED)
    with pytest.raises(SignatureError):
        read_archive(path, require_signature=True, trusted_keys=[public])
    assert sign_archive(path, private) == digest
    first = path.read_bytes()
    assert sign_archive(path, str(private)) == digest
    assert path.read_bytes() == first, "ed25519 is deterministic"
    assert read_archive(path, require_signature=True, trusted_keys=[public]).digest == digest


def test_a_broken_signature_is_not_signed_over(bundles, key, tmp_path):
    path = tmp_path / "broken"
    path.write_bytes(bundles["embedded key replaced"])
    with pytest.raises(SignatureError):
        sign_archive(path, key)
    assert path.read_bytes() == bundles["embedded key replaced"]


def test_key_files(tmp_path):
    private, public = tmp_path / "k", tmp_path / "k.pub"
    generate_key(private, public)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert private.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    assert public.read_bytes().startswith(b"-----BEGIN PUBLIC KEY-----")
    before = private.read_bytes(), public.read_bytes()
    with pytest.raises(UsageError, match="never overwritten"):
        generate_key(private, tmp_path / "new.pub")
    assert not (tmp_path / "new.pub").exists()
    with pytest.raises(UsageError, match="never overwritten"):
        generate_key(tmp_path / "new", public)
    assert not (tmp_path / "new").exists()
    assert before == (private.read_bytes(), public.read_bytes())
    with pytest.raises(DataError, match="No such file"):
        generate_key(tmp_path / "no" / "k", tmp_path / "no" / "k.pub")


def test_key_files_that_are_something_else(tmp_path):
    private, public = tmp_path / "k", tmp_path / "k.pub"
    generate_key(private, public)
    with pytest.raises(UsageError, match="private key in PEM form, found 'BEGIN PUBLIC KEY'"):
        load_private(public)
    with pytest.raises(UsageError, match="public key in PEM form, found 'BEGIN PRIVATE KEY'"):
        load_public(private)
    with pytest.raises(DataError, match="No such file"):
        load_private(tmp_path / "absent")
    with pytest.raises(DataError, match="cannot read the key"):
        load_public(tmp_path)
    (tmp_path / "text").write_bytes(b"hello")
    for load in (load_private, load_public):
        with pytest.raises(UsageError, match="found 5 bytes"):
            load(tmp_path / "text")
    with pytest.raises(UsageError, match="found 31 bytes"):
        load_public(bytes(31))
    elliptic = generate_private_key(SECP256R1())
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (tmp_path / "ec").write_bytes(elliptic.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    with pytest.raises(UsageError, match="expected an ed25519 private key, found"):
        load_private(tmp_path / "ec")
    spki = elliptic.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(UsageError, match="expected an ed25519 public key, found"):
        load_public(spki)
    locked = Ed25519PrivateKey.generate().private_bytes(pem, pkcs8, serialization.BestAvailableEncryption(b"x"))
    (tmp_path / "locked").write_bytes(locked)
    with pytest.raises(UsageError, match="encrypted"):
        load_private(tmp_path / "locked")


def test_only_one_spelling_of_base64_is_taken(key):
    signature, public_key = sign(DIGEST, key)
    verify(DIGEST, signature, public_key)
    loose = signature[:-3] + chr(ord(signature[-3]) + 1) + "=="  # the unused bits of the last character
    for bad in (loose, signature[:-4], signature + "AAAA", signature[:-1], "\n" + signature, "é" * 88, ""):
        with pytest.raises(SignatureError):
            verify(DIGEST, bad, public_key)
        with pytest.raises(SignatureError):
            verify(DIGEST, signature, bad)


def test_what_is_signed_is_written_down(key, small):
    """As a stranger would check it, from `docs/bundle-format.md` alone."""
    archive = zipfile.ZipFile(io.BytesIO(small))
    seal = json.loads(archive.read("seal.json"))
    digest = parse_archive(small).digest
    key.public_key().verify(base64.b64decode(seal["signature"]), b"sternpost-bundle\n" + digest.encode())
    assert base64.b64decode(seal["public_key"]) == key.public_key().public_bytes_raw()
