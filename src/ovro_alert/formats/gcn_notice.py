"""GCN's unified JSON notices of any mission: whose a notice is, and what is particular to the missions known.

Source of the facts: nasa-gcn/gcn-schema, gcn/notices/<mission>, v3 to v7, whose examples say what the schemas
leave open. `docs/sources.md` has how each mission ties its messages to an event.
"""

import math
import re
from typing import Annotated, Any

from astropy.coordinates import angular_separation
from pydantic import AliasChoices, Field

from ovro_alert.alert import Alert, Declination, Finite, Localization, NotNegative, RightAscension
from ovro_alert.formats.fields import Label, Probability, Wire, localization
from ovro_alert.formats.gcn_core import SOURCE, EnergyRange, Names, Notice, folders, read_as
from ovro_alert.formats.gcn_frb import Chime, Dsa110
from ovro_alert.formats.senders import slug
from ovro_alert.formats.unreadable import Unreadable

# A schema's address names any version or branch: what is below gcn/notices tells the notice.
_BELOW = re.compile(r"(?:^|/)gcn/notices/((?:[\w.-]+/)*[\w.-]+?)(?:\.schema)?(?:\.json)?$", re.ASCII)
LONGEST = 200  # of an address, and of what an alert's name takes from one or from `mission`

_Corner = Annotated[tuple[Finite, Declination], Field(strict=False)]  # right ascension up to and with 360


class EinsteinProbe(Notice):
    """Einstein Probe: its schema has neither mission nor alert_type."""

    known_as = ("Einstein Probe", "")


class Fermi(Notice):
    """GBM's notices of one trigger share the trigger number and the burst's name, both in `id`."""

    known_as = ("Fermi", "")

    subtype: Label = Field("", validation_alias=AliasChoices("subtype", "notice_subtype"))

    def stage(self) -> str:
        return self.subtype


class Swift(Notice):
    """BAT, XRT and UVOT share the trigger number; GUANO's searches have numbers of their own."""

    known_as = ("Swift", "")

    follow_up_event: Label = ""
    follow_up_type: Label = ""
    star_tracker_locked: bool | None = None

    def remarks(self) -> list[str]:
        remarks = super().remarks()
        if self.follow_up_event:
            # Not its event: what the search found may be something else.
            kind = f" ({self.follow_up_type})" if self.follow_up_type else ""
            remarks.append(f"Searched for because of {self.follow_up_event}{kind}.")
        if self.star_tracker_locked is False:
            remarks.append("The star tracker was not locked: probably not real.")
        return remarks


class Svom(Notice):
    """ECLAIRs, GRM and MXT share the burst's identifier, `sbYYMMDDnn`."""

    known_as = ("SVOM", "")

    slew_status: Label = ""

    def statistics(self) -> dict[str, Any]:
        # On board it names what it finds in its catalogue; a burst gets a name later, from people.
        name = self.event_name[0] if self.event_name else ""
        return super().statistics() | {"known_source": "" if name.startswith("GRB") else name}

    def remarks(self) -> list[str]:
        return [*super().remarks(), f"Slew {self.slew_status}." if self.slew_status else ""]


class Maxi(Notice):
    """GSC: an update and a retraction have the number of the first notice."""

    known_as = ("MAXI", "")

    detection_timescale: NotNegative | None = None
    detection_timescale_units: Label = "s"  # or orbit, d
    flux_spectral_band: EnergyRange | None = None
    flux_spectral_unit: Label = "keV"
    rectangular_error_corners: list[_Corner] = Field(default_factory=list)

    def names(self, prefix: str) -> list[str]:
        # Classic notices write the same number without the zeros.
        numbers = [one.lstrip("0") for one in self.id or () if one.isdigit()]
        return list(dict.fromkeys([*super().names(prefix), *(f"{prefix}-{one}" for one in numbers if one)]))

    def place(self) -> Localization | None:
        place = super().place()
        if place is None or place.error_deg is not None or not self.rectangular_error_corners:
            return place
        # The circle around the rectangle: it contains at least as much.
        centre = math.radians(place.ra), math.radians(place.dec)
        corners = (map(math.radians, corner) for corner in self.rectangular_error_corners)
        farthest = math.degrees(max(angular_separation(*centre, *corner) for corner in corners))
        return localization(place.ra, place.dec, farthest, self.containment_probability)

    def statistics(self) -> dict[str, Any]:
        statistics = super().statistics()
        if self.detection_timescale_units == "s":
            statistics["rate_duration"] = self.detection_timescale
        if self.flux_spectral_unit == "keV":
            statistics["energy_range_kev"] = self.flux_spectral_band
        return statistics


class MaxiKnown(Maxi):
    """A source of the catalogue, by name."""

    def statistics(self) -> dict[str, Any]:
        return super().statistics() | {"known_source": self.event_name[0] if self.event_name else ""}


class Neutrino(Notice):
    """A neutrino telescope's, by the shape that IceCube and KM3NeT share."""

    nu_energy: NotNegative | None = None  # TeV
    p_value: Probability | None = None
    pipeline: Label = Field("", validation_alias=AliasChoices("pipeline", "analysis_pipeline"))

    def statistics(self) -> dict[str, Any]:
        return super().statistics() | {
            "messenger": self.messenger or "Neutrino",
            "energy_tev": self.nu_energy,
            "p_value": self.p_value,
        }

    def remarks(self) -> list[str]:
        return [f"{self.pipeline}." if self.pipeline else "", *super().remarks()]


class _Direction(Wire):
    ra: RightAscension | None = None
    dec: Declination | None = None


class _Coincident(Wire):
    id: Names = None


class IceCube(Neutrino):
    """Single neutrinos, named run_event, and the searches for neutrinos of a gravitational wave.

    A search belongs to the wave that it names; it gives no error of its direction, and of its two p-values
    the smaller is kept.
    """

    known_as = ("IceCube", "")

    signalness: Probability | None = None  # until v6 what is p_astro now
    reference: dict[str, Any] = Field(default_factory=dict)
    pval_generic: Probability | None = None
    pval_bayesian: Probability | None = None
    coincident_events: list[_Coincident] = Field(default_factory=list)
    most_probable_direction: _Direction | None = None

    def names(self, prefix: str) -> list[str]:
        if self.id and len(self.id) == 2 and all(one.isdigit() for one in self.id):
            return [f"{prefix}-{'_'.join(self.id)}"]  # until v6 run and event apart: a run has many
        return super().names(prefix)

    def stage(self) -> str:
        """The revision of the wave's notice that was searched for."""
        searched = str(self.reference.get("gcn.notices.LVK.alert", "")) or " ".join(self.ref_ID or ())
        found = re.search(r"(?i)-(early.?warning|preliminary|initial|update)", searched)
        return found[1].upper() if found and self.superevent else ""

    def place(self) -> Localization | None:
        if self.most_probable_direction is None:
            return super().place()
        return localization(self.most_probable_direction.ra, self.most_probable_direction.dec)

    def statistics(self) -> dict[str, Any]:
        statistics = super().statistics()
        p_values = [p for p in (self.p_value, self.pval_generic, self.pval_bayesian) if p is not None]
        p_astro = self.signalness if self.p_astro is None else self.p_astro
        return statistics | {"p_value": min(p_values, default=None), "p_astro": p_astro}

    def remarks(self) -> list[str]:
        found = ", ".join(one.id[0] for one in self.coincident_events if one.id)
        return [*super().remarks(), f"Neutrinos found: {found}." if found else ""]


# By mission, or by what tells a notice of it from its others.
KINDS: dict[str, type[Notice]] = {
    "chime": Chime,
    "dsa110": Dsa110,
    "einstein_probe": EinsteinProbe,
    "fermi": Fermi,
    "icecube": IceCube,
    "km3net": Neutrino,
    "maxi": Maxi,
    "maxi/gsc.known": MaxiKnown,
    "svom": Svom,
    "swift": Swift,
}


def path_of(document: dict[str, Any]) -> str | None:
    """What its `$schema` has below gcn/notices, such as "chime/frb"; None where it is no such schema."""
    schema = document.get("$schema")
    found = _BELOW.search(schema) if isinstance(schema, str) and len(schema) <= LONGEST else None
    return found[1] if found else None


def claims(document: dict[str, Any]) -> bool:
    """Whether it is a notice by GCN's unified schema."""
    return path_of(document) is not None


def read(document: dict[str, Any]) -> Alert:
    """The alert that a notice is; of a mission that we do not know, by what the core schema gives.

    Raises
        Unreadable: its `$schema` is another, or a field is missing, of another type or impossible.
    """
    path = path_of(document)
    if path is None:
        raise Unreadable.at("must be one of gcn/notices", "$schema")
    mission = _mission(path, document)
    return read_as(KINDS.get(path) or KINDS.get(mission) or Notice, document, path, mission)


def _mission(path: str, document: dict[str, Any]) -> str:
    """By the folder that the schema stands in; one of the core schema itself stands in none."""
    named = document.get("mission")
    said = named[:LONGEST] if isinstance(named, str) else ""
    return slug("".join(folders(path)[:1])) or slug(said) or SOURCE
