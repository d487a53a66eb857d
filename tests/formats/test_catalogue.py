"""Catalogues as they are written: CSV and JSON, what is not known in them, and what is wrong with them."""

import json

import pytest

from ovro_alert.formats.catalogue import read
from ovro_alert.formats.unreadable import Unreadable
from ovro_alert.sky.catalogue import Known

CSV = b"""tns_name,repeater_name,ra,ra_err,dec,dec_err,bonsai_dm,dm_fitb
FRB20180725A,-9999,93.42,0.039,67.1,0.2,716.6,715.8093
FRB20180916B,FRB20180916B,29.5031,0.001,65.7168,0.001,349.2,348.77
FRB20200101Z,,180,,10,,-9999,-9999
"""


def test_chimes_own_csv():
    assert read(b"\xef\xbb\xbf" + CSV) == [
        Known("FRB20180725A", 93.42, 67.1, 715.8093, 0.2),
        Known("FRB20180916B", 29.5031, 65.7168, 348.77, 0.001, repeats=True),
        Known("FRB20200101Z", 180.0, 10.0),
    ]


def test_the_json_in_use():
    rows = [
        {
            "tns_name": "FRB20190303A",
            "repeater_of": "FRB20190303A",
            "ra": 207.9,
            "dec": 48.1,
            "fitburst_dm": [223.2, 1],
        },
        {
            "tns_name": "FRB20190304B",
            "repeater_of": None,
            "ra": 124.5,
            "dec": 74.6,
            "fitburst_dm": 469.9,
            "new": {},
        },
    ]
    assert read(json.dumps(rows).encode()) == [
        Known("FRB20190303A", 207.9, 48.1, 223.2, repeats=True),
        Known("FRB20190304B", 124.5, 74.6, 469.9),
    ]


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "no sources"),
        (b"name,ra,dec\n", "no sources"),
        (b"name,ra,dec\na,1,2\nb,400,2\n", "source 2.ra"),
        (b"name,ra\na,1\n", "source 1.dec"),
        (b"name,ra,dec,dm\na,1,2,minus\n", "source 1.dm"),
        (b'name,ra,dec\n"a,1,2\n', "CSV"),
        (b"\xff\xfe", "UTF-8"),
        (b'[{"name": "a", "ra": 1, "dec": NaN}]', "JSON"),
        (b'{"a": {"ra": 1}}', "list of objects"),
        (b"[[1]]", "list of objects"),
    ],
)
def test_what_is_wrong_is_named(raw, why):
    with pytest.raises(Unreadable, match=why):
        read(raw)
