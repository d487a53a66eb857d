"""Who tells of fast radio bursts, whichever way the message comes."""

import re
from typing import NamedTuple


class Sender(NamedTuple):
    """What is known of a sender beyond what its messages say."""

    source: str
    mission: str
    instrument: str
    reference_mhz: float  # its arrival times hold at this frequency


CHIME = Sender("chime", "CHIME", "CHIME/FRB", 400.0)  # the bottom of its band
DSA110 = Sender("dsa", "DSA-110", "DSA-110", 1530.0)  # the top of its band


def is_injected(sender: str, label: str) -> bool:
    """Whether it is a burst that DSA-110 made itself, by the name that it gives those: 260301aaaa_inj0."""
    return sender == DSA110.source and re.search(r"_inj[0-9]*$", label) is not None


def slug(mission: str) -> str:
    """How the names of a mission's events begin, however it is written: "Einstein Probe" → einstein_probe."""
    return re.sub(r"[^a-z0-9]+", "_", mission.lower()).strip("_")
