"""The README's session with curl, line by line against a relay that runs."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.end_to_end
README = Path(__file__).parents[2] / "README.md"
NAMES = ("id", "token")  # numbers that the next commands use
PASSING = ("read_mjd", "expires", "deadline")  # that are another every time
CLOCK = re.compile(r"\d\d:\d\d:\d\d UTC")


def session() -> list[tuple[str, str]]:
    """Each command of the console blocks, and what it is said to print."""
    blocks = re.findall(r"```console\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    return [
        (command, output)
        for block in blocks
        for command, output in re.findall(r"^\$ (.*)\n(.*)$", block, re.MULTILINE)
    ]


def leaves(value, path=()):
    """Every value in a JSON document, with the way to it."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, key))
    else:
        yield path, value


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on this machine")
def test_the_session_goes_as_the_readme_says(relay):
    renamed: dict[str, str] = {}
    assert len(session()) == 11
    for command, said in session():
        for written, actual in renamed.items():
            command = command.replace(written, actual)
        printed = subprocess.run(
            command, shell=True, env=relay.environment, capture_output=True, text=True, timeout=30, check=True
        ).stdout
        documented, actual = dict(leaves(json.loads(said))), dict(leaves(json.loads(printed)))
        assert documented.keys() == actual.keys(), command
        for path, value in documented.items():
            last = path[-1]
            if last in NAMES:
                renamed[f"/{value}" if last == "id" else f'"{last}":{value}'] = (
                    f"/{actual[path]}" if last == "id" else f'"{last}":{actual[path]}'
                )
            elif last not in PASSING and not (last == "command_mjd" and "name" in printed):
                assert CLOCK.sub("", str(value)) == CLOCK.sub("", str(actual[path])), command
