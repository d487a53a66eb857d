"""The vocabulary of what is seen: an alert and the parts that it may have.

Times are UTC and aware, angles ICRS degrees, dispersion measures pc cm⁻³, false-alarm rates Hz, durations s
unless the name says otherwise.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PrivateAttr


class Role(StrEnum):
    """What a message is, as in VOEvent 2.0 §2.1."""

    OBSERVATION = "observation"
    TEST = "test"
    UTILITY = "utility"
    PREDICTION = "prediction"


class AlertType(StrEnum):
    """Where a message stands in its event's story, as in GCN's unified schema."""

    INITIAL = "initial"
    SUBSEQUENT = "subsequent"
    UPDATE = "update"
    RETRACTION = "retraction"


def _to_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


Utc = Annotated[AwareDatetime, AfterValidator(_to_utc)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
RightAscension = Annotated[float, Field(ge=0, lt=360, allow_inf_nan=False)]
Declination = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]


class Part(BaseModel):
    """A part of the vocabulary: immutable, and nothing in it that is not named."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Localization(Part):
    """A position with the radius that contains the source with probability `containment`."""

    ra: RightAscension
    dec: Declination
    error_deg: NotNegative | None = None
    containment: Probability | None = None


class SkyMap(Part):
    """What is kept beside an alert of its multi-order sky map; the map itself stays in the raw bytes.

    While the alert that they were read into is at hand, the map is, too: `whole`, a
    `sky.skymap.MultiOrderMap`. It is no part of what the alert says: not written, not compared.
    """

    pixels: int
    ra: RightAscension  # of the highest probability density
    dec: Declination
    area_50_deg2: NotNegative
    area_90_deg2: NotNegative
    distance_mpc: Positive | None = None  # burst maps have none
    distance_std_mpc: NotNegative | None = None
    _whole: Any = PrivateAttr(None)

    @property
    def whole(self) -> Any:
        """The map, parsed; None of an alert that was not read from its raw bytes."""
        return self._whole

    def with_whole(self, whole: Any) -> "SkyMap":
        """The same with the map at hand."""
        found = self.model_copy()
        found._whole = whole
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SkyMap) and dict(self) == dict(other)


class FastRadioBurst(Part):
    """A dispersed burst. Its arrival time, `Alert.event_time`, holds at `reference_mhz`, topocentric."""

    dm: Positive | None = None
    dm_error: NotNegative | None = None
    dm_galactic: NotNegative | None = None  # the Milky Way's greatest share, NE2001
    snr: NotNegative | None = None
    width_ms: NotNegative | None = None
    importance: Probability | None = None  # 0 interference … 1 astrophysical
    known_source: str = ""  # "" when it is not associated with one
    association_probability: Probability | None = None
    reference_mhz: Positive | None = None  # None: at infinite frequency


class Coincidence(Part):
    """What another observatory saw at about the time of a gravitational wave: an event of its own."""

    observatory: str = ""
    search: str = ""
    ivorn: str = ""
    gcn_notice_id: str = ""  # of its trigger
    time_difference: Finite | None = None  # s, of the other from the wave
    time_far: NotNegative | None = None  # Hz, of as close a coincidence in time
    time_sky_far: NotNegative | None = None  # Hz, in time and on the sky


class GravitationalWave(Part):
    """A candidate of LIGO, Virgo and KAGRA; probabilities under the names that they use."""

    far: NotNegative | None = None
    significant: bool | None = None
    group: str = ""  # CBC or Burst
    pipeline: str = ""
    search: str = ""
    instruments: tuple[str, ...] = ()
    classification: dict[str, Probability] = {}  # BNS, NSBH, BBH, Terrestrial; empty for bursts
    properties: dict[str, Probability] = {}  # HasNS, HasRemnant, HasMassGap
    skymap: SkyMap | None = None
    coincidence: Coincidence | None = None


class Transient(Part):
    """What a burst monitor, a survey or a neutrino telescope says beyond the place, in the words of GCN."""

    messenger: str = ""  # EM, GW or Neutrino
    energy_range_kev: tuple[NotNegative, NotNegative] | None = None
    rate_snr: NotNegative | None = None
    rate_duration: NotNegative | None = None  # s
    image_snr: NotNegative | None = None
    far: NotNegative | None = None  # Hz
    p_value: Probability | None = None
    p_astro: Probability | None = None
    energy_tev: NotNegative | None = None  # of a neutrino, the most probable
    classification: dict[str, Probability] = {}  # GRB, Known Source, …; empty where it says nothing
    known_source: str = ""  # "" when it is not associated with one


class BeamRequest(Part):
    """What an observer asks for: a beam on a position from `start` for `duration` seconds."""

    start: Utc
    duration: Positive
    int_time_ms: Positive | None = None


class Alert(Part):
    """One message about something seen."""

    alert_id: str = Field(min_length=1, max_length=500)  # ivorn, or built from source, event and version
    event_id: str = Field(min_length=1, max_length=500)  # the source's own name of the thing in the sky
    # Other names under which messages of the same event may come: its own ivorn, the one it retracts.
    event_names: tuple[str, ...] = ()
    source: str = Field(pattern=r"^[a-z][a-z0-9_]*$")  # who speaks; also the name of its slot
    mission: str = ""
    instrument: str = ""
    role: Role
    alert_type: AlertType
    stage: str = ""  # the source's own word where it says more: EARLYWARNING, PRELIMINARY, INITIAL …
    name: str = ""  # what people call it
    event_time: Utc | None = None  # when the thing happened, or is asked to
    sent: Utc | None = None  # when its sender wrote the message
    localization: Localization | None = None
    frb: FastRadioBurst | None = None
    gw: GravitationalWave | None = None
    transient: Transient | None = None
    request: BeamRequest | None = None
    description: str = ""
