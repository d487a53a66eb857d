"""What an operator tunes of the array."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from ovro_alert.alert import NotNegative, Positive
from ovro_alert.settings import Settings

Key = Annotated[str, Field(pattern=r"^/[\x21-\x7e]+$", max_length=200)]
Elevation = Annotated[float, Field(ge=0, le=180)]  # deg, from the south; above 90 is north


class DsaSettings(Settings, table="dsa"):
    """Table `[dsa]`; the environment names them OVRO_ALERT_DSA_LOWEST_DEG and so on.

    The envelope and the latitude are those that the observatory's own tools command by
    [dsa110/dsa110-operator, config/policy.yaml]; the antenna's control itself takes any angle
    [dsa110/dsa110-hwmc], and its firmware stops a drive at 3 and 135 degrees.
    """

    marks: Key = "/ovro-alert"  # below it each command that was acted on leaves a mark
    look_s: Positive = 1.0  # between looks while a command is followed
    clock_s: Positive = 1.5  # the antennas' newest stamp is up to 1 s old; more is a clock that is off

    # Pointing.
    latitude_deg: float = Field(37.23, gt=-90, lt=90)
    longitude_deg: float = Field(-118.2819, ge=-180, le=180)
    lowest_deg: Elevation = 30.0
    highest_deg: Elevation = 125.0
    antennas: tuple[Annotated[int, Field(ge=1, le=117)], ...] = ()  # those that are moved; none named: all
    tolerance_deg: Positive = 0.25
    settled_share: float = Field(0.9, gt=0, lt=1)  # of more than so many the array is settled
    reporting_share: float = Field(0.5, ge=0, lt=1)  # unless more than so many report, none is moved
    # The farthest move takes 150 s, and a drive gives itself 5 % and 30 s more [its Lua in dsa110-hwmc].
    stuck_s: Positive = 240.0
    silent_s: Positive = 60.0  # an antenna that said nothing for so long does not report
    # What says that the array is recording, and what it says where it is not. This is what the observatory's
    # schedule sets [dsa110/dsa110-controlscripts]; of the newer pipeline it is /mon/corr_rt/<n>/capture/4011,
    # arm_state, which is not WRITING.
    recording_key: Key = "/cmd/corr/docopy"
    recording_field: str = ""  # its name in an object; none where the value is all
    idle: tuple[str, ...] = Field(("False",), min_length=1)

    # Dumps. The ring before the trigger holds 200 blocks of 0.134 s, of which 160 are always full
    # [dsa110/dsa110-xengine, dsaX_trigger.c; dsa110/dsa110-rt, docs/voltage_dumps].
    ring_s: Positive = 20.0
    ahead_s: NotNegative = 5.0  # while a dump is waited for, the correlator takes no other trigger
    dump_wait_s: NotNegative = 90.0  # so long the correlator is watched for a dump more; 0: not at all
    # Whether a dump is announced to /mon/corr/1/trigger, as the search's own are. Whoever follows that key,
    # our receiver too, takes it for a detection; without it the correlator writes the file beside the dump.
    announce_dumps: bool = False

    # The search for a burst that CHIME has seen.
    triggers: Path | None = None  # the folder that the search writes its triggers to
    search_wait_s: NotNegative = 60.0  # a trigger may come so much later than the alert
    chime_mhz: Positive = 400.0  # where CHIME's times hold, and DSA-110's
    top_mhz: Positive = 1530.0
    # Of a trigger that says no error: the primary beam, 3.4° at half its power, and what a match with a
    # repeater is within today, 5 pc cm⁻³ at 99 %.
    beam_deg: Positive = 1.7
    dm_error: Positive = 2.0
    triggers_per_day: Positive = 20.0  # real or not
    dm_spread: Positive = 1000.0

    @model_validator(mode="after")
    def _limits_are_in_order(self) -> Self:
        if self.lowest_deg >= self.highest_deg:
            raise ValueError("lowest_deg must be below highest_deg")
        return self
