"""What the commands of the slot `/dsa` mean at DSA-110: `dump`, `repoint`, `CHIME FRB` and `test`."""

from datetime import UTC, datetime

from ovro_alert.acting import Outcome, Plan, Trace, refused
from ovro_alert.command import Entry
from ovro_alert.telescopes.dsa.arguments import reason
from ovro_alert.telescopes.dsa.dump import Dumps
from ovro_alert.telescopes.dsa.marks import Clock, Marks
from ovro_alert.telescopes.dsa.monitor import Monitor
from ovro_alert.telescopes.dsa.repoint import Repoint
from ovro_alert.telescopes.dsa.search import Search
from ovro_alert.telescopes.dsa.settings import DsaSettings
from ovro_alert.telescopes.etcd import Keys
from ovro_alert.telescopes.hands import ByWord


def utc_now() -> datetime:
    """The clock of a client that runs."""
    return datetime.now(UTC)


class DsaHands(ByWord):
    """The array as a client moves it; one of `acting.Hands`."""

    def __init__(self, keys: Keys, settings: DsaSettings, clock: Clock = utc_now) -> None:
        monitor = Monitor(keys, settings)
        marks = Marks(keys, settings.marks)
        super().__init__(
            {
                "dump": Dumps(keys, settings, marks, clock),
                "repoint": Repoint(settings, monitor, marks, clock),
                "chime frb": Search(keys, settings, monitor, clock),
            }
        )

    def find(self, entry: Entry) -> Trace | None:
        """The command's own trace; one whose arguments cannot be has none."""
        try:
            return super().find(entry)
        except ValueError:
            return None

    def plan(self, entry: Entry, now: datetime) -> Plan | Outcome:
        """What to do, or why not; the reason names the argument that is wrong."""
        try:
            return super().plan(entry, now)
        except ValueError as error:
            return refused(reason(error))
