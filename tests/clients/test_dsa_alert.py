"""The DSA-110 client between a real relay and the array's twin, over etcd."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ovro_alert.command import to_mjd
from ovro_alert.link.etcd import Etcd
from support import RunningRelay, until
from tests.clients.observatory import LIMIT_S, Array, array

pytestmark = pytest.mark.end_to_end
POLICY = """
[[rule]]
name = "look there"
when = ['source == "flarescope"']
[[rule.then]]
slot = "dsa"
command = "repoint"
approval = true
deadline = 'after(request.start, 600)'
args.dec = 'localization.dec'
"""


@pytest.fixture(scope="module")
def shared_relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRelay]:
    """One for all, with a rule that asks a person."""
    directory = tmp_path_factory.mktemp("relay")
    (directory / "policy.toml").write_text(POLICY)
    running = RunningRelay(directory, {"OVRO_ALERT_RELAY_POLICY": str(directory / "policy.toml")})
    running.start()
    yield running
    running.stop()


@pytest.fixture
def place(shared_relay: RunningRelay, whichever_etcd: str, tmp_path: Path) -> Iterator[Array]:
    with array(shared_relay, whichever_etcd, tmp_path / "dsa") as place:
        yield place


def did(place: Array) -> list[tuple[str, str]]:
    """What the array made of every command that it was given, by key."""
    return [(one["key"], one["did"]) for one in place.twin.account]


def test_it_acts_once_on_what_the_array_is_asked(place: Array) -> None:
    """A dump, a repoint that nobody approved, a burst that is looked for, and what cannot be."""
    burst = datetime.now(UTC) - timedelta(seconds=3)
    place.start()
    dump = place.put("dump", specnum=0, name="260301naaa")
    state, detail = place.outcome(dump)
    assert (state, "16 of 16 nodes" in detail["message"]) == ("done", True), detail

    state, detail = place.outcome(place.put("repoint", dec=37.0))
    assert (state, "approved" in detail["message"]) == ("refused", True), detail

    place.twin.detect("260301aaaa", burst, 500.0, ra=150.0, dec=37.2)
    # CHIME's time is at 400 MHz: 4149 s MHz² × DM × (400⁻² − 1530⁻²) after that at the top of DSA-110's band.
    later = timedelta(seconds=4149 * 500 * (400**-2 - 1530**-2))
    chime = {"ra": 150.0, "dec": 37.2, "dm": 500.0, "toa": to_mjd(burst + later), "event": "chime-1"}
    state, detail = place.outcome(place.put("CHIME FRB", **chime))
    assert (state, "260301aaaa" in json.dumps(detail)) == ("done", True), detail
    state, detail = place.outcome(place.put("CHIME FRB", **chime | {"dm": 900.0}))
    assert (state, detail["message"][:2]) == ("done", "no"), detail

    state, detail = place.outcome(place.put("CHIME FRB", **chime | {"ra": 400}))
    assert (state, "args.ra" in detail["message"]) == ("refused", True), detail
    state, detail = place.outcome(place.put("sing"))
    assert (state, "not known here" in detail["message"]) == ("refused", True), detail
    assert did(place) == [("/cmd/corr/0", "dumped")]


def test_it_repoints_the_array_when_a_person_has_approved_it(place: Array) -> None:
    """And not before. The array stands at the zenith, declination 37.23°, and moves by 0.64°/s."""
    place.start()
    until(lambda: "following" in place.log().read_text(), LIMIT_S)
    start = datetime.now(UTC).isoformat()
    request = {"ra": 150.0, "dec": 39.23, "start": start, "duration": 600}
    [asked] = place.http.post("/alerts", json=request).raise_for_status().json()["commands"]
    # What comes after it is carried out: it is not that the client is slow.
    assert place.outcome(place.put("sing"))[0] == "refused"
    assert (place.state(asked), did(place)) == ("pending approval", [])
    place.http.post(f"/commands/{asked}/approve", json={"by": "the operator"}).raise_for_status()
    state, detail = place.outcome(asked)
    assert (state, "of 63 antennas are settled at 92.00°" in detail["message"]) == ("done", True), detail
    assert did(place) == [("/cmd/ant/0", "moved")]
    with Etcd([place.etcd]) as keys:
        put = keys.get("/cmd/ant/0").put
        assert put is not None
        assert json.loads(put.value) == {"cmd": "move", "val": 92.0}


def test_a_client_that_was_killed_finds_what_it_did(place: Array) -> None:
    """It dies while the dump is written; another follows that to its end."""
    first = place.start()
    dump = place.put("dump", specnum=0)
    until(lambda: did(place), LIMIT_S)
    first.kill()
    first.wait(LIMIT_S)
    place.start()
    assert place.outcome(dump)[0] == "done"
    assert did(place) == [("/cmd/corr/0", "dumped")]


def test_check_says_what_there_is_and_does_nothing(place: Array) -> None:
    done = place.check()
    assert (done.returncode, "63 report" in done.stdout) == (0, True), done.stdout + done.stderr
    place.twin.misbehaviour.clock_off_s = 3.0
    said = until(lambda: (off := place.check()).returncode and off.stdout, LIMIT_S)
    assert "clock" in str(said)
    assert place.twin.account == []
