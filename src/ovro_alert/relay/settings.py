"""The relay's settings."""

import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from ovro_alert.alert import NotNegative, Positive
from ovro_alert.hearing import Expectation
from ovro_alert.policy.functions import World
from ovro_alert.settings import Settings
from ovro_alert.sky.coincidence import Rate
from ovro_alert.sky.positions import SKY_DEG2
from ovro_alert.sky.ring import LENGTH_S
from ovro_alert.sky.visibility import OVRO_LWA, Site


class SlotKind(StrEnum):
    """Whose path a slot is."""

    TELESCOPE = "telescope"  # holds what it is asked
    SENDER = "sender"  # holds what it says
    BOTH = "both"


# Paths of the relay's own, that no slot may be named as.
RESERVED = frozenset(
    "alerts commands docs events feed healthz metrics openapi.json readyz setaside sources".split()  # noqa: SIM905
)
SENDERS = "ligo chime casm gcn flarescope swift fermi maxi einstein_probe icecube svom lsst".split()  # noqa: SIM905
SLOTS = {
    "lwa": SlotKind.TELESCOPE,
    "dsa": SlotKind.BOTH,
    "world": SlotKind.TELESCOPE,  # whom our own detections are announced to
} | dict.fromkeys(SENDERS, SlotKind.SENDER)
SlotName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
SOURCE_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"
SourceName = Annotated[str, Field(pattern=SOURCE_NAME)]
# Of the sources that speak at a cadence, what is silent for longer than these is deaf. GCN's heartbeat comes
# every second, IGWN's mock events and CHIME's tests come about hourly.
EXPECTED = {
    "gcn.heartbeat": Expectation(cadence_s=60),
    "igwn.gwalert": Expectation(cadence_s=2 * 3600),
    "chime.voevent": Expectation(cadence_s=2 * 3600),
    "dsa110.etcd": Expectation(cadence_s=60),
}


class RateOf(BaseModel):
    """How often a source speaks of something, for the chance of a coincidence with it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_day: NotNegative
    sky_deg2: Annotated[Positive, Field(le=SKY_DEG2)] = SKY_DEG2  # over how much of the sky
    dm_spread: Positive | None = None  # of bursts, over how wide a range of DM (pc cm⁻³)


# CHIME/FRB announces 600 bursts a year and DSA-110 50, from the north, and from the strip that it points at;
# LIGO, Virgo and KAGRA what they would find by chance less than twice a day.
RATES = {
    "chime": RateOf(per_day=1.6, sky_deg2=24600, dm_spread=1000),
    "dsa": RateOf(per_day=0.14, sky_deg2=400, dm_spread=1000),
    "ligo": RateOf(per_day=2),
}


class RelaySettings(Settings, table="relay"):
    """Table `[relay]` of the settings file, and the environment."""

    # A key of all rights beside those of the log's database.
    key: SecretStr | None = Field(None, validation_alias=AliasChoices("RELAY_KEY", "key"), min_length=1)
    query_key: bool = True  # whether a key may be shown in the address, as clients of today do
    database_url: str = Field(
        "sqlite:///ovro-alert.sqlite",
        validation_alias=AliasChoices("OVRO_ALERT_DATABASE_URL", "database_url"),
    )
    policy: Path | None = None  # None: the one that comes with ovro-alert
    slots: dict[SlotName, SlotKind] = SLOTS
    # Where the rules' functions ask what is up: geocentric ITRF, m.
    site: tuple[float, float, float] = (OVRO_LWA.x, OVRO_LWA.y, OVRO_LWA.z)
    ring_s: Positive = LENGTH_S  # of the voltage buffer, for rules that ask what it still holds
    # By source, or mission as its events' names begin; over the defaults.
    rates: dict[SourceName, RateOf] = Field({})
    # Sources that are waited for from the start, each with what differs from `EXPECTED`.
    sources: dict[SourceName, Expectation] = Field({})
    max_body_bytes: int = Field(16 * 2**20, gt=0)  # GCN's largest message is 4 MiB
    max_wait_s: float = Field(60.0, gt=0)

    @field_validator("slots")
    @classmethod
    def _are_free(cls, slots: dict[str, SlotKind]) -> dict[str, SlotKind]:
        if taken := sorted(RESERVED & slots.keys()):
            raise ValueError(f"the relay has paths of its own named {', '.join(taken)}")
        return slots

    @field_validator("site")
    @classmethod
    def _is_on_earth(cls, site: tuple[float, float, float]) -> tuple[float, float, float]:
        if not 6.3e6 < math.hypot(*site) < 6.4e6:
            raise ValueError("must be geocentric x, y and z in m, of a place on the Earth")
        return site

    @property
    def commanded(self) -> frozenset[str]:
        """The slots that commands may go to."""
        return frozenset(name for name, kind in self.slots.items() if kind is not SlotKind.SENDER)

    @property
    def world(self) -> World:
        """What rules are asked over."""
        rates = {name: Rate(**dict(rate)) for name, rate in (RATES | self.rates).items()}
        return World(Site(*self.site), ring_s=self.ring_s, rates=rates)

    def expected(self, source: str) -> Expectation:
        """What is expected of a source."""
        usual = EXPECTED.get(source, Expectation())
        said = self.sources.get(source, usual)
        return usual.model_copy(update={name: getattr(said, name) for name in said.model_fields_set})


def load_settings() -> RelaySettings:
    """The settings of this process; ends it with one readable line where they cannot be used."""
    try:
        return RelaySettings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["loc"] == ("RELAY_KEY",):
            raise SystemExit("ovro-alert relay: RELAY_KEY is empty: set it to a key, or unset it") from error
        raise SystemExit(f"ovro-alert relay: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (OSError, ValueError) as error:
        raise SystemExit(f"ovro-alert relay: {error}") from error
