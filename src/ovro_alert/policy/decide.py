"""(Alert, its event's history, the clock) → decisions. Pure: the relay keeps them and carries them out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from ovro_alert.alert import Alert, AlertType, Role
from ovro_alert.command import Command, State, may_step, to_mjd
from ovro_alert.policy.functions import OVRO, Scope, World
from ovro_alert.policy.history import History, Sent, Use
from ovro_alert.policy.language import NO_VALUE, Expression
from ovro_alert.policy.rules import OnUpdate, Policy, Rule, Then

RETRACTION = "retraction"


class Verdict(StrEnum):
    YES = "yes"
    NO = "no"
    ERROR = "error"


@dataclass(frozen=True)
class Decision:
    """What a rule said of an alert, and why; what to send, and which commands to cancel."""

    rule: str
    verdict: Verdict
    reasons: tuple[str, ...]
    commands: tuple[Command, ...] = field(default=())
    cancels: tuple[int, ...] = field(default=())


def decide(
    policy: Policy, alert: Alert, history: History, now: datetime, world: World = OVRO
) -> list[Decision]:
    """One decision a rule; of a retraction a single one, which cancels what its event queued."""
    if alert.alert_type is AlertType.RETRACTION:
        return [_retract(policy, alert, history)]
    scope = Scope(alert, now, world, history)
    applied = [_apply(rule, alert, history, scope) for rule in policy.rules]
    # Two events may turn out to be one, and only one of them to have been retracted.
    is_left = history.retracted_by is not None and any(_waits(each) for each in history.sent)
    return [_retract(policy, alert, history), *applied] if is_left else applied


def reconsider(
    policy: Policy, alerts: Sequence[Alert], history: History, now: datetime, world: World
) -> list[tuple[Alert, Decision]]:
    """What the alerts of an event, the oldest first, lead to now that what others have seen has changed.

    Only rules that ask for other events are asked again, and only what is new is said: what the first alert
    for which such a rule now holds leads to; and of what waits to be cancelled where what a rule asks of
    others holds for none of them any more. Nothing is sent a second time.
    """
    found = []
    scopes = [Scope(alert, now, world, history) for alert in alerts]
    for rule in (rule for rule in policy.rules if rule.asks):
        sent = [one for one in history.sent if one.rule == rule.name]
        if not sent:
            hold = (scope for scope in scopes if _holds(rule.when, rule.unless, scope))
            applied = ((scope.alert, _apply(rule, scope.alert, history, scope)) for scope in hold)
            found += [one for one in applied if one[1].commands][:1]
        elif not any(_holds(*_of_others(rule), scope) for scope in scopes):
            waiting = [one for one in sent if _waits(one)]
            reasons = [f"cancels {one.name}: what it asks of other events holds no more" for one in waiting]
            cancels = tuple(one.id for one in waiting)
            if waiting:
                found.append((alerts[-1], Decision(rule.name, Verdict.NO, tuple(reasons), cancels=cancels)))
    return found


def _of_others(rule: Rule) -> tuple[list[Expression], list[Expression]]:
    """Of its conditions and exceptions those that ask of other events: what else has changed is let be."""
    return [one for one in rule.when if one.asks], [one for one in rule.unless if one.asks]


def _holds(when: Sequence[Expression], unless: Sequence[Expression], scope: Scope) -> bool:
    """Whether all conditions hold and no exception does; without the reasons, which take as long again."""
    try:
        return all(one.value(scope) for one in when) and not any(one.value(scope) for one in unless)
    except NO_VALUE:
        return False


def _waits(command: Sent) -> bool:
    return may_step(command.state, State.CANCELLED)


def _retract(policy: Policy, alert: Alert, history: History) -> Decision:
    waiting = [command for command in history.sent if _waits(command)]
    reasons = []
    if alert.role is Role.TEST:
        tests = {rule.name for rule in policy.rules if rule.tests}
        real = [command.name for command in waiting if command.rule not in tests]
        reasons += [f"a test moves nothing: it does not cancel {name}" for name in real]
        waiting = [command for command in waiting if command.rule in tests]
    reasons += [f"cancels {command.name}" for command in waiting]
    reasons += [f"{command.name} is {command.state}" for command in history.sent if not _waits(command)]
    return Decision(
        RETRACTION,
        Verdict.YES if waiting else Verdict.NO,
        tuple(reasons or ["its event has led to no command; whatever of it arrives late leads to none"]),
        cancels=tuple(command.id for command in waiting),
    )


def _apply(rule: Rule, alert: Alert, history: History, scope: Scope) -> Decision:
    def no(*reasons: str) -> Decision:
        return Decision(rule.name, Verdict.NO, reasons)

    reasons: list[str] = []
    try:
        for condition in rule.when:
            said = condition.with_values(scope)
            if not condition.value(scope):
                return no(*reasons, f"not met: {said}")
            reasons.append(said)
        if history.retracted_by is not None:
            return no(*reasons, f"its event was retracted by {history.retracted_by}")
        before = [command for command in history.sent if command.rule == rule.name]
        replaces = rule.on_update is OnUpdate.REPLACE and alert.alert_type is AlertType.UPDATE
        if before and not replaces:
            said = ", ".join(command.name for command in before)
            return no(*reasons, f"this rule has already acted on this event: {said}")
        for condition in rule.unless:
            if condition.value(scope):
                return no(*reasons, f"ruled out: {condition.with_values(scope)}")
        if alert.role is Role.TEST and not rule.tests:
            return no(*reasons, "a test moves nothing: this rule does not name tests")
        asked = [_ask(then, rule, scope, history, before) for then in rule.then]
    except NO_VALUE as error:
        return Decision(rule.name, Verdict.ERROR, (*reasons, str(error)))
    commands = tuple(one.command for one in asked if one.command)
    cancels = tuple(dict.fromkeys(id for one in asked for id in one.cancels))
    reasons += [reason for one in asked for reason in one.reasons]
    return Decision(rule.name, Verdict.YES if commands else Verdict.NO, tuple(reasons), commands, cancels)


class _Asked(NamedTuple):
    """What one `then` of a rule comes to."""

    reasons: tuple[str, ...]
    command: Command | None = None
    cancels: tuple[int, ...] = ()


def _ask(then: Then, rule: Rule, scope: Scope, history: History, before: Sequence[Sent]) -> _Asked:
    what = f"/{then.slot} {then.command}"
    mine = [one for one in before if (one.slot, one.command) == (then.slot, then.command)]
    waiting = [one for one in mine if _waits(one)]
    # What waits may stand in place of what was cancelled for it: that counts no more.
    is_past = (State.CANCELLED,) if waiting else ()
    if begun := [f"{one.name} is {one.state}" for one in mine if not (_waits(one) or one.state in is_past)]:
        return _Asked((f"{', '.join(begun)}: left as it is",))
    args = {
        name: value if isinstance(value, float | int | bool) else value.value(scope)
        for name, value in then.args.items()
    }
    args = {name: value for name, value in args.items() if value is not None}
    for name, value in args.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{what}: args.{name} is {value}, which is no number")
    deadline = then.deadline.moment_or_value(scope)
    margin = deadline - scope.now
    if margin <= timedelta(0):
        return _Asked((f"{what}: too late by {_span(-margin)}",))
    limit = None if mine else _limit(then, history.used.get((rule.name, then.slot, then.command)), scope.now)
    if limit:
        return _Asked((f"{what}: {limit}",))
    said = f"{what}: margin {_span(margin)}{', when a person has approved' if then.approval else ''}"
    command = Command(
        slot=then.slot,
        command=then.command,
        args=args,
        command_mjd=to_mjd(scope.now),
        deadline=deadline,
        margin_s=margin.total_seconds(),
        priority=then.priority,
        approval=then.approval,
        role=scope.alert.role,
    )
    replaced = tuple(f"in place of {one.name}" for one in waiting)
    return _Asked((said, *replaced), command, tuple(one.id for one in waiting))


def _limit(then: Then, used: Use | None, now: datetime) -> str | None:
    """Why the rule may not ask this now; None where it may."""
    if used is None:
        return None
    if then.cooldown_s is not None and (since := (now - used.last).total_seconds()) < then.cooldown_s:
        return f"asked {_span(now - used.last)} ago: {then.cooldown_s - since:.0f} s to cool down"
    if then.per_day is not None and used.in_a_day >= then.per_day:
        return f"asked {used.in_a_day} times in 24 h, of {then.per_day} that it may"
    return None


def _span(span: timedelta) -> str:
    """A span as people say it: to a tenth of a second below a minute, then to the second, hour or day."""
    seconds = span.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172800 else f"{span.days} d"
