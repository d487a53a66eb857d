"""The words `CHIME FRB`: looks through the array's own triggers for a burst that CHIME tells of."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from ovro_alert.acting import Outcome, Plan, Trace, Word
from ovro_alert.alert import Localization
from ovro_alert.command import Entry, State
from ovro_alert.sky.coincidence import Burst
from ovro_alert.telescopes.dsa.arguments import BurstArguments, spelled
from ovro_alert.telescopes.dsa.codetection import Looked, look, to_burst
from ovro_alert.telescopes.dsa.dump import ANNOUNCEMENT
from ovro_alert.telescopes.dsa.marks import Clock
from ovro_alert.telescopes.dsa.monitor import Monitor
from ovro_alert.telescopes.dsa.pointing import on_meridian, to_declination
from ovro_alert.telescopes.dsa.settings import DsaSettings
from ovro_alert.telescopes.dsa.trigger import Folder, Trigger, read
from ovro_alert.telescopes.etcd import Keys

EARLIER = timedelta(hours=1)  # no file of a trigger is that much older than its burst


class Search:
    """Acts on `CHIME FRB`; one of `acting.Hands`. It moves nothing, so that it leaves no trace either."""

    def __init__(self, keys: Keys, settings: DsaSettings, monitor: Monitor, clock: Clock) -> None:
        self._keys = keys
        self._settings = settings
        self._monitor = monitor
        self._clock = clock

    def find(self, entry: Entry) -> Trace | None:
        """None: a search that was cut off is begun again."""
        return None

    def plan(self, entry: Entry, now: datetime) -> Plan | Outcome:
        """What is looked for."""
        args = _arguments(entry)
        what = f"{args.event or 'a burst'} at {args.ra:.3f} {args.dec:+.3f}, DM {args.dm:.1f}"
        return Plan({"message": f"looking through the array's triggers for {what}"})

    def forbid(self, entry: Entry, why: str) -> bool:
        """True: to look moves nothing, and leaves no mark."""
        return True

    def carry_out(self, entry: Entry, plan: Plan) -> Trace:
        """Nothing: the search is what follows."""
        return Trace("search", self._clock())

    def follow(self, entry: Entry, trace: Trace, word: Word) -> Outcome:
        """Until a trigger is found that may be this burst, or none is waited for any longer."""
        burst = to_burst(_arguments(entry), self._settings)
        path = self._settings.triggers
        folder = None if path is None else Folder(path)
        told = False
        while True:
            looked = self._look(burst, folder)
            waited = (self._clock() - trace.at).total_seconds()
            if looked.found or waited >= self._settings.search_wait_s:
                return Outcome(State.DONE, looked.summary())
            if word.retracted_by:
                summary = looked.summary()
                summary["message"] += (
                    f"; {word.retracted_by} has taken its event back: not looked for any more"
                )
                return Outcome(State.DONE, summary | {"retracted_by": word.retracted_by})
            if not told:
                told = True
                word.say(looked.summary())
            word.wait(self._settings.look_s)

    def _look(self, burst: Burst, folder: Folder | None) -> Looked:
        def said() -> Iterator[Trigger | str]:
            if folder is not None:  # first: there it may have been written again, in better words
                yield from folder.since(burst.time - EARLIER)
            newest = self._keys.get(ANNOUNCEMENT).put
            if newest is not None:
                try:
                    yield read(newest.value)
                except ValueError as error:
                    yield f"{ANNOUNCEMENT}: {error}"

        array = self._monitor.array(self._clock())

        def pointing(moment: datetime) -> Localization | None:
            if array.elevation is None:
                return None
            dec = to_declination(array.elevation, self._settings.latitude_deg)
            ra, dec = on_meridian(dec, moment, self._settings.longitude_deg)
            return Localization(ra=ra, dec=dec)

        return look(burst, said(), pointing, self._settings)


def _arguments(entry: Entry) -> BurstArguments:
    return BurstArguments.model_validate(spelled(entry.args))
