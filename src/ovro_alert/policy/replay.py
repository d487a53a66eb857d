"""What a policy would have done with alerts that have come before, and how that differs from what was done.

Alerts are taken one after the other, each at the moment at which it came, over a history that the replay
makes itself: the commands that the policy would have sent. One that was really sent has the life that it
really had, until an alert cancels it here. Of one that never was nobody knows: it is taken to have been
carried out at once, or, where a person is asked, to wait for one until its deadline.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count

from ovro_alert.alert import AlertType
from ovro_alert.policy.chronicle import Event, Events, Issued, Times, Used
from ovro_alert.policy.compared import Compared, Did, Kind, Past, Replayed, compare
from ovro_alert.policy.decide import Decision, decide, reconsider
from ovro_alert.policy.functions import OVRO, Other, World
from ovro_alert.policy.history import History
from ovro_alert.policy.others import Seen, are_near, asking_for, by_event, sees
from ovro_alert.policy.rules import Policy


@dataclass
class _Open:
    """An alert, what it has really led to that is not compared yet, and what rules said of it."""

    past: Past
    left: list[Did]
    said: dict[str, str]

    def less(self, one: Did) -> Compared:
        why = self.said.get(one.purpose[0], "there is no such rule")
        return Compared(Kind.LESS, one.purpose, None, {}, why)


class Replay:
    """Goes through alerts by a policy, in the order in which they came."""

    def __init__(self, policy: Policy, world: World = OVRO) -> None:
        self.policy = policy
        self._world = world
        self._events = Events()
        self._times = Times()
        self._used = Used()
        self._open: dict[str, _Open] = {}  # by alert_id; of alerts that rules may ask of again
        self._ids = count(1)

    def through(self, alerts: Iterable[Past]) -> Iterator[Replayed]:
        """Takes one after the other; and says at the end what is left."""
        for past in alerts:
            yield from self.take(past)
        for one in self._open.values():
            if one.left:
                compared = [one.less(did) for did in one.left]
                yield Replayed(one.past, one.left[0].queued_at, (), compared, again=True)

    def before(self, past: Past) -> tuple[History, World]:
        """What the policy would know when an alert comes next."""
        alert, event = past.alert, self._events.of(past.alert)
        if alert.alert_type is AlertType.RETRACTION:
            event.retracted_by = alert.alert_id
        return self._history(event, past.at), replace(self._world, others=self._seen(past, event))

    def take(self, past: Past) -> list[Replayed]:
        """Takes the next alert: what is said of it, and of others that ask for it."""
        history, world = self.before(past)
        event = self._events.of(past.alert)
        decisions = decide(self.policy, past.alert, history, past.at, world)
        opened = _Open(past, list(past.did or ()), {one.rule: one.reasons[-1] for one in decisions})
        compared = self._do(opened, event, decisions, past.at)
        for did in [one for one in opened.left if one.queued_at <= past.at]:
            opened.left.remove(did)
            compared.append(opened.less(did))
        found = [Replayed(past, past.at, decisions, compared)]
        if self.policy.asks_for or opened.left:
            self._open[past.alert.alert_id] = opened
        if self.policy.asks_for:
            self._times.add(past.alert, event)
            found += self._reconsider(past, event)
        return found

    def _history(self, event: Event, now: datetime) -> History:
        sent = tuple(one.sent(now) for one in event.issued)
        return History(event.retracted_by, sent, self._used.within_a_day(now))

    def _seen(self, past: Past, event: Event) -> Iterable[Other]:
        """The other events that the rules may ask for on an alert."""
        policy, alert = self.policy, past.alert
        if not policy.asks_for or alert.event_time is None:
            return ()
        found = self._times.near([alert.event_time], policy.within_s, but=event, speakers=policy.asks_for)
        return Seen(alert, found)

    def _reconsider(self, past: Past, event: Event) -> Iterator[Replayed]:
        """Asks rules again of alerts of others that may ask for this one."""
        alert, policy = past.alert, asking_for(self.policy, past.alert)
        within = policy.within_s
        is_told_of = alert.event_time is not None or alert.alert_type is AlertType.RETRACTION
        if not (policy.rules and event.moments and is_told_of):
            return
        around = self._times.near(event.moments, within, but=event)
        seen = self._times.near(event.moments, 2 * within, speakers=policy.asks_for) if around else []
        events = {one.event_id: one.event.whole() for one in around}
        for other in [one for one in by_event(around) if sees(one.alerts[0], alert)][::-1]:
            its, newest = events[other.event_id], other.alerts[0]
            close = (
                one for one in seen if one.event.whole() is not its and are_near(one.alert, newest, within)
            )
            world = replace(self._world, others=Seen(newest, close))
            history = self._history(its, past.at)
            for which, decision in reconsider(policy, other.alerts[::-1], history, past.at, world):
                opened = self._open[which.alert_id]
                compared = self._do(opened, its, [decision], past.at)
                yield Replayed(opened.past, past.at, [decision], compared, again=True)

    def _do(
        self, opened: _Open, event: Event, decisions: Sequence[Decision], now: datetime
    ) -> list[Compared]:
        """Carries out decisions on an alert, and puts them beside what was really done."""
        cancelled = {id for decision in decisions for id in decision.cancels}
        for issued in event.issued:
            issued.is_cancelled |= issued.id in cancelled
        compared = []
        for decision in decisions:
            for command in decision.commands:
                purpose = (decision.rule, command.slot, command.command)
                did = next((one for one in opened.left if one.purpose == purpose), None)
                if did is not None:
                    opened.left.remove(did)
                compared.append(compare(purpose, command, did, is_known=opened.past.did is not None))
                event.issued.append(Issued(next(self._ids), decision.rule, command, did))
                self._used.note(purpose, now)
        return compared
