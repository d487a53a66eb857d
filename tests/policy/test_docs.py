"""docs/policy.md is held to the code: its names, functions and keys, the default policy, what is printed."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args, get_origin

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from ovro_alert.alert import Alert
from ovro_alert.cli import app
from ovro_alert.formats import read
from ovro_alert.policy.functions import Scope
from ovro_alert.policy.language import FUNCTIONS, Expression
from ovro_alert.policy.rules import Rule, Then, load, parse
from ovro_alert.relay.settings import RelaySettings

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "policy.md").read_text(encoding="utf-8")
SLOTS = RelaySettings().commanded
NOW = datetime(2026, 3, 4, 5, 6, 14, tzinfo=UTC)


def section(title: str) -> str:
    """What stands below a heading, until the next one."""
    return re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", TEXT, re.MULTILINE | re.DOTALL)[1]


def first_cells(title: str) -> list[str]:
    """What is written as code in the first cells of a section's tables."""
    rows = re.findall(r"^\| (.*?) \|", section(title), re.MULTILINE)
    return [code for row in rows for code in re.findall(r"`(.*?)`", row)]


def names(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The names of a part of the vocabulary as an expression has them, those of mappings without keys."""
    for name, field in model.model_fields.items():
        part = next((one for one in (field.annotation, *get_args(field.annotation)) if is_part(one)), None)
        if part is None:
            yield f"{prefix}{name}"
        else:
            yield from names(part, f"{prefix}{name}.")


def is_part(annotation: object) -> bool:
    return (
        get_origin(annotation) is None and isinstance(annotation, type) and issubclass(annotation, BaseModel)
    )


def test_every_name_is_told_of():
    told = [re.sub(r"\[.*", "", name) for name in first_cells("Names")]
    assert sorted(told) == sorted(names(Alert))


def test_every_function_is_told_of_with_its_arguments():
    told = {
        call.split("(")[0]: (call.count(",") + 1) * (not call.endswith("()"))
        for call in first_cells("Functions")
        if call.endswith(")")
    }
    assert told == {name: len(arguments) for name, (_, _, arguments) in FUNCTIONS.items()}


def test_every_key_of_a_rule_is_told_of():
    keys = {field.name for kind in (Rule, Then) for field in fields(kind)}
    assert {key for key in first_cells("A rule") if key != "[[rule.then]]"} == keys - {"line"}


def test_the_example_is_a_policy():
    (block,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    assert tomllib.loads(block) == tomllib.loads((DOCS / "examples/policy.toml").read_text())
    assert len(parse(block, SLOTS).rules) == 1


VALUES = re.findall(r"^\| `(.*)` \| `(.*)` \|$", section("The language"), re.MULTILINE)


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_values_are_as_they_are_told(text, value):
    alert = read((DOCS / "examples/alerts/burst.json").read_bytes())
    assert Expression(text).value(Scope(alert, NOW)) == json.loads(value)


def test_there_are_values():
    assert len(VALUES) > 10


SESSION = [
    (command, output)
    for block in re.findall(r"```console\n(.*?)```", section("The tools"), re.DOTALL)
    for command, output in re.findall(r"^\$ ovro-alert (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
]


@pytest.mark.parametrize(("command", "output"), SESSION, ids=[command[:14] for command, _ in SESSION])
def test_the_tools_print_what_is_told(command, output, monkeypatch):
    monkeypatch.chdir(DOCS)
    result = CliRunner().invoke(app, shlex.split(command))
    assert (result.exit_code, result.output) == (0, output)


def default_policy() -> str:
    """The table of the default policy's rules."""
    rows = []
    for rule in load(None, SLOTS).rules:
        conditions = [one.text for one in rule.when] + [f"not ({one.text})" for one in rule.unless]
        sends = []
        for then in rule.then:
            asks = ", when a person has approved" if then.approval else ""
            sends.append(f"`/{then.slot} {then.command}` until `{then.deadline.text}`{asks}")
        when = "<br>".join(f"`{one}`" for one in conditions)
        rows.append(f"| {rule.name} | {when} | {'<br>'.join(sends)} |")
    return "\n".join(rows)


def test_the_default_policy_is_told_of_as_it_is():
    told = section("The default policy").split("| --- | --- | --- |\n")[1].strip()
    assert told == default_policy(), f"docs/policy.md is to say:\n{default_policy()}"
