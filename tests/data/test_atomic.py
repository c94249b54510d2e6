"""Writes that happen completely or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from diabolo.data.atomic import atomic_file, atomic_folder
from diabolo.errors import ReadError, WriteError


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_atomic_file_replaces_and_keeps_the_mode(tmp_path):
    target = tmp_path / "x"
    with atomic_file(target) as temporary:
        assert temporary.parent == tmp_path
        temporary.write_text("1")
    mask = os.umask(0)
    os.umask(mask)
    assert target.stat().st_mode & 0o777 == 0o666 & ~mask
    target.chmod(0o440)
    with atomic_file(target.as_uri()) as temporary:
        temporary.write_text("2")
    assert target.read_text() == "2"
    assert target.stat().st_mode & 0o777 == 0o440
    assert names_in(tmp_path) == ["x"]


def test_atomic_file_follows_a_link(tmp_path):
    (tmp_path / "real").write_text("1")
    (tmp_path / "link").symlink_to("real")
    with atomic_file(tmp_path / "link") as temporary:
        temporary.write_text("2")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "2"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, OSError(28, "full"), ReadError])
def test_atomic_file_leaves_the_old_file(tmp_path, error):
    target = tmp_path / "x"
    target.write_text("old")
    expected = WriteError if isinstance(error, OSError) else error
    with pytest.raises(expected), atomic_file(target) as temporary:
        temporary.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert names_in(tmp_path) == ["x"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none/x", "does not exist"),
        ("", "is a folder"),
        ("s3://bucket/x", "local paths only"),
        ("/dev/null", "device"),
    ],
)
def test_atomic_file_refuses(tmp_path, name, words):
    path = name if "://" in name else tmp_path / name
    with pytest.raises(WriteError, match=words), atomic_file(path):
        pytest.fail("no work before the check")


def _fill(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub/new").write_text("new")


def test_atomic_folder_new_empty_and_ours(tmp_path):
    target = tmp_path / "model"
    for prepare in (lambda: None, lambda: (target / "sub/new").unlink()):
        prepare()
        with atomic_folder(target, is_ours=lambda path: (path / "sub").exists()) as temporary:
            _fill(temporary)
        assert (target / "sub/new").read_text() == "new"
        assert names_in(tmp_path) == ["model"]
    empty = tmp_path / "empty"
    empty.mkdir()
    with atomic_folder(empty, is_ours=lambda _: False) as temporary:
        _fill(temporary)
    assert (empty / "sub/new").exists()


def test_atomic_folder_refuses_before_any_work(tmp_path):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("years")
    for target in (foreign, foreign / "thesis.tex", foreign / "a/b"):
        with pytest.raises(WriteError), atomic_folder(target, is_ours=lambda _: False):
            pytest.fail("no work before the check")
    assert names_in(foreign) == ["thesis.tex"]
    assert names_in(tmp_path) == ["foreign"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "full")])
def test_atomic_folder_failing_work(tmp_path, error):
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").write_text("old")
    expected = WriteError if isinstance(error, OSError) else error
    with (
        pytest.raises(expected),
        atomic_folder(target, is_ours=lambda _: True) as temporary,
    ):
        _fill(temporary)
        raise error
    assert names_in(target) == ["old"]
    assert names_in(tmp_path) == ["model"]


def test_atomic_folder_that_became_foreign_meanwhile(tmp_path):
    target = tmp_path / "model"
    with (
        pytest.raises(WriteError, match="other things"),
        atomic_folder(target, is_ours=lambda _: False),
    ):
        target.mkdir()
        (target / "other").write_text("x")
    assert names_in(target) == ["other"]
    assert names_in(tmp_path) == ["model"]


@pytest.mark.parametrize("error", [OSError(5, "bad"), KeyboardInterrupt()])
def test_atomic_folder_puts_the_old_one_back(tmp_path, monkeypatch, error):
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").write_text("old")
    rename = Path.rename
    calls = []

    def second_fails(self, other):
        calls.append(self)
        if len(calls) == 2:
            raise error
        return rename(self, other)

    monkeypatch.setattr(Path, "rename", second_fails)
    expected = WriteError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected), atomic_folder(target, is_ours=lambda _: True) as temporary:
        _fill(temporary)
    assert len(calls) == 3
    assert names_in(target) == ["old"]
    assert names_in(tmp_path) == ["model"]


def _child(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


# ---- real accidents, in a child process

FULL = """
    import resource, sys
    import numpy as np
    from diabolo.data.writers import write
    from diabolo.errors import WriteError
    rng = np.random.default_rng(0)
    data = rng.random((1000, 300)) if sys.argv[2] == "table" else rng.random((10, 300, 300))
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    try:
        write(sys.argv[1], data)
    except WriteError as error:
        print(error)
"""


@pytest.mark.parametrize(
    "name",
    [
        "x.csv",
        "x.csv.gz",
        "x.parquet",
        "x.feather",
        "x.npy",
        "x.npz",
        "x.idx",
        "x.idx.gz",
        "folder",
    ],
)
def test_a_full_disk_leaves_nothing(tmp_path, name):
    child = _child(FULL, tmp_path / name, "images" if name == "folder" else "table")
    out, err = child.communicate(timeout=60)
    assert "cannot be written (the file is larger than this system allows)" in out, out + err
    assert names_in(tmp_path) == []


INTERRUPTED = """
    import sys, time
    import numpy as np
    from diabolo.data.writers import write
    def pieces():
        for number in range(10_000):
            yield np.zeros((1000, 10))
            if number == 3:
                print("started", flush=True)
            time.sleep(0.01)
    write(sys.argv[1], pieces())
"""


@pytest.mark.parametrize("name", ["x.csv", "x.parquet", "x.npy"])
def test_an_interrupt_leaves_the_old_file(tmp_path, name):
    target = tmp_path / name
    target.write_bytes(b"old")
    child = _child(INTERRUPTED, target)
    assert child.stdout is not None
    assert child.stdout.readline() == "started\n"
    time.sleep(0.05)
    assert len(names_in(tmp_path)) == 2
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert "KeyboardInterrupt" in err
    assert target.read_bytes() == b"old"
    assert names_in(tmp_path) == [name]


def test_the_tables_of_suffixes_load_nothing_heavy():
    code = """
        import sys
        from diabolo.data import readers, writers
        readers.known_suffixes(), writers.known_suffixes()
        print([name for name in ("pandas", "pyarrow", "PIL", "torch") if name in sys.modules])
    """
    out, err = _child(code).communicate(timeout=60)
    assert out.strip() == "[]", out + err
