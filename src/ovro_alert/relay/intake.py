"""What alerts set going, as one write: kept, decided upon, their commands queued or cancelled."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ovro_alert.alert import Alert, AlertType
from ovro_alert.command import Entry, Kind, to_mjd
from ovro_alert.formats.slot import to_slot
from ovro_alert.people.summary import summary
from ovro_alert.policy.decide import Decision, Verdict, decide
from ovro_alert.policy.functions import OVRO, World
from ovro_alert.policy.rules import Policy
from ovro_alert.relay import others
from ovro_alert.relay.decided import Used, asked
from ovro_alert.relay.maps import Maps
from ovro_alert.store import alerts, commands, entries, events, feed
from ovro_alert.store.entries import NewEntry
from ovro_alert.store.log import Transaction
from ovro_alert.store.news import is_news


@dataclass(frozen=True)
class Said:
    """How an alert stands in its sender's slot."""

    command: str
    args: Mapping[str, Any]
    command_mjd: float


@dataclass(frozen=True)
class Incoming:
    """An alert as it came; `said` is what its sender has PUT, for one that came so."""

    alert: Alert
    content: bytes
    arrival: alerts.Arrival
    said: Said | None = None


@dataclass(frozen=True)
class Taken:
    """What an alert has led to, whether it was known before, and its entry in its sender's slot, if new."""

    answer: alerts.Answer
    duplicate: bool
    entry: Entry | None


@dataclass
class _Case:
    """An alert on its way: its event, what is known of it, what was decided, what goes into the slots."""

    incoming: Incoming
    found: events.Found
    known: alerts.Answer | None
    decisions: list[Decision] = field(default_factory=list)

    @property
    def alert(self) -> Alert:
        return self.incoming.alert

    @property
    def asked(self) -> Iterator[NewEntry]:
        return (new for one in self.decisions for new in asked(one, self.found.event_id, self.alert.alert_id))

    @property
    def verdicts(self) -> list[alerts.Verdict]:
        return [alerts.Verdict(one.rule, one.verdict, one.reasons) for one in self.decisions]


@dataclass
class Intake:
    """Takes alerts by a policy, which may be put in place of another, for a relay of certain slots."""

    policy: Policy
    slots: Mapping[str, Any]
    world: World = OVRO
    _maps: Maps = field(default_factory=Maps, init=False)

    def take(self, tx: Transaction, incoming: Sequence[Incoming]) -> list[Taken]:
        """Logs alerts and all that follows from each, as though they had come one after the other.

        An alert that is known changes nothing. Those that are of events apart, and alone at their time where
        rules ask for others, which is nearly always all, are looked up and written together.
        """
        found = others.interests(self.policy, self.world, tx.now, [one.alert for one in incoming])
        taken: list[Taken] = []
        while len(taken) < len(incoming):
            apart = others.apart(tx, self.policy, found[len(taken) :])
            taken += self._take_apart(tx, incoming[len(taken) :][:apart])
        return taken

    def _take_apart(self, tx: Transaction, incoming: Sequence[Incoming]) -> list[Taken]:
        """Takes the first alerts, as many as are of events apart."""
        run = list(zip(incoming, events.find(tx, [one.alert for one in incoming]), strict=False))
        # Every alert in the log has given its id to its event as a name.
        ids = [one.alert.alert_id for one, found in run if one.alert.alert_id not in found.new_names]
        known = alerts.answers(tx.connection, ids)
        cases = [_Case(one, found, known.get(one.alert.alert_id)) for one, found in run]
        self._log(tx, [case for case in cases if not case.known])
        for case in cases:
            for command_id in (id for decision in case.decisions for id in decision.cancels):
                # Refused where it is over by the time: that it expired is noticed only now and then.
                commands.cancel(tx, command_id, _why(case.alert))
        new = [[*self._said(case, tx), *case.asked] for case in cases]
        appended = iter(entries.append_many(tx, [one for its in new for one in its]))
        if len(cases) == 1 and not cases[0].known:
            others.reconsider(tx, self.policy, self._world(tx), cases[0].found.event_id, cases[0].alert)
        return [_taken(case, [next(appended) for _ in its]) for case, its in zip(cases, new, strict=True)]

    def _log(self, tx: Transaction, cases: Sequence[_Case]) -> None:
        """Keeps alerts that are new, and what is decided on them."""
        lines = [summary(case.alert.model_copy(update={"event_id": case.found.event_id})) for case in cases]
        events.note(tx, [(case.found, case.alert, line) for case, line in zip(cases, lines, strict=True)])
        pasts = events.pasts(tx.connection, [case.found.event_id for case in cases if not case.found.is_new])
        policy, world = self.policy, self._world(tx)
        used = Used(tx.connection, policy, tx.now)
        for case in cases:
            if len(cases) == 1:  # several are alone, each at its time
                seen = others.seen_by(tx, policy, world, case.found.event_id, case.alert)
                world = replace(world, others=seen)
            history = used.history(pasts.get(case.found.event_id, events.Past()))
            case.decisions = decide(policy, case.alert, history, tx.now, world)
            for decision in case.decisions:
                used.note(decision)
                if decision.verdict is Verdict.ERROR:
                    _say_that_it_fails(tx, policy, decision, case)
        alerts.append_many(
            tx,
            [
                alerts.NewAlert(
                    case.alert,
                    case.found.event_id,
                    line,
                    case.incoming.content,
                    case.incoming.arrival,
                    case.verdicts,
                )
                for case, line in zip(cases, lines, strict=True)
            ],
        )

    def _world(self, tx: Transaction) -> World:
        return replace(self.world, map_of=lambda alert: self._maps.of(tx.connection, alert))

    def _said(self, case: _Case, tx: Transaction) -> list[NewEntry]:
        """The alert in its sender's slot, where clients of today look for it."""
        alert, said = case.alert, case.incoming.said
        if said is None and case.known is None and alert.source in self.slots:
            acted_on = any(one.verdict is Verdict.YES for one in case.decisions)
            said = Said(*to_slot(alert, acted_on=acted_on), to_mjd(tx.now))
        if said is None:
            return []
        return [
            NewEntry(
                alert.source,
                Kind.EVENT,
                said.command,
                said.args,
                said.command_mjd,
                event_id=case.found.event_id,
                alert_id=alert.alert_id,
            )
        ]


def _say_that_it_fails(tx: Transaction, policy: Policy, decision: Decision, case: _Case) -> None:
    """Tells people that a rule fails, once for each policy: every alert says so for itself."""
    if is_news(tx, f"rule {decision.rule}", policy.digest):
        about = {"rule": decision.rule, "reason": decision.reasons[-1], "alert_id": case.alert.alert_id}
        feed.append(tx, feed.Happened.FAILS, about)


def _why(alert: Alert) -> str:
    does = "retracted by" if alert.alert_type is AlertType.RETRACTION else "replaced after"
    return f"{does} {alert.alert_id}"


def _taken(case: _Case, appended: Sequence[Entry]) -> Taken:
    entry = next((one for one in appended if one.kind is Kind.EVENT), None)
    asked = [one.id for one in appended if one.kind is Kind.COMMAND]
    answer = case.known or alerts.Answer(case.alert.alert_id, case.found.event_id, case.verdicts, asked)
    return Taken(answer, case.known is not None, entry)
