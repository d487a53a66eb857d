"""The policy file: rules as data, read and checked whole before any of it is in force."""

import hashlib
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rule_engine import DataType

from ovro_alert.policy.language import Expression, ExpressionError

DEFAULT = "policy.toml"


class PolicyError(ValueError):
    """A policy that cannot be put in force: the file, the place in it, and why."""


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class OnUpdate(StrEnum):
    """What a rule does about what it has asked for an event when an update of that comes."""

    REPLACE = "replace"  # what still waits is cancelled and asked anew; what has begun is left
    LEAVE = "leave"


class _ThenRow(_Row):
    slot: str
    command: str
    deadline: str
    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    approval: bool = False
    cooldown_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    per_day: Annotated[int, Field(gt=0)] | None = None
    args: dict[str, str | float | int | bool] = {}


class _RuleRow(_Row):
    name: str = Field(min_length=1)
    tests: bool = False
    on_update: Annotated[OnUpdate, Field(strict=False)] = OnUpdate.REPLACE
    when: Annotated[list[str], Field(min_length=1)]
    unless: list[str] = []
    then: Annotated[list[_ThenRow], Field(min_length=1)]


class _File(_Row):
    rule: list[_RuleRow]


@dataclass(frozen=True)
class Then:
    """A command that a rule sends; each argument is an expression, or a value as it stands."""

    slot: str
    command: str
    deadline: Expression
    args: dict[str, Expression | float | int | bool]
    priority: int = 0  # the greater goes first, and may take the place of the smaller at the telescope
    approval: bool = False  # a person is asked first
    cooldown_s: float | None = None  # at least so long after the last that this rule sent there
    per_day: int | None = None  # at most so many in 24 h


@dataclass(frozen=True)
class Rule:
    """Acts on an alert for which all of `when` and none of `unless` holds; on tests only if it `tests`."""

    name: str
    tests: bool
    on_update: OnUpdate
    when: tuple[Expression, ...]
    unless: tuple[Expression, ...]
    then: tuple[Then, ...]


@dataclass(frozen=True)
class Policy:
    """The rules in force, in the order of the file."""

    rules: tuple[Rule, ...]
    digest: str  # of the text; the same for the same policy

    @property
    def limited(self) -> frozenset[str]:
        """The rules that go by what they have sent before, for whichever event."""
        return frozenset(
            rule.name for rule in self.rules if any(then.cooldown_s or then.per_day for then in rule.then)
        )


def load(path: Path | None, slots: frozenset[str]) -> Policy:
    """Reads a policy file, or the one that comes with ovro-alert where `path` is None.

    Raises
        PolicyError: naming the file and the line or the field.
    """
    file = resources.files(__package__).joinpath(DEFAULT) if path is None else path
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{file}: {error}") from error
    return parse(text, slots, str(file))


def parse(text: str, slots: frozenset[str], name: str = DEFAULT) -> Policy:
    """The policy in a TOML text; `slots` are those that a command may go to. Raises PolicyError."""
    try:
        rows = _File.model_validate(tomllib.loads(text)).rule
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{name}: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise PolicyError(f"{name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error

    def line(wanted: str) -> str:
        """The place of an expression: TOML's reader keeps no lines, so it is looked for."""
        found = (n for n, row in enumerate(text.splitlines(), 1) if wanted.strip().splitlines()[0] in row)
        return f"{name}:{next(found, '?')}"

    def expression(written: str, wanted: Any = None) -> Expression:
        if not written.strip():
            raise PolicyError(f"{name}: an empty expression")
        try:
            return Expression(written, wanted)
        except ExpressionError as error:
            raise PolicyError(f"{line(written)}: {error}") from error

    def then(row: _ThenRow) -> Then:
        if row.slot not in slots:
            raise PolicyError(f"{name}: slot {row.slot!r} takes no commands (those that do: {sorted(slots)})")
        args = {key: expression(arg) if isinstance(arg, str) else arg for key, arg in row.args.items()}
        return Then(
            row.slot,
            row.command,
            expression(row.deadline, DataType.DATETIME),
            args,
            row.priority,
            row.approval,
            row.cooldown_s,
            row.per_day,
        )

    names = [row.name for row in rows]
    for twice in {each for each in names if names.count(each) > 1}:
        raise PolicyError(f"{name}: two rules are named {twice!r}")
    return Policy(
        tuple(
            Rule(
                row.name,
                row.tests,
                row.on_update,
                tuple(expression(condition, DataType.BOOLEAN) for condition in row.when),
                tuple(expression(condition, DataType.BOOLEAN) for condition in row.unless),
                tuple(then(each) for each in row.then),
            )
            for row in rows
        ),
        hashlib.blake2b(text.encode(), digest_size=8).hexdigest(),
    )
