"""The policy file: rules as data, read and checked whole before any of it is in force."""

import hashlib
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rule_engine import DataType

from ovro_alert.alert import Alert, AlertType, Role
from ovro_alert.policy.event_functions import Asked
from ovro_alert.policy.functions import Scope
from ovro_alert.policy.language import Expression, ExpressionError

DEFAULT = "policy.toml"
SOURCES = ("chime", "dsa", "ligo", "gcn", "flarescope")  # the known; of another it is not assumed to be quiet
ANY_TIME = datetime.min.replace(tzinfo=UTC)
LONGEST_COOLDOWN_S = 86400.0  # what rules have used of their limits is counted over a day


class PolicyError(ValueError):
    """A policy that cannot be put in force: of each of its `errors` the file, the place in it, and why."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = tuple(errors)


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
    cooldown_s: Annotated[float, Field(gt=0, le=LONGEST_COOLDOWN_S)] | None = None
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
    line: int  # of the file, where it begins

    @cached_property
    def expressions(self) -> tuple[Expression, ...]:
        """All that it asks."""
        args = (arg for then in self.then for arg in then.args.values() if isinstance(arg, Expression))
        deadlines = (then.deadline for then in self.then)
        return (*self.when, *self.unless, *deadlines, *args)

    def may_act_on(self, source: str) -> bool:
        """Whether those of its conditions hold that go by who speaks and nothing else."""
        said = Alert(
            alert_id="?", event_id="?", source=source, role=Role.OBSERVATION, alert_type=AlertType.INITIAL
        )
        return all(one.value(Scope(said, ANY_TIME)) for one in self.when if one.uses == {"source"})

    @cached_property
    def asks(self) -> frozenset[Asked]:
        """What its expressions ask of other events."""
        return frozenset().union(*(one.asks for one in self.expressions))


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

    @cached_property
    def uses(self) -> frozenset[str]:
        """The names and functions in its rules."""
        return frozenset().union(*(one.uses for rule in self.rules for one in rule.expressions))

    @cached_property
    def asks_for(self) -> frozenset[str]:
        """Whose other events its rules ask for; none where nobody has to look for any."""
        return frozenset(asked.speaker for rule in self.rules for asked in rule.asks)

    @cached_property
    def quiet(self) -> dict[str, frozenset[str]]:
        """By whom its rules ask for, the sources on whose alerts they surely do not."""
        asking = {
            name: [rule for rule in self.rules if any(name == asked.speaker for asked in rule.asks)]
            for name in self.asks_for
        }
        return {
            name: frozenset(one for one in SOURCES if not any(rule.may_act_on(one) for rule in rules))
            for name, rules in asking.items()
        }

    @cached_property
    def within_s(self) -> float:
        """How far in time those may be from an alert."""
        return max((asked.seconds for rule in self.rules for asked in rule.asks), default=0.0)


def load(path: Path | None, slots: frozenset[str]) -> Policy:
    """Reads a policy file, or the one that comes with ovro-alert where `path` is None.

    Raises
        PolicyError: naming the file and the line of each fault.
    """
    file = resources.files(__package__).joinpath(DEFAULT) if path is None else path
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError([f"{file}: {error}"]) from error
    return parse(text, slots, str(file))


def parse(text: str, slots: frozenset[str], name: str = DEFAULT) -> Policy:
    """The policy in a TOML text; `slots` are those that a command may go to. Raises PolicyError."""
    places = _Places(text, name)
    try:
        rows = _File.model_validate(tomllib.loads(text)).rule
    except tomllib.TOMLDecodeError as error:
        raise PolicyError([places.of_toml(str(error))]) from error
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise PolicyError([places.of_field(one["loc"], one["msg"]) for one in found]) from error
    reader = _Reader(slots, places)
    rules = tuple(reader.rule(n, row) for n, row in enumerate(rows))
    names = [row.name for row in rows]
    for n, each in enumerate(names):
        if each in names[:n]:
            reader.wrong(n, f"two rules are named {each!r}", "name", each)
    if reader.errors:
        raise PolicyError(reader.errors)
    return Policy(rules, hashlib.blake2b(text.encode(), digest_size=8).hexdigest())


class _Places:
    """Where things stand in a file. TOML's reader keeps no lines, so they are looked for."""

    def __init__(self, text: str, name: str) -> None:
        self._name = name
        self._rows = text.split("\n")
        self._begins = [n for n, row in enumerate(self._rows, 1) if re.match(r"\s*\[\[\s*rule\s*\]\]", row)]

    def rule(self, n: int) -> int:
        """The line where the nth rule begins; 1 where they are not written one by one."""
        return self._begins[n] if n < len(self._begins) else 1

    def of(self, n: int, *wanted: str) -> str:
        """The place of the row of the nth rule that has all of the wanted; else of the rule."""
        begin = self.rule(n)
        end = self._begins[n + 1] if n + 1 < len(self._begins) else None
        rows = enumerate(self._rows[begin - 1 : end and end - 1], begin)
        found = (line for line, row in rows if all(one in row for one in wanted))
        return f"{self._name}:{next(found, begin)}"

    def of_field(self, loc: Sequence[str | int], why: str) -> str:
        """What is said of a field that cannot be."""
        said = f"{'.'.join(map(str, loc))}: {why}"
        if len(loc) > 1 and isinstance(loc[1], int):
            return f"{self.of(loc[1], f'{loc[-1]} =')}: {said}"
        return f"{self._name}: {said}"

    def of_toml(self, why: str) -> str:
        """What TOML's reader says, which has the line at its end."""
        found = re.fullmatch(r"(.*) \(at line (\d+), (column \d+)\)", why)
        return f"{self._name}:{found[2]}: {found[1]} ({found[3]})" if found else f"{self._name}: {why}"


class _Reader:
    """Makes rules of rows, and collects what is wrong with them: all is to be known at once."""

    def __init__(self, slots: frozenset[str], places: _Places) -> None:
        self.errors: list[str] = []
        self._slots = slots
        self._places = places

    def rule(self, n: int, row: _RuleRow) -> Rule:
        return Rule(
            row.name,
            row.tests,
            row.on_update,
            tuple(self._expression(n, condition, DataType.BOOLEAN) for condition in row.when),
            tuple(self._expression(n, condition, DataType.BOOLEAN) for condition in row.unless),
            tuple(self._then(n, each) for each in row.then),
            self._places.rule(n),
        )

    def _then(self, n: int, row: _ThenRow) -> Then:
        if row.slot not in self._slots:
            takes = ", ".join(sorted(self._slots))
            self.wrong(n, f"slot {row.slot!r} takes no commands (those that do: {takes})", "slot", row.slot)
        return Then(
            row.slot,
            row.command,
            self._expression(n, row.deadline, DataType.DATETIME),
            {key: self._expression(n, arg) if isinstance(arg, str) else arg for key, arg in row.args.items()},
            row.priority,
            row.approval,
            row.cooldown_s,
            row.per_day,
        )

    def _expression(self, n: int, written: str, wanted: Any = None) -> Expression:
        try:
            return Expression(written, wanted)
        except ExpressionError as error:
            self.wrong(n, str(error), written.strip().split("\n", 1)[0] or "''")
            return Expression("true")  # in a policy that nobody is given

    def wrong(self, n: int, why: str, *wanted: str) -> None:
        """Notes what is wrong in the nth rule, where all of the wanted stand in one row."""
        self.errors.append(f"{self._places.of(n, *wanted)}: {why}")
