"""The twins of the demonstration's telescopes, on the etcd that its clients use: `python -m …telescopes URL`.

OVRO-LWA's scheduler and the pipelines of its voltage buffer, and DSA-110's antennas and correlator. They write
at ten times the speed of life: nobody waits a minute for a dump.
"""

import sys
import threading
from contextlib import ExitStack

from ovro_alert.link.daemon import in_background, run
from ovro_alert.link.etcd import Etcd
from ovro_alert.telescopes.dsa.twin import Array
from ovro_alert.telescopes.lwa.twin_executor import Executor
from ovro_alert.telescopes.lwa.twin_pipelines import Pipelines

SPEED = 100.0  # of writing a dump
STEP_S = 0.05


def main() -> None:
    """Until it is told to stop."""
    [url] = sys.argv[1:]

    def work(stop: threading.Event) -> None:
        with ExitStack() as stack:
            keys = [stack.enter_context(Etcd([url])) for _ in range(3)]
            executor = Executor(keys[0])
            stack.enter_context(Pipelines(keys[1], speed=SPEED, publish_s=0.2).running())
            stack.enter_context(Array(keys[2]).running())
            print("the telescopes are there", flush=True)
            in_background(lambda: executor.run(stop, step_s=STEP_S), "scheduler").result()

    sys.exit(run(work))


if __name__ == "__main__":
    main()
