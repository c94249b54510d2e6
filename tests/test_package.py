"""The public surface, and what must not be imported before it is needed."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys

import pytest

import diabolo

#: Slow to import, and useless until data or a model are touched.
HEAVY = ("torch", "sklearn", "scipy", "pandas", "pyarrow", "plotly", "narwhals", "PIL", "pooch")

#: Modules of hyperparameters and of the tables that the command line shows as choices.
SPECS = (
    "spec",
    "random",
    "errors",
    "networks",
    "bottlenecks",
    "augmentations",
    "corruptions",
    "densities",
    "likelihoods",
    "penalties",
    "pretraining",
    "training",
)


def loaded_by(statement: str) -> set[str]:
    """Which of `HEAVY` are loaded in a fresh process after a statement."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(HEAVY) & set(done.stdout.split())


def test_the_package_and_its_command_line_import_nothing_heavy():
    assert not loaded_by("import diabolo, diabolo.cli")


@pytest.mark.parametrize("name", SPECS)
def test_specs_and_tables_import_nothing_heavy(name):
    if importlib.util.find_spec(f"diabolo.{name}") is None:
        pytest.skip(f"there is no room {name} yet")
    assert not loaded_by(f"import diabolo.{name}")


def test_help_and_version_answer():
    def say(option: str) -> str:
        command = [sys.executable, "-c", "from diabolo.cli import main; main()", option]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert "Usage" in say("--help")
    assert say("--version").strip() == diabolo.__version__


def test_all_is_sorted_and_is_what_dir_shows():
    assert diabolo.__all__ == sorted(diabolo.__all__)
    assert set(diabolo.__all__) <= set(dir(diabolo))


@pytest.mark.parametrize("name", diabolo.__all__)
def test_every_public_name_resolves(name):
    value = getattr(diabolo, name)
    assert value is not None
    # The second look finds what the first one stored, not a second copy.
    assert getattr(diabolo, name) is value


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="autoencoder_of_dreams"):
        _ = diabolo.autoencoder_of_dreams


def test_every_public_class_and_function_is_documented():
    for name in diabolo.__all__:
        value = getattr(diabolo, name)
        if callable(value):
            assert value.__doc__, name
