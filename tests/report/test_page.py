"""The page: one file, no network, nothing of the user's text read as HTML."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from diabolo.errors import DataError, DiaboloError
from diabolo.report import Page, code_map, column_errors, image_grid, loss_curves, theme

EVIL = "<script>alert('x')</script><img src=\"http://evil.example/x\"> & \udcff"
VOID = {"meta", "link", "img", "br"}


class Outline(HTMLParser):
    """Collects tags, visible text and the content of scripts; fails on unbalanced tags."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.scripts: list[str] = []
        self.text = ""
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "script" in self.open:
            self.scripts[-1] += data
        elif "style" not in self.open:
            self.text += data

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def source() -> str:
    page = Page(EVIL, EVIL)
    page.text(f"{EVIL}\n\nA second paragraph.")
    page.section(EVIL)
    page.table(["name", EVIL], [["a", 0.123456], [EVIL, None]], EVIL)
    codes = np.random.default_rng(0).normal(size=(6000, 2))
    page.figure(code_map(codes, [EVIL] * 6000, hover=[EVIL] * 6000), EVIL)
    page.figure(loss_curves([{"epoch": 1, "train": 1.0}]))
    page.figure(column_errors([EVIL], [1.0]), "Columns.")
    page.picture(image_grid([np.eye(4)[None]]), alt=EVIL, caption=EVIL)
    return page.html()


@pytest.fixture(scope="module")
def outline(source) -> Outline:
    return Outline(source)


def test_users_text_is_never_markup(source, outline):
    assert "<script>alert" not in source
    assert "http://evil.example" not in [tag.get("src") for _, tag in outline.tags]
    assert outline.text.count("alert('x')") == 10  # title, heading, subtitle, text, ...
    assert "\udcff" not in source


def test_texts_in_figures_are_escaped():
    evil = '<a href="javascript:x">&'
    figure = code_map(np.eye(2), [evil, "b"], hover=[evil, evil])
    bars = column_errors([evil], [1.0])
    for source in (figure.to_json(), bars.to_json()):
        assert "<a" not in json.dumps(json.loads(source))


def test_the_page_asks_the_network_for_nothing(source, outline):
    for tag, attributes in outline.tags:
        assert tag not in {"iframe", "object", "embed", "base", "form"}
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            assert attributes.get(name, "data:").startswith(("data:", "#"))
    own = [script for script in outline.scripts if "plotly.js v" not in script[:200]]
    assert len(own) == len(outline.scripts) - 1
    style = source.split("<style>")[1].split("</style>")[0]
    for text in (style, own[-1]):
        assert not re.search(r"https?://|@import|fetch\(|XMLHttpRequest|import\(", text)
    assert "showSendToCloud: false" in own[-1]  # plotly.js 4 offers an upload unless told not to


def test_the_policy_forbids_the_network(outline):
    (policy,) = [m["content"] for m in outline.all("meta") if "http-equiv" in m]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "connect-src" not in policy  # falls back to none


def test_plotly_is_embedded_once_and_every_figure_is_there(source, outline):
    assert source.count("* plotly.js v") == 1
    assert source.count("Licensed under the MIT license\n*/") >= 1
    plots = [tag for tag in outline.all("div") if tag.get("class") == "plot"]
    assert len(plots) == 3
    assert len(outline.all("figure")) == 4
    assert [f"Figure {i}." in outline.text for i in range(1, 6)] == [True] * 4 + [False]
    assert "5,000 of 6,000 rows" in outline.text
    captions = {tag["id"] for tag in outline.all("figcaption")}
    assert {plot["aria-labelledby"] for plot in plots} <= captions


def test_a_page_without_charts_is_small():
    page = Page("Only words")
    page.text("None.")
    assert len(page.html()) < 10_000
    assert "<script" not in page.html()


def test_the_page_is_accessible(outline):
    assert outline.all("html") == [{"lang": "en"}]
    assert [tag for tag, _ in outline.tags if re.fullmatch(r"h\d", tag)] == ["h1", "h2"]
    assert all(image["alt"] for image in outline.all("img"))
    assert {tag["scope"] for tag in outline.all("th")} == {"col", "row"}
    assert any("width=device-width" in tag.get("content", "") for tag in outline.all("meta"))


def test_tables_align_numbers_and_shorten_them():
    page = Page("t")
    page.table(
        ["name", "n", "error"], [["a", 1797, np.float32(0.0123456)], ["b", 20_000, None]], "c"
    )
    text = page.html()
    assert '<td class="r">0.01235</td>' in text
    assert '<td class="r">1797</td>' in text
    assert '<td class="r">20,000</td>' in text
    assert '<th scope="col" class="r">error</th>' in text
    assert '<th scope="row" class="l">a</th>' in text
    assert '<td class="r">–</td>' in text


@pytest.mark.parametrize(
    "arguments", [(["a"], [[1, 2]]), (["a"], [[1]], "", "rr"), (["a"], [[1]], "", "x")]
)
def test_tables_refuse(arguments):
    with pytest.raises(DataError):
        Page("t").table(*arguments)


def test_empty_tables_are_tables():
    page = Page("t")
    page.table(["a", "b"], [])
    page.table([], [])
    assert Outline(page.html()).text.count("Table") == 2


def test_pictures_are_shown_at_their_resolution():
    page = Page("t")
    page.picture(image_grid([np.eye(8)[None]], tile=72), "a diagonal")
    (image,) = Outline(page.html()).all("img")
    assert (image["width"], image["height"]) == ("84", "84")  # 72 and a gap of 6 on each side
    with pytest.raises(DataError):
        page.picture(b"GIF89a", "no PNG")


def test_a_figure_is_taken_as_it_is_now_and_left_alone():
    figure = loss_curves([{"epoch": 1, "train": 1.0}])
    before = figure.to_json()
    page = Page("t")
    page.figure(figure)
    assert figure.to_json() == before
    figure.update_layout(title="later")
    assert "later" not in "".join(page._parts)


def test_save_writes_the_page_whole(tmp_path):
    page = Page("Größe 大")
    path = page.save(tmp_path / "report.html")
    assert path.read_text(encoding="utf-8") == page.html()
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(DiaboloError):
        page.save(tmp_path / "nowhere" / "report.html")


def test_importing_the_room_is_light():
    code = (
        "import sys, diabolo.report; print(sorted({'plotly', 'PIL', 'torch'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def luminance(colour: str) -> float:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize(("dark", "paper"), [(False, "#ffffff"), (True, "#15171a")])
def test_contrast(dark, paper):
    def contrast(colour: str) -> float:
        low, high = sorted([luminance(colour), luminance(paper)])
        return (high + 0.05) / (low + 0.05)

    layout = theme(dark)["layout"]
    assert contrast(layout["font"]["color"]) >= 4.5
    assert contrast(layout["xaxis"]["tickfont"]["color"]) >= 4.5
    assert min(contrast(colour) for colour in layout["colorway"]) >= 3
