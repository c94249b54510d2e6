"""The frame of the benchmarks: timing in turns, the machine's ceiling, reports, command line."""

from __future__ import annotations

import json
import os
import sys
import time
import types

import pytest
import torch

from bench import __main__ as command_line
from bench import frame, machine


@pytest.fixture
def results(tmp_path, monkeypatch):
    """An empty folder in place of bench/results."""
    folder = tmp_path / "results"
    monkeypatch.setattr(frame, "RESULTS", folder)
    return folder


@pytest.fixture
def toy(monkeypatch):
    """A registered benchmark named ``toy`` that counts to its option."""
    bench = types.ModuleType("bench.toy", "Count.")
    bench.add_options = lambda parser: parser.add_argument("--to", type=int, default=3)
    bench.run = lambda options: frame.Result(
        "Counting", [frame.table(["who", "seconds"], [["us", 0.5]])], {"count": options.to}
    )
    monkeypatch.setitem(sys.modules, "bench.toy", bench)
    monkeypatch.setattr(command_line, "BENCHES", {"toy": "counting"})


def test_alternate_calls_each_once_a_round_from_a_moving_start():
    calls = []
    functions = {name: (lambda name=name: calls.append(name) or name) for name in "abc"}
    timings = frame.alternate(functions, rounds=3)
    assert "".join(calls) == "abc" + "bca" + "cab"
    assert {name: [t.value for t in timings[name]] for name in "abc"} == {
        name: [name] * 3 for name in "abc"
    }
    assert all(t.seconds >= 0 for times in timings.values() for t in times)


def test_paired_ratio_compares_within_a_round():
    # The machine was ten times slower in the second round; the ratio does not see it.
    assert frame.paired_ratio([2.0, 20.0, 2.0], [1.0, 10.0, 1.0]) == 2.0


@pytest.mark.parametrize("path", ["default", "medium"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_matmul_ceiling_measures_and_restores_the_precision(dtype, path):
    before = torch.get_float32_matmul_precision()
    assert machine.matmul_ceiling(dtype, path, repeats=1, shapes=[(64, 64, 64)]) > 0
    assert torch.get_float32_matmul_precision() == before


def test_table_aligns_and_rounds():
    assert frame.table(["name", "value"], [["a", 1234.5], ["long name", 0.012345], ["c", 7]]) == (
        "| name      |  value |\n"
        "| --------- | -----: |\n"
        "| a         |  1,234 |\n"
        "| long name | 0.0123 |\n"
        "| c         |      7 |"
    )


def test_a_run_leaves_a_report_with_circumstances_and_notes(results, toy, capsys):
    results.mkdir()
    (results / "toy.notes.md").write_text("Counting backwards did not help.\n")
    assert command_line.main(["toy", "--to", "5"]) == 0

    text = (results / "toy.md").read_text()
    assert text.startswith("# Counting\n")
    for fact in ("machine", "date", "commit", "command", "duration"):
        assert f"\n- {fact}: " in text
    assert "`python -m bench toy --to 5`" in text
    assert text.endswith("## Notes\n\nCounting backwards did not help.\n")
    assert [path.name for path in sorted(results.iterdir())] == ["toy.md", "toy.notes.md"]

    printed = capsys.readouterr().out
    assert text in printed
    last = json.loads(printed.splitlines()[-1])
    assert last["bench"] == "toy" and last["metrics"] == {"count": 5} and not last["quick"]
    assert last["machine"] == machine.machine() and last["commit"] == machine.commit()


def test_a_quick_run_is_marked_and_kept_only_where_asked(results, toy, capsys, tmp_path):
    command_line.main(["toy", "--quick"])
    assert not results.exists()
    assert "Quick run" in capsys.readouterr().out

    out = tmp_path / "reports" / "mine.md"
    command_line.main(["toy", "--quick", "--out", str(out)])
    assert "Quick run" in out.read_text()
    assert str(tmp_path) not in out.read_text()
    assert not results.exists()


@pytest.mark.parametrize("words", [["--data", "/home/me/data"], ["--data=/home/me/data"]])
def test_a_report_names_no_folder_of_the_machine(words):
    command = frame.Run("toy", words, seconds=0).command
    assert "home" not in command and command.endswith("data")


def test_a_report_says_when_the_machine_was_busy():
    quiet = frame.Run("toy", [], seconds=1, others=0.01)
    assert "measure again" not in frame.report(quiet, frame.Result("Toy"))
    busy = frame.Run("toy", [], seconds=1, others=0.5)
    assert "measure again" in frame.report(busy, frame.Result("Toy"))
    unknown = frame.report(frame.Run("toy", [], seconds=1), frame.Result("Toy"))
    assert "other programs" not in unknown


def test_a_watch_sees_time_and_does_not_count_its_own_process():
    watch = machine.Watch()
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass
    own = 0.3 / (watch.seconds * os.cpu_count())
    assert watch.seconds >= 0.3
    # Others may be at work here, but between them and this loop there is no more than all of it.
    assert not watch.others > 1 - own + 0.1


def test_the_command_line_lists_and_refuses(toy, capsys):
    assert command_line.main([]) == 0
    assert "toy" in capsys.readouterr().out
    assert command_line.main(["nothing"]) == 2
    assert "no benchmark 'nothing'" in capsys.readouterr().err


def test_every_registered_benchmark_has_a_module():
    for name in command_line.BENCHES:
        places = [
            machine.ROOT / "bench" / f"{name}.py",
            machine.ROOT / "bench" / name / "__init__.py",
        ]
        sources = [place.read_text() for place in places if place.exists()]
        assert len(sources) == 1 and "\ndef run(" in sources[0]
