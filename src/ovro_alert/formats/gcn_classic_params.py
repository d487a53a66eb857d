"""The Params of GCN's classic VOEvents that we read, under the missions' names for them in small letters.

GCN fills packets of integers: 0 and negative numbers stand for "not measured".
"""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from ovro_alert.alert import NotNegative, Transient
from ovro_alert.formats.fields import Identifier, Label, Probability
from ovro_alert.formats.gcn_classic_missions import FOLLOWERS, GBM_CLASSES
from ovro_alert.formats.voevent_parts import Texts

YEAR_S = 365.25 * 86400.0


def unless_unknown(value: Any) -> Any:
    """None for what stands there where nothing was measured, or where a band has no upper end."""
    if isinstance(value, str) and value.lower().lstrip("+") in ("infinity", "inf"):
        return None
    try:
        return value if float(value) > 0 else None
    except (TypeError, ValueError):
        return value  # for pydantic to refuse


Measured = Annotated[NotNegative | None, BeforeValidator(unless_unknown)]
_Percent = Annotated[float, Field(ge=0, le=100)]
Percent = Annotated[_Percent | None, BeforeValidator(unless_unknown)]
Chance = Annotated[Probability | None, BeforeValidator(unless_unknown)]


class Names(Texts):
    """What names the event, and how it was seen."""

    instrument: Label = ""
    sourcename: Label = ""
    run_id: Identifier | None = None  # IceCube and HAWC count events in a run
    event_id: Identifier | None = None
    trigid: Identifier | None = None  # Swift, Fermi, MAXI, INTEGRAL
    trigger_number: Identifier | None = None  # GECAM, Super-Kamiokande
    trignumber: Identifier | None = None
    burst_id: Identifier | None = None  # SVOM
    eventnum: Identifier | None = None
    amon_id: Identifier | None = None

    def label(self) -> str:
        """The mission's own name of the event, as its unified notices have it; "" where it gives none."""
        if self.run_id and self.event_id:
            return f"{self.run_id.lstrip('0')}_{self.event_id.lstrip('0')}"
        each = (self.trigid, self.trigger_number, self.trignumber, self.burst_id, self.eventnum, self.amon_id)
        return next((one for one in each if one and one.strip("0")), "")


class Numbers(Texts):
    """What the missions known have measured."""

    rev: Measured = None  # AMON's revision, from 0 on
    # Of a rate trigger: its significance with the time that it was in.
    rate_signif: Measured = None  # Swift BAT
    integ_time: Measured = None
    data_signif: Measured = None  # Fermi GBM, flight
    data_timescale: Measured = None
    trig_signif: Measured = None  # Fermi GBM, alert
    trig_dur: Measured = None
    burst_signif: Measured = None  # Fermi GBM, ground
    data_integ: Measured = None
    image_signif: Measured = None
    snr: Measured = None  # SVOM: of an image or a rate by trigger_type
    timescale: Measured = None
    trigger_type: Label = ""
    lo_chan_energy: Measured = None  # keV, Fermi GBM
    hi_chan_energy: Measured = None
    lower_energy_bound: Measured = None  # keV, SVOM
    upper_energy_bound: Measured = None
    most_likely_index: int | None = None
    most_likely_prob: Percent = None
    sec_most_likely_index: int | None = None
    sec_most_likely_prob: Percent = None
    far: Measured = None  # a year, AMON
    pvalue: Chance = None
    signalness: Chance = None
    energy: Measured = None  # TeV, IceCube
    src_error_90: Measured = None  # deg
    src_error90: Measured = None  # Super-Kamiokande
    src_error_50: Measured = None

    def error(self) -> tuple[float, float] | None:
        """A neutrino telescope's own error of the place, deg, with the probability that it contains."""
        each = ((self.src_error_90, 0.9), (self.src_error90, 0.9), (self.src_error_50, 0.5))
        return next(((error, contains) for error, contains in each if error is not None), None)

    def transient(self, messenger: str, instrument: str, known_source: str) -> Transient:
        """These as the vocabulary has them."""
        in_image = self.trigger_type == "IMT" or instrument in FOLLOWERS
        rates = (
            (self.rate_signif, self.integ_time),
            (self.data_signif, self.data_timescale),
            (self.trig_signif, self.trig_dur),
            (self.burst_signif, self.data_integ),
            (None if in_image else self.snr, self.timescale),
        )
        # The time of an image trigger is how long the image was exposed: no duration of a burst.
        rate, duration = next((pair for pair in rates if pair[0] is not None), (None, None))
        return Transient(
            messenger=messenger,
            energy_range_kev=_band(self.lo_chan_energy, self.hi_chan_energy)
            or _band(self.lower_energy_bound, self.upper_energy_bound),
            rate_snr=rate,
            rate_duration=duration,
            image_snr=self.image_signif or (self.snr if in_image else None),
            far=None if self.far is None else self.far / YEAR_S,
            p_value=self.pvalue,
            p_astro=self.signalness,
            energy_tev=self.energy,
            classification=self._classes(),
            known_source=known_source,
        )

    def _classes(self) -> dict[str, float]:
        likely = (
            (self.most_likely_index, self.most_likely_prob),
            (self.sec_most_likely_index, self.sec_most_likely_prob),
        )
        return {
            GBM_CLASSES.get(index, str(index)): percent / 100
            for index, percent in likely
            if index is not None and percent is not None
        }


def _band(low: float | None, high: float | None) -> tuple[float, float] | None:
    return None if low is None or high is None else (low, high)
