"""Why: each condition of each rule by itself, beside the decision that `decide` comes to."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ovro_alert.alert import Alert
from ovro_alert.policy.decide import Decision, decide
from ovro_alert.policy.functions import OVRO, Scope, World
from ovro_alert.policy.history import History
from ovro_alert.policy.language import NO_VALUE, WORDS, Expression
from ovro_alert.policy.rules import Policy, Rule

# A string stands by itself and is passed over.
CALL = re.compile(r'"[^"]*"|(?<![\w.])([a-z_]\w*)\(')
PARENTHESES = re.compile(r'"[^"]*"|[()]')


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
    scope = Scope(alert, now, world, history)
    rules = {rule.name: rule for rule in policy.rules}
    return [
        Explained(one, tuple(_conditions(rules[one.rule], scope)) if one.rule in rules else ())
        for one in decide(policy, alert, history, now, world)
    ]


def _conditions(rule: Rule, scope: Scope) -> Iterator[Condition]:
    for of, expressions in (("when", rule.when), ("unless", rule.unless)):
        for expression in expressions:
            value, why = _value(expression.text, scope)
            names = dict(expression.named(scope))
            names |= {call: _given(call, scope) for call in _calls(expression.text)}
            yield Condition(of, expression.text, value, why, names)


def _value(text: str, scope: Scope) -> tuple[Any, str]:
    """The value of an expression; or None, and why it has none."""
    try:
        return Expression(text).value(scope), ""
    except NO_VALUE as error:
        return None, str(error)


def _given(call: str, scope: Scope) -> Any:
    """What a call gives; None where nothing."""
    value, _ = _value(call, scope)
    return str(value) if value in (math.inf, -math.inf) else value  # which JSON has not


def _calls(text: str) -> Iterator[str]:
    """The calls of functions in an expression as they are written; of one within another, the outer."""
    end = 0
    for call in CALL.finditer(text):
        if call[1] is None or call[1] in WORDS or call.start() < end:
            continue
        depth = 0
        for token in PARENTHESES.finditer(text, call.end() - 1):
            depth += {"(": 1, ")": -1}.get(token[0], 0)
            if depth == 0:
                end = token.end()
                yield text[call.start() : end]
                break
