"""Why: each condition of each rule by itself, beside the decision that `decide` comes to."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ovro_alert.alert import Alert
from ovro_alert.command import Command
from ovro_alert.policy.decide import Decision, History, decide
from ovro_alert.policy.functions import FUNCTIONS, OVRO, Scope, World
from ovro_alert.policy.language import NO_VALUE, Expression, shown
from ovro_alert.policy.rules import Policy, Rule
from ovro_alert.table import table

# A string stands by itself and is passed over.
CALL = re.compile(r'"[^"]*"|(?<![\w.])([a-z_]\w*)\(')
PARENTHESES = re.compile(r'"[^"]*"|[()]')
WORDS = {True: "yes", False: "no", None: "error"}


@dataclass(frozen=True)
class Condition:
    """A condition and its value on an alert, or why it has none; and what its names stand for."""

    of: str  # when or unless
    text: str
    value: bool | None
    why: str
    names: dict[str, Any]


@dataclass(frozen=True)
class Explained:
    """A decision, and every condition of its rule: also those that it had no need to ask."""

    decision: Decision
    conditions: tuple[Condition, ...]


def explain(
    policy: Policy, alert: Alert, history: History, now: datetime, world: World = OVRO
) -> list[Explained]:
    """What `decide` says, with all conditions; of a retraction no rule is asked."""
    scope = Scope(alert, now, world)
    rules = {rule.name: rule for rule in policy.rules}
    return [
        Explained(one, tuple(_conditions(rules[one.rule], scope)) if one.rule in rules else ())
        for one in decide(policy, alert, history, now, world)
    ]


def _conditions(rule: Rule, scope: Scope) -> Iterator[Condition]:
    for of, expressions in (("when", rule.when), ("unless", rule.unless)):
        for expression in expressions:
            value, why = _value(expression, scope)
            names = dict(expression.named(scope))
            names |= {call: _value(Expression(call), scope)[0] for call in _calls(expression.text)}
            yield Condition(of, expression.text, value, why, names)


def _value(expression: Expression, scope: Scope) -> tuple[Any, str]:
    """The value; or None, and why it has none."""
    try:
        return expression.value(scope), ""
    except NO_VALUE as error:
        return None, str(error)


def _calls(text: str) -> Iterator[str]:
    """The calls of functions in an expression as they are written; of one within another, the outer."""
    end = 0
    for call in CALL.finditer(text):
        if call[1] not in FUNCTIONS or call.start() < end:
            continue
        depth = 0
        for token in PARENTHESES.finditer(text, call.end() - 1):
            depth += {"(": 1, ")": -1}.get(token[0], 0)
            if depth == 0:
                end = token.end()
                yield text[call.start() : end]
                break


def as_text(explained: Explained) -> Iterator[str]:
    """A rule as people read it: its verdict, its conditions in a table, what it would send, and why."""
    decision = explained.decision
    yield f"{decision.rule}: {decision.verdict.upper()}"
    if explained.conditions:
        rows = [
            (one.of, WORDS[one.value], one.text, one.why or ", ".join(_names(one)))
            for one in explained.conditions
        ]
        yield from table(rows, "  ")
    asked = sum(one.of == "when" for one in explained.conditions)
    # The reasons begin with the conditions that hold, and end with what decided.
    for reason in decision.reasons[min(asked, len(decision.reasons) - 1) :]:
        yield f"  {reason}"
    for command in decision.commands:
        yield from command_as_text(command)


def _names(condition: Condition) -> Iterator[str]:
    return (f"{name} = {shown(value)}" for name, value in condition.names.items())


def command_as_text(command: Command, indent: str = "  ") -> Iterator[str]:
    """A command as people read it, with each of its args."""
    until = "" if command.deadline is None else f" until {command.deadline:%Y-%m-%d %H:%M:%S} UTC"
    priority = f", priority {command.priority}" if command.priority else ""
    asks = ", asks a person" if command.approval else ""
    yield f"{indent}sends /{command.slot} {command.command}{until}{priority}{asks}"
    args = [(name, json.dumps(value, ensure_ascii=False)) for name, value in command.args.items()]
    yield from table(args, f"{indent}    ") if args else ()
