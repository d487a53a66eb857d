"""The disk is full, and later has room again."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ovro_alert.demo.processes import wait_for
from torture.audit import broken_promises
from torture.ground import Ground, Outcome, Skipped
from torture.load import Ledger, Load

TRIES = "the disk of the log is full, then has room again"
ROUNDS, QUICK = 10, 2
REFUSALS = 50  # in a round, before there is room again
LIMIT_S = 60.0
SIZE = "64m"


def run(ground: Ground) -> Outcome:
    """While the disk is full every write is refused with 503 and its reason, reads go on, nothing refused is
    kept and nothing acknowledged is lost; with room again the same process goes on by itself."""
    rounds = QUICK if ground.quick else ROUNDS
    ledger = Ledger()
    violations: list[str] = []
    where = ground.directory / "disk"
    where.mkdir()
    database = {"OVRO_ALERT_DATABASE_URL": f"sqlite:///{where / 'relay.sqlite'}"}
    with (
        ground.relay(database, on_a_small_disk(where)) as relay,
        Load(relay.url, relay.key, ledger) as load,
        relay.client() as client,
    ):
        assert relay.process is not None
        # The small disk is seen by the relay alone, and ends with it.
        ballast = Path(f"/proc/{relay.process.pid}/root{where}/ballast")
        for _ in range(4):
            load.put(size=2000)
        load.post()
        load.follow()
        for number in range(1, rounds + 1):
            before = ledger.count()
            wait_for(lambda before=before: ledger.count() > before + 50, "writes with room", LIMIT_S)  # type: ignore[misc]
            fill(ballast)
            before = len(ledger.refused)
            wait_for(lambda before=before: len(ledger.refused) >= before + REFUSALS, "refusals", LIMIT_S)  # type: ignore[misc]
            for path in ("/lwa", "/lwa/commands", "/healthz"):
                if (status := client.get(path).status_code) != 200:
                    violations.append(f"GET {path} answered {status} while the disk was full")
            ballast.unlink()
            ground.say(f"{number} of {rounds} times full, {ledger.count()} acknowledged")
        before = ledger.count()
        wait_for(lambda: ledger.count() > before + 50, "writes after the last time", LIMIT_S)
        violations += broken_promises(client, load)
    seen = f"{len(ledger.refused)} PUTs refused with 503, none of them kept; "
    seen += f"{ledger.count()} acknowledged, all there once"
    return Outcome(f"{rounds} times", seen, violations)


def on_a_small_disk(where: Path) -> Sequence[str]:
    """A command that runs another with a small file system of its own at `where`; root is not needed."""
    mount = f'mount -t tmpfs -o size={SIZE} tmpfs "{where}" && exec "$@"'
    within = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    if shutil.which("unshare") is None:
        raise Skipped("there is no unshare (util-linux) here to give anybody a small disk")
    tried = subprocess.run([*within, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        raise Skipped(f"no file system can be mounted here: {tried.stderr.strip()}")
    return within


def fill(ballast: Path) -> None:
    """Takes all the room that is left."""
    try:
        with ballast.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
    except OSError:
        return
