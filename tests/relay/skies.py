"""A sky in which several have seen one thing, rules that ask for that, and relays to tell of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from fastapi.testclient import TestClient

from ovro_alert.demo.sample_bursts import (
    GCN_SCHEMA,
    Burst,
    chime_notice,
    chime_retraction,
    chime_voevent,
    dsa_notice,
)
from ovro_alert.demo.sample_waves import BNS, gw_notice
from ovro_alert.demo.wire import to_json, utc
from ovro_alert.relay.app import create_app
from ovro_alert.relay.settings import RelaySettings

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
RULE = """
[[rule]]
name = "{name}"
{tests}
when = [{when}]
[[rule.then]]
slot = "lwa"
command = "{name}"
deadline = 'after(event_time, {useful})'
args.ra = 'localization.ra'
{args}
"""


def rule(name, *when, args="", tests="", useful=3600):
    listed = ", ".join(f"'{one}'" for one in when)
    return RULE.format(name=name, when=listed, args=args, tests=tests, useful=useful)


BY_DSA = "args.dsa = 'codetected(\"dsa\")'"
BY_LIGO = """
args.wave = 'coincident("ligo", 60, 600)'
args.overlap = 'overlap("ligo", 60, 600)'
args.chance = 'chance("ligo", 60, 600)'
"""
SEEN_TWICE = rule("twice", 'source == "chime"', 'codetected("dsa") != ""', args=BY_DSA)
WITH_WAVE = rule("wave", 'source == "chime"', 'coincident("ligo", 60, 600) != ""', args=BY_LIGO)
ASKING = "".join(
    [
        SEEN_TWICE,
        WITH_WAVE,
        rule("seen", 'source == "dsa"', 'codetected("chime") != ""', 'chance("chime") < 1e-3'),
        rule("burst", 'mission == "Swift"', 'coincident("ligo", 60, 60) != ""', args=BY_LIGO),
        rule("drill", 'source == "chime"', 'codetected("dsa") != ""', tests="tests = true"),
        rule("any", 'source in ["chime", "gcn"]'),
    ]
)
# DSA-110's burst is 10 s old at 1530 MHz, and 12.845 s later at 400: 4148.808 × 531.7 × (400⁻² − 1530⁻²).
CHIME = Burst("424242", NOW + timedelta(seconds=2.8446), 291.61, 71.52, 531.7, 0.97)
DSA = dsa_notice("260304aaaa", "initial", NOW)
NO_DSA = dsa_notice("260304aaaa", "retraction", NOW)
# The wave is 25 s old, with its map around 120, −3.38; the burst 5 s later, and by 12.965 s of dispersion.
BY_WAVE = Burst("434343", NOW + timedelta(seconds=-20 + 12.9650), 120.5, -2.0, 500.0, 0.97)


def messages() -> dict[str, bytes]:
    """What several say of all that, what is near it and is not it, retractions and tests."""
    test = Burst("424299", CHIME.seen, CHIME.ra, CHIME.dec, CHIME.dm, 0.97, role="test")
    earlier = Burst("414141", CHIME.seen - timedelta(days=1), CHIME.ra, CHIME.dec, CHIME.dm, 0.97)
    swift = {
        "$schema": f"{GCN_SCHEMA}/swift/bat/alert.schema.json",
        "mission": "Swift",
        "instrument": "BAT",
        "id": ["1300001"],
        "alert_type": "initial",
        "trigger_time": utc(NOW - timedelta(seconds=23)),
        "ra": 119.5,
        "dec": -5.0,
        "ra_dec_error": 0.05,
        "containment_probability": 0.9,
    }
    return {
        "chime by VOEvent": chime_voevent(CHIME),
        "chime by GCN": chime_notice(CHIME),
        "dsa": DSA,
        "wave": gw_notice("S260304abc", "PRELIMINARY", NOW, BNS),
        "chime beside the wave": chime_notice(BY_WAVE),
        "swift": to_json(swift),
        "a test": chime_voevent(test),
        "a day before": chime_notice(earlier),
        "the wave again": gw_notice("S260304abc", "INITIAL", NOW, BNS),
        "a mock wave": gw_notice("MS260304abc", "INITIAL", NOW, BNS),
        "chime beside the wave by VOEvent": chime_voevent(BY_WAVE),
        "swift retracts": to_json(swift | {"alert_type": "retraction"}),
        "chime retracts": chime_retraction(CHIME, NOW),
        "chime retracts what is beside the wave": chime_retraction(BY_WAVE, NOW),
        "dsa retracts": NO_DSA,
        "the wave is retracted": gw_notice("S260304abc", "RETRACTION", NOW, None),
    }


@contextmanager
def fresh_relay(policy: str | None = None, now: datetime = NOW) -> Iterator[TestClient]:
    """A relay on an empty log, at a moment that lasts, with the policy in a text or its own."""
    with TemporaryDirectory() as directory:
        file = Path(directory) / "policy.toml"
        if policy is not None:
            file.write_text(policy)
        url = f"sqlite:///{directory}/relay.sqlite"
        settings = RelaySettings(key="k", database_url=url, policy=file if policy is not None else None)
        with TestClient(create_app(settings, lambda: now), headers={"X-API-Key": "k"}) as client:
            yield client
