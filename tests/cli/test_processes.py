"""What only a process of its own can show: Ctrl-C, a full disk, a terminal, pipes."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import threading

import numpy as np
import pytest

from diabolo import load

#: Half a minute and more: whoever is not interrupted is seen to be.
LONG = ("--max-epochs", 50, "--batch-size", 2, "--no-early-stopping")


@pytest.fixture
def data(tmp_path):
    values = np.random.default_rng(0).normal(size=(2000, 6)).astype(np.float32)
    np.save(tmp_path / "data.npy", values)
    return tmp_path / "data.npy"


def interrupt_when_training(child) -> str:
    """Send SIGINT once a line of progress is out; return what was said."""
    said = []
    for line in child.stderr:
        said.append(line)
        if line.startswith("epoch "):
            child.send_signal(signal.SIGINT)
            break
    return "".join(said) + child.stderr.read()


def test_ctrl_c_writes_nothing(spawn, data, tmp_path):
    child = spawn("train", data, "--out", tmp_path / "model", *LONG)
    said = interrupt_when_training(child)
    assert child.wait(60) == 2
    assert said.splitlines()[-1] == "diabolo: interrupted; nothing was written"
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["data.npy"]


def test_ctrl_c_leaves_the_model_of_before(spawn, fitted, data, tmp_path):
    shutil.copytree(fitted, tmp_path / "model")
    before = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    child = spawn("train", data, "--out", tmp_path / "model", *LONG)
    interrupt_when_training(child)
    assert child.wait(60) == 2
    assert {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()} == before


def test_ctrl_c_keeps_the_best_model_if_asked(spawn, data, tmp_path):
    child = spawn("train", data, "--out", tmp_path / "model", "--keep-on-interrupt", *LONG)
    said = interrupt_when_training(child)
    assert child.wait(60) == 0, said
    assert child.stdout.read().strip() == str(tmp_path / "model")
    assert "interrupted" in said and "Traceback" not in said
    model = load(tmp_path / "model")
    assert model.stopped_ == "interrupted"
    assert len(model.transform(np.load(data))) == 2000


def test_a_model_kept_in_its_first_epoch_can_be_used(diabolo, data, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("diabolo.training.loop._epoch", interrupted)
    model = tmp_path / "model"
    done = diabolo("train", data, "--out", model, "--keep-on-interrupt")
    assert (done.status, done.out) == (0, f"{model}\n"), done.err
    assert "0 of" in diabolo("info", model).out
    assert diabolo("evaluate", model, data).status == 0
    done = diabolo("train", data, "--out", tmp_path / "none")
    assert (done.status, (tmp_path / "none").exists()) == (2, False)


@pytest.mark.parametrize("disk", ["limit", "tmpfs"])
@pytest.mark.parametrize("verb", ["train", "encode", "reconstruct"])
def test_a_full_disk_loses_nothing(verb, disk, process, fitted, tmp_path, people):
    """A file-size limit of 4 KiB, and (where mounting is allowed) a real disk of 8 KiB."""
    people.loc[[*people.index] * 20].to_csv(tmp_path / "people.csv", index=False)
    target = tmp_path / "disk"
    target.mkdir()
    before = "ulimit -f 4"
    if disk == "tmpfs":
        before = f'mount -t tmpfs -o size=8k none "{target}"'
        probe = ["unshare", "--mount", "bash", "-c", before]
        if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True).returncode:
            pytest.skip("mounting a small disk is not allowed here")
    out = target / ("model" if verb == "train" else "old.csv")
    first = () if verb == "train" else (fitted,)
    options = ("--max-epochs", 1, "--quiet") if verb == "train" else ()
    command = [verb, *first, tmp_path / "people.csv", "--out", out, *options]
    # The shell looks at the disk afterwards: a mount of its own is gone with it.
    wrap = f"""{before}; cd "{target}"; echo kept > old.csv
        "$@"; status=$?; cat old.csv; ls -A; exit $status"""
    done = process(*command, wrap=wrap, private=disk == "tmpfs")
    assert done.status == 2, done.err
    assert len(done.refusals) == 1, done.err
    full = "the disk is full" if disk == "tmpfs" else "larger than this system allows"
    assert full in done.err and "Traceback" not in done.err
    # What was there is all that is there, and unchanged.
    assert done.out.split() == ["kept", "old.csv"]


def on_a_terminal(spawn, *command) -> str:
    """Run a command whose standard error is a terminal; return what came there."""
    leader, follower = pty.openpty()
    came = bytearray()

    def listen():
        while True:
            try:
                came.extend(os.read(leader, 65536))
            except OSError:  # the other side has hung up
                return

    child = spawn(*command, stderr=follower)
    os.close(follower)
    listener = threading.Thread(target=listen)
    listener.start()
    assert child.wait(120) == 0
    listener.join(10)
    os.close(leader)
    return came.decode("utf-8", "replace")


def test_a_terminal_shows_a_live_bar(spawn, data, tmp_path):
    slow = ("--max-epochs", 20, "--no-early-stopping", "--batch-size", 16)
    said = on_a_terminal(spawn, "train", data, "--out", tmp_path / "model", *slow)
    assert "\x1b[" in said, "a live bar moves the cursor"
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said)
    for shown in (r"epoch \d+/20", r"loss \d", r"[\d,]+ rows/s", r"\d:\d\d:\d\d"):
        assert re.search(shown, plain), shown
    assert "trained on 2,000 rows" in plain


def test_a_terminal_shows_how_many_rows_are_encoded(spawn, data, tmp_path):
    model = tmp_path / "model"
    on_a_terminal(spawn, "train", data, "--out", model, "--max-epochs", 1)
    np.save(data, np.zeros((20_000, 6), np.float32))
    said = on_a_terminal(spawn, "encode", model, data, "--out", tmp_path / "codes.npy")
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said)
    for shown in ("8,192 rows", "20,000 rows", r"[\d,]+ rows/s"):
        assert re.search(shown, plain), shown
    assert len(np.load(tmp_path / "codes.npy")) == 20_000


def test_a_pipe_gets_plain_lines(process, data, tmp_path):
    done = process("train", data, "--out", tmp_path / "model", "--max-epochs", 3)
    assert "\x1b" not in done.err and "\r" not in done.err
    assert re.search(r"epoch 3/3  loss \d.*rows/s", done.err)
    assert done.out == f"{tmp_path / 'model'}\n"
    quiet = process("train", data, "--out", tmp_path / "model", "--max-epochs", 3, "--quiet")
    assert "epoch 3/3" not in quiet.err


def test_a_reader_that_leaves_is_no_error(process, fitted):
    for command in (["datasets"], ["info", fitted, "--json"]):
        done = process(*command, wrap='"$@" | :; exit ${PIPESTATUS[0]}')
        assert (done.status, done.err) == (0, "")


def test_a_terminal_without_arrows_is_no_error(process, fitted, tmp_path, people):
    people.to_csv(tmp_path / "people.csv", index=False)
    ascii_only = 'PYTHONIOENCODING=ascii PYTHONUTF8=0 "$@"'
    options = ("--max-epochs", 1, "--out", tmp_path / "model")
    done = process("train", tmp_path / "people.csv", *options, wrap=ascii_only)
    assert done.status == 0, done.err
    done = process("info", fitted, "--json", wrap=ascii_only)
    assert json.loads(done.out)["library"] == "diabolo"


def test_help_answers_in_half_a_second(process):
    """The best of five, for other work may share the machine; user time excludes waiting."""
    seconds = []
    for _ in range(5):
        before = os.times()
        assert process("--help").status == 0
        after = os.times()
        seconds.append(after.children_user - before.children_user)
    assert min(seconds) < 0.5
