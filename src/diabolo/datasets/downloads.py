"""Downloads that resume, are checked, and fall back on mirrors."""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diabolo.errors import ReadError, WriteError


def download(folder: Path, name: str, sha256: str, addresses: tuple[str, ...]) -> None:
    """Download a file into a folder, from the first address that gives the right bytes.

    Parameters
    ----------
    folder : pathlib.Path
        Made if necessary. What is there under the same name is replaced.
    name : str
        Name of the gzip file, there and at each address.
    sha256 : str
        Of the unpacked bytes.
    addresses : tuple of str

    Raises
    ------
    ReadError
        If no address gave the right bytes.
    WriteError
        If the folder cannot be written.
    """
    try:
        with _alone(folder):
            # Another process may have been faster.
            if damage(folder / name, sha256):
                _first_good(folder, name, sha256, addresses)
    except ReadError:
        raise
    except OSError as error:
        raise WriteError(
            f"{folder}: cannot keep downloads there ({error.strerror or error}). Set DIABOLO_DATA "
            "to a folder that has the files."
        ) from error


def damage(path: Path, sha256: str) -> str:
    """Say what is wrong with a gzip file whose unpacked bytes are known, "" if nothing is."""
    try:
        state = path.stat()
        return _compare(path, state.st_size, state.st_mtime_ns, sha256)
    except FileNotFoundError:
        return "it is missing"
    except OSError as error:
        return f"it cannot be read ({error.strerror or error})"


@functools.lru_cache(maxsize=64)
def _compare(path: Path, size: int, changed: int, sha256: str) -> str:
    # Size and time are part of the key: an unchanged file is unpacked once per process.
    digest = hashlib.sha256()
    try:
        with gzip.open(path) as stream:
            while piece := stream.read(1 << 20):
                digest.update(piece)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        return f"it is not a complete gzip file ({error})"
    return "" if digest.hexdigest() == sha256 else "its content is not the published one"


@dataclass(frozen=True)
class Resume:
    """A downloader for pooch that goes on where an earlier download of the address stopped.

    What arrived is kept beside the target as ``.NAME.<hash of the address>.part``: another mirror
    may pack the file differently, so its bytes must not be mixed in.
    """

    sha256: str
    attempts: int = 5

    def __call__(self, url: str, output_file: Any, pooch: Any) -> None:
        """Download `url` to `output_file`, checked; raise `ReadError` if that fails."""
        target = Path(output_file)
        mark = hashlib.sha256(url.encode()).hexdigest()[:8]
        part = target.with_name(f".{url.rsplit('/', 1)[-1]}.{mark}.part")
        problem = ""
        for _ in range(self.attempts):
            resumed = part.exists() and part.stat().st_size > 0
            problem = self._transfer(url, part)
            if problem == "cut":
                continue
            if problem:
                break
            problem = damage(part, self.sha256)
            if not problem:
                part.replace(target)
                return
            part.unlink()
            if not resumed:
                break
            # The beginning may be of another version of the file: once more, from the start.
        what = "the connection broke off" if problem == "cut" else problem
        raise ReadError(f"{url}: {what}")

    def _transfer(self, url: str, part: Path) -> str:
        """Append what is missing; return "" when complete, "cut" when not, or the reason."""
        import requests
        from urllib3.exceptions import HTTPError

        have = part.stat().st_size if part.exists() else 0
        # "identity": no server may unpack or pack on the way, positions would not fit.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        try:
            with requests.get(url, headers=headers, stream=True, timeout=30) as answer:
                if answer.status_code == 416:  # nothing after what we have; the check decides
                    return ""
                if answer.status_code not in (200, 206):
                    return f"status {answer.status_code} {answer.reason}"
                follows = answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
                if answer.status_code == 206 and not follows:
                    part.unlink(missing_ok=True)
                    return "cut"
                mode = "ab" if answer.status_code == 206 else "wb"
                start = have if mode == "ab" else 0
                size = int(answer.headers.get("Content-Length", 0)) + start
                with part.open(mode) as stream, _progress(part, size, start) as advance:
                    for piece in answer.raw.stream(1 << 16, decode_content=False):
                        stream.write(piece)
                        advance(len(piece))
        except requests.Timeout:
            return "no answer in time"
        except requests.ConnectionError as error:
            reason = getattr(error.args[0], "reason", error) if error.args else error
            return f"no connection: {str(reason).rsplit(': ', 1)[-1]}"
        except requests.RequestException as error:
            return str(error)
        except HTTPError:
            return "cut"
        return "cut" if part.stat().st_size < size else ""


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from downloading into the same folder; they wait."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as handle:
        # No such lock on Windows or on some network drives: there the checksum has to do.
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _first_good(folder: Path, name: str, sha256: str, addresses: tuple[str, ...]) -> None:
    import pooch

    (folder / name).unlink(missing_ok=True)
    failures = []
    for address in addresses:
        source = pooch.create(folder, address, registry={name: None}, urls={name: address + name})
        try:
            source.fetch(name, downloader=Resume(sha256))
            return
        except ReadError as error:
            failures.append(str(error))
    raise ReadError(
        f"{name} could not be downloaded ({'; '.join(failures)}). Try again (what has arrived is "
        f"kept), or put the file into DIR/{folder.name}/ and set DIABOLO_DATA=DIR."
    )


@contextlib.contextmanager
def _progress(part: Path, size: int, start: int) -> Iterator[Any]:
    """Show a bar on a terminal; yield a function that takes the number of new bytes."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(part.name[1:].rsplit(".", 2)[0], total=size or None, completed=start)
        yield lambda count: bar.update(task, advance=count)
