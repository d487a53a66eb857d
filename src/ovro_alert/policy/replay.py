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

from ovro_alert.alert import Alert, AlertType
from ovro_alert.policy.chronicle import Event, Events, Issued, Times, Told, Used
from ovro_alert.policy.compared import Compared, Did, Kind, Past, Replayed, compare
from ovro_alert.policy.decide import Decision, decide, reconsider
from ovro_alert.policy.functions import OVRO, Scope, World
from ovro_alert.policy.history import History
from ovro_alert.policy.others import Seen, are_near, asking_for, by_event, may_ask, sees
from ovro_alert.policy.rules import Policy, Rule


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
        self._asking = [rule for rule in policy.rules if rule.asks]
        self._by_speaker: dict[tuple[str, str], Policy] = {}
        self._limited = policy.limited
        self._times = Times(policy.asks_for)
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
        event = self._event(past.alert)
        return self._history(event, past.at), self._world_of(past.alert, event, self.policy, self._asking)

    def take(self, past: Past) -> list[Replayed]:
        """Takes the next alert: what is said of it, and of others that ask for it."""
        event = self._event(past.alert)
        scope = Scope(past.alert, past.at, self._world)
        asking = tuple(rule for rule in self._asking if may_ask(rule, scope))
        world = self._world_of(past.alert, event, self.policy, asking)
        decisions = decide(self.policy, past.alert, self._history(event, past.at), past.at, world)
        opened = _Open(past, list(past.did or ()), {one.rule: one.reasons[-1] for one in decisions})
        compared = self._do(opened, event, decisions, past.at)
        for did in [one for one in opened.left if one.queued_at <= past.at]:
            opened.left.remove(did)
            compared.append(opened.less(did))
        found = [Replayed(past, past.at, decisions, compared)]
        if self.policy.asks_for or opened.left:
            self._open[past.alert.alert_id] = opened
        if self.policy.asks_for:
            self._times.add(past.alert, event, frozenset(rule.name for rule in asking))
            found += self._reconsider(past, event)
        return found

    def _event(self, alert: Alert) -> Event:
        """The event of an alert that comes, which a retraction ends."""
        event = self._events.of(alert)
        if alert.alert_type is AlertType.RETRACTION:
            event.retracted_by = alert.alert_id
        return event

    def _history(self, event: Event, now: datetime) -> History:
        sent = tuple(one.sent(now) for one in event.issued)
        return History(event.retracted_by, sent, self._used.within_a_day(now))

    def _world_of(self, alert: Alert, event: Event, policy: Policy, rules: Iterable[Rule]) -> World:
        """What rules of a policy are asked over on an alert of an event, and with which other events."""
        return replace(self._world, others=Seen(alert, self._seen(alert, event, policy, rules)))

    def _seen(self, alert: Alert, event: Event, policy: Policy, rules: Iterable[Rule]) -> Iterator[Told]:
        """Of what a policy asks for, the events that some of its rules may find; looked for when one asks."""
        asked = {one for rule in rules for one in rule.asks}
        if not asked or alert.event_time is None:
            return
        moments, within = [alert.event_time], policy.within_s
        found = self._times.near(moments, within, but=event, speakers=policy.asks_for)
        close = {
            one.event_id
            for one in found
            if any(each.speaker in one.speaks and are_near(one.alert, alert, each.seconds) for each in asked)
        }
        yield from (one for one in found if one.event_id in close)

    def _reconsider(self, past: Past, event: Event) -> Iterator[Replayed]:
        """Asks rules again of alerts of others that may ask for this one."""
        alert, policy = past.alert, self._asking_for(past.alert)
        is_told_of = alert.event_time is not None or alert.alert_type is AlertType.RETRACTION
        if not (policy.rules and event.moments and is_told_of):
            return
        names = {rule.name for rule in policy.rules}
        around = self._times.near(event.moments, policy.within_s, but=event)
        events = {one.event_id: one.event.whole() for one in around}
        asking = {one.event_id for one in around if not names.isdisjoint(one.asking)}
        asking |= {id for id, its in events.items() if any(one.rule in names for one in its.issued)}
        concerned = by_event(one for one in around if one.event_id in asking)
        for other in [one for one in concerned if sees(one.alerts[0], alert)][::-1]:
            its = events[other.event_id]
            world = self._world_of(other.alerts[0], its, policy, policy.rules)
            history = self._history(its, past.at)
            for which, decision in reconsider(policy, other.alerts[::-1], history, past.at, world):
                opened = self._open[which.alert_id]
                compared = self._do(opened, its, [decision], past.at)
                yield Replayed(opened.past, past.at, [decision], compared, again=True)

    def _asking_for(self, alert: Alert) -> Policy:
        """The rules that ask for events of who sent an alert, put together once for each who speaks."""
        who = alert.source, alert.event_id.partition("-")[0]
        if who not in self._by_speaker:
            self._by_speaker[who] = asking_for(self.policy, alert)
        return self._by_speaker[who]

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
                if decision.rule in self._limited:
                    self._used.note(purpose, now)
        return compared
