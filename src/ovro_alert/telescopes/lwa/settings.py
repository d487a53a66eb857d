"""What an operator tunes of the telescope itself."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from ovro_alert.alert import NotNegative, Positive
from ovro_alert.settings import Settings
from ovro_alert.telescopes.lwa.session import CAL_DIR, CONFIG_FILE, IntegrationTime, Name, Word


def _names_a_beam(path: str) -> str:
    try:
        path.format(beam=1)
    except (LookupError, ValueError, AttributeError, TypeError) as error:
        raise ValueError(
            "must be a path, {beam} in it the beam's number, as in /data/beam{beam:02d}"
        ) from error
    return path


BeamPath = Annotated[str, AfterValidator(_names_a_beam)]


class LwaSettings(Settings, table="lwa"):
    """Table `[lwa]`; the environment names them OVRO_ALERT_LWA_BEAMS and so on."""

    # Power beams in the order in which a free one is taken: 1 (with VLBI) and 3 are for bursts, and recorders
    # dr1 to dr10 exist.
    beams: tuple[Annotated[int, Field(ge=1, le=16)], ...] = Field((3, 5, 6, 7, 8, 9, 10, 1), min_length=1)
    reserved: tuple[int, ...] = (2, 4)  # never taken: the Sun's and Jupiter's
    voltage_beams: tuple[Annotated[int, Field(ge=1, le=1)], ...] = (1,)  # () where voltages are for others
    int_time_ms: IntegrationTime = 128
    pi_id: int = Field(0, ge=0)
    pi_name: Name = "ovro-alert"
    config_file: Word = CONFIG_FILE
    cal_dir: Word = CAL_DIR
    do_cal: bool = True  # calibrate a beam before a session that leaves the time for it
    low_mhz: Positive = 50.0  # a burst is waited for until it has swept down to here
    margin_s: NotNegative = 10.0  # and so much longer
    longest_s: Positive = 86400.0  # no session is longer
    past_s: NotNegative = 60.0  # by so much may a start have passed when it was asked for
    ahead_s: Positive = 2592000.0  # and by so much may it be ahead: a Julian date is no MJD
    # What the scheduler does before the stated start of a session: 20 s for a controller, 20 to configure, 10
    # to point, 5 to record, and 480 where it calibrates; and how much earlier than that it must have it.
    lead_s: NotNegative = 55.0
    calibration_s: NotNegative = 480.0
    notice_s: NotNegative = 5.0
    calibration_max_age_s: NotNegative = 86400.0  # a beam is calibrated anew when its last is older
    accept_s: Positive = 10.0  # so long the scheduler may take to show a session, or that one is cancelled
    stops_running: bool = False  # whether it cancels what has begun, too; the public one does not
    follow_s: Positive = 5.0  # between two looks at a session that runs
    # From this priority of a command on it takes the beam of a session that is not ours; None: never.
    preempt_others_at: int | None = None
    stop_retracted: bool = False  # whether one that observes is cancelled, too, when its event is taken back
    submit_key: str = Field("/cmd/observing/submitsdf", pattern="^/")
    observing_prefix: str = Field("/mon/observing/", pattern="^/.*/$")
    recorder_prefix: str = Field(
        "/mon/", pattern="^/.*/$"
    )  # of the recorders' monitor points: /mon/dr3/summary
    recorders: tuple[Word, ...] = (*(f"dr{n}" for n in range(1, 11)), "drt1")
    marks_prefix: str = Field("/ovro-alert/", pattern="^/.*/$")  # what we write down at the telescope
    power_path: BeamPath = "/lustre/pipeline/beam{beam:02d}"  # where the recorders write
    voltage_path: BeamPath = "/lustre/ubuntu/beam{beam:02d}"

    @model_validator(mode="after")
    def _leaves_others_theirs(self) -> Self:
        if taken := sorted({*self.beams, *self.voltage_beams} & {*self.reserved}):
            raise ValueError(f"beams: {', '.join(map(str, taken))} is reserved for others, by `reserved`")
        return self
