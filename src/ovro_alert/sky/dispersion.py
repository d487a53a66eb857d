"""How long the ionised medium holds low frequencies back."""

import math

# The dispersion constant e²/(2π mₑ c), MHz² pc⁻¹ cm³ s: Lorimer & Kramer, Handbook of Pulsar Astronomy
# (2005), eq. 4.6. Today's clients of the observatory round it to 4149: 0.08 s more in 1660 s.
DISPERSION_CONSTANT = 4148.808


def dispersion_delay(dm: float, low_mhz: float, high_mhz: float | None = None) -> float:
    """Seconds by which a burst of `dm` (pc cm⁻³) comes later at `low_mhz` than at `high_mhz`.

    `high_mhz` None is infinite frequency. ValueError where `dm` is negative, a frequency is not positive,
    the high one is below the low one, or a number is not finite.
    """
    if not (math.isfinite(dm) and dm >= 0):
        raise ValueError(f"dm: {dm} is not a dispersion measure")
    if not (math.isfinite(low_mhz) and low_mhz > 0):
        raise ValueError(f"low_mhz: {low_mhz} is not a frequency")
    if high_mhz is None:
        high_mhz = math.inf
    if not high_mhz >= low_mhz:
        raise ValueError(f"high_mhz: {high_mhz} is not a frequency from {low_mhz} MHz on")
    return DISPERSION_CONSTANT * dm * (low_mhz**-2 - high_mhz**-2)
