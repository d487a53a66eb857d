"""kill -9 of the relay under load, at any instant, also while it starts."""

import random
import time

from ovro_alert.demo.processes import wait_for
from torture.audit import broken_promises, damage
from torture.ground import Ground, Outcome
from torture.load import Ledger, Load

TRIES = "kill -9 of the relay under load"
ROUNDS, QUICK = 200, 10
LONGEST_S = 0.4  # from the first acknowledgement of a round to the kill
ACKNOWLEDGED_S = 20.0


def run(ground: Ground) -> Outcome:
    """Nothing acknowledged is missing, nothing is doubled, and every follower resumes without a gap."""
    chance = random.Random("kills")
    rounds = QUICK if ground.quick else ROUNDS
    ledger = Ledger()
    starting = 0
    with ground.relay() as relay, Load(relay.url, relay.key, ledger) as load:
        for repeat in (False, False, True):
            load.put(repeat=repeat)
        load.post()
        load.follow()
        load.follow()
        load.stream()
        for number in range(1, rounds + 1):
            before = ledger.count()
            wait_for(lambda before=before: ledger.count() > before, "an acknowledgement", ACKNOWLEDGED_S)  # type: ignore[misc]
            time.sleep(chance.uniform(0, LONGEST_S))
            relay.kill()
            if chance.random() < 0.1:  # before it answers anybody: in the midst of opening its log
                starting += 1
                relay.launch()
                time.sleep(chance.uniform(0, 1.5))
                relay.kill()
            relay.start()
            ground.say(f"{number} of {rounds} kills, {ledger.count()} acknowledged")
        with relay.client() as client:
            violations = broken_promises(client, load)
        relay.stop()
    violations += damage(relay.directory / "relay.sqlite")
    seen = f"{len(ledger.acknowledged)} PUTs and {len(ledger.receipts)} alerts acknowledged, all there once"
    return Outcome(f"{rounds} kills, and {starting} while it started", seen, violations)
