"""(Alert, its event's history, the clock) → decisions. Pure: the relay keeps them and carries them out."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from ovro_alert.alert import Alert, AlertType, Role
from ovro_alert.command import Command, State, may_step, to_mjd
from ovro_alert.policy.functions import Missing, Scope
from ovro_alert.policy.language import ExpressionError
from ovro_alert.policy.rules import Policy, Rule, Then

RETRACTION = "retraction"


class Verdict(StrEnum):
    YES = "yes"
    NO = "no"
    ERROR = "error"


@dataclass(frozen=True)
class Sent:
    """A command that an event has led to: its id, how people call it, the rule that sent it."""

    id: int
    name: str
    rule: str | None
    state: State


@dataclass(frozen=True)
class History:
    """What is known of the alert's event before this alert."""

    retracted_by: str | None = None
    sent: tuple[Sent, ...] = ()


@dataclass(frozen=True)
class Decision:
    """What a rule said of an alert, and why; what to send, and which commands to cancel."""

    rule: str
    verdict: Verdict
    reasons: tuple[str, ...]
    commands: tuple[Command, ...] = field(default=())
    cancels: tuple[int, ...] = field(default=())


def decide(policy: Policy, alert: Alert, history: History, now: datetime) -> list[Decision]:
    """One decision a rule; of a retraction a single one, which cancels what its event queued."""
    if alert.alert_type is AlertType.RETRACTION:
        return [_retract(policy, alert, history)]
    applied = [_apply(rule, alert, history, Scope(alert, now)) for rule in policy.rules]
    # Two events may turn out to be one, and only one of them to have been retracted.
    is_left = history.retracted_by is not None and any(_waits(each) for each in history.sent)
    return [_retract(policy, alert, history), *applied] if is_left else applied


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
        if alert.role is Role.TEST and not rule.tests:
            return no(*reasons, "a test moves nothing: this rule does not name tests")
        if history.retracted_by is not None:
            return no(*reasons, f"its event was retracted by {history.retracted_by}")
        if before := [command.name for command in history.sent if command.rule == rule.name]:
            return no(*reasons, f"this rule has already acted on this event: {', '.join(before)}")
        commands = tuple(_command(then, scope) for then in rule.then)
    except Missing as missing:
        return Decision(rule.name, Verdict.ERROR, (*reasons, str(missing)))
    except (ExpressionError, ValueError, OverflowError) as error:
        return Decision(rule.name, Verdict.ERROR, (*reasons, str(error)))
    in_time = tuple(command for command in commands if command.deadline and command.deadline > scope.now)
    for command in commands:
        margin = (command.deadline or scope.now) - scope.now
        verb = "margin" if margin > timedelta(0) else "too late by"
        reasons.append(f"/{command.slot} {command.command}: {verb} {_span(abs(margin))}")
    return Decision(rule.name, Verdict.YES if in_time else Verdict.NO, tuple(reasons), in_time)


def _command(then: Then, scope: Scope) -> Command:
    args = {
        name: value if isinstance(value, float | int | bool) else value.value(scope)
        for name, value in then.args.items()
    }
    deadline = then.deadline.moment_or_value(scope)
    return Command(
        slot=then.slot, command=then.command, args=args, command_mjd=to_mjd(scope.now), deadline=deadline
    )


def _span(span: timedelta) -> str:
    """A span as people say it: to a tenth of a second below a minute, then to the second, hour or day."""
    seconds = span.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172800 else f"{span.days} d"
