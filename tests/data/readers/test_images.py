"""Folders of images."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image
from tests.data.reading import put, same

from diabolo.data.readers import open_source
from diabolo.errors import ReadError


def picture(mode: str, size: tuple[int, int] = (6, 4), seed: int = 0) -> Image.Image:
    width, height = size
    rng = np.random.default_rng(seed)
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 65536, (height, width)).astype(np.uint16))
    rgb = rng.integers(0, 256, (height, width, 4), dtype=np.uint8)
    return Image.fromarray(rgb, "RGBA").convert("RGB" if mode == "P" else mode).convert(mode)


@pytest.mark.parametrize(
    ("modes", "shape", "dtype", "note"),
    [
        (("L", "L"), (2, 4, 6), "u1", None),
        (("1", "1"), (2, 4, 6), "u1", None),
        (("RGB", "RGB"), (2, 4, 6, 3), "u1", None),
        (("RGBA", "RGBA"), (2, 4, 6, 4), "u1", None),
        (("P", "P"), (2, 4, 6, 3), "u1", None),
        (("I;16", "I;16"), (2, 4, 6), "u2", None),
        (("L", "RGB"), (2, 4, 6, 3), "u1", "1 greyscale"),
        (("RGBA", "RGB"), (2, 4, 6, 3), "u1", "alpha channel of 1"),
        (("LA", "L"), (2, 4, 6), "u1", "alpha channel of 1"),
        (("LA", "LA"), (2, 4, 6, 4), "u1", None),
    ],
)
def test_image_modes(tmp_path, modes, shape, dtype, note):
    for number, mode in enumerate(modes):
        picture(mode, seed=number).save(tmp_path / f"{number}.png")
    source = open_source(tmp_path)
    images = source.read()
    assert images.shape == shape and images.dtype == dtype and source.kind == "images"
    assert source.names == ("0.png", "1.png")
    assert any(note in each for each in source.notes) if note else source.notes == ()
    same(source, 1)
    first = picture(modes[0])
    if modes[0] == "I;16":
        np.testing.assert_array_equal(images[0], np.asarray(first))
    if modes == ("1", "1"):
        assert set(np.unique(images)) == {0, 255}


def test_image_folder(tmp_path):
    names = ["b/img2.jpg", "b/img10.png", "a.tif", "c.webp"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        picture("RGB").save(tmp_path / name)
    put(tmp_path, "notes.txt", "x")
    put(tmp_path, "._a.png", "a Mac's remains")
    source = open_source(tmp_path)
    assert source.names == ("a.tif", "b/img2.jpg", "b/img10.png", "c.webp")
    assert source.notes == ("2 file(s) that are no images ignored",)
    same(source, 3)
    assert open_source(tmp_path / "a.tif").read().shape == (1, 4, 6, 3)
    np.testing.assert_array_equal(open_source(tmp_path.as_uri()).read(), source.read())


def test_image_sizes(tmp_path):
    picture("L", (6, 4)).save(tmp_path / "a.png")
    picture("L", (5, 4)).save(tmp_path / "b.png")
    with pytest.raises(ReadError, match=r"a\.png is 4x6, b\.png is 4x5.*--size 4x6"):
        open_source(tmp_path)
    source = open_source(tmp_path, image_size=(8, 3))
    assert source.read().shape == (2, 8, 3)
    assert source.notes == ("2 image(s) resized to 8x3",)
    same(source, 1)
    with pytest.raises(ReadError, match="0x3"):
        open_source(tmp_path, image_size=(0, 3))
    (tmp_path / "deep").mkdir()
    picture("I;16").save(tmp_path / "deep/a.png")
    assert open_source(tmp_path / "deep", image_size=(3, 3)).read().dtype == np.uint16
    with pytest.raises(ReadError, match="depth"):
        open_source(tmp_path, image_size=(3, 3))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_exif_orientation(tmp_path, name):
    image = picture("L")
    exif = Image.Exif()
    exif[0x0112] = 6  # the top of the picture is at its right side
    image.save(tmp_path / name, exif=exif)
    upright = open_source(tmp_path).read()[0]
    assert upright.shape == (6, 4)
    error = np.abs(upright - np.rot90(np.asarray(image), -1).astype(float)).mean()
    assert error < 30 if name == "a.jpg" else error == 0


def test_colours_of_16_bits_are_noted(tmp_path):
    raw = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        import zlib

        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    import zlib

    data = chunk(b"IHDR", raw) + chunk(b"IDAT", zlib.compress(bytes(7))) + chunk(b"IEND", b"")
    source = open_source(put(tmp_path, "a.png", b"\x89PNG\r\n\x1a\n" + data))
    assert "16 to 8 bits" in source.notes[0]


def test_damaged_and_dangerous_images(tmp_path, monkeypatch):
    picture("RGB").save(tmp_path / "a.png")
    picture("RGB").save(tmp_path / "b.png")
    good = (tmp_path / "b.png").read_bytes()
    put(tmp_path, "b.png", good[:-30])
    with pytest.raises(ReadError, match=r"b\.png: this image is damaged"):
        open_source(tmp_path).read()
    put(tmp_path, "b.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 6 4\n")
    with pytest.raises(ReadError, match=r"b\.png: the content does not look like an image"):
        open_source(tmp_path)
    put(tmp_path, "b.png", good)
    for limit in (23, 11):  # PIL warns at the limit, and refuses at twice the limit
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(ReadError, match="bomb"):
            open_source(tmp_path)


def test_a_folder_without_images(tmp_path):
    with pytest.raises(ReadError, match="it is empty"):
        open_source(tmp_path)
    put(tmp_path, "x.csv", "a")
    with pytest.raises(ReadError, match=r"1 \.csv"):
        open_source(tmp_path)
