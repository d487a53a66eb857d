"""`ovro-alert keys`: what it prints, what it refuses, and that the secret is shown once."""

import re
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

import support
from ovro_alert.cli import app
from ovro_alert.keys_cli import parse_end
from ovro_alert.store.keys import id_of

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def database(tmp_path):
    return f"sqlite:///{tmp_path / 'log.sqlite'}"


@pytest.fixture
def keys(database):
    return partial(support.keys, database)


def refused(database, *arguments):
    """What is said of a command that cannot be carried out."""
    result = CliRunner().invoke(app, ["keys", *arguments], env={"OVRO_ALERT_DATABASE_URL": database})
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    return result.stderr


def test_a_key_is_printed_alone_and_never_again(keys):
    token = keys("make", "lwa-alert", "--scope=read:lwa", "--scope=claim:lwa")
    assert re.fullmatch(r"oa_[a-z2-7]{10}_[\w-]{43}", token)
    listed = keys("list")
    assert id_of(token.encode()) in listed
    assert token.split("_", 2)[2] not in listed


def test_keys_are_listed_with_what_they_may_and_how_they_stand(keys):
    old = keys("make", "lwa-alert", "--scope=read:lwa", "--scope=claim:lwa")
    keys("rotate", id_of(old.encode()), "--expires=2100-01-01")
    keys("make", "a visitor", "--scope=admin", "--expires=30d")
    head, first, second, third = keys("list").splitlines()
    assert head.split() == ["id", "name", "scopes", "made", "last", "used", "expires", "state"]
    assert re.fullmatch(r"\w{10} +lwa-alert +claim:lwa read:lwa +\S+ \S+ +- +- +revoked", first)
    assert re.fullmatch(
        r"\w{10} +lwa-alert +claim:lwa read:lwa +\S+ \S+ +- +2100-01-01 00:00 +in force", second
    )
    assert re.fullmatch(r"\w{10} +a visitor +admin +\S+ \S+ +- +\S+ \S+ +in force", third)


def test_a_key_that_was_found_somewhere_can_be_revoked_by_itself(keys):
    token = keys("make", "lwa-alert", "--scope=admin")
    keys("revoke", token)
    assert keys("list").endswith("revoked")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["make", "x", "--scope=send:chmie"], "there is no slot chmie: there are lwa, dsa"),
        (["make", "x", "--scope=write:lwa"], "no scope"),
        (["make", "", "--scope=admin"], "name"),
        (["make", "a\nb", "--scope=admin"], "name"),
        (["make", "x", "--scope=admin", "--expires=soon"], "neither a life"),
        (["make", "x", "--scope=admin", "--expires=2001-01-01"], "is past"),
        (["revoke", "abcdefghij"], "no key abcdefghij"),
        (["rotate", "abcdefghij"], "no key abcdefghij"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(database, arguments, reason):
    said = refused(database, *arguments)
    assert reason in said
    assert len(said.splitlines()) == 1


def test_a_secret_that_is_no_key_is_not_repeated(database):
    assert "very-secret" not in refused(database, "revoke", "oa_abcdefghij_very-secret")


@pytest.mark.parametrize("url", ["sqlite://", "mysql://host/log", "nonsense"])
def test_a_database_that_cannot_be_used_is_said_in_a_line(url):
    assert len(refused(url, "list").splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("90d", datetime(2026, 6, 2, 5, 6, 7, tzinfo=UTC)),
        ("12h", datetime(2026, 3, 4, 17, 6, 7, tzinfo=UTC)),
        ("30m", datetime(2026, 3, 4, 5, 36, 7, tzinfo=UTC)),
        ("2027-01-31", datetime(2027, 1, 31, tzinfo=UTC)),
        ("2027-01-31T12:00:00-08:00", datetime(2027, 1, 31, 20, tzinfo=UTC)),
    ],
)
def test_an_end_is_a_life_or_a_moment(text, end):
    assert parse_end(text, NOW) == end


@pytest.mark.parametrize("text", ["", "0d", "-3d", "1y", "99999999d", "2027-01-31T12:00:00", "2026-03-04"])
def test_what_is_no_end_is_refused(text):
    with pytest.raises(ValueError, match=r"neither|past"):
        parse_end(text, NOW)


def test_a_host_without_the_relays_extra_is_told_which():
    """In a process of its own, in which SQLAlchemy is not to be found."""
    script = (
        "import sys; sys.modules['sqlalchemy'] = None; from ovro_alert.cli import app; app(['keys', 'list'])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=50)
    assert ran.returncode == 1
    assert re.fullmatch(r"this needs sqlalchemy\S*: pip install 'ovro-alert\[relay\]'\n", ran.stderr)


def test_help_of_its_commands_is_theirs():
    program = Path(sys.executable).with_name("ovro-alert")
    ran = subprocess.run(
        [program, "keys", "make", "--help"], capture_output=True, text=True, timeout=50, check=True
    )
    assert "--scope" in ran.stdout
