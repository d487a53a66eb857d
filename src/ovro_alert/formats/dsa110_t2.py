"""DSA-110's own triggers: the JSON that its search (T2) puts into etcd and writes to disk.

Source of the facts: dsa110/dsa110-T2, T2/cluster_heimdall.py, which writes `{name: {…}}`, and
dsa110/dsa110-event, event/event.py, which rewrites it flat, with the name as `trigname`, when more is known.
"""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from ovro_alert.alert import (
    Alert,
    AlertType,
    Declination,
    FastRadioBurst,
    Finite,
    Localization,
    NotNegative,
    Positive,
    RightAscension,
    Role,
)
from ovro_alert.command import from_mjd
from ovro_alert.formats.fields import Identifier, Probability, Wire, digest, localization
from ovro_alert.formats.senders import DSA110, is_injected
from ovro_alert.formats.unreadable import Unreadable, naming

SAMPLE_MS = 0.262144  # the search's time resolution; `ibox` counts in it
_NAME = re.compile(r"\d{6}[a-z]{4}(_inj\d*)?")  # yymmdd, a running number in letters
_OURS = frozenset({"mjds", "trigname", "specnum"})


def _moment(mjd: float) -> float:
    """A Julian date or seconds of 1970 would be a burst of the far future, which no deadline stops."""
    if not 51544 <= mjd < 88069:
        raise ValueError("must be an MJD between the years 2000 and 2100")
    return mjd


def _unless_none(value: Any) -> Any:
    """−1 is what a search without boxes writes (dsa110-nsfrb)."""
    return None if value == -1 else value


class _Trigger(Wire):
    trigname: Identifier
    mjds: Annotated[Finite, AfterValidator(_moment)]  # UTC, topocentric, at the top of the band
    snr: NotNegative
    ibox: Annotated[NotNegative | None, BeforeValidator(_unless_none)]
    dm: Positive
    dmerr: NotNegative | None = None
    ra: RightAscension | None = None
    dec: Declination | None = None
    raerr: NotNegative | None = None  # arcsec, as the other two
    decerr: NotNegative | None = None
    radecerr: NotNegative | None = None
    probability: Probability | None = None
    injected: bool | None = None

    def localization(self, loc: tuple[str, ...]) -> Localization | None:
        """Where the burst was, with the larger axis of its error.

        Both coordinates exactly 0 is no place that was measured, but stands where the pointing is not known.
        """
        if self.ra == self.dec == 0:
            return None
        errors = [error for error in (self.raerr, self.decerr, self.radecerr) if error is not None]
        return localization(self.ra, self.dec, max(errors) / 3600 if errors else None, loc=loc)


def claims(document: dict[str, Any]) -> bool:
    """Whether it looks like a trigger; one with a field missing should be told which."""
    return any(
        _NAME.fullmatch(name) or not _names(value).isdisjoint(_OURS)
        for name, value in (("", document), *document.items())
    )


def read(document: dict[str, Any]) -> Alert:
    """The alert that a trigger is.

    Whether it is flat or under its name, and what else stands in it, does not matter: the same burst in the
    same words is the same alert. Written again in better words it is another alert of the same event, and
    again an initial one: the first may have lacked what a rule needs, and no rule acts twice on one event.
    The GCN notice of the burst is of the same event.

    Raises
        Unreadable: a field is missing, of another type or impossible, or there is not one trigger.
    """
    name, fields = _single(document)
    with naming(*name):
        trigger = _Trigger.model_validate(fields)
    label = trigger.trigname
    injected = trigger.injected or is_injected(DSA110.source, label)
    return Alert(
        alert_id=f"{DSA110.source}-{label}-t2-{digest(trigger.model_dump(exclude_none=True))}",
        event_id=f"{DSA110.source}-{label}",
        source=DSA110.source,
        mission=DSA110.mission,
        instrument=DSA110.instrument,
        role=Role.TEST if injected else Role.OBSERVATION,
        alert_type=AlertType.INITIAL,
        event_time=from_mjd(trigger.mjds),
        localization=trigger.localization(name),
        frb=FastRadioBurst(
            dm=trigger.dm,
            dm_error=trigger.dmerr,
            snr=trigger.snr,
            width_ms=None if trigger.ibox is None else trigger.ibox * SAMPLE_MS,
            importance=trigger.probability,
            reference_mhz=DSA110.reference_mhz,
        ),
    )


def _names(value: Any) -> frozenset[str]:
    return frozenset(value) if isinstance(value, dict) else frozenset()


def _single(document: dict[str, Any]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The fields of the one trigger, its name among them, and where they stand."""
    if not _OURS.isdisjoint(document):
        return (), document
    if len(document) != 1:
        raise Unreadable.at(f"must be one trigger, and there are {len(document)}")
    name, fields = next(iter(document.items()))
    if not isinstance(fields, dict):
        raise Unreadable.at("must be a JSON object", name)
    if fields.get("trigname", name) != name:
        raise Unreadable.at("must be the name under which it stands", name, "trigname")
    return (name,), fields | {"trigname": name}
