"""What is known of the missions that speak in GCN's classic VOEvents beyond what their messages say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

GCN = "ivo://nasa.gsfc.gcn/"  # Mission#Type_…
SVOM = "ivo://org.svom/"  # on GCN under its own name: fsc#<burst>_<type>


@dataclass(frozen=True)
class Mission:
    """A mission; `containment` is that of Error2Radius by instrument, left out where sources disagree."""

    name: str
    messenger: str = ""
    containment: Mapping[str, float] = field(default_factory=dict)
    tests_from: int | None = None  # trigger numbers from here on are of tests, whatever the role says
    known: bool = True


# gcn.nasa.gov/missions/swift: BAT statistical, 90 %; gcn.gsfc.nasa.gov/swift.html, "Error Boxes": XRT and
# UVOT statistical and systematic, 90 %.
_SWIFT = Mission("Swift", "EM", {"BAT": 0.9, "XRT": 0.9, "UVOT": 0.9})
# gcn.gsfc.nasa.gov/fermi.html: GBM statistical, 1 sigma. LAT too, but gcn.nasa.gov/missions/fermi says 90 %.
_FERMI = Mission("Fermi", "EM", {"GBM": 0.68})
# gcn.gsfc.nasa.gov/maxi.html: statistical and systematic, 90 %.
_MAXI = Mission("MAXI", "EM", {"": 0.9})
# fsc.svom.org/readthedocs, "N2 notices": R90. GRM gives no error.
_SVOM = Mission("SVOM", "EM", {"ECLAIRs": 0.9, "MXT": 0.9, "VT": 0.9})
_ICECUBE = Mission("IceCube", "Neutrino")  # its errors have Params of their own
# By the word before # in small letters, or the word after it for who speaks through AMON.
MISSIONS = {
    "swift": _SWIFT,
    "fermi": _FERMI,
    "maxi": _MAXI,
    "fsc": _SVOM,
    "icecube": _ICECUBE,
    "hawc": Mission("HAWC", "EM"),
    "integral": Mission("INTEGRAL", "EM"),
    # gcn.nasa.gov/missions/gecam: test notices have trigger numbers from 100000000 on.
    "gecam": Mission("GECAM", "EM", tests_from=100_000_000),
    "sk_sn": Mission("Super-Kamiokande", "Neutrino"),
    "snews": Mission("SNEWS", "Neutrino"),
}
_INSTRUMENTS = ("BAT", "XRT", "UVOT", "GBM", "LAT")
FOLLOWERS = ("XRT", "UVOT", "MXT", "VT")  # look only at what another has found

# Indices of Fermi GBM's classification: FERMIGTRIG, in GBM Data Tools data/trigdat.py; names as GCN's unified
# notices have them where those are published.
GBM_CLASSES = {
    0: "ERROR",
    1: "UNRELIABLE_LOCATION",
    2: "LOCAL_PARTICLES",
    3: "BELOW_HORIZON",
    4: "GRB",
    5: "SGR",
    6: "TRANSIENT",
    7: "DISTANT_PARTICLES",
    8: "SOLAR_FLARE",
    9: "CYG_X1",
    10: "SGR_1806_20",
    11: "GRO_J0422_32",
    19: "TGF",
    20: "UNCERTAIN",
    21: "GALACTIC_BINARY",
}


def mission_of(ivorn: str) -> Mission:
    """Who speaks: one that we know, or a Mission of just the name in the ivorn."""
    path, _, kind = ivorn.rpartition("#")
    word = path.rpartition("/")[2]
    key = kind.split("_")[0] if word == "AMON" else word
    return MISSIONS.get(key.lower(), Mission(word, known=False))


def stage_of(ivorn: str, label: str) -> str:
    """The source's word for the notice: BAT_GRB_Pos, GBM_Flt_Pos, ICECUBE_GOLD_Event, eclairs-wakeup.

    It is what the ivorn has beside the event's `label`, the time and the serial number.
    """
    kind = ivorn.rpartition("#")[2]
    if ivorn.startswith(SVOM):
        return kind.removeprefix(label).strip("_")
    return re.split(r"[_-]*[0-9]", kind)[0]


def instrument_of(stage: str) -> str:
    """The instrument that a classic notice's type begins with; "" where it begins with none."""
    first = stage.split("_")[0]
    return first if first in _INSTRUMENTS else ""
