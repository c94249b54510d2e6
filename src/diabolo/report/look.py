"""How a report looks: the colours of its charts, the style and the script of its page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Seven colours apart also for colour-blind eyes (OKLab distance ≥ 0.10 under simulated protan-,
# deuter- and tritanopia, contrast ≥ 3 on paper); classes beyond seven change the marker's shape.
LIGHT = ("#1246c6", "#c24c0b", "#07845d", "#8161a1", "#c68807", "#528ee5", "#333355")
DARK = ("#3d6ff0", "#f5822a", "#2eb48e", "#b095f0", "#c3e03a", "#7fd8f8", "#faefc8")


def theme(dark: bool = False) -> dict[str, Any]:
    """Return the plotly template of the report, for light or dark paper."""
    ink, soft, grid = (
        ("#d9dce1", "#a7adb7", "#33373e") if dark else ("#24272c", "#5b616b", "#e4e6e9")
    )
    axis: dict[str, Any] = {
        "gridcolor": grid,
        "linecolor": soft,
        "tickcolor": soft,
        "tickfont.color": soft,
    }
    axis |= {"showline": True, "ticks": "outside", "ticklen": 4, "zeroline": False}
    axis |= {"automargin": True, "title.standoff": 8, "title.font.size": 13}
    scale = ("#24405f", "#4c8fd0", "#d9ecff") if dark else ("#a9c8e6", "#3f7fc1", "#0a2a52")
    layout = {
        "font": {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 13},
        "font.color": ink,
        "colorway": list(DARK if dark else LIGHT),
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "xaxis": axis,
        "yaxis": axis,
        "margin": {"l": 56, "r": 16, "t": 36, "b": 48},
        "colorscale.sequential": [[i / 2, colour] for i, colour in enumerate(scale)],
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "yanchor": "bottom",
            "itemsizing": "constant",
        },
        "hoverlabel": {
            "align": "left",
            "bgcolor": "#24272c" if dark else "#ffffff",
            "font.color": ink,
        },
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": soft, "activecolor": ink},
    }
    return {"layout": _nested(layout)}


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Turn ``{"font.color": c}`` into ``{"font": {"color": c}}``, at any depth."""
    nested: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, last = path.split(".")
        target = nested
        for parent in parents:
            target = target.setdefault(parent, {})
        target[last] = _nested(value) if isinstance(value, dict) else value
    return nested


POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'; "
    "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
)

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #24272c; --soft: #5b616b; --rule: #d8dbdf;
  --glare: 1; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #15171a; --ink: #d9dce1; --soft: #a7adb7; --rule: #383c43; --glare: .86; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.55;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 54rem; margin: 0 auto; padding: 3.5rem 1.25rem 5rem; }
header { margin-bottom: 2.5rem; padding-bottom: 1.25rem; border-bottom: 1px solid var(--rule); }
h1, h2 { font-weight: 600; line-height: 1.2; text-wrap: balance; overflow-wrap: anywhere; }
h1 { margin: 0; font-size: clamp(1.6rem, 1.2rem + 2vw, 2.2rem); letter-spacing: -.015em; }
h2 { margin: 3rem 0 .75rem; font-size: 1.3rem; }
p { max-width: 42rem; margin: 0 0 1rem; overflow-wrap: anywhere; }
.subtitle { margin: .5rem 0 0; color: var(--soft); }
figure { margin: 2rem 0 2.5rem; }
figcaption, caption { max-width: 42rem; color: var(--soft); font-size: .875rem; text-align: left;
  overflow-wrap: anywhere; }
figcaption { margin-top: .75rem; }
figcaption b, caption b { color: var(--ink); font-weight: 600; }
.plot { position: relative; width: 100%; }
.wide { overflow-x: auto; }
.wide:focus-visible { outline: 2px solid #528ee5; outline-offset: 3px; }
.wide img { display: block; height: auto; max-width: max(100%, 34rem);
  filter: brightness(var(--glare)); border-radius: 3px; }
table { margin: 1.5rem 0 2rem; border-collapse: collapse; font-size: .9375rem;
  border-bottom: 1.5px solid var(--soft); font-variant-numeric: tabular-nums lining-nums; }
caption { padding-bottom: .6rem; }
th, td { padding: .35rem .9rem; vertical-align: top; }
th:first-child, td:first-child { padding-left: .25rem; }
th:last-child, td:last-child { padding-right: .25rem; }
thead th { border-top: 1.5px solid var(--soft); border-bottom: 1px solid var(--soft); }
tbody th { font-weight: 400; }
tbody tr + tr > * { border-top: 1px solid var(--rule); }
.l { text-align: left; } .c { text-align: center; } .r { text-align: right; white-space: nowrap; }
.thumbnail { position: absolute; z-index: 5; display: none; pointer-events: none;
  border: 1px solid var(--soft); image-rendering: pixelated; }
@media print {
  :root { color-scheme: light; --paper: #fff; --ink: #24272c; --soft: #5b616b; --rule: #d8dbdf;
    --glare: 1; }
  main { max-width: none; padding: 0; } h2 { break-after: avoid; }
  figure, tr { break-inside: avoid; } .wide { overflow: visible; }
  .wide img { max-width: 100%; } .modebar-container { display: none; } }
"""

SCRIPT = """(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const current = () => (dark.matches ? themes.dark : themes.light);
  const config = { responsive: true, displaylogo: false, showSendToCloud: false,
    plotlyServerURL: "", displayModeBar: matchMedia("(hover: hover)").matches ? "hover" : false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"] };
  const boxes = [...document.querySelectorAll(".plot")];
  let contexts = document.createElement("canvas").getContext("webgl") ? 4 : 0;
  const thumbnails = (box, { uri, columns, sheet, tile }) => {
    const view = document.createElement("div"), times = Math.max(1, Math.floor(96 / tile[0]));
    const length = (n) => n * times + "px";
    view.className = "thumbnail";
    Object.assign(view.style, { width: length(tile[0]), height: length(tile[1]),
      backgroundImage: `url(${uri})`, backgroundSize: sheet.map(length).join(" ") });
    box.append(view);
    box.on("plotly_hover", ({ points: [point], event }) => {
      const i = point.customdata, frame = box.getBoundingClientRect();
      const x = event.clientX - frame.left, y = event.clientY - frame.top;
      const below = y < frame.height / 2 ? y + 20 : y - 20 - tile[1] * times;
      Object.assign(view.style, { display: "block", top: below + "px",
        left: Math.min(Math.max(0, x - 48), frame.width - tile[0] * times - 2) + "px",
        backgroundPosition: length(-(i % columns) * tile[0]) + " " +
          length(-Math.floor(i / columns) * tile[1]) });
    });
    box.on("plotly_unhover", () => { view.style.display = "none"; });
  };
  for (const box of boxes) {
    const { data, layout } = JSON.parse(box.nextElementSibling.textContent);
    // Browsers grant few WebGL contexts, some none: what is left over is drawn as SVG.
    if (data.some((trace) => trace.type === "scattergl") && contexts-- <= 0)
      for (const trace of data) if (trace.type === "scattergl") trace.type = "scatter";
    Plotly.newPlot(box, data, { ...layout, template: current() }, config);
    if (layout.meta && layout.meta.sprite) thumbnails(box, layout.meta.sprite);
  }
  const paint = (change) => boxes.forEach((box) => Plotly.relayout(box, change));
  dark.addEventListener("change", () => paint({ template: current() }));
  addEventListener("beforeprint", () => paint({ template: themes.light, width: 660 }));
  addEventListener("afterprint", () => paint({ template: current(), width: null, autosize: true }));
})();
"""
