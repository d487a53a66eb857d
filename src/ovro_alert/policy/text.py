"""What the policy's tools print: for people, and as JSON has it."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from ovro_alert.command import Command
from ovro_alert.people.summary import summary
from ovro_alert.policy.compared import Compared, Kind, Past, Replayed, Tally
from ovro_alert.policy.decide import Decision
from ovro_alert.policy.explain import Condition, Explained
from ovro_alert.policy.language import shown
from ovro_alert.policy.rules import Policy, Then
from ovro_alert.table import table

VALUES = {True: "yes", False: "no", None: "error"}
JSON = dict[str, Any]


def sends(policy: Policy) -> Iterator[str]:
    """What each rule sends, in a table."""
    rows = [("rule", "sends", "useless after", "limits")]
    for rule in policy.rules:
        for n, then in enumerate(rule.then):
            command = f"/{then.slot} {then.command}"
            rows.append(("" if n else rule.name, command, then.deadline.text, ", ".join(_limits(then))))
    return table(rows)


def _limits(then: Then) -> Iterator[str]:
    if then.approval:
        yield "a person approves"
    if then.priority:
        yield f"priority {then.priority}"
    if then.cooldown_s:
        yield f"once in {then.cooldown_s:g} s"
    if then.per_day:
        yield f"{then.per_day} a day"


def explained(past: Past, said: list[Explained]) -> Iterator[str]:
    """Why, rule by rule: the verdict, each condition with its value, what decided, and what would be sent."""
    yield f"{past.alert.alert_id} of {past.alert.event_id}"
    yield f"{summary(past.alert)}, at {_moment(past.at)}"
    for one in said:
        yield ""
        yield f"{one.decision.rule}: {one.decision.verdict.upper()}"
        if one.conditions:
            yield from table([_condition(each) for each in one.conditions], "  ")
        asked = sum(each.of == "when" for each in one.conditions)
        # The reasons begin with the conditions that hold, and end with what decided.
        for reason in one.decision.reasons[min(asked, len(one.decision.reasons) - 1) :]:
            yield f"  {reason}"
        for command in one.decision.commands:
            yield f"  sends {_sent(command)}"
            yield from table([(name, _json(value)) for name, value in command.args.items()], "    ")


def _condition(condition: Condition) -> tuple[str, ...]:
    names = ", ".join(f"{name} = {shown(value)}" for name, value in condition.names.items())
    return condition.of, VALUES[condition.value], condition.text, condition.why or names


def _sent(command: Command) -> str:
    until = "" if command.deadline is None else f", useless after {_moment(command.deadline)}"
    priority = f", priority {command.priority}" if command.priority else ""
    approval = ", when a person has approved" if command.approval else ""
    return f"/{command.slot} {command.command}{until}{priority}{approval}"


def explained_json(past: Past, said: list[Explained]) -> JSON:
    """The same."""
    decisions = [
        _decision(one.decision) | {"conditions": [asdict(each) for each in one.conditions]} for one in said
    ]
    return _past(past) | {"decisions": decisions}


def replayed(said: Replayed) -> Iterator[str]:
    """What an alert leads to, in a line for each command; nothing where to none."""
    cancelling = [one for one in said.decisions if one.cancels]
    if not said.compared and not cancelling:
        return
    again = "again: " if said.again else ""
    yield f"{_moment(said.at)}  {said.past.alert.event_id}  {again}{summary(said.past.alert)}"
    for one in said.compared:
        yield f"  {one.kind} {_compared(one)}"
    for decision in cancelling:
        yield f"    {decision.rule} cancels {len(decision.cancels)}"


def _compared(one: Compared) -> str:
    rule, slot, command = one.purpose
    if one.kind is Kind.LESS:
        return f"{rule}: /{slot} {command}: {one.why}"
    if one.kind is Kind.OTHER:
        changes = (f"{name} {_json(was)} → {_json(would)}" for name, (was, would) in one.values.items())
        return f"{rule}: /{slot} {command}: {', '.join(changes)}"
    assert one.command is not None
    return f"{rule}: {_sent(one.command)} {_json(one.command.args)}"


def replayed_json(said: Replayed) -> JSON:
    """The same, and every decision."""
    compared = [
        {
            "kind": one.kind,
            "rule": rule,
            "slot": slot,
            "command": command,
            "why": one.why,
            "values": one.values,
        }
        for one in said.compared
        for rule, slot, command in [one.purpose]
    ]
    about = _past(said.past) | {"at": said.at, "again": said.again}
    return about | {"decisions": [_decision(one) for one in said.decisions], "compared": compared}


def tally(over: Tally) -> Iterator[str]:
    """What each rule comes to, in a table."""
    yield f"alerts: {over.alerts:,}"
    rows = [("rule", *(f"{kind} {kind.name.lower()}" for kind in Kind), "errors")]
    for rule, count in over.rules.items():
        rows.append((rule, *(str(count.commands[kind]) for kind in Kind), str(count.errors)))
    yield from table(rows)
    for rule, count in over.rules.items():
        if count.error:
            yield f"{rule} fails first on {count.error}"


def tally_json(over: Tally) -> JSON:
    """The same."""
    rules = {
        rule: {kind.name.lower(): count.commands[kind] for kind in Kind}
        | {"errors": count.errors, "error": count.error}
        for rule, count in over.rules.items()
    }
    return {"alerts": over.alerts, "rules": rules}


def dumps(value: Any, indent: int | None = None) -> str:
    """JSON, moments as everywhere in it."""
    return json.dumps(value, indent=indent, default=_moment_json)


def _past(past: Past) -> JSON:
    alert = past.alert
    return {"alert_id": alert.alert_id, "event_id": alert.event_id, "summary": summary(alert), "at": past.at}


def _decision(decision: Decision) -> JSON:
    commands = [one.model_dump(mode="json", exclude={"command_mjd"}) for one in decision.commands]
    return {
        "rule": decision.rule,
        "verdict": decision.verdict,
        "reasons": decision.reasons,
        "cancels": len(decision.cancels),
        "commands": commands,
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_moment_json)


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _moment_json(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
