"""The diagram names what is there, all of it, and its picture is drawn from it."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

from ovro_alert.people.summary import SPEAKERS
from ovro_alert.relay.settings import RelaySettings, SlotKind

ROOT = Path(__file__).parents[2]
DIAGRAM = ROOT / "drawio" / "diagram.drawio"
SLOTS: dict[str, SlotKind] = RelaySettings.model_fields["slots"].default


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("drawio_render", ROOT / "drawio" / "render.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


render = _load().render


def labels(kind: str) -> dict[str, str]:
    """The labels of the cells whose id is `kind:name`, by name."""
    cells = ElementTree.parse(DIAGRAM).iter("mxCell")
    named = ((cell.get("id", "").partition(":"), cell.get("value", "")) for cell in cells)
    return {name: label for (prefix, _, name), label in named if prefix == kind}


def modules(folder: str) -> set[str]:
    return {path.stem for path in (ROOT / folder).glob("*.py")} - {"__init__"}


def test_the_picture_is_drawn_from_the_diagram() -> None:
    drawn = render(DIAGRAM.read_text(encoding="utf-8"))
    assert DIAGRAM.with_suffix(".svg").read_text(encoding="utf-8") == drawn, "run python drawio/render.py"


@pytest.mark.parametrize(("kind", "folder"), [("receiver", "receivers"), ("client", "clients")])
def test_every_daemon_is_shown_and_is_there(kind: str, folder: str) -> None:
    shown = labels(kind)
    assert shown.keys() == modules(folder)
    assert all(f"<b>{name}.py</b>" in label for name, label in shown.items())


def test_every_slot_is_shown() -> None:
    shown = labels("slot")
    assert shown.keys() == SLOTS.keys()
    assert all(label.removeprefix("<b>").removesuffix("</b>") == f"/{name}" for name, label in shown.items())


def test_every_sender_is_shown() -> None:
    shown = labels("source")
    others = shown.pop("others")
    senders = {name for name, kind in SLOTS.items() if kind is not SlotKind.TELESCOPE}
    assert shown.keys() <= senders
    missing = [name for name in senders - shown.keys() if SPEAKERS[name] not in others]
    assert not missing


def test_every_telescope_is_shown() -> None:
    assert labels("telescope").keys() == {n for n, kind in SLOTS.items() if kind is not SlotKind.SENDER}


def diagram(*cells: str) -> str:
    root = '<mxCell id="0"/><mxCell id="1" parent="0"/>' + "".join(cells)
    model = f'<mxGraphModel background="#fefefe"><root>{root}</root></mxGraphModel>'
    return f"<mxfile><diagram>{model}</diagram></mxfile>"


def vertex(name: str, x: int, y: int, style: str = "", value: str = "", parent: str = "1") -> str:
    geometry = f'<mxGeometry x="{x}" y="{y}" width="40" height="20" as="geometry"/>'
    named = f'id="{name}" value="{value}" style="{style}" parent="{parent}"'
    return f'<mxCell {named} vertex="1">{geometry}</mxCell>'


def edge(style: str, turns: str = "", value: str = "") -> str:
    geometry = f'<mxGeometry relative="1" as="geometry"><Array as="points">{turns}</Array></mxGeometry>'
    return (
        f'<mxCell id="e" value="{value}" style="{style}" edge="1" source="a" target="b">{geometry}</mxCell>'
    )


STRAIGHT = "exitX=1;exitY=0.5;entryX=0;entryY=0.5;strokeColor=#123456"


def test_a_box_within_a_container_is_at_the_sum_of_both() -> None:
    svg = ElementTree.fromstring(
        render(diagram(vertex("a", 10, 30), vertex("b", 5, 2, parent="a"), vertex("c", 1, 1, parent="b")))
    )
    places = [(rect.get("x"), rect.get("y")) for rect in svg.iterfind(".//{*}rect")]
    assert places == [(None, None), ("10", "30"), ("15", "32"), ("16", "33")]
    # The page ends 16 beyond the furthest box: 16 + 40 + 16 and 33 + 20 + 16.
    assert svg.get("viewBox") == "0 0 72 69"


def test_an_edge_goes_from_side_to_side_with_its_head_at_the_end() -> None:
    svg = ElementTree.fromstring(render(diagram(vertex("a", 0, 0), vertex("b", 100, 0), edge(STRAIGHT))))
    line, head = (path.get("d") for path in svg.iterfind(".//{*}path"))
    assert line == "M 40 10 L 93 10"
    assert head == "M 100 10 L 92 14 L 92 6 Z"


def test_words_are_words_whatever_they_hold() -> None:
    svg = ElementTree.fromstring(
        render(
            diagram(vertex("a", 0, 0, value="&lt;b&gt;x &amp;amp; y&lt;/b&gt;&lt;br&gt;&amp;lt;z&amp;gt;"))
        )
    )
    assert ["".join(text.itertext()) for text in svg.iterfind(".//{*}text")] == ["x & y", "<z>"]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([vertex("a", 0, 0, "shape=hexagon")], "cell a: shape hexagon is not drawn"),
        ([vertex("a", 0, 0, value="&lt;img src=x&gt;")], "cell a: a label holds <img>"),
        ([vertex("a", 0, 0), vertex("b", 100, 50), edge(STRAIGHT)], "cell e: goes aslant"),
        ([vertex("a", 0, 0), vertex("b", 100, 0), edge("")], "cell e: 'exitX'"),
        ([vertex("a", 0, 0), edge(STRAIGHT)], "cell e: 'b'"),
        ([vertex("a", 0, 0), vertex("b", 100, 0), edge(STRAIGHT, value="x")], "cell e: the label"),
    ],
)
def test_what_cannot_be_drawn_is_named(cells: list[str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        render(diagram(*cells))


def test_a_compressed_diagram_is_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match="Compressed"):
        render("<mxfile><diagram>7VZtb9owEP41</diagram></mxfile>")
