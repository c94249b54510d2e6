"""The command line, called in this process (fast) or as a process of its own (for signals)."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

#: One thread: bit-equal results, and no cores to fight for.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "80", "PYTHONUNBUFFERED": "1"}
COMMAND = [sys.executable, "-m", "diabolo"]


@dataclasses.dataclass
class Done:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str

    @property
    def refusals(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("diabolo: ")]


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def diabolo(capsys, monkeypatch):
    """Run a command in this process."""

    def run(*args) -> Done:
        from diabolo.cli import main

        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setattr(sys, "argv", ["diabolo", *map(str, args)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return Done(ended.value.code or 0, out, err)

    return run


@pytest.fixture
def process():
    """Run a command as a process of its own, or a bash script `wrap` that has it as ``"$@"``.

    With `private`, what the script mounts is seen by nobody else.
    """

    def run(*args, wrap: str = "", private: bool = False, **options) -> Done:
        command = [*COMMAND, *map(str, args)]
        if wrap:
            command = ["bash", "-c", wrap, "bash", *command]
        if private:
            command = ["unshare", "--mount", *command]
        done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, **options)
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def spawn():
    """Start a command and leave it running; it is killed when the test ends."""
    started: list[subprocess.Popen[str]] = []

    def start(*args, **options) -> subprocess.Popen[str]:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        child = subprocess.Popen([*COMMAND, *map(str, args)], env=ENVIRONMENT, **streams | options)
        started.append(child)
        return child

    yield start
    for child in started:
        if child.poll() is None:
            child.kill()
        child.wait()
        for stream in (child.stdout, child.stderr):
            if stream is not None:
                stream.close()


def table(rows: int = 60, seed: int = 0) -> pd.DataFrame:
    """Four columns of which two tell everything, and a whole number."""
    generator = np.random.default_rng(seed)
    a, b = generator.normal(size=(2, rows))
    columns = {"height": 170 + 10 * a, "weight": 70 + 9 * a + 3 * b, "pulse": 60 + 5 * b}
    return pd.DataFrame({**columns, "age": generator.integers(20, 80, rows)})


@pytest.fixture(scope="session")
def people() -> pd.DataFrame:
    return table()


@pytest.fixture(scope="session")
def fitted(tmp_path_factory, people) -> Path:
    """A model folder, fitted on `people`. Nobody writes into it."""
    from diabolo import Autoencoder

    path = tmp_path_factory.mktemp("models") / "people"
    Autoencoder(2, max_epochs=3, random_state=0).fit(people).save(path)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }


@pytest.fixture
def refused(diabolo, tmp_path):
    """Run a command that must be refused: status 2, one message, no file touched."""

    def run(*args) -> str:
        before = contents(tmp_path)
        done = diabolo(*args)
        assert done.status == 2, done.err
        assert len(done.refusals) == 1, done.err
        assert "Traceback" not in done.err
        assert done.out == ""
        assert contents(tmp_path) == before
        return done.refusals[0] + done.err.partition(done.refusals[0])[2].rstrip()

    return run


@pytest.fixture
def csv(tmp_path, people):
    """A small table in a file."""
    people.to_csv(tmp_path / "people.csv", index=False)
    return tmp_path / "people.csv"
