"""What any notice in GCN's unified JSON schema may say: the core schema, of which every field is optional.

Source of the facts: nasa-gcn/gcn-schema, gcn/notices/core, v3 to v7. A null is the same as an absent field:
Swift writes one for whatever does not apply.
"""

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from ovro_alert.alert import (
    Alert,
    AlertType,
    Declination,
    Localization,
    NotNegative,
    RightAscension,
    Role,
    Transient,
)
from ovro_alert.formats import igwn_gwalert
from ovro_alert.formats.fields import (
    ErrorSize,
    Identifier,
    Label,
    Probabilities,
    Probability,
    Text,
    Time,
    Wire,
    digest,
    localization,
)
from ovro_alert.formats.senders import is_injected
from ovro_alert.formats.unreadable import Reason, Unreadable, naming

SOURCE = "gcn"  # of every mission that has no slot of its own
TENSES = {
    "current": Role.OBSERVATION,
    "archival": Role.OBSERVATION,
    "planned": Role.PREDICTION,
    "commanded": Role.UTILITY,  # the instrument was told to trigger: nothing was seen
    "injection": Role.TEST,
    "test": Role.TEST,
    "mock": Role.TEST,  # until v3
}
# What a follow-up search is of, with or without the revision: "S230914ak-2-Preliminary".
_SUPEREVENT = re.compile(r"[MT]?S[0-9]{6}[a-z]{1,10}(?![A-Za-z0-9])")


def _texts(value: Any) -> Any:
    """A text, a whole number as Swift's XRT writes it, or several of them; empty ones say nothing."""
    each = value if isinstance(value, list) else [value]
    texts = [str(one) if isinstance(one, int) and not isinstance(one, bool) else one for one in each]
    return [one for one in texts if one not in (None, "")] or None


Names = Annotated[Annotated[list[Identifier], Field(max_length=20)] | None, BeforeValidator(_texts)]
EnergyRange = Annotated[tuple[NotNegative, NotNegative], Field(strict=False)]  # a list, in JSON


class Notice(Wire):
    """A notice of any mission; one that we know has a class of its own, for what is particular to it."""

    source: ClassVar[str] = SOURCE
    # Mission and instrument as people write them, where notices leave them out or differ; "" where not.
    known_as: ClassVar[tuple[str, str]] = ("", "")
    required: ClassVar[tuple[str, ...]] = ()  # what its messages cannot be told apart without

    mission: Label = ""
    instrument: Label = ""
    messenger: Label = ""
    spectral_band_units: Label = "keV"  # of every energy range
    alert_datetime: Time | None = None
    # Where a mission names none, each of its notices is of something new.
    alert_type: Literal["initial", "subsequent", "update", "retraction"] = "initial"
    alert_tense: Literal["current", "archival", "planned", "commanded", "injection", "test", "mock"] = (
        "current"
    )
    id: Names = None
    event_name: Names = None
    trigger_time: Time | None = None
    ra: RightAscension | None = None  # deg, as are all angles
    dec: Declination | None = None
    ra_dec_error: ErrorSize | None = None
    containment_probability: Probability = 0.9
    systematic_included: bool | None = None  # absent means no, as does false
    healpix_url: Text = ""
    healpix_file: Text = ""  # base64; cut: the whole stays in the raw bytes
    far: NotNegative | None = None  # Hz
    rate_snr: NotNegative | None = None
    rate_duration: NotNegative | None = None  # s
    rate_energy_range: EnergyRange | None = None
    image_snr: NotNegative | None = None
    image_energy_range: EnergyRange | None = None
    p_astro: Probability | None = None
    classification: Probabilities = Field(default_factory=dict)
    ref_ID: Names = None
    additional_info: Text = ""

    @property
    def superevent(self) -> str:
        """The gravitational wave whose follow-up it tells; "" where it is of no other event."""
        found = None if self.id or not self.ref_ID else _SUPEREVENT.match(self.ref_ID[0])
        return found[0] if found else ""

    def names(self, prefix: str) -> list[str]:
        """The names of its event, by which its messages find each other; none: an event of its own."""
        if self.superevent:
            # Of the same event as the wave's own notices, so that the wave's retraction reaches it.
            return [f"{prefix}-{self.superevent}", f"{igwn_gwalert.SOURCE}-{self.superevent}"]
        return [f"{prefix}-{one}" for one in self.id or self.ref_ID or ()]

    def stage(self) -> str:
        """The mission's own word for where in its story the notice stands."""
        return ""

    def place(self) -> Localization | None:
        """Where it is, with the larger axis of an ellipse as radius."""
        return localization(self.ra, self.dec, self.ra_dec_error, self.containment_probability)

    def parts(self) -> dict[str, Any]:
        """The parts of the alert beyond the place."""
        return {"transient": Transient(**self.statistics())}

    def statistics(self) -> dict[str, Any]:
        """The fields of Transient."""
        energies = self.rate_energy_range or self.image_energy_range
        return {
            "messenger": self.messenger,
            "energy_range_kev": energies if self.spectral_band_units == "keV" else None,
            "rate_snr": self.rate_snr,
            "rate_duration": self.rate_duration,
            "image_snr": self.image_snr,
            "far": self.far,
            "p_astro": self.p_astro,
            "classification": {name: p for name, p in self.classification.items() if p is not None},
        }

    def remarks(self) -> list[str]:
        """Sentences for people."""
        remarks = [self.additional_info]
        if self.systematic_included is False and self.ra_dec_error is not None:
            remarks.append("The error is only the statistical one.")
        if self.healpix_file:
            remarks.append("A sky map is in the notice.")
        elif self.healpix_url:
            remarks.append(f"Sky map: {self.healpix_url}")
        return remarks


def read_as(kind: type[Notice], document: dict[str, Any], path: str, slug: str) -> Alert:
    """The alert that a document is, as a notice of this kind, by the schema at `path`, of mission `slug`.

    Raises
        Unreadable: a field is missing, of another type or impossible.
    """
    said = {name: value for name, value in document.items() if value is not None}
    with naming():
        notice = kind.model_validate(said)
    if missing := [name for name in kind.required if name not in said or getattr(notice, name) is None]:
        raise Unreadable(Reason((name,), "is required") for name in missing)
    prefix = slug if kind.source == SOURCE else kind.source
    content = digest(document)
    names = notice.names(prefix) or [f"{prefix}-{content}"]
    mission, instrument = kind.known_as
    by_folder = "/".join(folders(path)[1:2]).upper()
    return Alert(
        alert_id=f"{names[0]}-{notice.alert_type}-{content}",
        event_id=names[0],
        event_names=tuple(names[1:]),
        source=kind.source,
        mission=mission or notice.mission or slug,
        instrument=instrument or notice.instrument or by_folder,
        role=_role(notice, path),
        alert_type=AlertType(notice.alert_type),
        stage=notice.stage(),
        name=notice.event_name[0] if notice.event_name else "",
        event_time=notice.trigger_time,
        sent=notice.alert_datetime,
        localization=notice.place(),
        description=" ".join(remark for remark in notice.remarks() if remark),
        # A retraction's numbers would be of what it takes back.
        **({} if notice.alert_type == "retraction" else notice.parts()),
    )


def folders(path: str) -> list[str]:
    """Whose a notice is: mission, then instrument where it is named, as swift and bat of swift/bat/Guano."""
    return [one for one in path.split("/")[:-1] if one.lower() not in ("core", "classic", "test")]


def _role(notice: Notice, path: str) -> Role:
    """A test whoever says so: its tense, its topic (icecube/test/…, sn_alert.test), or what it follows up."""
    if "test" in re.split(r"[/.]", path.lower()):
        return Role.TEST
    if notice.superevent and igwn_gwalert.role_of(notice.superevent) is Role.TEST:
        return Role.TEST
    if notice.id and is_injected(notice.source, notice.id[0]):
        return Role.TEST
    return TENSES[notice.alert_tense]
