"""A view as a picture for a README: no script, no font, nothing from outside; light and dark; the same bytes always."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from glmdeploy.report.view import PARTS, heading, most, pool, ranks
from glmdeploy.units import GIB

if TYPE_CHECKING:
    from glmdeploy.plan import Plan
    from glmdeploy.report.text import Style
    from glmdeploy.report.view import Stages, View

_WIDTH, _MARGIN = 840, 20
_INNER = _WIDTH - 2 * _MARGIN
_LINE, _BAR, _SWATCH = 20, 22, 11
_COLUMNS = (340, 420, 544, 648, 752, 820)  # right edges of the figures: each of PARTS, and the GPU
_NAME = 34  # letters of a name beside its figures
_LETTERS = 108  # of a line of 13 px text in the inner width, in any font that browsers take
# Okabe and Ito's colours, which people with any colour vision can tell apart, each dark or light enough for its page
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 15px }
.faint { fill: #59636e }
.number { text-anchor: end; font-variant-numeric: tabular-nums }
.page { fill: #ffffff; stroke: #d1d9e0 }
.p0 { fill: #0072b2 } .p1 { fill: #e69f00 } .p2 { fill: #cc79a7 } .p3 { fill: #56b4e9 } .p4 { fill: #d1d9e0 }
.end { stroke: #d1242f; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .faint { fill: #9198a1 } .page { fill: #0d1117; stroke: #3d444d }
.p0 { fill: #3a9bdc } .p4 { fill: #3d444d } .end { stroke: #f85149 }
}
"""


def render(view: View, style: Style | None = None) -> str:
    """The picture: what is served, the verdict, a bar and its figures for each group of stages, a legend."""
    del style  # a picture has its own colours and no sums
    return _Picture(view).text()


class _Picture:
    """Rows from the top; ``y`` is where the next one starts."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.y = 12
        self.svg = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img"})
        self.svg.set("aria-labelledby", "title desc")

    def text(self) -> str:
        view, plan = self.view, self.view.plan
        title = heading(plan).replace("`", "") if plan else "glmdeploy plan"
        ET.SubElement(self.svg, "title", {"id": "title"}).text = _clean(title)
        ET.SubElement(self.svg, "desc", {"id": "desc"}).text = _clean(self._described())
        ET.SubElement(self.svg, "style").text = _STYLE
        page = ET.SubElement(self.svg, "rect", {"class": "page", "rx": "8"})
        self._lines(title, "title")
        self._lines(view.sentence.replace("`", ""))
        if plan and not plan.refusal:
            self._lines(_summary(plan), "faint")
        if view.stages:
            self._legend()
            for stages in view.stages:
                self._stages(stages)
            self.y += 4
            self._notes(view)
        height = str(self.y + 12)
        self.svg.set("viewBox", f"0 0 {_WIDTH} {height}")
        self.svg.set("width", str(_WIDTH))
        self.svg.set("height", height)
        for name, value in (("x", "0.5"), ("y", "0.5"), ("width", f"{_WIDTH - 1}"), ("height", f"{self.y + 11}")):
            page.set(name, value)
        ET.indent(self.svg, "")
        return ET.tostring(self.svg, encoding="unicode") + "\n"

    def _described(self) -> str:
        figures = [f"{_name(s, many=False)}: {_figures(s)}" for s in self.view.stages]
        return ". ".join([self.view.sentence.replace("`", ""), *figures])

    def _lines(self, text: str, kind: str = "") -> None:
        for line in textwrap.wrap(_clean(text), _LETTERS):
            self.y += _LINE
            self._put(line, _MARGIN, kind)

    def _put(self, text: str, x: float, kind: str = "") -> None:
        found = ET.SubElement(self.svg, "text", {"x": f"{x:g}", "y": f"{self.y:g}"})
        if kind:
            found.set("class", kind)
        found.text = _clean(text)

    def _rect(self, kind: str, x: float, y: float, width: float, height: float) -> ET.Element:
        size = {"x": f"{x:.1f}", "y": f"{y:.1f}", "width": f"{width:.1f}", "height": f"{height:.1f}"}
        return ET.SubElement(self.svg, "rect", {"class": kind, **size})

    def _legend(self) -> None:
        """The parts over the columns of their figures."""
        self.y += _LINE + 8
        self._put("GiB per GPU", _MARGIN, "faint")
        for i, part in enumerate(PARTS):
            right = _COLUMNS[i]
            self._rect(f"p{i}", right - 8 * len(part) - _SWATCH - 8, self.y - _SWATCH + 1, _SWATCH, _SWATCH)
            self._put(part, right, "number faint")
        self._put("GPU", _COLUMNS[-1], "number faint")

    def _notes(self, view: View) -> None:
        notes = ["* the fullest stage: it limits the others"] if len(view.stages) > 1 else []
        if any(s.budget.headroom < 0 for s in view.stages):
            notes.append("the red line is where the GPU ends")
        if notes:
            self._lines("; ".join(notes), "faint")

    def _stages(self, stages: Stages) -> None:
        self.y += 6
        *lines, name = textwrap.wrap(_name(stages, many=len(self.view.stages) > 1), _LETTERS)
        if lines or len(name) > _NAME:
            self._lines(" ".join([*lines, name]))
            self.y += 2
            name = ""
        self.y += _LINE
        if name:
            self._put(name, _MARGIN)
        for i, size in enumerate((*stages.sizes, stages.budget.capacity)):
            self._put(f"{size / GIB:.2f}", _COLUMNS[i], "number")
        self.y += 8
        whole = max(stages.budget.capacity, stages.budget.budget)
        x = float(_MARGIN)
        for i, (part, size) in enumerate(zip(PARTS, stages.sizes, strict=True)):
            width = max(0, size) * _INNER / whole
            if width:
                # a gap between parts, so that they are told apart without their colours
                bar = self._rect(f"p{i}", x, self.y, max(0.5, width - 1), _BAR)
                ET.SubElement(bar, "title").text = f"{part}: {size / GIB:.2f} GiB"
            x += width
        if stages.budget.headroom < 0:
            end = f"{_MARGIN + stages.budget.capacity * _INNER / whole:.1f}"
            line = {"class": "end", "x1": end, "x2": end, "y1": f"{self.y - 4}", "y2": f"{self.y + _BAR + 4}"}
            ET.SubElement(self.svg, "line", line)
        self.y += _BAR


def _name(stages: Stages, *, many: bool) -> str:
    return f"{stages.name}, {stages.layers}" + (" *" if stages.fullest and many else "")


def _figures(stages: Stages) -> str:
    parts = ", ".join(f"{part} {size / GIB:.2f}" for part, size in zip(PARTS, stages.sizes, strict=True))
    return f"{parts} of {stages.budget.capacity / GIB:.2f} GiB"


def _summary(plan: Plan) -> str:
    layout = f"{plan.layout.label}: {ranks(plan)}"
    if not plan.launchable:
        return f"{layout}; context: {most(plan)}"
    return f"{layout}; KV cache {pool(plan)}"


def _clean(text: str) -> str:
    """``text`` without the characters that XML has no way to write."""
    return "".join(
        c if c in "\t\n" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff" else "\ufffd"
        for c in text
    )
