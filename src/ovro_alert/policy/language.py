"""The language of rules: typed expressions over one alert, checked when they are loaded.

Every field of `Alert` is a name, with its parts below it (`frb.dm`, `gw.classification["BNS"]`), and so are
`now` and the functions below. rule-engine parses and type-checks; nothing is ever given to eval. A name that
an alert leaves empty makes the expression `Missing`, so that an absent value is never taken for a small one.
"""

import re
import types
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Union, get_args, get_origin

import rule_engine
from pydantic import AwareDatetime, BaseModel
from rule_engine.errors import EngineError, LookupError, RuleSyntaxError

from ovro_alert.alert import Alert
from ovro_alert.command import to_mjd
from ovro_alert.sky.dispersion import dispersion_delay

DataType = rule_engine.DataType
# A name with its parts, or a string that stands by itself and is passed over.
NAME = re.compile(r'(?<![\w.])([a-z_]\w*(?:&?\.\w+|&?\["\w+"\])*)|"[^"]*"')
WORDS = frozenset({"true", "false", "null", "now", "and", "or", "not", "in"})


class ExpressionError(ValueError):
    """An expression that cannot be used: its text and why."""


class Missing(Exception):
    """A name that this alert gives no value for."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not given")


@dataclass(frozen=True)
class Scope:
    """What an expression is evaluated over."""

    alert: Alert
    now: datetime


def _arrival(scope: Scope) -> Callable[[Decimal], datetime]:
    """arrival(mhz): when the burst sweeps past a frequency, from its DM and its time at a reference."""

    def arrival(mhz: Decimal) -> datetime:
        frb, time = scope.alert.frb, scope.alert.event_time
        if frb is None or frb.dm is None:
            raise Missing("frb.dm")
        if time is None:
            raise Missing("event_time")
        return time + timedelta(seconds=dispersion_delay(frb.dm, float(mhz), frb.reference_mhz))

    return arrival


def _delay(_: Scope) -> Callable[[Decimal, Decimal, Decimal], float]:
    """delay(dm, low_mhz, high_mhz): how much later (s) a burst is at the lower frequency."""
    return lambda dm, low, high: dispersion_delay(float(dm), float(low), float(high))


def _until(scope: Scope) -> Callable[[datetime], float]:
    """until(time): seconds from now to a moment."""
    return lambda moment: (moment - scope.now).total_seconds()


def _after(_: Scope) -> Callable[[datetime, Decimal], datetime]:
    """after(time, seconds): a moment so much later."""
    return lambda moment, seconds: moment + timedelta(seconds=float(seconds))


def _mjd(_: Scope) -> Callable[[datetime], float]:
    """mjd(time): a moment as Modified Julian Date."""
    return to_mjd


FUNCTIONS: dict[str, tuple[Callable[[Scope], Callable[..., Any]], Any, tuple[Any, ...]]] = {
    "arrival": (_arrival, DataType.DATETIME, (DataType.FLOAT,)),
    "delay": (_delay, DataType.FLOAT, (DataType.FLOAT, DataType.FLOAT, DataType.FLOAT)),
    "until": (_until, DataType.FLOAT, (DataType.DATETIME,)),
    "after": (_after, DataType.DATETIME, (DataType.DATETIME, DataType.FLOAT)),
    "mjd": (_mjd, DataType.FLOAT, (DataType.DATETIME,)),
}
SCALARS = {str: DataType.STRING, float: DataType.FLOAT, int: DataType.FLOAT, bool: DataType.BOOLEAN}


def _part(name: str, model: type[BaseModel]) -> Any:
    """rule-engine's type of a part of the vocabulary; `name` is how a rule reaches it."""

    def access(value: Any, attribute: str) -> Any:
        found = getattr(value, attribute)
        if found is None:
            raise Missing(f"{name}.{attribute}")
        return found

    return DataType.OBJECT(name, attributes=_types(model, f"{name}."), accessor=access)


def _types(model: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    return {name: _type(f"{prefix}{name}", field.annotation) for name, field in model.model_fields.items()}


def _type(name: str, annotation: Any) -> Any:
    """rule-engine's type of an annotation; optional ones are taken as given, and are `Missing` when not."""
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
        return FUNCTIONS[name][0](scope)
    if name == "now":
        return scope.now
    value = getattr(scope.alert, name)
    if value is None:
        raise Missing(name)
    return value


CONTEXT = rule_engine.Context(
    type_resolver=rule_engine.type_resolver_from_dict(
        _types(Alert)
        | {"now": DataType.DATETIME}
        | {
            name: DataType.FUNCTION(name, return_type=result, argument_types=arguments)
            for name, (_, result, arguments) in FUNCTIONS.items()
        }
    ),
    resolver=_resolve,
)


def _plain(value: Any) -> Any:
    """A value of the language as JSON has it: numbers float, moments ISO 8601 UTC."""
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
        self._rule = self._compile(self.text)
        found = self._rule.statement.expression.result_type
        if wanted is not None and found != wanted:
            raise ExpressionError(f"{self.text}: gives {found.name.lower()}, {wanted.name.lower()} is wanted")
        names = dict.fromkeys(name for name in NAME.findall(self.text) if name and name not in WORDS)
        self._names = [(name, self._compile(name)) for name in names if name not in FUNCTIONS]

    @staticmethod
    def _compile(text: str) -> rule_engine.Rule:
        try:
            return rule_engine.Rule(text, context=CONTEXT)
        except RuleSyntaxError as error:
            at = f" at {error.token.value!r}" if error.token else " at its end"
            raise ExpressionError(f"{text}: syntax error{at}") from error
        except rule_engine.SymbolResolutionError as error:
            raise ExpressionError(f"{text}: unknown name {error.symbol_name!r}") from error
        except EngineError as error:
            raise ExpressionError(f"{text}: {_said(error)}") from error

    def value(self, scope: Scope) -> Any:
        """The value as JSON has it.

        Raises
            Missing: a name in it has no value in this alert.
            ExpressionError: it has no value, such as a division by zero.
        """
        return _plain(self.moment_or_value(scope))

    def moment_or_value(self, scope: Scope) -> Any:
        """As `value`, with moments left as datetimes."""
        try:
            return self._rule.evaluate(scope)
        except LookupError as error:
            raise Missing(f"{error.item!r}") from error
        except (EngineError, ArithmeticError) as error:
            raise ExpressionError(f"{self.text}: {_said(error)}") from error

    def with_values(self, scope: Scope) -> str:
        """The text with what its names stand for: `frb.dm >= 100 (frb.dm = 349.2)`."""
        shown = []
        for name, rule in self._names:
            try:
                value = _plain(rule.evaluate(scope))
            except (Missing, EngineError):
                value = None
            shown.append(f"{name.replace('&', '')} = {_shown(value)}")
        return f"{self.text} ({', '.join(shown)})" if shown else self.text


def _said(error: Exception) -> str:
    return str(getattr(error, "message", None) or error)


def _shown(value: Any) -> str:
    if value is None:
        return "not given"
    if isinstance(value, float):
        return f"{value:.6g}"
    return f'"{value}"' if isinstance(value, str) else str(value)
