"""The session definition file: a session as text, and back.

The format is that of the LWA's Monitor and Control System as ovro-lwa/lwa-observing writes and reads it:
`KEY<spaces>VALUE` lines, right ascension in decimal hours, times in UTC. Keys that end in `+` repeat the one
above for people.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from ovro_alert.command import MJD_EPOCH
from ovro_alert.telescopes.lwa.session import BANDWIDTH_MHZ, BEAMS, Observation, Session, SessionMode, to_mhz

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
MILLISECOND = timedelta(milliseconds=1)
LAST = datetime.max.replace(tzinfo=UTC)


def write(session: Session) -> str:
    """The text of a session definition file."""
    blocks = [_session_block(session), *(_observation_block(each) for each in session.observations)]
    return (
        "\n\n".join("\n".join(f"{key:<17}{value}" if key else "" for key, value in b) for b in blocks) + "\n"
    )


def _session_block(session: Session) -> Iterable[tuple[str, object]]:
    yield "PI_ID", session.pi_id
    yield "PI_NAME", session.pi_name
    yield "", ""
    yield "PROJECT_ID", session.project_id
    yield "SESSION_ID", session.session_id
    yield "SESSION_MODE", session.mode
    if session.beam is not None:
        yield "SESSION_DRX_BEAM", session.beam
    yield "CONFIG_FILE", session.config_file
    if session.cal_dir is not None:
        yield "CAL_DIR", session.cal_dir
    yield "DO_CAL", session.do_cal


def _observation_block(observation: Observation) -> Iterable[tuple[str, object]]:
    start = observation.start
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    minutes, seconds = divmod(observation.duration_ms // 1000, 60)
    yield "OBS_ID", observation.obs_id
    if observation.target is not None:
        yield "OBS_TARGET", observation.target
    yield "OBS_START_MJD", (midnight - MJD_EPOCH) // DAY
    yield "OBS_START_MPM", (start - midnight) // MILLISECOND
    yield "OBS_START", f"UTC {start:%Y %m %d %H:%M:%S}.{start.microsecond // 1000:03d}"
    yield "OBS_DUR", observation.duration_ms
    yield "OBS_DUR+", f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}"
    if observation.int_time_ms is not None:
        yield "OBS_INT_TIME", observation.int_time_ms
    yield "OBS_MODE", observation.mode
    if observation.ra is not None:
        yield "OBS_RA", f"{round(observation.ra / 15, 9) % 24:.9f}"  # 24 h is 0 h
    if observation.dec is not None:
        yield "OBS_DEC", f"{observation.dec:+.9f}"
    if observation.az is not None:
        yield "OBS_AZ", f"{round(observation.az, 9) % 360:.9f}"
    if observation.alt is not None:
        yield "OBS_ALT", f"{observation.alt:.9f}"
    yield "OBS_FREQ1", observation.freq1
    yield "OBS_FREQ1+", f"{to_mhz(observation.freq1):.9f} MHz"
    yield "OBS_FREQ2", observation.freq2
    yield "OBS_FREQ2+", f"{to_mhz(observation.freq2):.9f} MHz"
    yield "OBS_BW", observation.bandwidth
    yield "OBS_BW+", f"{BANDWIDTH_MHZ[observation.bandwidth]:.3f} MHz"
    yield "OBS_DRX_GAIN", observation.gain


def as_shown(text: str) -> dict[str, Any]:
    """A file as the scheduler shows it in /mon/observing/sdfdict: values are words, or lists of them."""
    session: dict[str, Any] = {}
    observations: list[dict[str, Any]] = [{}]
    for key, *words in (line.split() for line in text.splitlines() if line.strip()):
        block = session
        if "OBS" in key:
            if key in observations[-1]:
                observations.append({})
            block = observations[-1]
        block[key] = words[0] if len(words) == 1 else words
    named = {f"OBSERVATION_{n}": each for n, each in enumerate(observations, 1)}
    return {"SESSION": session, "OBSERVATIONS": named}


def rewrite(shown: Mapping[str, Any]) -> str:
    """The text again of a file that the scheduler shows: what a session of others is cancelled by.

    ValueError where that is no session.
    """
    try:
        blocks = [shown["SESSION"], *shown["OBSERVATIONS"].values()]
        lines = [
            (key, value if isinstance(value, str) else " ".join(value))
            for b in blocks
            for key, value in b.items()
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("is not a session as the scheduler shows one") from error
    return "".join(f"{key:<17}{value}\n" for key, value in lines)


# Our names of what the reader may do without.
_SESSION_KEYS = {
    "PI_ID": "pi_id",
    "PI_NAME": "pi_name",
    "PROJECT_ID": "project_id",
    "CONFIG_FILE": "config_file",
    "CAL_DIR": "cal_dir",
    "DO_CAL": "do_cal",
}
_OBSERVATION_KEYS = {
    "OBS_TARGET": "target",
    "OBS_DEC": "dec",
    "OBS_AZ": "az",
    "OBS_ALT": "alt",
    "OBS_INT_TIME": "int_time_ms",
    "OBS_FREQ1": "freq1",
    "OBS_FREQ2": "freq2",
    "OBS_BW": "bandwidth",
    "OBS_DRX_GAIN": "gain",
}
_WHOLE = {
    **dict.fromkeys(("PI_ID", "SESSION_ID", "SESSION_DRX_BEAM", "OBS_ID"), range(10**16)),
    **dict.fromkeys(("OBS_START_MJD", "OBS_DUR", "OBS_FREQ1", "OBS_FREQ2"), range(10**16)),
    **dict.fromkeys(("OBS_BW", "OBS_DRX_GAIN"), range(16)),
    "OBS_START_MPM": range(86_400_000),
    "OBS_INT_TIME": range(1, 1025),
}
_DECIMAL = frozenset({"OBS_RA", "OBS_DEC", "OBS_AZ", "OBS_ALT"})


def parse(text: str) -> Session:
    """Read a session definition file as the telescope does.

    Keys may come in any order and unknown ones are passed over; an OBS key that comes again begins the next
    observation. ValueError names the key that is missing or wrong.
    """
    head: dict[str, str] = {}
    blocks: list[dict[str, str]] = [{}]
    for line in text.splitlines():
        key, *rest = line.split(None, 1) or [""]
        value = rest[0].strip() if rest else ""
        if not key.startswith("OBS_"):
            head[key] = value
            continue
        if key in blocks[-1]:
            blocks.append({})
        blocks[-1][key] = value
    for block in (head, *blocks):
        _hold_to_numbers(block)
    mode = _need(head, "SESSION_MODE")
    if head.get("DO_CAL", "False") not in ("True", "False"):
        raise ValueError(f"DO_CAL: {head['DO_CAL']!r} is neither True nor False")
    fields: dict[str, object] = {
        "session_id": _need(head, "SESSION_ID"),
        "mode": mode,
        "cal_dir": None,
        "do_cal": True,  # where it is not said [lwa-observing observing/parsesdf.py]
        **_rename(head, _SESSION_KEYS),
    }
    if mode in BEAMS:
        fields["beam"] = _need(head, "SESSION_DRX_BEAM")
    try:
        fields["observations"] = [_observation(block, mode) for block in blocks]
        return Session.model_validate(fields)
    except ValidationError as error:
        what = error.errors(include_url=False, include_input=False, include_context=False)
        raise ValueError("; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in what)) from error


def _need(block: dict[str, str], key: str) -> str:
    if not block.get(key):
        raise ValueError(f"{key} is missing")
    return block[key]


def _rename(block: dict[str, str], names: dict[str, str]) -> dict[str, str]:
    return {name: block[key] for key, name in names.items() if key in block}


def _observation(block: dict[str, str], mode: str) -> Observation:
    fields: dict[str, object] = {
        "obs_id": _need(block, "OBS_ID"),
        "start": _start(block),
        "duration_ms": _need(block, "OBS_DUR"),
        "mode": _need(block, "OBS_MODE"),
        **_rename(block, _OBSERVATION_KEYS),
    }
    if "OBS_RA" in block:
        fields["ra"] = float(block["OBS_RA"]) * 15
    if mode == SessionMode.POWER:
        wanted = int(block.get("OBS_INT_TIME", 1))
        fields["int_time_ms"] = 1 << (wanted.bit_length() - 1)  # rounded down to a power of two
    read = Observation.model_validate(fields)
    if read.start < MJD_EPOCH or read.duration_ms * MILLISECOND > LAST - read.start:
        raise ValueError(f"OBS_START, OBS_DUR: {read.start} and {read.duration_ms} ms are out of time")
    return read


def _hold_to_numbers(block: dict[str, str]) -> None:
    """Plain numbers as the format has them: no `6_00`, `5.0`, `1e3` or figures of other scripts."""
    for key in _WHOLE.keys() & block:
        if not re.fullmatch("0|[1-9][0-9]{0,15}", block[key]) or int(block[key]) not in _WHOLE[key]:
            least, most = _WHOLE[key][0], _WHOLE[key][-1]
            raise ValueError(f"{key}: {block[key]!r} is not a whole number from {least} to {most}")
    for key in _DECIMAL & block.keys():
        if not re.fullmatch(r"[+-]?[0-9]{1,3}(\.[0-9]*)?", block[key]):
            raise ValueError(f"{key}: {block[key]!r} is not a decimal number")


def _start(block: dict[str, str]) -> datetime:
    """The day and the milliseconds past its midnight, or OBS_START; where both are given they agree.

    Readers differ in which they take: the scheduler's first took OBS_START, its later ones the MJD.
    """
    if "OBS_START_MJD" not in block:
        return _calendar(block)
    day, past = int(block["OBS_START_MJD"]), int(_need(block, "OBS_START_MPM"))
    try:
        start = MJD_EPOCH + day * DAY + past * MILLISECOND
    except OverflowError as error:
        raise ValueError(f"OBS_START_MJD: {day} is at the end of time") from error
    if "OBS_START" in block and abs(_calendar(block) - start) >= SECOND:
        raise ValueError(f"OBS_START: {block['OBS_START']!r} is not {day} and {past} ms")
    return start


def _calendar(block: dict[str, str]) -> datetime:
    said = re.fullmatch(
        r"UTC ([0-9]{4}) ([0-9]{2}) ([0-9]{2}) ([0-9:]{8}(?:\.[0-9]{3})?)", _need(block, "OBS_START")
    )
    try:
        if said:
            return datetime.fromisoformat(f"{said[1]}-{said[2]}-{said[3]}T{said[4]}Z")
    except ValueError:
        pass
    raise ValueError(f"OBS_START: {block['OBS_START']!r} is not UTC YYYY MM DD HH:MM:SS[.fff]")
