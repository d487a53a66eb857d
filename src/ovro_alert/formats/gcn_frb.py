"""Fast radio bursts in GCN's unified JSON schema: CHIME/FRB and DSA-110.

Source of the facts: nasa-gcn/gcn-schema, gcn/notices/{chime,dsa110}/frb.schema.json.
"""

from typing import Any, ClassVar

from ovro_alert.alert import FastRadioBurst, NotNegative, Positive
from ovro_alert.formats.fields import ErrorSize, Label, Probability, Text
from ovro_alert.formats.gcn_core import Notice
from ovro_alert.formats.senders import CHIME, DSA110


class _Burst(Notice):
    required = ("alert_type", "id")
    reference_mhz: ClassVar[float]

    dm: Positive | None = None
    dm_error: ErrorSize | None = None
    dm_gal_ne_2001_max: NotNegative | None = None
    snr: NotNegative | None = None
    event_duration: NotNegative | None = None  # ms
    importance: Probability | None = None
    association_probability: Probability | None = None
    known_source: Label = ""
    update_message: Text = ""
    description: Text = ""

    def parts(self) -> dict[str, Any]:
        burst = FastRadioBurst(
            dm=self.dm,
            dm_error=self.dm_error,
            dm_galactic=self.dm_gal_ne_2001_max,
            snr=self.snr,
            width_ms=self.event_duration,
            importance=self.importance,
            known_source=self.known_source,
            association_probability=self.association_probability,
            reference_mhz=self.reference_mhz,
        )
        return {"frb": burst}

    def remarks(self) -> list[str]:
        return [self.update_message or self.description, *super().remarks()]


class Chime(_Burst):
    """CHIME/FRB: an update or a retraction has neither position nor dispersion measure."""

    source = CHIME.source
    known_as = (CHIME.mission, CHIME.instrument)
    reference_mhz = CHIME.reference_mhz


class Dsa110(_Burst):
    """DSA-110."""

    source = DSA110.source
    known_as = (DSA110.mission, DSA110.instrument)
    reference_mhz = DSA110.reference_mhz
