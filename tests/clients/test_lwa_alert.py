"""The LWA client between a real relay and the simulated telescope, on a wire that loses at will."""

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn

from ovro_alert.clients.lwa_alert import Client, LwaAlertSettings
from ovro_alert.command import Entry
from ovro_alert.link.daemon import in_background
from ovro_alert.link.relay import Relay
from ovro_alert.relay.app import create_app
from ovro_alert.relay.settings import RelaySettings
from ovro_alert.telescopes.lwa import sdf
from ovro_alert.telescopes.lwa.settings import LwaSettings
from ovro_alert.telescopes.lwa.simulated import SimulatedTelescope
from ovro_alert.telescopes.lwa.telescope import Trace, Unreachable
from support import until

KEY = "a key of these tests"
LIMIT_S = 20.0
BEAM = {"ra": 83.633083, "dec": 22.0145, "duration": 60}
Send = Callable[[], httpx2.Response]
slots = (f"telescope{n}" for n in itertools.count())


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A relay in a thread, with a slot for each test."""
    settings = RelaySettings(
        key=KEY,
        database_url=f"sqlite:///{tmp_path_factory.mktemp('relay') / 'relay.sqlite'}",
        slots={f"telescope{n}": "telescope" for n in range(100)} | {"lwa": "telescope", "dsa": "both"},
    )
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=0, log_level="warning"))
    future = in_background(server.run, "relay")
    until(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    future.result(LIMIT_S)


class Wire(httpx2.BaseTransport):
    """To the relay; `fault(request, send)` may answer in its place, or lose the request or its answer."""

    def __init__(self) -> None:
        self.inner = httpx2.HTTPTransport()
        self.asked: list[str] = []
        self.fault: Callable[[httpx2.Request, Send], httpx2.Response] = lambda _, send: send()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(f"{request.method} {request.url.path}")
        return self.fault(request, lambda: self.inner.handle_request(request))

    def close(self) -> None:
        self.inner.close()


class House:
    """One telescope and its directory, and as many clients as a test wants."""

    def __init__(self, url: str, directory: Path) -> None:
        self.url = url
        self.directory = directory
        self.slot = next(slots)
        self.telescope = SimulatedTelescope(directory / "telescope")
        self.relay = Relay(url, KEY)

    def put(self, command: str, args: dict[str, Any] | None = None) -> Entry:
        self.relay.put(self.slot, command, args or {}, 61041.0)
        return self.relay.commands(self.slot, 0, 0)[0][-1]

    def reports(self, entry: Entry) -> list[dict[str, Any]]:
        """What was ever reported of a command, in order."""
        told, after = [], 0
        while (page := self.relay.feed(after, 0))[0]:
            told += [each.data for each in page[0] if (each.kind, each.command_id) == ("reported", entry.id)]
            after = page[1]
        return told

    def outcome(self, entry: Entry) -> tuple[str, dict[str, Any]]:
        """How a command ended, and what was reported of it, once it is over."""
        last: dict[str, Any] = {}

        def is_over() -> bool:
            for report in self.reports(entry):
                last.update(report)
            return last.get("state", "running") != "running"

        until(is_over)
        return last["state"], last["detail"]

    def settings(self, **changes: Any) -> LwaAlertSettings:
        fields = {"slot": self.slot, "client": "one", "directory": self.directory}
        return LwaAlertSettings(**fields | {"lease_s": 0.6, "wait_s": 0.1, "recheck_s": 0.1} | changes)

    @contextmanager
    def client(self, wire: Wire | None = None, **changes: Any) -> Iterator[Future[None]]:
        """A client at work until the block ends; the rest of `changes` are settings."""
        its = {name: changes.pop(name) for name in ("clock", "step") if name in changes}
        telescope = changes.pop("telescope", self.telescope)
        stop = threading.Event()
        with Relay(self.url, KEY, transport=wire or Wire()) as relay:
            client = Client(relay, telescope, self.settings(**changes), LwaSettings(), stop, **its)
            future = in_background(client.follow, "client")
            try:
                yield future
            finally:
                stop.set()
                until(future.done)
        future.result()

    def acted(self) -> list[str]:
        """The ids of the commands that the telescope was ever given, doubles and all."""
        return [each["id"] for each in self.telescope.journal()]


@pytest.fixture
def house(url: str, tmp_path: Path) -> Iterator[House]:
    house = House(url, tmp_path)
    with house.relay:
        yield house


def test_a_power_beam_is_submitted_and_reported(house: House) -> None:
    with house.client():
        entry = house.put("powerbeam", BEAM | {"name": "Crab"})
        state, detail = house.outcome(entry)
    assert state == "done", detail
    path = house.directory / "sdf" / f"{house.slot}-1-{entry.id}.sdf"
    assert detail["sdf"] == str(path)
    assert detail["message"] == f"session {entry.id}_POWER3, asap, 60 s"
    session = sdf.parse(path.read_text())
    assert (session.session_id, session.observations[0].target) == (entry.id, "Crab")
    assert list(house.telescope.sessions()["POWER3"]) == [f"{entry.id}_POWER3"]
    assert (
        datetime.fromisoformat(detail["submitted"])
        == datetime.fromisoformat(house.telescope.journal()[0]["at"])
        or detail["submitted"] <= house.telescope.journal()[0]["at"]
    )


def test_a_dump_is_triggered_and_reported(house: House) -> None:
    with house.client():
        entry = house.put("trigger", {"event": "S260101a"})
        state, detail = house.outcome(entry)
    assert state == "done", detail
    plan = json.loads((house.directory / "dumps" / f"{house.slot}-1-{entry.id}.json").read_text())
    assert detail["dump"].endswith(f"{house.slot}-1-{entry.id}.json")
    assert plan["metadata"]["event"] == "S260101a"
    assert plan["nfile"] == detail["nfile"] == house.telescope.journal()[0]["nfile"] == 4


def test_what_cannot_be_done_is_refused_and_a_test_moves_nothing(house: House) -> None:
    with house.client():
        outcomes = [
            house.outcome(house.put(*each))
            for each in (("repoint",), ("powerbeam", {"ra": 400, "dec": 0, "duration": 1}), ("test",))
        ]
    assert [state for state, _ in outcomes] == ["refused", "refused", "done"]
    assert "not known here" in outcomes[0][1]["message"]
    assert outcomes[1][1]["message"].startswith("args.ra: ")
    assert house.acted() == []


def test_two_bursts_at_once_get_a_beam_each(house: House) -> None:
    with house.client():
        entries = [house.put("powerbeam", BEAM), house.put("powerbeam", BEAM)]
        assert [house.outcome(entry)[0] for entry in entries] == ["done", "done"]
    assert list(house.telescope.sessions()) == ["POWER3", "POWER5"]


def test_a_session_that_the_telescope_drops_has_failed(house: House) -> None:
    def somebody_is_quicker(point: str) -> None:
        if point == "before":
            path = house.directory / "somebody.sdf"
            [written] = (house.directory / "sdf").glob("*.sdf")
            path.write_text(written.read_text().replace(str(entry.id), "42"))
            house.telescope.submit_session(path, "asap")

    telescope = SimulatedTelescope(house.directory / "telescope", fault=somebody_is_quicker)
    entry = house.put("powerbeam", BEAM)
    with house.client(telescope=telescope):
        state, detail = house.outcome(entry)
    assert state == "failed"
    assert detail["message"] == f"the telescope does not show {entry.id}_POWER3 but 42_POWER3"


def test_what_a_sender_says_is_nobodys_to_carry_out(house: House) -> None:
    house.slot = "dsa"
    house.put("test", {"dm": 1})  # a sender's word in a slot that is both
    with house.client():
        asked = house.put("powerbeam", BEAM)
        assert house.outcome(asked)[0] == "done"
    assert house.acted() == [str(asked.id)]


CALLS = ["GET commands", "POST claim", "POST report running", "POST report done"]


@pytest.mark.parametrize("lost", ["request", "answer", "503"])
@pytest.mark.parametrize("call", CALLS)
def test_whatever_the_wire_loses_a_command_is_acted_on_once(house: House, call: str, lost: str) -> None:
    entry = house.put("powerbeam", BEAM)
    wire, losses = Wire(), iter(range(1))

    def lose(request: httpx2.Request, send: Send) -> httpx2.Response:
        body = json.loads(request.content or b"{}")
        name = f"{request.method} {request.url.path.rsplit('/', 1)[-1]} {body.get('state', '')}".strip()
        if name != call or next(losses, None) is None:
            return send()
        if lost == "503":
            return httpx2.Response(503, json={"detail": "in trouble"})
        if lost == "answer":
            send().read()
        raise httpx2.ReadTimeout("as asked", request=request)

    wire.fault = lose
    with house.client(wire):
        assert house.outcome(entry)[0] == "done"
    assert next(losses, None) is None, "nothing was lost"
    assert house.acted() == [str(entry.id)]


@pytest.mark.parametrize("moment", ["claimed", "looked"])
def test_a_command_that_is_cancelled_in_time_moves_nothing(house: House, moment: str) -> None:
    first, second = house.put("powerbeam", BEAM), house.put("test")
    cancelled: list[httpx2.Response] = []

    def step(name: str) -> None:
        if name == moment and not cancelled:  # people are quicker than the client, which holds the claim
            cancelled.append(
                httpx2.post(
                    f"{house.url}/commands/{first.id}/cancel",
                    json={"reason": "not now"},
                    headers={"X-API-Key": KEY},
                    trust_env=False,
                )
            )

    with house.client(step=step):
        assert house.outcome(second)[0] == "done"
        cursor = house.directory / "one.cursor"
        until(lambda: cursor.exists() and cursor.read_text().strip() == "2")
    assert cancelled[0].json()["state"] == house.relay.command(first.id).state == "cancelled"
    assert house.acted() == []


def with_deadline(wire: Wire, deadline: datetime) -> None:
    def add(request: httpx2.Request, send: Send) -> httpx2.Response:
        response = send()
        if not request.url.path.endswith("/commands"):
            return response
        body = json.loads(response.read())
        for each in body["commands"]:
            each["deadline"] = deadline.isoformat()
        return httpx2.Response(200, json=body)

    wire.fault = add


def test_the_deadline_is_looked_at_just_before_the_act(house: House) -> None:
    now = datetime.now(UTC)
    clock, wire = [now], Wire()
    with_deadline(wire, now + timedelta(seconds=5))

    def step(name: str) -> None:
        if name == "running":
            clock[0] = now + timedelta(seconds=5)

    with house.client(wire, clock=lambda: clock[0], step=step):
        state, detail = house.outcome(house.put("powerbeam", BEAM))
    assert state == "refused"
    assert detail["message"].startswith("too late: its deadline was ")
    assert house.acted() == []


class Trouble(SimulatedTelescope):
    """Cannot be asked the first few times."""

    def __init__(self, directory: Path, times: int, error: Exception, **more: Any) -> None:
        super().__init__(directory, **more)
        self.times = times
        self.error = error

    def find(self, entry: Entry) -> Trace | None:
        self.times -= 1
        if self.times >= 0:
            raise self.error
        return super().find(entry)


def test_nothing_is_done_while_the_telescope_cannot_be_asked(house: House) -> None:
    telescope = Trouble(house.directory / "telescope", 3, Unreachable("no answer"))
    wire = Wire()
    with house.client(wire, telescope=telescope, lease_s=20):
        entry = house.put("powerbeam", BEAM)
        assert house.outcome(entry)[0] == "done"
    assert house.acted() == [str(entry.id)]
    assert wire.asked.count(f"POST /commands/{entry.id}/claim") == 4  # each wait renews the lease


def test_trouble_of_our_own_fails_one_command_and_stops_nothing(house: House) -> None:
    telescope = Trouble(house.directory / "telescope", 1, KeyError("a bug"))
    with house.client(telescope=telescope):
        assert house.outcome(house.put("powerbeam", BEAM)) == ("failed", {"message": "KeyError: 'a bug'"})
        assert house.outcome(house.put("powerbeam", BEAM))[0] == "done"


@pytest.mark.parametrize(("point", "state", "times"), [("before", "failed", 0), ("after", "done", 1)])
def test_the_telescope_knows_whether_a_cut_off_submission_was_taken(
    house: House, point: str, state: str, times: int
) -> None:
    def fault(at: str) -> None:
        if at == point:
            raise Unreachable("the line went dead")

    telescope = SimulatedTelescope(house.directory / "telescope", fault=fault)
    with house.client(telescope=telescope):
        assert house.outcome(house.put("powerbeam", BEAM))[0] == state
    assert len(house.acted()) == times


def test_a_long_action_keeps_its_lease(house: House) -> None:
    wire = Wire()
    entry = house.put("powerbeam", BEAM)
    claim = f"POST /commands/{entry.id}/claim"

    def fault(at: str) -> None:
        if at == "before":  # longer than the lease: until it was renewed often enough
            until(lambda: wire.asked.count(claim) >= 8)

    telescope = SimulatedTelescope(house.directory / "telescope", fault=fault)
    with house.client(wire, telescope=telescope), house.client(client="two"):
        assert house.outcome(entry)[0] == "done"
    assert house.acted() == [str(entry.id)]


@pytest.mark.parametrize("one_directory", [True, False])
@pytest.mark.parametrize("held_up_at", ["claimed", "looked", "running", "written"])
def test_a_client_that_is_held_up_beyond_its_lease_does_not_act_as_well(
    house: House, held_up_at: str, one_directory: bool
) -> None:
    held_up, go_on, other_has_it = threading.Event(), threading.Event(), threading.Event()

    def step(name: str) -> None:
        if name == held_up_at and not held_up.is_set():
            held_up.set()
            assert go_on.wait(LIMIT_S)

    def watch(request: httpx2.Request, send: Send) -> httpx2.Response:
        response = send()
        if request.url.path.endswith("/claim") and response.status_code == httpx2.codes.OK:
            other_has_it.set()
        return response

    wire = Wire()
    wire.fault = watch
    entry = house.put("powerbeam", BEAM)
    with house.client(step=step):
        until(held_up.is_set)
        directory = house.directory if one_directory else house.directory / "another"
        with house.client(wire, client="two", directory=directory):
            until(other_has_it.is_set)
            if held_up_at == "claimed" or not one_directory:  # no lock keeps the other from going on
                assert house.outcome(entry)[0] == "done"
            go_on.set()
            assert house.outcome(entry)[0] == "done"
    assert house.acted() == [str(entry.id)]


def test_two_clients_share_the_work(house: House) -> None:
    with house.client(), house.client(client="two"):
        entries = [house.put("trigger") for _ in range(10)]
        assert {house.outcome(entry)[0] for entry in entries} == {"done"}
    assert sorted(house.acted()) == sorted(str(entry.id) for entry in entries)


def test_two_clients_of_one_name_are_one_too_many(house: House) -> None:
    stop = threading.Event()
    with house.client() as first:
        until((house.directory / "locks" / "client one").exists)
        second = Client(house.relay, house.telescope, house.settings(), LwaSettings(), stop)
        with pytest.raises(ValueError, match="another client named 'one'"):
            second.follow()
        assert not first.done()


def test_it_resumes_behind_what_is_over(house: House) -> None:
    with house.client():
        entry = house.put("trigger")
        house.outcome(entry)
        until((house.directory / "one.cursor").exists)
    wire = Wire()
    with house.client(wire):
        later = house.put("trigger")
        house.outcome(later)
    assert f"POST /commands/{entry.id}/claim" not in wire.asked
    assert house.acted() == [str(entry.id), str(later.id)]


def test_it_follows_a_log_that_began_anew(house: House) -> None:
    (house.directory / "one.cursor").write_text("1000\n")
    entry = house.put("trigger")
    with house.client():
        assert house.outcome(entry)[0] == "done"


def test_a_slot_that_the_relay_does_not_have_is_said(house: House) -> None:
    stop = threading.Event()
    client = Client(house.relay, house.telescope, house.settings(slot="vla"), LwaSettings(), stop)
    with pytest.raises(ValueError, match="/vla: 404"):
        client.follow()


def test_settings_come_from_the_environment_and_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "settings.toml").write_text('[lwa_alert]\nlease_s = 5\nclient = "desk"\n[lwa]\nbeams = [4]\n')
    monkeypatch.setenv("OVRO_ALERT_CONFIG", str(tmp_path / "settings.toml"))
    monkeypatch.setenv("OVRO_ALERT_LWA_ALERT_LEASE_S", "7")
    monkeypatch.setenv("OVRO_ALERT_LWA_BUFFER_S", "1800")
    settings, lwa = LwaAlertSettings(), LwaSettings()
    assert (settings.lease_s, settings.client, lwa.beams, lwa.buffer_s) == (7, "desk", (4,), 1800)
