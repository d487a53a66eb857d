"""The twins of the demonstration's telescopes, on the etcd that its clients use: `python -m …telescopes URL`.

OVRO-LWA's scheduler and the pipelines of its voltage buffer, and DSA-110's antennas and correlator. Dumps are
written at a hundred times the speed of life: nobody waits minutes for one here.
"""

import sys
import threading
from contextlib import ExitStack

from ovro_alert.demo.samples import ARRAY_DEC
from ovro_alert.link.daemon import in_background, run
from ovro_alert.link.etcd import Etcd
from ovro_alert.telescopes.dsa.pointing import to_elevation
from ovro_alert.telescopes.dsa.settings import DsaSettings
from ovro_alert.telescopes.dsa.twin import DsaTwin
from ovro_alert.telescopes.lwa.twin.executor import Executor
from ovro_alert.telescopes.lwa.twin.pipelines import Pipelines

SPEED = 100.0  # of writing a dump
STEP_S = 0.05
THERE = "the telescopes are there"  # what it says then


def main() -> None:
    """Until it is told to stop."""
    [url] = sys.argv[1:]

    def work(stop: threading.Event) -> None:
        with ExitStack() as stack:
            keys = [stack.enter_context(Etcd([url])) for _ in range(3)]
            executor = Executor(keys[0])
            stack.enter_context(Pipelines(keys[1], speed=SPEED, publish_s=0.2).running())
            array = DsaTwin(keys[2], elevation=to_elevation(ARRAY_DEC, DsaSettings().latitude_deg))
            living = in_background(lambda: array.run(stop), "DSA-110")
            living.add_done_callback(lambda _: stop.set())
            print(THERE, flush=True)
            executor.run(stop, step_s=STEP_S)
            living.result()

    sys.exit(run(work))


if __name__ == "__main__":
    main()
