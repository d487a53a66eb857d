"""The array's own triggers, read strictly: what its search writes into etcd and to its folder.

Flat, or one under its name; the facts are those of `formats.dsa110_t2`, which reads them into alerts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from os import scandir
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from ovro_alert.alert import Declination, Finite, Localization, NotNegative, Positive, RightAscension
from ovro_alert.telescopes.dsa.arguments import to_moment
from ovro_alert.telescopes.etcd import Keys, Put
from ovro_alert.telescopes.history import history

LARGEST = 2**20  # bytes; they have some 2000
MOST_FILES = 2000  # the newest
ANNOUNCEMENT = "/mon/corr/1/trigger"
MOST_ANNOUNCED = 50  # the newest: those of a few days


class _Point(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    trigname: str = Field(min_length=1, max_length=200)
    mjds: Finite  # UTC, topocentric, at the top of the band
    snr: Positive  # 0 of a dump that was triggered by hand
    dm: Positive
    dmerr: NotNegative | None = None
    ra: RightAscension | None = None
    dec: Declination | None = None
    raerr: NotNegative | None = None  # arcsec, as the other two
    decerr: NotNegative | None = None
    radecerr: NotNegative | None = None
    injected: bool | None = None


@dataclass(frozen=True)
class Trigger:
    """A burst that the array has found; `at` is None where it says no place."""

    name: str
    time: datetime
    dm: float
    dm_error: float | None
    snr: float
    at: Localization | None
    injected: bool


def read(raw: bytes) -> Trigger:
    """The trigger that some JSON is.

    Raises
        ValueError: it is none; the field that is missing or impossible is named.
    """
    document = from_json(raw, allow_inf_nan=False)
    try:
        point = _Point.model_validate(_flat(document))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    errors = [error for error in (point.raerr, point.decerr, point.radecerr) if error is not None]
    at = None
    if point.ra is not None and point.dec is not None and (point.ra, point.dec) != (0, 0):
        at = Localization(ra=point.ra, dec=point.dec, error_deg=max(errors) / 3600 if errors else None)
    injected = bool(point.injected) or "_inj" in point.trigname
    return Trigger(point.trigname, to_moment(point.mjds), point.dm, point.dmerr, point.snr, at, injected)


def _flat(document: Any) -> Any:
    if not isinstance(document, dict) or "mjds" in document:
        return document
    if len(document) != 1:
        raise ValueError(f"must be one trigger, and there are {len(document)}")
    [(name, fields)] = document.items()
    return fields | {"trigname": name} if isinstance(fields, dict) else fields


class Folder:
    """The triggers in a folder; a file is read again only when it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: dict[tuple[str, int, int], Trigger | str] = {}

    def since(self, moment: datetime) -> Iterator[Trigger | str]:
        """Those written since a moment, the newest first; of a file that is none, its name and why."""
        files: list[tuple[int, str, int]] = []
        try:
            with scandir(self._path) as entries:
                names = [each.name for each in entries if each.name.endswith(".json")]
        except OSError as error:
            yield f"{self._path}: {error.strerror}"
            return
        for name in names:
            try:
                stat = (self._path / name).stat()
            except OSError as error:  # a link to nowhere; or taken away since
                yield f"{name}: {error.strerror}"
            else:
                files.append((stat.st_mtime_ns, name, stat.st_size))
        for written, name, size in sorted(files, reverse=True)[:MOST_FILES]:
            if written < moment.timestamp() * 1e9:
                return
            known = name, written, size
            if known not in self._read:
                self._read[known] = self._one(name, size)
            yield self._read[known]

    def _one(self, name: str, size: int) -> Trigger | str:
        try:
            if size > LARGEST:
                raise ValueError(f"{size} bytes are more than a trigger has")
            return read((self._path / name).read_bytes())
        except (OSError, ValueError) as error:
            return f"{name}: {error}"


class Announced:
    """The triggers that the search has put into etcd, as far back as that remembers; each is got once."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._read: dict[int, Trigger | str] = {}  # by revision

    def since(self, moment: datetime) -> Iterator[Trigger | str]:
        """Those of bursts since a moment, the newest first; of one that cannot be read, why."""
        known = [*self._read.items()]
        news: dict[int, Trigger | str] = {}
        for put in history(self._keys, ANNOUNCEMENT, MOST_ANNOUNCED):
            if put.revision in self._read:
                break
            news[put.revision] = said = self._one(put)
            if isinstance(said, Trigger) and said.time < moment:
                break
        self._read = dict([*news.items(), *known][:MOST_ANNOUNCED])
        yield from self._read.values()

    def _one(self, put: Put) -> Trigger | str:
        try:
            return read(put.value)
        except ValueError as error:
            return f"{ANNOUNCEMENT}: {error}"
