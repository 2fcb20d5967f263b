"""The demo writes over what a demo wrote, and over nothing else."""

from __future__ import annotations

import pytest

from sternpost.demo import example_folder
from sternpost.demo.workplace import prepare
from sternpost.errors import DataError, UsageError


def test_a_new_folder_gets_the_project(tmp_path):
    place = prepare(tmp_path / "a" / "demo")
    copied = {p.name: p.read_bytes() for p in place.project.iterdir()}
    assert copied == {p.name: p.read_bytes() for p in example_folder("flights").iterdir() if p.is_file()}


def test_results_of_an_earlier_demo_are_replaced(tmp_path):
    place = prepare(tmp_path / "demo")
    old = [place.bundle, place.scored, place.rows / "2013-04.parquet"]
    for file in old:
        file.write_bytes(b"old")
    assert prepare(tmp_path / "demo") == place
    assert not any(file.exists() for file in old)
    assert (place.project / "flights.py").is_file()


@pytest.mark.parametrize("name", ["notes.txt", "rows/mine.parquet", "project/mine.py", "other/flights.sbundle"])
def test_what_no_demo_wrote_is_kept_and_refused(tmp_path, name):
    place = prepare(tmp_path / "demo")
    place.bundle.write_bytes(b"old")
    file = place.folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("mine")
    with pytest.raises(UsageError, match=name.replace(".", r"\.")):
        prepare(place.folder)
    assert file.read_text() == "mine"
    assert place.bundle.read_bytes() == b"old", "nothing is touched before the refusal"


def test_an_edited_project_is_somebodys_work(tmp_path):
    place = prepare(tmp_path / "demo")
    file = place.project / "flights.py"
    file.write_text(file.read_text() + "\n# my own feature\n")
    with pytest.raises(UsageError, match=r"flights\.py differs.*--into DIR.*sternpost train"):
        prepare(place.folder)
    assert file.read_text().endswith("# my own feature\n")


def test_a_bundle_of_the_same_name_without_the_project_is_not_ours(tmp_path):
    (tmp_path / "flights.sbundle").write_bytes(b"mine")
    with pytest.raises(UsageError, match="no demo project"):
        prepare(tmp_path)
    assert (tmp_path / "flights.sbundle").read_bytes() == b"mine"


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "demo").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        prepare(tmp_path / "demo")


def test_a_folder_that_cannot_be_made_is_a_data_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot write .* choose another place"):
        prepare(tmp_path / "file" / "demo")


def test_an_unknown_example_is_named():
    with pytest.raises(UsageError, match=r"trains.*known: flights"):
        example_folder("trains")
