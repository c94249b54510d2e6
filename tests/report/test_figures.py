"""Charts and grids from plain arrays: what is drawn, what is said, what is refused."""

import io

import numpy as np
import pytest
from PIL import Image

from diabolo.errors import DataError
from diabolo.report import (
    code_map,
    column_errors,
    error_histogram,
    image_grid,
    loss_curves,
    most_anomalous,
    reconstructions,
    theme,
)

rng = np.random.default_rng(0)
CODES, IMAGES = rng.normal(size=(60, 5)), rng.random((20, 8, 6))


def picture(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png), formats=["PNG"])


def drawn(figure) -> int:
    return sum(len(trace.x) for trace in figure.data)


# --- the map of codes -----------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("n", [1, 2, 60])
@pytest.mark.parametrize("labelled", [False, True])
def test_code_map_draws_every_row(n, k, labelled):
    labels = np.arange(n) % 3 if labelled else None
    figure = code_map(CODES[:n, :k], labels)
    assert drawn(figure) == n
    assert {trace.type for trace in figure.data} == {"scattergl"}
    assert all(np.isfinite(trace.x).all() and np.isfinite(trace.y).all() for trace in figure.data)


def test_two_columns_are_drawn_as_they_are():
    trace = code_map(CODES[:, :2]).data[0]
    np.testing.assert_array_equal(np.stack([trace.x, trace.y], axis=1), CODES[:, :2])


def test_more_columns_are_projected_and_the_axes_say_so():
    flat = CODES[:, :2] @ rng.normal(size=(2, 7))
    figure = code_map(flat)
    titles = figure.layout.xaxis.title.text, figure.layout.yaxis.title.text
    percent = [int(text.split("(")[1].split("%")[0]) for text in titles]
    assert abs(sum(percent) - 100) <= 1  # two dimensions hold all of it


def test_codes_without_variance_are_drawn():
    for codes in (np.ones((9, 4)), np.array([[1.0, 1.0], [1 + 1e-15, 1.0]])):
        assert drawn(code_map(codes)) == len(codes)


def test_large_maps_are_sampled_evenly_and_always_alike():
    codes = rng.normal(size=(12_345, 2))
    first, second = code_map(codes), code_map(codes)
    assert drawn(first) == 5000
    assert first.to_json() == second.to_json()
    assert "5,000 of 12,345 rows" in first.layout.meta["note"]
    numbers = [int(text.split()[1]) for text in first.data[0].text]
    assert numbers[0] == 0
    assert numbers[-1] == 12_344
    assert set(np.diff(numbers)) == {2, 3}


def test_classes_are_sorted_named_and_told_apart():
    labels = [f"class {i % 12}" for i in range(60)]
    figure = code_map(CODES, labels)
    assert [trace.name for trace in figure.data] == [f"class {i}" for i in range(12)]
    colours = theme()["layout"]["colorway"]
    looks = {(colours[i % len(colours)], t.marker.symbol) for i, t in enumerate(figure.data)}
    assert len(looks) == 12
    assert figure.data[0].text[1] == "row 12 · class 0"


def test_numbers_are_sorted_as_numbers_and_missing_labels_are_grey():
    figure = code_map(CODES[:5], [10.0, 9.0, float("nan"), None, -1.5])
    assert [trace.name for trace in figure.data] == ["missing", "-1.5", "9", "10"]
    assert figure.data[0].marker.color is not None


def test_rare_classes_share_one_name():
    figure = code_map(CODES, np.r_[np.zeros(10, int), np.arange(50)])
    assert len(figure.data) == 20
    assert figure.data[0].name == "others (31)"
    assert drawn(figure) == 60


def test_thumbnails_travel_in_one_sheet():
    sprite = code_map(CODES[:20], images=IMAGES).layout.meta["sprite"]
    assert sprite["uri"].startswith("data:image/png;base64,")
    assert list(sprite["tile"]) == [6, 8]
    assert list(sprite["sheet"]) == [5 * 6, 4 * 8]
    large = code_map(CODES[:2], images=rng.random((2, 100, 50, 3))).layout.meta["sprite"]
    assert list(large["tile"]) == [16, 32]


@pytest.mark.parametrize(
    "arguments",
    [
        {"codes": np.zeros((0, 3))},
        {"codes": np.zeros((3, 0))},
        {"codes": np.zeros(3)},
        {"codes": [["a"]]},
        {"codes": [[1.0], [np.nan]]},
        {"codes": np.zeros((3, 2)), "labels": [1, 2]},
        {"codes": np.zeros((3, 2)), "hover": ["a"]},
        {"codes": np.zeros((3, 2)), "images": np.zeros((2, 4, 4))},
    ],
)
def test_code_map_refuses(arguments):
    with pytest.raises(DataError):
        code_map(**arguments)


# --- curves and bars ------------------------------------------------------------------------------


def test_loss_curves_mark_the_kept_epoch():
    held_out = [0.9, 0.5, 0.4, 0.45]
    history = [{"epoch": i, "train": 1 / i, "held_out": h} for i, h in enumerate(held_out, 1)]
    figure = loss_curves(history, 2)
    assert [trace.name for trace in figure.data] == ["training", "held out", "kept: 0.4, epoch 3"]
    assert (figure.data[2].x[0], figure.data[2].y[0]) == (3, 0.4)
    assert figure.layout.yaxis.type is None


def test_loss_curves_without_held_out_rows_over_decades():
    figure = loss_curves([{"epoch": i, "train": 10.0**-i, "held_out": None} for i in range(1, 4)])
    assert len(figure.data) == 1
    assert figure.layout.yaxis.type == "log"
    assert 0.05 in np.round(figure.layout.yaxis.tickvals, 9)


@pytest.mark.parametrize("losses", [[-100.0, 1.0], [5.0], [np.nan, 2.0], [np.inf, 2.0]])
def test_loss_curves_take_odd_losses(losses):
    figure = loss_curves([{"epoch": i, "train": loss} for i, loss in enumerate(losses, 1)])
    assert figure.layout.yaxis.type is None
    assert figure.data[-1].name == "training"


@pytest.mark.parametrize("history", [[], [{"epoch": 1}], [{"epoch": 1, "train": np.nan}]])
def test_loss_curves_refuse(history):
    with pytest.raises(DataError):
        loss_curves(history)


def test_column_errors_show_the_largest_first():
    figure = column_errors([f"c{i}" for i in range(30)], np.arange(30.0), most=3)
    assert list(figure.data[0].x) == [29, 28, 27]
    assert list(figure.layout.yaxis.ticktext) == ["c29", "c28", "c27"]
    assert figure.layout.yaxis.autorange == "reversed"
    assert "3 largest of 30" in figure.layout.meta["note"]


def test_columns_of_one_name_keep_their_bars():
    assert len(column_errors(["a", "a"], [1.0, 2.0]).data[0].x) == 2


@pytest.mark.parametrize(("names", "errors"), [([], []), (["a"], [1, 2]), (["a"], [np.inf])])
def test_column_errors_refuse(names, errors):
    with pytest.raises(DataError):
        column_errors(names, errors)


def test_histogram_counts_every_row():
    errors = rng.gamma(2.0, size=500)
    figure = error_histogram(errors, threshold=4.0)
    assert sum(figure.data[0].y) == 500
    assert figure.data[1].name.endswith(f"{(errors > 4).sum()} of 500 above")
    assert figure.layout.xaxis.type is None


def test_histogram_of_a_long_tail_is_logarithmic():
    figure = error_histogram(np.exp(3 * rng.normal(size=400)))
    assert figure.layout.xaxis.type == "log"
    assert sum(figure.data[0].y) == 400


@pytest.mark.parametrize("errors", [[0.5], [0.0, 0.0], [3e-9, 4e-9], [1.0, 1 + 1e-15]])
def test_histogram_of_few_or_equal_errors(errors):
    assert sum(error_histogram(errors, threshold=0.1).data[0].y) == len(errors)


@pytest.mark.parametrize("errors", [[], [np.nan], [[1.0]]])
def test_histogram_refuses(errors):
    with pytest.raises(DataError):
        error_histogram(errors)


# --- grids of images ------------------------------------------------------------------------------


def test_grid_has_the_size_of_its_parts_and_keeps_the_pixels():
    png = image_grid([np.array([[[0.0, 1.0], [1.0, 0.0]]] * 3)], columns=2, tile=20)
    grid = picture(png)
    gap, side = 12, 40  # two pixels per CSS pixel
    assert grid.size == (gap + 2 * (side + gap), gap + 2 * (side + gap))
    assert round(grid.info["dpi"][0]) == 192
    pixels = np.asarray(grid)
    assert set(np.unique(pixels[gap : gap + side, gap : gap + side])) == {0, 255}
    assert (pixels[gap, gap] == 0).all()
    assert (pixels[gap, gap + side - 1] == 255).all()
    assert (pixels[-gap - side :, -gap - side :] == 255).all()  # three images: one place is empty
    large = image_grid([rng.random((1, 500, 250))], tile=50)
    assert picture(large).size == (50 + 2 * gap, 100 + 2 * gap)


@pytest.mark.parametrize(
    "images",
    [
        IMAGES,
        IMAGES[..., None],
        rng.random((3, 4, 4, 2)),
        rng.random((3, 4, 4, 3)).astype(np.float32),
        rng.random((3, 4, 4, 4)),
        rng.integers(0, 256, (3, 4, 4), dtype=np.uint8),
        rng.integers(0, 65536, (3, 4, 4, 3), dtype=np.uint16),
        rng.random((3, 4, 4)) > 0.5,
        rng.normal(size=(3, 4, 4)) * 9,
        np.full((1, 1, 1), np.nan),
    ],
)
def test_grid_takes_images_of_every_kind(images):
    picture(image_grid([images])).verify()


def test_byte_and_float_images_look_alike():
    images = rng.integers(0, 256, (3, 5, 5), dtype=np.uint8)
    assert image_grid([images]) == image_grid([images / 255])


@pytest.mark.parametrize(
    "stacks",
    [
        [],
        [np.zeros((0, 4, 4))],
        [np.zeros((4, 4))],
        [np.zeros((2, 4, 4, 5))],
        [np.zeros((2, 4, 4), dtype=int)],
        [np.zeros((2, 4, 4)), np.zeros((2, 4, 5))],
        [np.zeros((2, 4, 4)), np.zeros((3, 4, 4))],
    ],
)
def test_grid_refuses(stacks):
    with pytest.raises(DataError):
        image_grid(stacks)


def test_perfect_reconstructions_have_blank_differences():
    images = np.full((1, 4, 4), 0.5)
    pixels = np.asarray(picture(reconstructions(images, images)))
    grey = (pixels == 128).all(axis=-1)
    assert grey.sum() == 2 * 144 * 144  # the original and its equal, nothing else is coloured


def test_reconstructions_draw_rows_at_even_steps():
    images = rng.random((100, 4, 4))
    rows = np.linspace(0, 99, 16).round().astype(int)
    full = reconstructions(images, images, np.arange(100) % 7, np.arange(100.0))
    assert full == reconstructions(images[rows], images[rows], rows % 7, rows.astype(float))


@pytest.mark.parametrize("extra", [{}, {"labels": ["<b>", "a very long name of a class"]}])
def test_reconstructions_of_colours(extra):
    colours = rng.random((2, 9, 7, 3))
    picture(reconstructions(colours, 1 - colours, errors=[0.1, 0.2], **extra)).verify()


@pytest.mark.parametrize(
    "arguments",
    [
        (np.zeros((0, 2, 2)), np.zeros((0, 2, 2))),
        (np.zeros((1, 2, 2)), np.zeros((2, 2, 2))),
        (np.zeros((1, 2, 2)), np.zeros((1, 2, 3))),
        (np.zeros((1, 2, 2)), np.zeros((1, 2, 2)), [1, 2]),
    ],
)
def test_reconstructions_refuse(arguments):
    with pytest.raises(DataError):
        reconstructions(*arguments)


def test_most_anomalous_are_the_largest():
    errors = np.arange(20.0)
    expected = image_grid([IMAGES[[19, 18]]], ["19\nrow 19", "18\nrow 18"])
    assert most_anomalous(IMAGES, errors, most=2) == expected
    with pytest.raises(DataError):
        most_anomalous(IMAGES, errors[:3])
