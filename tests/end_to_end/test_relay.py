"""The relay under uvicorn, as it is run: restarts, kills, shutdown, and a client of today."""

import json
import threading
import time
import urllib.request
from pathlib import Path
from urllib.error import HTTPError

import httpx2
import pytest

from support import until

pytestmark = pytest.mark.end_to_end
COMMAND = {"command": "powerbeam", "command_mjd": 61103.25, "args": {"position": "12.5,-3.0,0.1"}}


class ClientOfToday:
    """Written from the description of the protocol in use alone: key in the address, Host, 9.05 s."""

    def __init__(self, relay, route):
        self.url = f"{relay.url}/{route}?key={relay.key}"

    def _ask(self, method, body=None):
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "Host": "ovro.caltech.edu",
        }
        request = urllib.request.Request(self.url, body, headers, method=method)
        with urllib.request.urlopen(request, timeout=9.05) as answer:
            return answer.status, json.loads(answer.read())

    def get(self):
        return self._ask("GET")[1]

    def set(self, command, args, mjd):
        body = {"command": command, "command_mjd": mjd, "args": args}
        return self._ask("PUT", json.dumps(body).encode())[0]


def test_a_client_of_today_works_unchanged(relay):
    chime = ClientOfToday(relay, "chime")
    before = chime.get()
    assert before["command_mjd"] is None
    assert "args" not in before
    args = {"position": "12.5,-3.0,0.1", "dm": 500.0, "id": "77", "instrument": "CHIME", "mission": "CHIME"}
    assert chime.set("observation", args, 61103.25) == 200
    news = chime.get()
    assert news["command_mjd"] != before["command_mjd"]
    assert (news["command"], news["args"]) == ("observation", args)
    for route in ("lwa", "dsa", "ligo", "casm", "gcn"):
        assert "command_mjd" in ClientOfToday(relay, route).get()


def test_its_key_is_not_in_the_log_and_a_wrong_one_is_refused(relay):
    ClientOfToday(relay, "lwa").get()
    relay.key, key = "another", relay.key
    with pytest.raises(HTTPError, match="401"):
        ClientOfToday(relay, "lwa").get()
    relay.stop()
    log = (relay.directory / "relay.log").read_text()
    assert "GET /lwa?key=…" in log
    assert key not in log
    assert "another" not in log


def test_what_was_acknowledged_survives_kill_9(relay):
    """Writers at full speed while the relay is killed, three times over."""
    acknowledged: list[float] = []
    for round_ in range(3):
        stop = threading.Event()

        def write(first: float, stop: threading.Event = stop) -> None:
            with relay.client() as client:
                mjd = first
                while not stop.is_set():
                    try:
                        client.put("/lwa", json=COMMAND | {"command_mjd": mjd}).raise_for_status()
                    except httpx2.TransportError:
                        return
                    acknowledged.append(mjd)
                    mjd += 1

        writers = [
            threading.Thread(target=write, args=(1e6 * (4 * round_ + n + 1),), daemon=True) for n in range(4)
        ]
        for writer in writers:
            writer.start()
        end = time.monotonic() + 10
        while len(acknowledged) < 100 * (round_ + 1) and time.monotonic() < end:
            time.sleep(0.005)
        relay.kill()
        stop.set()
        for writer in writers:
            writer.join(10)
        relay.start()
    with relay.client() as client:
        entries, after = [], 0
        while page := client.get("/lwa/commands", params={"after": after}).json()["commands"]:
            entries += page
            after = page[-1]["seq"]
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    logged = [entry["command_mjd"] for entry in entries]
    assert len(set(logged)) == len(logged)
    assert set(acknowledged) <= set(logged)
    assert len(acknowledged) >= 300


def test_stopping_does_not_wait_for_those_who_wait(relay):
    answers = []

    def follow():
        with relay.client() as client:
            answers.append(client.get("/lwa/commands", params={"wait": 60}, timeout=70).json())

    follower = threading.Thread(target=follow)
    follower.start()
    with relay.client() as client:
        until(lambda: 'ovro_alert_followers{topic="lwa"} 1.0' in client.get("/metrics").text)
    start = time.monotonic()
    relay.stop()
    follower.join(10)
    assert time.monotonic() - start < 15
    assert answers in ([], [{"commands": [], "next": 0}])


def test_two_hundred_megabytes_are_refused_and_the_next_alert_is_taken(relay):
    piece = b"x" * 2**20
    with relay.client() as client:
        answer = client.post("/alerts", content=(piece for _ in range(200)), timeout=60)
        assert answer.status_code == 413
        (kept,) = client.get("/setaside").json()["setaside"]
        assert kept["size"] == 200 * 2**20
        assert client.put("/lwa", json=COMMAND).status_code == 200
    status = Path(f"/proc/{relay.process.pid}/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    assert int(peak.split()[1]) < 400_000, "the body was kept in memory"
