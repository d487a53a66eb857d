"""The relay's clock is stepped to and fro by an hour while commands are claimed and reported."""

import json
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi.testclient import TestClient

from ovro_alert.command import State, is_over
from ovro_alert.relay.app import create_app
from ovro_alert.relay.settings import RelaySettings
from tests.support import KEY
from torture.audit import whole
from torture.ground import Ground, Outcome
from torture.load import SLOT

TRIES = "the relay's clock is stepped by ±1 h"
STEPS, QUICK = 20_000, 1500  # things that happen
CLIENTS = ("one", "two", "three")
HOUR = timedelta(hours=1)
Answer = dict[str, Any]


@dataclass
class Claim:
    """The newest claim of a command, as the clients know it."""

    client: str
    token: int
    expires: datetime
    doubtful: bool = False  # the clock was past it once, and the relay may have noticed


@dataclass
class Story:
    """What happens, by lot, and what must not."""

    chance: random.Random
    relay: TestClient = field(init=False)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    stepped: int = 0
    asked: int = 0
    open: list[int] = field(default_factory=list)  # commands that are not over, by id
    claims: dict[int, Claim] = field(default_factory=dict)
    last_token: int = 0
    violations: list[str] = field(default_factory=list)

    def happens(self) -> None:
        """One thing."""
        act = self.chance.choices(
            [
                self.step,
                self.pass_time,
                self.put,
                self.alert,
                self.claim,
                self.renew,
                self.report,
                self.cancel,
            ],
            [2, 20, 10, 5, 30, 15, 18, 3],
        )[0]
        act()

    def step(self) -> None:
        self.stepped += 1
        self._to(self.now + self.chance.choice([-1, 1]) * HOUR)

    def pass_time(self) -> None:
        self._to(self.now + timedelta(seconds=self.chance.uniform(0, 10)))

    def _to(self, now: datetime) -> None:
        self.now = now
        for claim in self.claims.values():
            claim.doubtful |= claim.expires <= now

    def put(self) -> None:
        self.asked += 1
        body = {"command": "powerbeam", "command_mjd": 60000.0 + self.asked}
        self.open.append(self._answer("PUT", f"/{SLOT}", body, {200})["id"])

    def alert(self) -> None:
        """A request whose beam ends, and with it the command's deadline, in a minute or in two hours."""
        self.asked += 1
        request = {"ra": 150.0, "dec": 20.0, "start": self.now.isoformat(), "name": f"clock {self.asked}"}
        duration = self.chance.choice([60, 7200])
        self.open += self._answer("POST", "/alerts", request | {"duration": duration}, {200})["commands"]

    def claim(self) -> None:
        """By anybody: refused while another's claim, by the relay's own clock, holds."""
        if not self.open:
            return
        command, client = self.chance.choice(self.open), self.chance.choice(CLIENTS)
        held = self.claims.get(command)
        answer = self._answer(
            "POST", f"/commands/{command}/claim", {"client": client, "lease_s": 30}, {200, 409}
        )
        if "token" not in answer:
            if is_over(State(answer["state"])):
                self.open.remove(command)
            return
        if held and not held.doubtful:
            self.violations.append(f"command {command} was given to {client} while {held.client} held it")
        if answer["token"] <= self.last_token:
            self.violations.append(f"token {answer['token']} came after {self.last_token}")
        self.last_token = answer["token"]
        if held:  # whoever had it before has nothing to say any more
            self._answer("POST", f"/commands/{command}/report", {"token": held.token, "state": "done"}, {409})
        self.claims[command] = Claim(client, answer["token"], datetime.fromisoformat(answer["expires"]))

    def renew(self) -> None:
        """With the newest token: granted only while the claim holds."""
        if not (command := self._claimed()):
            return
        claim = self.claims[command]
        body = {"client": claim.client, "lease_s": 30, "token": claim.token}
        answer = self._answer("POST", f"/commands/{command}/claim", body, {200, 409})
        if "token" not in answer:
            return
        if claim.expires <= self.now:
            self.violations.append(f"the claim of command {command} was renewed after it had run out")
        claim.expires = datetime.fromisoformat(answer["expires"])
        claim.doubtful = False

    def report(self) -> None:
        if not (command := self._claimed()):
            return
        state = self.chance.choice(["running", "running", "done", "failed"])
        body = {"token": self.claims[command].token, "state": state}
        answer = self._answer("POST", f"/commands/{command}/report", body, {200, 409})
        if "id" in answer and state != "running":
            self.open.remove(command)

    def cancel(self) -> None:
        if self.open:
            command = self.chance.choice(self.open)
            self._answer("POST", f"/commands/{command}/cancel", {"reason": "torture"}, {200, 409})

    def _claimed(self) -> int | None:
        claimed = [command for command in self.open if command in self.claims]
        return self.chance.choice(claimed) if claimed else None

    def _answer(self, method: str, path: str, body: Answer, allowed: set[int]) -> Answer:
        answer = self.relay.request(method, path, content=json.dumps(body))
        if answer.status_code not in allowed:
            raise AssertionError(f"{method} {path} {body}: {answer.status_code} {answer.text}")
        found: Answer = answer.json()
        return found


def run(ground: Ground) -> Outcome:
    """A claim is never given twice while it holds, tokens only grow and old ones are refused, nothing expires
    before its deadline, what is over stays over, and the log and the feed stay in order."""
    steps = QUICK if ground.quick else STEPS
    story = Story(random.Random("clock"))
    settings = RelaySettings(key=KEY, database_url=f"sqlite:///{ground.directory / 'relay.sqlite'}")
    with TestClient(create_app(settings, lambda: story.now), headers={"X-API-Key": KEY}) as relay:
        story.relay = relay
        for number in range(1, steps + 1):
            story.happens()
            if number % 100 == 0:
                ground.say(f"{number} of {steps} things, {story.stepped} steps of the clock")
        entries, feed = whole(relay, SLOT), _feed(relay)
    if [entry["seq"] for entry in entries] != list(range(1, story.asked + 1)):
        story.violations.append("the slot's numbers have gaps")
    if [one["n"] for one in feed] != list(range(1, len(feed) + 1)):
        story.violations.append("the feed's numbers have gaps")
    deadlines = {entry["id"]: entry["deadline"] for entry in entries}
    ended: set[int] = set()
    for one in feed:
        command = one["command_id"]
        if command in ended:
            story.violations.append(f"command {command} was {one['kind']} after it was over")
        if one["kind"] == "expired" and _moment(one["at"]) < _moment(deadlines[command]):
            story.violations.append(f"command {command} expired before its deadline")
        if one["kind"] in ("expired", "cancelled") or one["data"].get("state") in ("done", "failed"):
            ended.add(command)
    seen = (
        f"{story.asked} commands in order, {story.last_token} claims, {len(ended)} commands over, each once"
    )
    return Outcome(f"{story.stepped} steps among {steps} things that happen", seen, story.violations)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _feed(relay: TestClient) -> list[Answer]:
    entries: list[Answer] = []
    while page := relay.get("/feed", params={"after": len(entries)}).json()["entries"]:
        entries += page
    return entries
