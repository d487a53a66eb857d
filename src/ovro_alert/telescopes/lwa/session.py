"""What OVRO-LWA can be asked to observe: a session of one mode and beam, and its observations.

The limits are those of ovro-lwa/lwa-observing and mnc_python; errors name the key of the session definition
file (`sdf`) that would be wrong.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from ovro_alert.alert import Declination, Finite, Part, RightAscension, Utc

CONFIG_FILE = "/home/pipeline/proj/lwa-shell/mnc_python/config/lwa_config_calim.yaml"
CAL_DIR = "/home/pipeline/caltables/latest"

CLOCK_HZ = 196e6  # a tuning word w means w·CLOCK_HZ/2³² Hz
BAND_MHZ = 98.0
BANDWIDTH_MHZ = {1: 0.25, 2: 0.5, 3: 1.0, 4: 2.0, 5: 4.9, 6: 9.8, 7: 19.6}


def to_mhz(word: int) -> float:
    """The frequency of a tuning word."""
    return word * CLOCK_HZ / 2**32 / 1e6


class SessionMode(StrEnum):
    """What is recorded."""

    POWER = "POWER"
    VOLT = "VOLT"
    VOLTRAW = "VOLTRAW"
    FAST = "FAST"
    SLOW = "SLOW"


class Pointing(StrEnum):
    """How the beam is steered."""

    RADEC = "TRK_RADEC"
    SUN = "TRK_SOL"
    JUPITER = "TRK_JOV"
    MOON = "TRK_LUN"
    AZALT = "AZALT"


# Beams by mode: power beams have a recorder each, voltages one recorder (drt1) on beam 1 alone.
BEAMS = {SessionMode.POWER: range(1, 17), SessionMode.VOLT: range(1, 2), SessionMode.VOLTRAW: range(1, 2)}


def _to_millisecond(moment: datetime) -> datetime:
    """The nearest millisecond, before the date is taken: 23:59:59.9996 belongs to the next day."""
    try:
        return moment + (round(moment.microsecond / 1000) * 1000 - moment.microsecond) * timedelta.resolution
    except OverflowError as error:
        raise ValueError("is at the end of time") from error


def _is_power_of_two(value: int) -> int:
    if value & (value - 1):
        raise ValueError("must be a power of two")
    return value


def _is_printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one line of printable characters")
    return text


# The reader splits lines at white space, so that only people's names may hold any.
Word = Annotated[str, Field(pattern=r"^\S+$", max_length=500), AfterValidator(_is_printable)]
Name = Annotated[str, Field(pattern=r"^\S", max_length=100), AfterValidator(_is_printable)]
Tuning = Annotated[int, Field(gt=0, lt=2**31)]
IntegrationTime = Annotated[int, Field(ge=1, le=1024), AfterValidator(_is_power_of_two)]


class Observation(Part):
    """One pointing of a session: positions in degrees, times in ms."""

    obs_id: int = Field(ge=1)
    target: Word | None = None
    start: Annotated[Utc, AfterValidator(_to_millisecond)]
    duration_ms: int = Field(gt=0)
    int_time_ms: IntegrationTime | None = None
    mode: Pointing = Pointing.RADEC
    ra: RightAscension | None = None
    dec: Declination | None = None
    az: Annotated[Finite, Field(ge=0, lt=360)] | None = None
    alt: Annotated[Finite, Field(ge=0, le=90)] | None = None
    freq1: Tuning = 1161394218
    freq2: Tuning = 1599656187
    bandwidth: int = Field(7, ge=1, le=7)
    gain: int = Field(6, ge=0, le=15)

    @model_validator(mode="after")
    def _points_somewhere(self) -> Self:
        if (self.ra is None) != (self.dec is None):
            raise ValueError("OBS_RA and OBS_DEC go together")
        if (self.az is None) != (self.alt is None):
            raise ValueError("OBS_AZ and OBS_ALT go together")
        if self.mode is Pointing.RADEC and self.ra is None and self.target is None:
            raise ValueError("OBS_TARGET, or OBS_RA and OBS_DEC, must say where to point")
        if self.mode is Pointing.AZALT and self.az is None:
            raise ValueError("OBS_AZ and OBS_ALT must say where to point")
        half = BANDWIDTH_MHZ[self.bandwidth] / 2
        for name, word in (("OBS_FREQ1", self.freq1), ("OBS_FREQ2", self.freq2)):
            if not half < to_mhz(word) < BAND_MHZ - half:
                raise ValueError(f"{name}: {to_mhz(word):.3f} MHz ± {half} MHz leaves the band")
        return self


class Session(Part):
    """What one session definition file asks for."""

    session_id: int = Field(ge=0)
    mode: SessionMode
    beam: int | None = None
    pi_id: int = Field(0, ge=0)
    pi_name: Name = "Observer"
    project_id: Word = "0"
    config_file: Word = CONFIG_FILE
    cal_dir: Word | None = CAL_DIR  # must be there on the host that executes
    do_cal: bool = False
    observations: tuple[Observation, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _fits_its_mode(self) -> Self:
        beams = BEAMS.get(self.mode)
        if beams is None and self.beam is not None:
            raise ValueError(f"SESSION_DRX_BEAM: {self.mode} has no beam")
        if beams is not None and self.beam not in beams:
            raise ValueError(f"SESSION_DRX_BEAM: {self.mode} has {_span(beams)}, not {self.beam}")
        for each in self.observations:
            if self.mode is not SessionMode.POWER and each.int_time_ms is not None:
                raise ValueError(f"OBS_INT_TIME: {self.mode} is not integrated")
        starts = [each.start for each in self.observations]
        if starts != sorted(starts):
            raise ValueError("OBS_START: the observations must follow one another")
        return self

    @property
    def name(self) -> str:
        """Its name in the schedule, such as `777_POWER3`."""
        return f"{self.session_id}_{self.resource}"

    @property
    def resource(self) -> str:
        """What it occupies, such as `POWER3`: of two sessions that overlap there, the later is dropped."""
        return f"{self.mode}{'' if self.beam is None else self.beam}"


def _span(beams: range) -> str:
    return "beam 1 only" if len(beams) == 1 else f"beams {beams[0]} to {beams[-1]}"
