"""A project's module meets nothing else: not another project, not what is installed, not the caller's imports."""

from __future__ import annotations

import pickle
import sys

import pytest

from sternpost.errors import FeatureError, UsageError
from sternpost.project import load_project
from tests.project.loans_project import MODULE, TOML, write_project


def test_two_projects_with_equal_file_names_stay_apart(tmp_path):
    for number in (1, 2):
        folder = write_project(
            tmp_path / str(number), module=f"from shared_tables import NUMBER\n{MODULE}\nmine = NUMBER\n"
        )
        (folder / "shared_tables.py").write_text(f"NUMBER = {number}\n")
    first, second = (load_project(tmp_path / str(n)) for n in (1, 2))
    assert first.module.module.mine == 1
    assert second.module.module.mine == 2
    assert first.features.features[0] is not second.features.features[0]


def test_nothing_is_left_behind(tmp_path):
    folder = write_project(tmp_path / "p", module=f"import shared_tables\n{MODULE}")
    (folder / "shared_tables.py").write_text("")
    path, modules = list(sys.path), set(sys.modules)
    project = load_project(folder)
    assert sys.path == path
    added = {name for name in set(sys.modules) - modules if "loans" in name or "shared_tables" in name}
    assert added == {project.module.module.__name__}


def test_the_folder_may_lie_around_the_installed_packages(tmp_path, monkeypatch):
    # As with `sternpost train .` where .venv is a part of the project's folder.
    installed = tmp_path / "p" / ".venv"
    installed.mkdir(parents=True)
    (installed / "some_package.py").write_text("")
    monkeypatch.syspath_prepend(str(installed))
    import some_package

    write_project(tmp_path / "p", module=f"import some_package\n{MODULE}")
    load_project(tmp_path / "p")
    assert sys.modules["some_package"] is some_package


def test_load_and_fit_can_import_what_lies_beside_them(tmp_path):
    module = MODULE.replace("    return pq.read", "    import late_tables\n    return pq.read")
    folder = write_project(tmp_path / "p", module=module)
    (folder / "late_tables.py").write_text("")
    assert load_project(folder).load().num_rows
    assert "late_tables" not in sys.modules


def test_features_can_be_pickled_by_name(tmp_path):
    feature = load_project(write_project(tmp_path / "p")).features.features[0]
    assert pickle.loads(pickle.dumps(feature)) is feature


def test_the_name_that_reaches_a_bundle_does_not_depend_on_the_folder(tmp_path):
    names = {load_project(write_project(tmp_path / n)).module.module.__name__.split(".")[-1] for n in ("a", "b")}
    assert names == {"loans"}


@pytest.mark.parametrize(
    ("module", "fragments"),
    [
        ("import nothing_of_that_name\n", ["ModuleNotFoundError", "nothing_of_that_name", "loans.py, line 1"]),
        ("x = 1\nx = = 2\n", ["SyntaxError", "loans.py, line 2"]),
        ("def f():\n    raise ValueError('bad number 7')\n\nf()\n", ["ValueError", "bad number 7", "loans.py, line 2"]),
        ("import sys\nsys.exit('enough')\n", ["SystemExit", "enough", "loans.py, line 2"]),
        (MODULE.replace("contract = Loan", ""), ["defines no `contract`"]),
        (MODULE.replace("def fit", "def fitted"), ["defines no `fit`", "def fit(X, y, names)"]),
        (MODULE.replace("def load():", "load = 3\ndef unused():"), ["load is 3, not a function"]),
        (MODULE.replace('target = "unpaid"', "target = 5"), ["target is 5"]),
        (MODULE.replace('target = "unpaid"', 'target = "term"'), ["the target term is a column of Loan"]),
        (MODULE + "\nfeatures = [burden]\n", ["features is a list"]),
    ],
)
def test_a_mistake_in_the_module_is_named(tmp_path, module, fragments):
    with pytest.raises(UsageError) as told:
        load_project(write_project(tmp_path / "p", module=module))
    for fragment in fragments:
        assert fragment in str(told.value)
    assert "loans" not in sys.modules


def test_errors_of_declarations_keep_their_kind(tmp_path):
    with pytest.raises(FeatureError, match="parameter amont"):
        load_project(write_project(tmp_path / "p", module=MODULE.replace("burden(amount:", "burden(amont:")))


def test_a_module_that_is_missing_or_hides_pythons_own_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"lones\.py does not exist"):
        load_project(write_project(tmp_path / "p", toml=TOML.replace('module = "loans"', 'module = "lones"')))
    with pytest.raises(UsageError, match="hide Python's own random"):
        load_project(write_project(tmp_path / "p", toml=TOML.replace('module = "loans"', 'module = "random"')))
