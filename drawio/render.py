"""Draws diagram.drawio as diagram.svg beside it: `python drawio/render.py`.

It knows what the diagram uses of mxGraph, and refuses the rest: boxes, cylinders, text, containers, and edges
that say where they leave, turn and arrive. A label may hold <b>, <small> and <br>. The same diagram always
makes the same picture.
https://www.drawio.com/doc/faq/drawio-style-reference
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

MARGIN = 16
LINE = 1.25  # height of a line of text, in its font size
SMALL = 0.84  # of <small>
BASELINE = 0.34  # from the middle of a line down to its baseline, in its font size
CORNER = 8  # radius where an edge turns
ARROW = 8  # length of an arrow's head

Style = Mapping[str, str]
Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A rectangle on the page."""

    x: float
    y: float
    width: float
    height: float

    def at(self, x: float, y: float) -> Point:
        """The point at a fraction of its width and height."""
        return self.x + x * self.width, self.y + y * self.height


@dataclass(frozen=True)
class Run:
    """Words of one look."""

    text: str
    bold: bool
    small: bool


class Label(HTMLParser):
    """A label's lines of runs; ValueError for markup that it does not know."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[list[Run]] = [[]]
        self._open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "br":
            self.lines.append([])
        elif tag in ("b", "small"):
            self._open.append(tag)
        else:
            raise ValueError(f"a label holds <{tag}>, which is not drawn")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            self._open.remove(tag)

    def handle_data(self, data: str) -> None:
        self.lines[-1].append(Run(data, "b" in self._open, "small" in self._open))


def render(xml: str) -> str:
    """The picture (SVG) of an uncompressed .drawio; ValueError names the cell that cannot be drawn."""
    page = ElementTree.fromstring(xml).find("diagram")
    model = None if page is None else page.find("mxGraphModel")
    if page is None or model is None:
        raise ValueError("no uncompressed diagram in it: in draw.io, turn File > Properties > Compressed off")
    cells = list(model.iter("mxCell"))
    boxes = dict(_boxes(cells))
    drawn = [line for cell in cells for line in _drawn(cell, boxes)]
    width = max(box.x + box.width for box in boxes.values()) + MARGIN
    height = max(box.y + box.height for box in boxes.values()) + MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}" '
            f'width="{_n(width)}" height="{_n(height)}" role="img" '
            'font-family="Helvetica, Arial, sans-serif" xml:space="preserve">',
            f"<title>{escape(page.get('name', ''))}</title>",
            # A ground of its own, so that it reads on a dark page too.
            f'<rect width="100%" height="100%" rx="8" fill="{model.get("background", "#ffffff")}"/>',
            *drawn,
            "</svg>",
            "",
        ]
    )


def _boxes(cells: list[ElementTree.Element]) -> Iterator[tuple[str, Box]]:
    """Every vertex's place on the page; a container is before what it contains, as draw.io writes them."""
    known: dict[str, Box] = {}
    for cell in cells:
        geometry = cell.find("mxGeometry")
        if cell.get("vertex") != "1" or geometry is None:
            continue
        x, y, width, height = (float(geometry.get(name, "0")) for name in ("x", "y", "width", "height"))
        within = known.get(cell.get("parent", ""), Box(0, 0, 0, 0))
        box = Box(within.x + x, within.y + y, width, height)
        known[cell.get("id", "")] = box
        yield cell.get("id", ""), box


def _drawn(cell: ElementTree.Element, boxes: Mapping[str, Box]) -> list[str]:
    try:
        if cell.get("vertex") == "1":
            return _vertex(cell, boxes[cell.get("id", "")])
        return _edge(cell, boxes) if cell.get("edge") == "1" else []
    except (KeyError, ValueError) as error:
        raise ValueError(f"cell {cell.get('id')}: {error}") from error


def _style(cell: ElementTree.Element) -> dict[str, str]:
    parts = [part.partition("=") for part in cell.get("style", "").split(";") if part]
    return {name: value if equals else "1" for name, equals, value in parts}


def _paint(style: Style) -> str:
    dash = ' stroke-dasharray="6 4"' if style.get("dashed") == "1" else ""
    stroke = f'stroke="{style.get("strokeColor", "#000000")}" stroke-width="{style.get("strokeWidth", "1")}"'
    return f'fill="{style.get("fillColor", "#ffffff")}" {stroke}{dash}'


def _vertex(cell: ElementTree.Element, box: Box) -> list[str]:
    style = _style(cell)
    text = _text(cell.get("value", ""), box, style)
    match style.get("shape", "text" if "text" in style else "box"):
        case "text":
            return text
        case "box":
            # draw.io's arcSize is the radius in pixels where absoluteArcSize says so, twice it in fact.
            radius = f' rx="{_n(float(style["arcSize"]) / 2)}"' if style.get("rounded") == "1" else ""
            place = f'x="{_n(box.x)}" y="{_n(box.y)}" width="{_n(box.width)}" height="{_n(box.height)}"'
            return [f"<rect {place}{radius} {_paint(style)}/>", *text]
        case "cylinder3":
            lid = float(style["size"])
            return [*_cylinder(box, lid, _paint(style)), *text]
        case other:
            raise ValueError(f"shape {other} is not drawn")


def _cylinder(box: Box, lid: float, paint: str) -> list[str]:
    x, right = _n(box.x), _n(box.x + box.width)
    top, bottom = _n(box.y + lid), _n(box.y + box.height - lid)
    arc = f"A {_n(box.width / 2)} {_n(lid)} 0 0"
    return [
        f'<path d="M {x} {top} {arc} 1 {right} {top} V {bottom} {arc} 1 {x} {bottom} Z" {paint}/>',
        f'<path d="M {x} {top} {arc} 0 {right} {top}" {paint}/>',
    ]


def _text(html: str, box: Box, style: Style) -> list[str]:
    """A label in its box: centred, or at the left and the top where the style says so."""
    lines = Label(html).lines
    size = float(style.get("fontSize", "12"))
    sizes = [size * SMALL if line and all(run.small for run in line) else size for line in lines]
    inset = float(style.get("spacingLeft", "4"))
    left = style.get("align") == "left"
    x = box.x + inset if left else box.x + box.width / 2
    whole = sum(sizes) * LINE
    y = box.y + 4 if style.get("verticalAlign") == "top" else box.y + (box.height - whole) / 2
    if style.get("shape") == "cylinder3":
        y += float(style["size"]) / 2
    look = f'fill="{style.get("fontColor", "#000000")}" text-anchor="{"start" if left else "middle"}"'
    drawn = []
    for line, height in zip(lines, sizes, strict=True):
        y += height * LINE / 2
        if line:
            words = "".join(_run(run, size, style) for run in line)
            drawn.append(f'<text x="{_n(x)}" y="{_n(y + height * BASELINE)}" {look}>{words}</text>')
        y += height * LINE / 2
    return drawn


def _run(run: Run, size: float, style: Style) -> str:
    bold = run.bold or style.get("fontStyle") == "1"
    weight = ' font-weight="bold"' if bold else ""
    return f'<tspan font-size="{_n(size * SMALL if run.small else size)}"{weight}>{escape(run.text)}</tspan>'


def _edge(cell: ElementTree.Element, boxes: Mapping[str, Box]) -> list[str]:
    if cell.get("value"):
        raise ValueError("the label of an edge is not drawn")
    style = _style(cell)
    leaves = boxes[cell.attrib["source"]].at(float(style["exitX"]), float(style["exitY"]))
    arrives = boxes[cell.attrib["target"]].at(float(style["entryX"]), float(style["entryY"]))
    turns = [
        (float(turn.get("x", "0")), float(turn.get("y", "0"))) for turn in cell.iterfind(".//Array/mxPoint")
    ]
    way = [leaves, *turns, arrives]
    for (x1, y1), (x2, y2) in pairwise(way):
        if abs(x1 - x2) > 0.01 and abs(y1 - y2) > 0.01:
            raise ValueError(f"goes aslant from ({_n(x1)}, {_n(y1)}) to ({_n(x2)}, {_n(y2)})")
    colour = style.get("strokeColor", "#000000")
    heads = [_head(way[-2], arrives, colour)]
    way[-1] = _towards(arrives, way[-2], ARROW - 1)  # the line ends inside the head
    if style.get("startArrow", "none") != "none":
        heads.append(_head(way[1] if turns else arrives, leaves, colour))
        way[0] = _towards(leaves, way[1], ARROW - 1)
    return [f'<path d="{_path(way)}" {_paint({**style, "fillColor": "none"})}/>', *heads]


def _towards(start: Point, end: Point, length: float) -> Point:
    """The point `length` away from `start` on the way to `end`; the way is level or upright."""
    (x1, y1), (x2, y2) = start, end
    whole = abs(x2 - x1) + abs(y2 - y1)
    return x1 + (x2 - x1) * length / whole, y1 + (y2 - y1) * length / whole


def _path(way: list[Point]) -> str:
    """A line with round corners."""
    steps = [f"M {_p(way[0])}"]
    for before, turn, after in zip(way, way[1:], way[2:], strict=False):
        steps.append(
            f"L {_p(_towards(turn, before, CORNER))} Q {_p(turn)} {_p(_towards(turn, after, CORNER))}"
        )
    return " ".join([*steps, f"L {_p(way[-1])}"])


def _head(before: Point, tip: Point, colour: str) -> str:
    x, y = _towards(tip, before, ARROW)
    # Level or upright: its two corners are aside of the line.
    aside = (0.0, ARROW / 2) if abs(before[0] - tip[0]) > abs(before[1] - tip[1]) else (ARROW / 2, 0.0)
    corners = [tip, (x + aside[0], y + aside[1]), (x - aside[0], y - aside[1])]
    return f'<path d="M {" L ".join(map(_p, corners))} Z" fill="{colour}"/>'


def _n(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")


def _p(point: Point) -> str:
    return f"{_n(point[0])} {_n(point[1])}"


def main() -> None:
    """Write the picture of the diagram beside it."""
    diagram = Path(__file__).with_name("diagram.drawio")
    diagram.with_suffix(".svg").write_text(render(diagram.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
