"""Downloads of public data sets, from a local server, and folders of one's own.

The server is a real one on 127.0.0.1; each address below it misbehaves in its own way.
"""

from __future__ import annotations

import gzip
import hashlib
import stat
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from diabolo import datasets
from diabolo.datasets import DATASETS, Entry, File
from diabolo.errors import DataError, ReadError, WriteError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (500, 28, 28), dtype=np.uint8)
LABELS = RNG.integers(0, 10, 500, dtype=np.uint8)


def idx(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.tobytes()


def sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


#: File name → packed bytes. The "slow packer" of a mirror gives the same content in other bytes.
FILES = {
    "train-images-idx3-ubyte.gz": gzip.compress(idx(IMAGES), 9, mtime=0),
    "train-labels-idx1-ubyte.gz": gzip.compress(idx(LABELS), 9, mtime=0),
}
IMAGES_FILE, LABELS_FILE = FILES
OTHER = {name: gzip.compress(gzip.decompress(raw), 1, mtime=7) for name, raw in FILES.items()}


class Handler(BaseHTTPRequestHandler):
    """Serve ``/WAY/NAME``, where WAY says how the server (mis)behaves."""

    protocol_version = "HTTP/1.1"
    asked: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        _, way, name = self.path.split("/")
        wanted = self.headers.get("Range")
        self.asked.append((self.path, wanted))
        body = (OTHER if way == "other" else FILES)[name]
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        if way == "absent":
            self.send_error(404)
        elif way == "wrong":
            self.answer(200, gzip.compress(b"not what was asked for"))
        elif way == "portal":
            self.answer(200, b"<html>please log in</html>")
        elif way == "plain":  # knows no ranges
            self.answer(200, body)
        elif start >= len(body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            # "cutting" breaks off the first answer for a file, "hopeless" every one at once.
            send = len(body) - start
            if way == "cutting" and not wanted:
                send = len(body) // 2
            elif way == "hopeless":
                send = 0
            self.answer(206 if wanted else 200, body[start:], start, send)

    def answer(self, status: int, body: bytes, start: int = 0, send: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status == 206:
            end = start + len(body)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
        self.end_headers()
        self.wfile.write(body if send is None else body[:send])
        if send is not None and send < len(body):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


class Web:
    """The server's address, what it was asked, and the cache that downloads go to."""

    def __init__(self, port: int, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.cache, self.monkeypatch = f"http://127.0.0.1:{port}", cache, monkeypatch
        self.asked = Handler.asked

    @property
    def folder(self) -> Path:
        return self.cache / "fake-folder"

    def offer(self, *ways: str) -> None:
        """Put the data set "fake" into the table, to be had at these addresses."""
        images, labels = (File(name, sha256(gzip.decompress(raw))) for name, raw in FILES.items())
        addresses = tuple(way if "//" in way else f"{self.root}/{way}/" for way in ways)
        entry = Entry("Fake", "", "", "", "", "", "fake-folder", {"train": (images, labels)})
        entry = type(entry)(**{**vars(entry), "addresses": addresses})
        self.monkeypatch.setitem(DATASETS, "fake", entry)

    def parts(self) -> list[Path]:
        return sorted(self.folder.glob(".*.part"))


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    import pooch

    Handler.asked = []
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache")
    monkeypatch.delenv("DIABOLO_DATA", raising=False)
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Web(server.server_port, tmp_path / "cache", monkeypatch)
    server.shutdown()
    server.server_close()
    thread.join()


def check_fake() -> None:
    loaded = datasets.load("fake")
    assert np.array_equal(loaded.data, IMAGES)
    assert np.array_equal(loaded.labels, LABELS)
    assert (loaded.data.dtype, loaded.labels.dtype) == (np.uint8, np.int64)


def test_download_once(web: Web, capfd: pytest.CaptureFixture[str]) -> None:
    web.offer("good")
    assert datasets.fetch("fake") == web.folder
    check_fake()
    assert web.asked == [(f"/good/{name}", None) for name in FILES]
    assert {p.name for p in web.folder.iterdir()} == {*FILES, ".lock"}
    assert stat.S_IMODE((web.folder / IMAGES_FILE).stat().st_mode) & 0o444  # obeys the umask
    assert capfd.readouterr().out == ""  # standard output is for results


def test_load_downloads_what_is_missing(web: Web) -> None:
    web.offer("good")
    web.folder.mkdir(parents=True)
    (web.folder / IMAGES_FILE).write_bytes(FILES[IMAGES_FILE])
    check_fake()
    assert web.asked == [(f"/good/{LABELS_FILE}", None)]


def test_cut_connection_is_resumed(web: Web) -> None:
    web.offer("cutting")
    check_fake()
    half = len(FILES[IMAGES_FILE]) // 2
    assert web.asked[:2] == [
        (f"/cutting/{IMAGES_FILE}", None),
        (f"/cutting/{IMAGES_FILE}", f"bytes={half}-"),
    ]


def part_of(web: Web, way: str, name: str) -> Path:
    mark = sha256(f"{web.root}/{way}/{name}".encode())[:8]
    web.folder.mkdir(parents=True, exist_ok=True)
    return web.folder / f".{name}.{mark}.part"


@pytest.mark.parametrize("way", ["good", "plain"])
def test_resume_later(web: Web, way: str) -> None:
    """What an interrupted run left is completed by the next, even by a server without ranges."""
    web.offer(way)
    third = len(FILES[IMAGES_FILE]) // 3
    part_of(web, way, IMAGES_FILE).write_bytes(FILES[IMAGES_FILE][:third])
    check_fake()
    assert web.asked[0] == (f"/{way}/{IMAGES_FILE}", f"bytes={third}-")
    assert not web.parts()


def test_hopeless_connection(web: Web) -> None:
    """A server that always breaks off is given up, and what had arrived is kept."""
    web.offer("hopeless")
    part_of(web, "hopeless", IMAGES_FILE).write_bytes(FILES[IMAGES_FILE][:5000])
    with pytest.raises(ReadError, match="the connection broke off"):
        datasets.fetch("fake")
    (part,) = web.parts()
    assert part.read_bytes() == FILES[IMAGES_FILE][:5000]


@pytest.mark.parametrize(
    "left",
    [
        b"something else entirely",
        FILES[IMAGES_FILE],
        FILES[IMAGES_FILE] + b"and more",
        OTHER[IMAGES_FILE][:1000],
    ],
    ids=["foreign", "complete", "longer", "other packing"],
)
def test_whatever_was_left_behind(web: Web, left: bytes) -> None:
    web.offer("good")
    part_of(web, "good", IMAGES_FILE).write_bytes(left)
    check_fake()
    assert not web.parts()


def test_mirrors_are_tried_in_turn(web: Web) -> None:
    nobody = "http://127.0.0.1:1/"
    web.offer(nobody, "absent", "wrong", "portal", "other", "good")
    check_fake()
    ways = [path.split("/")[1] for path, _ in web.asked]
    assert ways == ["absent", "wrong", "portal", "other"] * 2
    assert (web.folder / IMAGES_FILE).read_bytes() == OTHER[IMAGES_FILE]  # unpacked bytes count


def test_mirrors_do_not_mix(web: Web) -> None:
    """Half a file from one address is not completed with bytes from another."""
    web.offer("hopeless", "other")
    part_of(web, "hopeless", IMAGES_FILE).write_bytes(FILES[IMAGES_FILE][:5000])
    check_fake()
    assert (f"/other/{IMAGES_FILE}", None) in web.asked


def test_wrong_bytes_are_removed(web: Web) -> None:
    web.offer("wrong")
    with pytest.raises(DataError, match="its content is not the published one") as caught:
        datasets.fetch("fake")
    assert f"{web.root}/wrong/{IMAGES_FILE}" in str(caught.value)
    assert {p.name for p in web.folder.iterdir()} == {".lock"}
    assert len(web.asked) == 1  # not asked again: it would answer the same


def test_no_network_names_the_way_out(web: Web) -> None:
    web.offer("http://127.0.0.1:1/", "absent")
    with pytest.raises(ReadError) as caught:
        datasets.load("fake")
    message = str(caught.value)
    assert "no connection" in message and "status 404" in message
    assert "put the file into DIR/fake-folder/ and set DIABOLO_DATA=DIR" in message
    assert IMAGES_FILE in message and "\n" not in message and "<" not in message


def test_damaged_cache_is_repaired(web: Web) -> None:
    web.offer("good")
    datasets.fetch("fake")
    (web.folder / LABELS_FILE).write_bytes(b"rot")
    check_fake()
    assert [path for path, _ in web.asked][2:] == [f"/good/{LABELS_FILE}"]


def test_cache_that_cannot_be_written(web: Web) -> None:
    web.offer("good")
    web.cache.write_text("a file where the folder should be")
    with pytest.raises(WriteError, match=r"cannot keep downloads there .* DIABOLO_DATA"):
        datasets.fetch("fake")


def test_processes_wait_for_each_other(web: Web) -> None:
    web.offer("good")
    errors: list[BaseException] = []

    def work() -> None:
        try:
            check_fake()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(web.asked) == 2


def own(web: Web, tmp_path: Path, files: dict[str, bytes]) -> Path:
    folder = tmp_path / "own" / "fake-folder"
    folder.mkdir(parents=True)
    for name, raw in files.items():
        (folder / name).write_bytes(raw)
    web.monkeypatch.setenv("DIABOLO_DATA", str(folder.parent))
    return folder


def test_own_folder_is_used_and_never_written(web: Web, tmp_path: Path) -> None:
    web.offer("good")
    folder = own(web, tmp_path, OTHER)
    for name in OTHER:
        (folder / name).chmod(0o444)
    folder.chmod(0o555)
    try:
        assert datasets.fetch("fake") == folder
        check_fake()
        assert {p.name for p in folder.iterdir()} == set(OTHER)
    finally:
        folder.chmod(0o755)
    assert not web.asked and not web.cache.exists()


def test_own_folder_that_lacks_files(web: Web, tmp_path: Path) -> None:
    web.offer("good")
    folder = own(web, tmp_path, {LABELS_FILE: FILES[LABELS_FILE]})
    assert datasets.fetch("fake") == web.folder
    assert [p.name for p in folder.iterdir()] == [LABELS_FILE]
    web.monkeypatch.setenv("DIABOLO_DATA", str(tmp_path / "not there"))
    check_fake()


@pytest.mark.parametrize("raw", [b"", b"rot", FILES[IMAGES_FILE][:-9], FILES[LABELS_FILE]])
def test_own_folder_with_a_damaged_file(web: Web, tmp_path: Path, raw: bytes) -> None:
    web.offer("good")
    folder = own(web, tmp_path, FILES | {IMAGES_FILE: raw})
    with pytest.raises(DataError) as caught:
        datasets.load("fake")
    assert str(caught.value).startswith(f"{folder / IMAGES_FILE}: it")
    assert (folder / IMAGES_FILE).read_bytes() == raw
    assert not web.asked
