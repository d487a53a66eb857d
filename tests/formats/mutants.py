"""Messages of every format, and what may be wrong with one: for hypothesis, in a few examples or in many."""

import base64
import copy
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
from hypothesis import strategies as st
from lxml import etree

from ovro_alert.alert import Alert
from ovro_alert.demo.samples import samples
from ovro_alert.formats import FORMATS, Unreadable, read
from tests.formats import conftest
from tests.formats.classic import classic
from tests.sky.maps import fits_bytes, whole_sky

MAP = fits_bytes(whole_sky(1), np.arange(48) + 1.0, DISTMEAN=100.0, DISTSTD=20.0)
WAVE = conftest.GW | {"event": conftest.GW["event"] | {"skymap": base64.b64encode(MAP).decode()}}
NOTICE = {
    "$schema": "https://gcn.nasa.gov/schema/v6.1.0/gcn/notices/maxi/gsc.known.schema.json",
    "mission": "MAXI",
    "id": "0858800020",
    "event_name": "Cyg X-1",
    "trigger_time": "2026-03-01T12:00:00Z",
    "ra": 299.6,
    "dec": 35.2,
    "rectangular_error_corners": [[299.0, 35.0], [300.0, 35.0], [300.0, 36.0], [299.0, 36.0]],
    "flux_spectral_band": [2.0, 4.0],
    "classification": {"XRB": 1.0},
}
TRIGGER = {
    "260301aaaa": {
        "trigname": "260301aaaa",
        "mjds": 61100.5,
        "specnum": 1,
        "snr": 9.5,
        "ibox": 2,
        "dm": 500.5,
        "ra": 10.5,
        "dec": 71.6,
    }
}
PLACE = (10.5, -20.25, 0.5)
SEEDS: dict[str, list[bytes]] = {
    "igwn-gwalert": [json.dumps(WAVE).encode()],
    "gcn-notice": [json.dumps(NOTICE).encode(), json.dumps(conftest.CHIME).encode()],
    "dsa110-t2": [json.dumps(TRIGGER).encode()],
    "flarescope": [
        b'{"ra": 10.5, "dec": -20.25, "start": "2026-03-01T12:00:00Z", "duration": 600, "name": "AD Leo"}'
    ],
    "chime-voevent": [conftest.DETECTION.encode(), conftest.RETRACTION.encode()],
    "dsa110-voevent": [
        conftest.DETECTION.replace("ca.chimenet.frb/FRB-DETECTION-", "edu.caltech.dsa-110")
        .replace("<Inference", "<Name>260301aaaa</Name><Inference")
        .encode()
    ],
    "lvc-voevent": [
        classic(
            "ivo://gwnet/LVC#S260301ab-1-Preliminary",
            {"GraceID": "S260301ab", "AlertType": "Preliminary", "FAR": "1.5e-10", "Instruments": "H1,L1"},
            groups={"Classification": {"BNS": 0.95}, "External Coincidence": {"Time_Difference": "1.7"}},
        )
    ],
    "gcn-classic-voevent": [
        classic(
            "ivo://nasa.gsfc.gcn/Fermi#GBM_Flt_Pos_2026-03-01T12:00:00.25_794059205_46-276",
            {
                "TrigID": 794059205,
                "Data_Signif": 48.6,
                "Data_Timescale": 0.512,
                "Most_Likely_Index": 4,
                "Most_Likely_Prob": 94,
            },
            groups={"Trigger_ID": {"Def_NOT_a_GRB": "false"}},
            place=PLACE,
            cites=[("followup", "ivo://nasa.gsfc.gcn/Fermi#GBM_Alert_794059205_1-272")],
        ),
        classic(
            "ivo://nasa.gsfc.gcn/AMON#ICECUBE_GOLD_Event2026-03-01T12:00:00.25_24_137840_057034692_0",
            {"run_id": 137840, "event_id": 57034692, "FAR": 2.5, "signalness": 0.3, "src_error_90": 0.5},
            place=PLACE,
        ),
    ],
}
STORY = [sample.raw for sample in samples(datetime(2026, 3, 1, 12, tzinfo=UTC)) if len(sample.raw) < 10_000]


def alert_or_unreadable(raw: bytes, format: str | None = None) -> bool:
    """Reads it; whether it became an alert. Anything but an alert or Unreadable with its reasons fails.

    An alert is one that the relay can keep: it goes through JSON and is the same.
    """
    try:
        alert = read(raw, format)
    except Unreadable as error:
        reasons = error.reasons
    else:
        assert Alert.model_validate_json(alert.model_dump_json()) == alert
        return True
    assert reasons
    assert all(reason.msg for reason in reasons)
    assert sum(len(str(reason)) for reason in reasons) < 10_000
    return False


NUMBERS = [
    "NaN",
    "-Infinity",
    "1e999",
    "-1e308",
    "5e-324",
    "9" * 400,
    "-0",
    "1e400",
    "18446744073709551616",
    "0.1",
]
WORDS = ["", "NaN", "inf", "1e999", "-1", "0", "999", "2026-03-01T12:00:00Z", "9999-12-31T23:59:59-14:00",
         "0001-01-01T00:00:00+14:00", "MS260301ab", "ivo://x", "é" * 300, "\u2028", "true", "x" * 5000,
         "٣", "1_0", "0x10", " 5 "]  # fmt: skip


class Number(float):
    """Written into JSON as the digits that it was made of, whether any float has them or not."""

    def __repr__(self) -> str:
        return self.digits

    def __new__(cls, digits: str) -> "Number":
        made = super().__new__(cls, 0.5)
        made.digits = digits
        return made

    digits: str


def deep(levels: int, inside: Any) -> Any:
    """Lists in objects in lists …"""
    for level in range(levels):
        inside = [inside] if level % 2 else {"a": inside}
    return inside


# Values that hypothesis shrinks well beside those that have broken readers before.
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(WORDS),
    st.sampled_from(NUMBERS).map(Number),
    st.lists(st.integers() | st.text(max_size=3), max_size=4),
    st.dictionaries(st.text(max_size=4), st.none() | st.integers() | st.sampled_from(WORDS), max_size=3),
    st.builds(deep, st.sampled_from([1, 2, 60, 70, 400]), st.none()),
)


def places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every container with each key or index in it."""
    children = document.items() if isinstance(document, dict) else enumerate(document)
    for key, child in children:
        yield document, key
        if isinstance(child, (dict, list)):
            yield from places(child)


@st.composite
def damaged_json(draw: st.DrawFn, seed: bytes) -> bytes:
    """A document with some values taken away, put elsewhere or replaced by what should not be there."""
    document = json.loads(seed)
    for _ in range(draw(st.integers(1, 3))):
        choices = list(places(document))
        if not choices:
            break
        parent, key = draw(st.sampled_from(choices))
        what = draw(st.sampled_from(["remove", "replace", "replace", "rename", "double"]))
        if what == "remove":
            del parent[key]
        elif what == "replace":
            parent[key] = draw(VALUES)
        elif what == "rename" and isinstance(parent, dict):
            parent[draw(st.text(max_size=5))] = parent.pop(key)
        else:
            other, there = draw(st.sampled_from(choices))
            if there in other if isinstance(other, dict) else there < len(other):
                other[there] = copy.deepcopy(parent[key])
    return json.dumps(document, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


TEXTS = st.sampled_from(WORDS) | st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=8)


@st.composite
def damaged_xml(draw: st.DrawFn, seed: bytes) -> bytes:
    """A VOEvent with some elements or attributes taken away, doubled, wrapped or saying something else."""
    root = etree.fromstring(seed)
    for _ in range(draw(st.integers(1, 3))):
        one = draw(st.sampled_from(list(root.iter("*"))))
        what = draw(st.sampled_from(["remove", "double", "text", "attribute", "attribute", "lose", "wrap"]))
        said = draw(TEXTS)
        try:
            if what == "remove" and one is not root:
                one.getparent().remove(one)
            elif what == "double":
                one.append(copy.deepcopy(one))
            elif what == "text":
                one.text = said
            elif what == "attribute" and one.attrib:
                one.set(draw(st.sampled_from(sorted(one.attrib))), said)
            elif what == "lose" and one.attrib:
                del one.attrib[draw(st.sampled_from(sorted(one.attrib)))]
            elif what == "wrap":
                for _ in range(draw(st.sampled_from([1, 2, 300]))):
                    one = etree.SubElement(one, one.tag)
        except ValueError:
            continue  # lxml itself writes no such character
    raw: bytes = etree.tostring(root, encoding="utf-8", xml_declaration=draw(st.booleans()))
    return raw


PROLOGUES = [
    b'<!DOCTYPE v [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
    b'<!DOCTYPE v [<!ENTITY a SYSTEM "file:///etc/hostname">]>',
    b'<!DOCTYPE v SYSTEM "http://127.0.0.1:9/dtd">',
    b'<?xml-stylesheet href="file:///etc/hostname"?>',
    b'<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="file:///etc/hostname" parse="text"/>',
    b"<![CDATA[",
    b"&lt;&#x41;&a;&b;",
    b"<" * 3000,
    b"<a>" * 3000,
    b"[" * 3000,
    b'{"a":' * 3000,
    b"\xff\xfe",
    b"\x00",
    b'\\u0000\\ud800"',
    b"1e400",
]


@st.composite
def damaged_bytes(draw: st.DrawFn, seed: bytes) -> bytes:
    """Bytes cut, flipped, doubled, or with something that means more than it seems put between."""
    raw = bytearray(seed)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(raw)))
        end = min(len(raw), start + draw(st.integers(0, 40)))
        what = draw(st.sampled_from(["put", "put", "cut", "double", "flip", "known", "end"]))
        if what == "put":
            raw[start:end] = draw(st.binary(max_size=4))
        elif what == "cut":
            del raw[start:end]
        elif what == "double":
            raw[start:start] = raw[start:end]
        elif what == "flip" and start < len(raw):
            raw[start] ^= 1 << draw(st.integers(0, 7))
        elif what == "known":
            raw[start:end] = draw(st.sampled_from(PROLOGUES))
        elif what == "end":
            del raw[start:]
    return bytes(raw)


@st.composite
def damaged_map(draw: st.DrawFn) -> bytes:
    """A notice of a gravitational wave with something wrong in its sky map."""
    raw = bytearray(MAP)
    for _ in range(draw(st.integers(1, 3))):
        what = draw(st.sampled_from(["card", "card", "byte", "cut", "row"]))
        if what == "card":
            at = 80 * draw(st.integers(0, len(raw) // 80))
            value = draw(st.sampled_from(NUMBERS + WORDS) | st.integers().map(str)).encode()
            raw[at + 10 : at + 80] = value[:70].ljust(70)
        elif what == "byte":
            at = draw(st.integers(0, len(raw)))
            raw[at : at + 1] = draw(st.binary(max_size=2))
        elif what == "cut":
            del raw[draw(st.integers(0, len(raw))) :]
        elif len(raw) > 5760:
            at = 5760 + 8 * draw(st.integers(0, (len(raw) - 5760) // 8))
            raw[at : at + 8] = draw(st.binary(min_size=8, max_size=8))
    packed = gzip.compress(bytes(raw)) if draw(st.booleans()) else bytes(raw)
    return with_map_text(
        base64.b64encode(packed).decode() + draw(st.sampled_from(["", "", "=", "\n", "é", "*"]))
    )


def with_map(raw: bytes) -> bytes:
    """A notice of a gravitational wave with these bytes in the place of its sky map."""
    return with_map_text(base64.b64encode(raw).decode())


def with_map_text(text: str) -> bytes:
    return json.dumps(WAVE | {"event": WAVE["event"] | {"skymap": text}}).encode()


def damaged(format: str) -> st.SearchStrategy[bytes]:
    """Messages of a format with something wrong in them, or not quite."""
    shape: Callable[[bytes], st.SearchStrategy[bytes]] = (
        damaged_xml if SEEDS[format][0].lstrip().startswith(b"<") else damaged_json
    )
    ways = [way(seed) for seed in SEEDS[format] for way in (shape, damaged_bytes)]
    return st.one_of(*ways, damaged_map()) if format == "igwn-gwalert" else st.one_of(*ways)


# Any bytes, and those of the demo's story, under any format's name.
ANY = st.tuples(
    st.binary(max_size=300)
    | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.sampled_from(STORY).flatmap(damaged_bytes)
    | st.sampled_from([seed for seeds in SEEDS.values() for seed in seeds]),
    st.none() | st.sampled_from(sorted(FORMATS)),
)


def zeros_packed(mebibytes: int) -> bytes:
    """A gzip file of zeros, made of one block again and again; its checksum is never reached."""
    packer = zlib.compressobj(9, wbits=31)
    first = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + (packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)) * mebibytes


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
# What is small and would unfold, or makes a reader that recurses fall.
BOMBS: dict[str, Callable[[], bytes]] = {
    "a sky map of a gibibyte": lambda: with_map(zeros_packed(1024)),
    "a sky map packed twice": lambda: with_map(gzip.compress(zeros_packed(1024))),
    "a sky map of cards without end": lambda: with_map(b"SIMPLE  =                    T".ljust(80) * 100_000),
    "levels of JSON": lambda: b'{"superevent_id":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}",
    "levels of JSON objects": lambda: b'{"duration":' * 1_000_000,
    "names of JSON": lambda: b"{" + b",".join(b'"%d":0' % n for n in range(500_000)) + b"}",
    "levels of XML": lambda: b"<VOEvent>" * 300_000,
    "elements of XML": lambda: b'<VOEvent ivorn="ivo://org.svom/fsc#1">' + b"<a/>" * 300_000 + b"</VOEvent>",
    "attributes of XML": lambda: b"<VOEvent " + b" ".join(b'a%d=""' % n for n in range(50_000)) + b"/>",
    "Params": lambda: SEEDS["gcn-classic-voevent"][0].replace(
        b"</What>", b'<Param name="TrigID" value="1"/>' * 100_000 + b"</What>"
    ),
    "entities in entities": lambda: (
        f'<!DOCTYPE v [<!ENTITY l0 "ha">{LAUGHS}]><VOEvent>&l9;</VOEvent>'.encode()
    ),
    "an entity of much text": lambda: (
        b'<!DOCTYPE v [<!ENTITY a "' + b"ha" * 100_000 + b'">]><VOEvent>' + b"&a;" * 10_000 + b"</VOEvent>"
    ),
}
