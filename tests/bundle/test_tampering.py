"""No altered bundle opens: bits, truncation, appended bytes, parts moved, added, removed, renamed, false claims."""

import io
import json
import random
import re
import struct
import tracemalloc
import zipfile
import zlib

import pytest

from sternpost.bundle.archive import parse_archive, read_archive
from sternpost.bundle.canonical import canonical_json
from sternpost.errors import BundleCorrupt, BundleError, BundleVersion
from tests.bundle.bundle_cases import SMALL, contents, rezip, sealed

SEED = random.SystemRandom().randrange(1 << 32)


def refusal(data, kind=BundleCorrupt):
    with pytest.raises(kind) as error:
        parse_archive(data)
    assert isinstance(error.value, BundleError)
    return str(error.value)


def test_rezip_alone_changes_nothing(small):
    assert rezip(contents(small).items()) == small


def test_every_single_bit(small):
    parse_archive(small)
    damaged = bytearray(small)
    opened = []
    for bit in range(len(small) * 8):
        damaged[bit >> 3] ^= 1 << (bit & 7)
        try:
            parse_archive(bytes(damaged))
            opened.append(bit)
        except BundleError:
            pass
        damaged[bit >> 3] ^= 1 << (bit & 7)
    assert opened == []


def test_zip_fields_with_other_values(small):
    """Outside of the contents there is no digest, only the comparison: every byte there, with many values."""
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    inside = {small.index(content) + i for content in contents(small).values() for i in range(len(content))}
    damaged = bytearray(small)
    for place in sorted(set(range(len(small))) - inside):
        for value in {0, 255, *rng.sample(range(256), 30)} - {small[place]}:
            damaged[place] = value
            refusal(bytes(damaged), BundleError)
        damaged[place] = small[place]


def test_sampled_bits_of_a_large_one(large, tmp_path):
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    path = tmp_path / "large.sbundle"
    damaged = bytearray(large)
    for _ in range(150):
        bit = rng.randrange(len(large) * 8)
        damaged[bit >> 3] ^= 1 << (bit & 7)
        path.write_bytes(damaged)
        with pytest.raises(BundleError, match=re.escape(str(path))):
            read_archive(path)
        damaged[bit >> 3] ^= 1 << (bit & 7)
    path.write_bytes(damaged)
    assert len(read_archive(path).parts) == 40


def test_truncation_at_every_byte(small):
    for length in range(len(small)):
        message = refusal(small[:length])
        assert "truncated" in message or length < 4, (length, message)


def test_bytes_after_the_end(small):
    for more in (b"\0", b"\n", b"PK\5\6" + bytes(18), small):
        assert f"trailing bytes: {len(more)}" in refusal(small + more)


def test_bytes_before_and_between(small):
    refusal(b"\0" + small)
    for name in [*SMALL, "seal.json"]:
        place = small.index(b"PK\3\4", small.index(name.encode(), small.index(b"}]}\n")) - 40)
        assert "bad zip structure" in refusal(small[:place] + b"\0\0\0\0" + small[place:])


def test_swapped_contents(large):
    parts = contents(large)
    parts["part-01.bin"], parts["part-02.bin"] = parts["part-02.bin"], parts["part-01.bin"]
    assert "part part-01.bin: wrong size" in refusal(rezip(parts.items()))
    same_size = {"a": b"one", "b": b"two"}
    data = sealed(same_size, swap={"a": b"two", "b": b"one"})
    assert "part a: wrong digest" in refusal(data)


def test_swapped_order(small):
    entries = list(contents(small).items())
    entries[1], entries[2] = entries[2], entries[1]
    assert "header of part contract.json" in refusal(rezip(entries))
    assert "the first part is contract.json" in refusal(rezip(entries[2:3] + entries[:2] + entries[3:]))
    assert "seal.json is not the last entry" in refusal(rezip([entries[0], entries[-1], *entries[1:-1]]))


@pytest.mark.parametrize("name", [*SMALL, "seal.json", "manifest.json"])
def test_removed_part(small, name):
    message = refusal(rezip((n, c) for n, c in contents(small).items() if n != name))
    assert name in message
    assert "missing" in message or "expected manifest.json" in message


def test_added_part(small):
    entries = list(contents(small).items())
    assert "extra part: extra.bin" in refusal(rezip([*entries[:2], ("extra.bin", b"x"), *entries[2:]]))
    assert "seal.json is not the last entry" in refusal(rezip([*entries, ("zz", b"x")]))


def test_renamed_part(small):
    entries = [("contract.jsom" if n == "contract.json" else n, c) for n, c in contents(small).items()]
    assert "missing part: contract.json" in refusal(rezip(entries))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", [*SMALL, "manifest.json", "seal.json"])
def test_duplicate_name(small, name):
    entries = list(contents(small).items())
    entries.insert(-1, (name, contents(small)[name]))
    assert f"part {name}: duplicate name" in refusal(rezip(entries))


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a\\b", "a//b", ".hidden", "x" * 300, "A"])
def test_names_that_lead_out(small, name):
    entries = list(contents(small).items())
    entries.insert(-1, (name, b"x"))
    assert "has the name" in refusal(rezip(entries))
    data = sealed({"a": b""}, manifest={"format": 1, "parts": [{"name": name, "size": 0, "sha256": "0" * 64}]})
    assert "lists the name" in refusal(data)


def test_compressed_parts(small):
    assert "stored plainly" in refusal(rezip(contents(small).items(), zipfile.ZIP_DEFLATED))


def test_comments_and_extra_fields(small):
    buffer = io.BytesIO(small)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = b"hello"
    refusal(buffer.getvalue())


def test_local_sizes_that_claim_more_than_there_is(small):
    for size in (0xFFFF_FFFF, len(small), 1 << 31):
        damaged = bytearray(small)
        struct.pack_into("<2I", damaged, 18, size, size)
        tracemalloc.start()
        message = refusal(bytes(damaged))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert f"claims {size} bytes" in message
        assert peak < 1_000_000


def test_a_deflated_bomb_is_not_unpacked(small):
    entries = dict(contents(small))
    entries["model.onnx"] = bytes(50_000_000)
    data = rezip(entries.items(), zipfile.ZIP_DEFLATED)
    assert len(data) < 100_000
    tracemalloc.start()
    refusal(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


@pytest.mark.parametrize("number", [3, 0, -1, 10**30])
def test_another_format_number(number, tmp_path):
    data = sealed({"a": b"x"}, manifest={"format": number, "whatever": "comes"})
    message = refusal(data, BundleVersion)
    assert f"format {number};" in message
    assert "reads formats 1 to 2" in message
    assert "build it anew" in message
    path = tmp_path / "x.sbundle"
    path.write_bytes(data[:-30])  # a later format may end differently
    with pytest.raises(BundleVersion, match=r"x\.sbundle: bundle format"):
        read_archive(path)


@pytest.mark.parametrize(("number", "name"), [(2, "a"), (1, "reference.arrow")])
def test_a_format_that_does_not_fit_its_parts(number, name):
    listed = {**GOOD, "name": name}
    assert "reference.arrow" in refusal(sealed({name: b"x"}, manifest={"format": number, "parts": [listed]}))


GOOD = {"name": "a", "size": 1, "sha256": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}


def test_the_good_manifest_is_good():
    assert parse_archive(sealed({"a": b"x"}, manifest={"format": 1, "parts": [GOOD]})).parts == {"a": b"x"}


@pytest.mark.parametrize(
    "manifest",
    [
        [],
        None,
        1,
        {},
        {"format": 1},
        {"format": True, "parts": []},
        {"format": "1", "parts": []},
        {"format": 1.0, "parts": []},
        {"format": 1, "parts": {}},
        {"format": 1, "parts": [], "more": 1},
        {"format": 1, "parts": [1]},
        {"format": 1, "parts": [[]]},
        {"format": 1, "parts": [GOOD | {"size": 1.0}]},
        {"format": 1, "parts": [GOOD | {"size": -1}]},
        {"format": 1, "parts": [GOOD | {"size": True}]},
        {"format": 1, "parts": [GOOD | {"size": 10**400}]},
        {"format": 1, "parts": [GOOD | {"sha256": "F" * 64}]},
        {"format": 1, "parts": [GOOD | {"sha256": "0" * 63}]},
        {"format": 1, "parts": [GOOD | {"name": 1}]},
        {"format": 1, "parts": [GOOD | {"name": "seal.json"}]},
        {"format": 1, "parts": [GOOD | {"more": 1}]},
        {"format": 1, "parts": [GOOD, GOOD]},
        {"format": 1, "parts": [GOOD | {"name": "b"}, GOOD]},
        {"format": 1, "parts": [GOOD, GOOD | {"name": "a/b"}]},
    ],
)
def test_a_manifest_that_is_not_one(manifest):
    data = sealed({"a": b"x"}, raw=json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode() + b"\n")
    message = refusal(data)
    assert "manifest.json" in message


def test_a_manifest_that_lists_a_part_as_a_folder_too():
    both = {"format": 1, "parts": [GOOD, GOOD | {"name": "a/b"}]}
    assert "both as a part and as a folder" in refusal(sealed({"a": b"x"}, manifest=both))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"format":1,"parts":[]}',
        b'{"format":1, "parts":[]}\n',
        b'{"parts":[],"format":1}\n',
        b'{"format":1,"format":1,"parts":[]}\n',
        b'{"format":1,"parts":[]}\n\n',
        b'\xef\xbb\xbf{"format":1,"parts":[]}\n',
        b'{"format":1,"parts":[NaN]}\n',
        b'{"format":1,"parts":["\\ud800"]}\n',
        b'{"format":1,"parts":[' + b"9" * 5_000 + b"]}\n",
        b"[" * 100_000 + b"\n",
        b'{"format":1,"parts":[' + b"[" * 990 + b"]" * 990 + b"]}\n",
    ],
    ids=range(14),
)
def test_json_that_is_not_canonical(raw):
    assert "part manifest.json" in refusal(sealed({"a": b"x"}, raw=raw))


@pytest.mark.parametrize(
    "change",
    [
        {"created": "2013-01-31 23:59:59"},
        {"created": "2013-02-31T23:59:59Z"},
        {"created": None},
        {"created_by": ""},
        {"created_by": "x" * 100},
        {"more": 1},
        {"signature": "AAAA"},
        {"public_key": "AAAA"},
        {"signature": 1},
    ],
)
def test_a_seal_that_is_not_one(change):
    good = {"created": "2013-01-31T23:59:59Z", "created_by": "0.1.0", "public_key": None, "signature": None}
    parse_archive(sealed({"a": b"x"}, seal=canonical_json(good)))
    assert "part seal.json" in refusal(sealed({"a": b"x"}, seal=canonical_json(good | change)))


def test_a_correct_checksum_does_not_help(small):
    """A change of a part with its CRC put right, as somebody with a purpose would make it."""
    place = small.index(b"\x7fELF")
    damaged = bytearray(small)
    damaged[place] ^= 1
    old, new = (zlib.crc32(data[place : place + 42]) for data in (small, damaged))
    damaged = damaged.replace(struct.pack("<I", old), struct.pack("<I", new))
    assert zipfile.ZipFile(io.BytesIO(bytes(damaged))).testzip() is None
    assert "part kernel/x86_64.o: wrong digest" in refusal(bytes(damaged))
