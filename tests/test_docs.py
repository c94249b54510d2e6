"""Every fenced code block of the README and of docs/ is run, as a reader would run it.

The blocks of a file run in order, in one temporary folder, in a process of their own:

- ``python``: all of a file's blocks share one namespace;
- ``sh``, ``bash``: run by bash, which stops at the first command that fails;
- ``console``: the lines after ``$ `` are run like that; the other lines show what a reader will see
  and are compared with nothing.

A block with ``no-run="reason"`` after its language is not run; there may only be a few. Blocks in
other languages (``text``, ``json``) are not run either.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RUNNABLE = ("python", "sh", "bash", "console")
MOST_NOT_RUN = 6
TIME_LIMIT = 900  # seconds a file

#: The fence, its language, and the rest of the info string. Blocks inside lists are indented.
FENCE = re.compile(r"(?P<indent> *)(?P<fence>`{3,}|~{3,})[ ]*(?P<language>[\w+-]*)(?P<info>[^`]*)")
NO_RUN = re.compile(r"""\bno-run(?:=["'](?P<reason>[^"']*)["'])?""")


@dataclass(frozen=True)
class Block:
    """A fenced block: where its code begins, its language, its code, why it is not run if so."""

    path: str
    line: int
    language: str
    code: str
    no_run: str | None = None


def find_blocks(path: str, text: str) -> list[Block]:
    """Read the fenced blocks of a markdown text."""
    blocks = []
    lines = text.splitlines()
    i = 0
    while i < len(lines):
        opening = FENCE.fullmatch(lines[i])
        i += 1
        if opening is None:
            continue
        indent, fence = opening["indent"], opening["fence"]
        start = i
        while i < len(lines) and lines[i].strip() != fence:
            i += 1
        if i == len(lines):
            raise ValueError(f"{path}:{start}: this block is never closed")
        code = "\n".join(line.removeprefix(indent) for line in lines[start:i]) + "\n"
        no_run = NO_RUN.search(opening["info"])
        reason = (no_run["reason"] or "") if no_run else None
        blocks.append(Block(path, start + 1, opening["language"], code, reason))
        i += 1
    return blocks


def commands(block: Block) -> str:
    """The bash script of a block; of a console block the lines after ``$ `` and their sequels."""
    if block.language != "console":
        return block.code
    script, sequel = [], False
    for line in block.code.splitlines():
        if line.startswith("$ ") or sequel:
            line = line.removeprefix("> " if sequel else "$ ")
            script.append(line)
            sequel = line.endswith("\\")
    return "\n".join(script) + "\n"


def run_blocks(blocks: list[Block]) -> int:
    """Run the blocks of one file in the current folder; print where and why one fails."""
    namespace = {"__name__": "__main__"}
    for block in blocks:
        try:
            if block.language == "python":
                # Empty lines in front give tracebacks the line numbers of the markdown file.
                source = "\n" * (block.line - 1) + block.code
                exec(compile(source, block.path, "exec", dont_inherit=True), namespace)
            else:
                script = "set -euo pipefail\n" + commands(block)
                subprocess.run(["bash", "-c", script], check=True, stdin=subprocess.DEVNULL)
        except BaseException as error:
            # This function's own frames would only stand in the way.
            trace = error.__traceback__.tb_next if block.language == "python" else None
            traceback.print_exception(type(error), error, trace)
            print(f"{block.path}:{block.line}: this {block.language} block fails:\n{block.code}")
            return 1
    return 0


def run_in_child(blocks: list[Block], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the blocks of one file in a fresh process that works in ``folder``."""
    listing = json.dumps([asdict(block) for block in blocks])
    # The scripts of this interpreter come first, whether or not its venv is active.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return subprocess.run(
        [sys.executable, "-u", "-P", __file__],  # -P: tests/ is no place to import from
        input=listing,
        cwd=folder,
        # One thread: the nets of the examples are too small to share out.
        env={"OMP_NUM_THREADS": "1", **os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIME_LIMIT,
    )


FILES = [path for path in (ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))) if path.exists()]
BLOCKS = {
    name: find_blocks(name, path.read_text(encoding="utf-8"))
    for path in FILES
    if (name := path.relative_to(ROOT).as_posix())
}


@pytest.mark.parametrize("name", BLOCKS)
def test_the_blocks_of_a_file_run(name, tmp_path):
    blocks = [b for b in BLOCKS[name] if b.language in RUNNABLE and b.no_run is None]
    if not blocks:
        pytest.skip("there is nothing to run in this file")
    done = run_in_child(blocks, tmp_path)
    assert done.returncode == 0, done.stdout


def test_few_blocks_are_not_run_and_each_says_why():
    not_run = [block for blocks in BLOCKS.values() for block in blocks if block.no_run is not None]
    assert all(block.no_run for block in not_run), 'no-run needs a reason: no-run="…"'
    assert len(not_run) <= MOST_NOT_RUN


EXAMPLE = """\
Text with ```inline``` ticks.

```python
x = 1
```

1. In a list:

   ```console
   $ echo one \\
   > two
   one two
   $ cat file
   ```

```sh no-run="needs a fresh clone"
make demo
```

````text
```python
not code
```
````
"""


def test_blocks_are_found_with_line_language_and_reason():
    python, console, shell, text = find_blocks("a.md", EXAMPLE)
    assert (python.line, python.language, python.code) == (4, "python", "x = 1\n")
    assert (console.line, console.language) == (10, "console")
    assert commands(console) == "echo one \\\ntwo\ncat file\n"
    assert (shell.language, shell.no_run) == ("sh", "needs a fresh clone")
    assert text.language == "text" and "not code" in text.code
    with pytest.raises(ValueError, match=r"a\.md:1: .* never closed"):
        find_blocks("a.md", "```python\nx = 1\n")


def test_the_blocks_of_a_file_share_namespace_and_folder(tmp_path):
    blocks = [
        Block("a.md", 2, "python", "x = 'seen'\nopen('made.txt', 'w').write(x)\n"),
        Block("a.md", 7, "sh", "grep seen made.txt\npython -c 'import diabolo'\n"),
        Block("a.md", 12, "python", "assert x == 'seen'\n"),
    ]
    assert run_in_child(blocks, tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("language", "code", "line", "message"),
    [
        ("python", "y = 1\nassert y == 2\n", 41, "AssertionError"),
        ("python", "raise SystemExit(0)\n", 40, "SystemExit"),
        ("sh", "false\ntrue\n", 40, "exit status 1"),
        ("console", "$ cat nothing | cat\n", 40, "exit status 1"),
    ],
)
def test_a_failing_block_is_reported_with_file_and_line(tmp_path, language, code, line, message):
    done = run_in_child([Block("docs/a.md", 40, language, code)], tmp_path)
    assert done.returncode == 1
    assert f"docs/a.md:40: this {language} block fails" in done.stdout
    assert message in done.stdout
    if language == "python":
        assert f'"docs/a.md", line {line}' in done.stdout


if __name__ == "__main__":
    sys.exit(run_blocks([Block(**block) for block in json.load(sys.stdin)]))
