"""One HTML file that holds a whole report: text, tables, figures and the script that draws them.

The page asks the network for nothing, and its content security policy forbids that it ever does.
It follows the reader's light or dark setting, prints on white, and scrolls wide things on a phone.
"""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diabolo.errors import DataError
from diabolo.report.look import POLICY, SCRIPT, STYLE, theme

if TYPE_CHECKING:
    from os import PathLike

    from plotly.graph_objects import Figure

ALIGNMENTS = {"l": "left", "c": "center", "r": "right"}


class Page:
    """A report that grows from top to bottom.

    Parameters
    ----------
    title : str
        The heading of the page.
    subtitle : str, optional
        One line beneath it.
    lang : str, default "en"
        The language of the texts, for screen readers and hyphenation.

    Examples
    --------
    >>> page = Page("Digits", "a first look")
    >>> page.table(["set", "error"], [["train", 0.021], ["test", 0.024]], "Mean error.")
    >>> page.figure(code_map(codes, labels), "The code space.")
    >>> page.save("report.html")

    Every text is plain: it is escaped, never read as HTML. Figures and pictures share one count.
    """

    def __init__(self, title: str, subtitle: str = "", *, lang: str = "en") -> None:
        self.title, self.subtitle, self.lang = str(title), str(subtitle), lang
        self._parts: list[str] = []
        self._tables = self._figures = self._plots = 0

    def section(self, heading: str) -> None:
        """Begin a section."""
        self._parts.append(f"<h2>{_safe(heading)}</h2>")

    def text(self, paragraph: str) -> None:
        """Add plain text; an empty line begins the next paragraph."""
        blocks = [block for block in str(paragraph).split("\n\n") if block.strip()]
        self._parts += [f"<p>{_safe(block)}</p>" for block in blocks]

    def table(
        self,
        headers: Sequence[Any],
        rows: Sequence[Sequence[Any]],
        caption: str = "",
        align: str | None = None,
    ) -> None:
        """Add a table.

        Parameters
        ----------
        headers : sequence, (c,)
            Names of the columns.
        rows : sequence of sequences, each (c,)
            The cells. Floats are shown with four digits, None as a dash.
        caption : str, optional
            Stands above the table, after its number.
        align : str, optional
            One letter for each column: l, c or r. By default numbers stand right, the rest left.

        Raises
        ------
        DataError
            A row or ``align`` does not have one entry for each header.
        """
        rows = [list(row) for row in rows]
        for i, row in enumerate(rows):
            if len(row) != len(headers):
                raise DataError(f"table, row {i}: {len(row)} cells for {len(headers)} headers.")
        columns = [[row[c] for row in rows] for c in range(len(headers))]
        align = align or "".join("r" if _numeric(column) else "l" for column in columns)
        if len(align) != len(headers) or set(align) - set(ALIGNMENTS):
            raise DataError(f"table: align={align!r} needs l, c or r for {len(headers)} columns.")
        head = "".join(
            f'<th scope="col" class="{letter}">{_safe(name)}</th>'
            for name, letter in zip(headers, align, strict=True)
        )
        body = []
        for row in rows:
            cells = [
                f'<td class="{letter}">{_safe(_cell(value))}</td>'
                for value, letter in zip(row, align, strict=True)
            ]
            if cells and not _numeric(columns[0]):  # words in the first column name the rows
                cells[0] = f'<th scope="row" class="{align[0]}">{_safe(_cell(row[0]))}</th>'
            body.append(f"<tr>{''.join(cells)}</tr>")
        self._tables += 1
        label = f"Table {self._tables}."
        self._parts.append(
            f'<div class="wide" role="region" tabindex="0" aria-label="{label}"><table>'
            f"<caption><b>{label}</b> {_safe(caption)}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
        )

    def figure(self, fig: Figure, caption: str = "") -> None:
        """Add a plotly figure as it is now; a note in its ``layout.meta`` joins the caption."""
        plot = json.loads(fig.to_json())
        layout = {key: value for key, value in plot["layout"].items() if key != "template"}
        meta = layout.get("meta")
        note = meta.get("note", "") if isinstance(meta, dict) else ""
        source = json.dumps({"data": plot["data"], "layout": layout}, separators=(",", ":"))
        self._plots += 1
        self._caption(
            f'<div class="plot" role="img" aria-labelledby="caption-{self._figures + 1}" '
            f'style="height:{int(layout.get("height", 420))}px"></div>'
            f'<script type="application/json">{_inert(source)}</script>',
            f"{caption} {note}",
        )

    def picture(self, png_bytes: bytes, alt: str, caption: str = "") -> None:
        """Add a PNG, in the size that its resolution asks for (96 dpi: one pixel per CSS pixel).

        Raises
        ------
        DataError
            The bytes are no PNG.
        """
        from PIL import Image

        try:
            with Image.open(io.BytesIO(png_bytes), formats=["PNG"]) as picture:
                dpi = float(picture.info.get("dpi", (96, 96))[0]) or 96.0
                width, height = (round(side * 96 / dpi) for side in picture.size)
        except OSError as error:
            raise DataError(f"picture: these {len(png_bytes)} bytes are no PNG.") from error
        uri = "data:image/png;base64," + base64.b64encode(png_bytes).decode()
        self._caption(
            f'<div class="wide" tabindex="0" role="region" aria-label="Picture"><img src="{uri}" '
            f'alt="{_safe(alt)}" width="{width}" height="{height}"></div>',
            caption,
        )

    def html(self) -> str:
        """Return the page."""
        subtitle = f'<p class="subtitle">{_safe(self.subtitle)}</p>' if self.subtitle else ""
        script = ""
        if self._plots:
            from plotly.offline import get_plotlyjs

            themes = _inert(json.dumps({"light": theme(), "dark": theme(dark=True)}))
            script = f"<script>{get_plotlyjs()}</script>\n<script>const themes={themes};\n{SCRIPT}"
            script += "</script>\n<noscript><p>The charts need JavaScript.</p></noscript>"
        body = "\n".join(self._parts)
        return f"""<!DOCTYPE html>
<html lang="{_safe(self.lang)}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="Diabolo">
<link rel="icon" href="data:,">
<title>{_safe(self.title)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<header><h1>{_safe(self.title)}</h1>{subtitle}</header>
{body}
</main>
{script}
</body>
</html>
"""

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the page to ``path``, whole or not at all, and return the path."""
        from diabolo.data.atomic import atomic_file

        path = Path(path)
        with atomic_file(path) as temporary:
            Path(temporary).write_text(self.html(), encoding="utf-8")
        return path

    def _caption(self, content: str, caption: str) -> None:
        self._figures += 1
        number = self._figures
        self._parts.append(
            f'<figure>{content}<figcaption id="caption-{number}"><b>Figure {number}.</b> '
            f"{_safe(caption.strip())}</figcaption></figure>"
        )


def _safe(value: Any) -> str:
    """Escape text for HTML, in attributes too; what UTF-8 cannot hold becomes a question mark."""
    return html.escape(str(value).encode("utf-8", "replace").decode())


def _inert(source: str) -> str:
    """Make JSON safe inside a script element, which ends at the first ``</script``."""
    return source.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _numeric(column: Sequence[Any]) -> bool:
    filled = [value for value in column if value is not None]
    return bool(filled) and all(
        hasattr(value, "__float__") and not isinstance(value, bool | str) for value in filled
    )


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if hasattr(value, "__index__") and not isinstance(value, bool) and abs(int(value)) >= 10_000:
        return f"{int(value):,}".replace("-", "−", 1)
    if isinstance(value, str | bool) or hasattr(value, "__index__") or not _numeric([value]):
        return str(value)
    return f"{float(value):.4g}".replace("-", "−", 1)
