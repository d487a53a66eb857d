"""`ovro-alert db`: what it says of a database and does with it, beside a relay that runs."""

import sqlite3
import threading
from contextlib import closing
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from ovro_alert.cli import app
from ovro_alert.relay.app import create_app
from ovro_alert.relay.settings import RelaySettings
from ovro_alert.store.engine import migrate, newest_revision, revision
from ovro_alert.store.log import utc_now

SAID = {"command": "observation", "command_mjd": 50000.0}  # too long ago for any rule
NEWEST = newest_revision()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.sqlite"


@pytest.fixture
def db(path):
    def run(*arguments, code=0):
        result = CliRunner().invoke(
            app, ["db", *arguments], env={"OVRO_ALERT_DATABASE_URL": f"sqlite:///{path}"}
        )
        assert result.exit_code == code, result.output
        return result.stdout if code == 0 else result.stderr

    return run


def test_upgrade_says_from_where_to_where(db, path):
    assert db("upgrade") == f"schema none → {NEWEST}\n"
    assert db("upgrade") == f"schema {NEWEST}: nothing to do\n"
    path.unlink()
    migrate(f"sqlite:///{path}", "0001")
    assert db("upgrade") == f"schema 0001 → {NEWEST}\n"
    assert revision(f"sqlite:///{path}") == NEWEST


def test_status_of_a_database_that_is_not_there_makes_none(db, path):
    assert "schema     none" in db("status")
    assert not path.exists()
    assert "db upgrade" in db("prune", "--older-than", "90d", code=1)
    assert not path.exists()


def test_an_older_or_a_newer_schema_is_said_in_a_line(db, path):
    migrate(f"sqlite:///{path}", "0001")
    assert f"schema     0001, of {NEWEST}" in db("status")
    assert "db upgrade" in db("prune", "--older-than", "90d", code=1)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    assert "9999" in db("upgrade", code=1)


@pytest.mark.parametrize("span", ["", "90", "d", "-1d", "0d", "1y", "1.5d", "90d "])
def test_a_span_that_is_none_is_refused(db, span):
    db("upgrade")
    assert "--older-than" in db("prune", "--older-than", span, code=1)


def test_a_database_that_is_none_is_said_in_a_line(db, path):
    path.write_bytes(b"no database, but long enough to be taken for one" * 100)
    for command in (["upgrade"], ["status"], ["prune", "--older-than", "1d"]):
        assert "not a database" in db(*command, code=1)


def test_pruning_beside_a_relay_that_writes(db, path):
    now = [utc_now() - timedelta(days=100)]
    settings = RelaySettings(key="k", database_url=f"sqlite:///{path}")
    with TestClient(create_app(settings, lambda: now[0]), headers={"X-API-Key": "k"}) as client:
        for n in range(30):
            args = {"dm": 400, "ra": 10, "dec": 20, "trigname": f"old {n}"}
            assert client.put("/dsa", json=SAID | {"args": args}).is_success
        assert len(client.get("/events").json()["events"]) == 30
        old = client.get("/dsa/commands").json()["commands"]
        now[0] = utc_now()
        assert "events" in (foretold := db("prune", "--older-than", "90d", "--dry-run"))
        assert len(client.get("/events").json()["events"]) == 30

        put: list[int] = []
        done = threading.Event()

        def write():
            while not done.is_set():
                answer = client.put("/lwa", json={"command": "test", "command_mjd": 1.0})
                put.append(answer.json()["seq"])

        writer = threading.Thread(target=write)
        writer.start()
        said = db("prune", "--older-than", "90d")
        done.set()
        writer.join(20)
        assert put == list(range(1, len(put) + 1))
        assert [line.split() for line in said.splitlines()[1:]] == [
            line.split() for line in foretold.splitlines()[1:]
        ]
        left = client.get("/dsa/commands", params={"after": old[3]["seq"]}).json()["commands"]
        assert [entry["seq"] for entry in left] == [old[-1]["seq"]]
        assert len(client.get("/events").json()["events"]) == 1
        assert client.get("/feed", params={"after": 3}).is_success
    assert f"/lwa       {len(put)} entries" in db("status")
