"""The language of rules: typed expressions over one alert, checked when they are loaded.

Every field of `Alert` is a name, with its parts below it (`frb.dm`, `gw.classification["BNS"]`), and so are
`now` and the functions. rule-engine parses and type-checks; nothing is ever given to eval. What an alert
leaves out makes the expression `Missing`, so that an absent value is never taken for a small one; `??` says
what to take in its place: `(frb.importance ?? 1) >= 0.9`.
"""

import re
import types
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

import rule_engine
from pydantic import AwareDatetime, BaseModel
from rule_engine.errors import EngineError, RuleSyntaxError

from ovro_alert.alert import Alert
from ovro_alert.policy import (
    event_functions,
    functions,
    map_functions,
    ring_functions,
    sky_functions,
    source_functions,
)
from ovro_alert.policy.functions import Missing, Scope

DataType = rule_engine.DataType
FUNCTIONS = (
    functions.FUNCTIONS
    | sky_functions.FUNCTIONS
    | map_functions.FUNCTIONS
    | event_functions.FUNCTIONS
    | source_functions.FUNCTIONS
    | ring_functions.FUNCTIONS
)
# A string, or what is written like one: moments, d"2026-03-04".
STRING = r"""[a-z]?"[^"]*"|[a-z]?'[^']*'"""
# A name with its parts; strings that stand by themselves are passed over.
NAME = re.compile(rf'{STRING}|(?<![\w.])([a-z_]\w*(?:&?\.\w+|&?\["\w+"\])*)')
# The types of values that go into a command. UNDEFINED: only the alert will tell.
IN_JSON = frozenset({"STRING", "FLOAT", "BOOLEAN", "DATETIME", "ARRAY", "MAPPING", "UNDEFINED"})
WORDS = frozenset({"true", "false", "null", "now", "and", "or", "not", "in"})
# What an alert says of itself, whenever and beside whatever else it is asked.
OF_ALERT = (frozenset(Alert.model_fields) | WORDS) - {"now"}


class ExpressionError(ValueError):
    """An expression that cannot be used: its text and why."""


# What an expression raises that has no value on some alert.
NO_VALUE = (Missing, ValueError, OverflowError)

SCALARS = {str: DataType.STRING, float: DataType.FLOAT, int: DataType.FLOAT, bool: DataType.BOOLEAN}


def _part(name: str, model: type[BaseModel]) -> Any:
    """rule-engine's type of a part of the vocabulary; what is left out is null."""
    return DataType.OBJECT(
        name,
        attributes=_types(model, f"{name}."),
        accessor=lambda part, attribute: getattr(part, attribute, None),
    )


def _types(model: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    return {name: _type(f"{prefix}{name}", field.annotation) for name, field in model.model_fields.items()}


def _type(name: str, annotation: Any) -> Any:
    """rule-engine's type of an annotation; optional ones are checked as though given."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(name, args[0])
    if origin in (Union, types.UnionType):
        (given,) = (arg for arg in args if arg is not type(None))
        return _type(name, given)
    if origin is tuple:
        return DataType.ARRAY(_type(name, args[0]))
    if origin is dict:
        return DataType.MAPPING(_type(name, args[0]), _type(name, args[1]))
    if issubclass(annotation, BaseModel):
        return _part(name, annotation)
    if annotation is AwareDatetime:
        return DataType.DATETIME
    return DataType.STRING if issubclass(annotation, Enum) else SCALARS[annotation]


def _resolve(scope: Scope, name: str) -> Any:
    if name in FUNCTIONS:
        if name not in scope.known:  # one that several rules call with the same is asked once
            scope.known[name] = cache(FUNCTIONS[name][0](scope))
        return scope.known[name]
    if name == "now":
        return scope.now
    value = getattr(scope.alert, name)
    return value.value if isinstance(value, Enum) else value  # which rule-engine takes for no text's equal


NAMES = _types(Alert) | {"now": DataType.DATETIME}


def _context(functions: dict[str, Any]) -> rule_engine.Context:
    """What expressions are parsed with: the names, and functions of these types."""
    types = rule_engine.type_resolver_from_dict(NAMES | functions)
    return rule_engine.Context(type_resolver=types, resolver=_resolve, default_timezone="utc")


CHECKED = _context(
    {
        name: DataType.FUNCTION(
            name,
            return_type=result,
            argument_types=arguments,
            minimum_arguments=event_functions.LEAST_ARGUMENTS.get(name, len(arguments)),
        )
        for name, (_, result, arguments) in FUNCTIONS.items()
    }
)
# Types that were checked at loading are not again at every call, which takes longer than most of them.
TRUSTED = _context(dict.fromkeys(FUNCTIONS, DataType.UNDEFINED))


def _plain(value: Any) -> Any:
    """A value of the language as JSON has it: numbers float, moments ISO 8601 UTC."""
    if value is True or value is False:  # as conditions are
        return value
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    return value


class Expression:
    """One checked expression.

    Raises
        ExpressionError: on construction, for a syntax error, an unknown name or a clash of types.
    """

    def __init__(self, text: str, wanted: Any = None) -> None:
        self.text = " ".join(text.split())
        if not self.text:
            raise ExpressionError("an empty expression")
        if "$" in re.sub(STRING, "", self.text):
            raise ExpressionError(f"{self.text}: names with $ are of another clock: the moment is `now`")
        found = self._compile(self.text, CHECKED).statement.expression.result_type
        self._is_optional = found.name == "NULLABLE"  # it ends in `?? null`
        if self._is_optional and not wanted:
            found = found.inner_type
        if found != wanted if wanted else found.name not in IN_JSON:
            wants = wanted.name.lower() if wanted else "what JSON has"
            raise ExpressionError(f"{self.text}: gives {found.name.lower()}, {wants} is wanted")
        words = dict.fromkeys(name for name in NAME.findall(self.text) if name)
        self.uses = frozenset(re.match(r"\w+", word)[0] for word in words)  # type: ignore[index]
        try:
            self.asks = frozenset(event_functions.asked(self.text))
        except ValueError as error:
            raise ExpressionError(f"{self.text}: {error}") from error
        self._rule = self._compile(self.text, TRUSTED)
        self.is_lasting = self.uses <= OF_ALERT  # the same of an alert whenever it is asked
        names = [word for word in words if word not in WORDS]
        names = [name for name in names if name not in FUNCTIONS] + event_functions.calls(self.text)
        self._told = f"{self.text} with values"
        alone = ((name.replace("&", ""), f"{name} =", self._compiled_alone(name)) for name in names)
        self._names = [(name, key, rule) for name, key, rule in alone if rule]

    @staticmethod
    def _compile(text: str, context: rule_engine.Context) -> rule_engine.Rule:
        try:
            return rule_engine.Rule(text, context=context)
        except RuleSyntaxError as error:
            at = f" at {error.token.value!r}" if error.token else " at its end"
            raise ExpressionError(f"{text}: syntax error{at}") from error
        except rule_engine.SymbolResolutionError as error:
            raise ExpressionError(f"{text}: unknown name {error.symbol_name!r}") from error
        except EngineError as error:
            raise ExpressionError(f"{text}: {_said(error)}") from error

    @classmethod
    def _compiled_alone(cls, name: str) -> rule_engine.Rule | None:
        """A name by itself; None of one that only a part of the expression knows: `x` in [x for x in …]."""
        try:
            return cls._compile(name, TRUSTED)
        except ExpressionError:
            return None

    def value(self, scope: Scope) -> Any:
        """The value as JSON has it; None only of an expression that ends in `?? null`.

        Raises
            Missing: a name in it has no value in this alert.
            ExpressionError: it has no value, such as a division by zero.
        """
        return _plain(self.moment_or_value(scope))

    def moment_or_value(self, scope: Scope) -> Any:
        """As `value`, with moments left as datetimes."""
        if self.text in scope.known:
            return scope.known[self.text]
        value = scope.known[self.text] = self._evaluate(scope)
        return value

    def _evaluate(self, scope: Scope) -> Any:
        try:
            value = self._rule.evaluate(scope)
        except Exception as error:  # whatever it is: it is this rule's, on this alert
            of_function = getattr(error, "error", None)
            if isinstance(of_function, Missing):
                raise of_function from error
            left_out = [name for name, value in self.named(scope) if value is None]
            if left_out:
                raise Missing(left_out[0]) from error
            raise ExpressionError(f"{self.text}: {_said(error)}") from error
        if value is None and not self._is_optional:
            raise Missing(self.text)
        return value

    def with_values(self, scope: Scope) -> str:
        """The text with what its names stand for: `frb.dm >= 100 (frb.dm = 349.2)`."""
        if self._told not in scope.known:
            values = [f"{name} = {shown(value)}" for name, value in self.named(scope)]
            scope.known[self._told] = f"{self.text} ({', '.join(values)})" if values else self.text
        return str(scope.known[self._told])

    def named(self, scope: Scope) -> Iterator[tuple[str, Any]]:
        """Each name in the expression, and its value in this alert; None where it is left out."""
        for name, key, rule in self._names:
            if key not in scope.known:
                try:
                    scope.known[key] = _plain(rule.evaluate(scope))
                except Exception:  # such as a key of what is not there; the expression itself may never ask
                    scope.known[key] = None
            yield name, scope.known[key]


def _said(error: Exception) -> str:
    """What is wrong, and of a function that failed, why it did."""
    return str(getattr(error, "error", None) or getattr(error, "message", None) or error)


def shown(value: Any) -> str:
    """A value as people read it in a reason."""
    if value is None:
        return "not given"
    if isinstance(value, float):
        return f"{value:.6g}"
    return f'"{value}"' if isinstance(value, str) else str(value)
