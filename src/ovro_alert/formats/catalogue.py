"""Catalogues of known sources: CSV with a header, or JSON as CHIME/FRB publishes it.

Source of the facts: CHIME/FRB Catalog 1 (2021), whose CSV writes -9999 for what is not known and whose JSON
gives `tns_name`, `repeater_of`, `ra`, `dec`, `fitburst_dm`, and clients of today read.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import orjson
from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from ovro_alert.alert import Declination, NotNegative, Positive, RightAscension
from ovro_alert.formats.fields import Identifier
from ovro_alert.formats.unreadable import Unreadable, naming
from ovro_alert.sky.catalogue import Known

MOST = 1_000_000
NOTHING = frozenset({"", "-9999", "-9999.0", "nan", "none", "null"})


def _or_nothing(value: Any) -> Any:
    return None if value is None or str(value).strip().lower() in NOTHING else value


Unknown = BeforeValidator(_or_nothing)


class _Row(BaseModel):
    """One source, under whichever of the names in use; text is read as the number that it is."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: Identifier = Field(validation_alias=AliasChoices("name", "tns_name", "source"))
    repeater: Annotated[str | None, Unknown] = Field(
        None, validation_alias=AliasChoices("repeater_of", "repeater_name")
    )
    ra: RightAscension
    dec: Declination
    dm: Annotated[Positive | None, Unknown] = Field(
        None, validation_alias=AliasChoices("dm", "fitburst_dm", "dm_fitb", "bonsai_dm")
    )
    error_deg: Annotated[NotNegative | None, Unknown] = None
    ra_err: Annotated[NotNegative | None, Unknown] = None
    dec_err: Annotated[NotNegative | None, Unknown] = None


def read(raw: bytes) -> list[Known]:
    """The sources of a catalogue; bursts of one repeater are entries of their own under its name.

    Raises
        Unreadable: neither CSV with a header nor a JSON list of objects, or a row that is missing something,
            named by its number from 1.
    """
    rows = _json(raw) if raw.lstrip()[:1] in (b"[", b"{") else _csv(raw)
    found = []
    for n, row in enumerate(rows, 1):
        if n > MOST:
            raise Unreadable.at(f"has more than {MOST} sources")
        with naming(f"source {n}"):
            found.append(_known(_Row.model_validate(row)))
    if not found:
        raise Unreadable.at("has no sources")
    return found


def _known(row: _Row) -> Known:
    error = row.error_deg
    if error is None and row.ra_err is not None and row.dec_err is not None:
        error = max(row.ra_err, row.dec_err)
    return Known(row.repeater or row.name, row.ra, row.dec, row.dm, error, row.repeater is not None)


def _json(raw: bytes) -> Iterable[Mapping[str, Any]]:
    try:
        rows = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Unreadable.at(f"is not JSON: {error}") from None
    if not (isinstance(rows, list) and all(isinstance(row, dict) for row in rows)):
        raise Unreadable.at("must be a JSON list of objects")
    # The same quantity may come as a list of one a component: the first is the burst's.
    return (
        {key: value[0] if isinstance(value, list) and value else value for key, value in row.items()}
        for row in rows
    )


def _csv(raw: bytes) -> Iterable[Mapping[str, Any]]:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable.at("is not UTF-8") from None
    try:
        yield from csv.DictReader(io.StringIO(text, newline=""), strict=True)
    except csv.Error as error:
        raise Unreadable.at(f"is not CSV: {error}") from None
