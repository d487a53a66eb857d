"""What an operator tunes of the telescope itself."""

from typing import Annotated

from pydantic import Field

from ovro_alert.alert import NotNegative, Positive
from ovro_alert.settings import Settings
from ovro_alert.sky import ring
from ovro_alert.telescopes.lwa.session import CAL_DIR, CONFIG_FILE, IntegrationTime, Name, Word


class LwaSettings(Settings, table="lwa"):
    """Table `[lwa]`; the environment names them OVRO_ALERT_LWA_BEAMS and so on."""

    # Power beams in the order in which a free one is taken: 1 (with VLBI) and 3 are for bursts, 2 is kept for
    # the Sun, 4 for Jupiter, and recorders dr1 to dr10 exist.
    beams: tuple[Annotated[int, Field(ge=1, le=16)], ...] = Field((3, 5, 6, 7, 8, 9, 10, 1), min_length=1)
    int_time_ms: IntegrationTime = 128
    pi_id: int = Field(0, ge=0)
    pi_name: Name = "ovro-alert"
    config_file: Word = CONFIG_FILE
    cal_dir: Word = CAL_DIR
    do_cal: bool = True  # calibrate a beam before a session that leaves the time for it
    low_mhz: Positive = 50.0  # a burst is waited for until it has swept down to here
    margin_s: NotNegative = 10.0  # and so much longer
    longest_s: Positive = 86400.0  # no session is longer
    buffer_s: Positive = ring.LENGTH_S
    longest_dump_s: Positive = 1800.0  # no dump is longer: 44 files, 3 TB a pipeline
