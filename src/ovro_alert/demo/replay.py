"""Recorded alerts as though they happened now: which way each goes in, and its times shifted."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ovro_alert.demo.samples import Sample
from ovro_alert.formats import read
from ovro_alert.formats.unreadable import Unreadable

# Date and time as JSON notices, VOEvents and CHIME's ivorns write them, to the second or finer.
TIMESTAMP = re.compile(rb"(\d{4}-\d\d-\d\d)([T -])(\d\d:\d\d:\d\d)(\.\d+)?")
MJDS = re.compile(rb'("mjds"\s*:\s*)(\d{5}\.\d+)')  # as DSA-110 writes its triggers' time
SCHEMA = re.compile(rb'"\$schema"\s*:\s*"[^"]*?/(gcn/notices/[\w./-]+?)\.schema\.json"')
AGE = timedelta(seconds=1)  # of an event when it is played: they are told of at once
UNREAD_BY_NAME = frozenset({"README.md", "LICENSE"})


def recorded(folder: Path) -> Iterator[Sample]:
    """Every file of a folder as a sample, in the order of their names."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in UNREAD_BY_NAME and not path.name.startswith("."):
            yield _sample(path, path.relative_to(folder))


def _sample(path: Path, name: Path) -> Sample:
    raw = path.read_bytes()
    is_voevent = raw.lstrip()[:1] == b"<"
    by_comet = is_voevent and b"ivo://ca.chimenet.frb/" in raw
    return Sample(
        name=str(name),
        title=str(name),
        raw=raw,
        transport="voevent" if by_comet else "kafka",
        topic="" if by_comet else _topic(raw, name, is_voevent),
        filename=path.name,
        expects=None,
    )


def _topic(raw: bytes, name: Path, is_voevent: bool) -> str:
    """The Kafka topic that such a message comes on, or one named after its folder."""
    if is_voevent:
        return "gcn.classic.voevent." + re.sub(r"\W", "_", name.stem).upper()
    if b'"superevent_id"' in raw[:4096]:
        return "igwn.gwalert"
    if found := SCHEMA.search(raw):
        return found[1].decode().replace("/", ".")
    return "recorded." + re.sub(r"\W", "_", name.parts[0])


def as_though_now(sample: Sample, now: datetime) -> tuple[Sample, timedelta]:
    """The sample with every time in it shifted alike, so that its event happens now; and by how much.

    All alerts of one event are shifted alike as long as `now` is one for all of them. What holds no time that
    can be found is left as it is.
    """
    happened = _event_time(sample.raw)
    if happened is None:
        return sample, timedelta(0)
    shift = now - AGE - happened
    raw = TIMESTAMP.sub(lambda found: _shifted(found, shift), sample.raw)
    return sample._replace(raw=MJDS.sub(lambda found: _shifted_mjd(found, shift), raw)), shift


def _event_time(raw: bytes) -> datetime | None:
    try:
        alert = read(raw)
    except Unreadable:
        alert = None
    if alert is not None and alert.event_time is not None:
        return alert.event_time
    times = [_moment(found) for found in TIMESTAMP.finditer(raw)]
    return min((time for time in times if time is not None), default=None)


def _moment(found: re.Match[bytes]) -> datetime | None:
    date, _, time, fraction = found.groups()
    try:
        whole = datetime.fromisoformat(f"{date.decode()}T{time.decode()}").replace(tzinfo=UTC)
    except ValueError:
        return None
    return whole + timedelta(seconds=float(fraction or 0))


def _shifted(found: re.Match[bytes], shift: timedelta) -> bytes:
    """The same moment later, written as it was: a fraction of n digits keeps n."""
    moment = _moment(found)
    if moment is None:
        return found[0]
    digits = len(found[4] or b".") - 1
    step = timedelta(seconds=1) / 10 ** min(digits, 6)
    later = (
        datetime.min.replace(tzinfo=UTC) + (moment + shift - datetime.min.replace(tzinfo=UTC)) // step * step
    )
    fraction = f"{later:.%f}".ljust(digits + 1, "0")[: digits + 1] if digits else ""
    return f"{later:%Y-%m-%d}{found[2].decode()}{later:%H:%M:%S}{fraction}".encode()


def _shifted_mjd(found: re.Match[bytes], shift: timedelta) -> bytes:
    fraction = found[2].partition(b".")[2]
    later = float(found[2]) + shift / timedelta(days=1)
    return found[1] + f"{later:.{len(fraction)}f}".encode()
