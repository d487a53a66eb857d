"""`ovro-alert catalogue`: what it keeps, what it says, and what it refuses whole."""

import re

import pytest
from typer.testing import CliRunner

from ovro_alert.cli import app

CSV = """tns_name,repeater_name,ra,dec,dm_fitb
FRB20180725A,-9999,93.42,67.1,715.8
FRB20180916B,FRB20180916B,29.5031,65.7168,348.77
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("OVRO_ALERT_DATABASE_URL", f"sqlite:///{tmp_path / 'log.sqlite'}")
    return lambda *arguments: CliRunner().invoke(app, ["catalogue", *map(str, arguments)])


@pytest.fixture
def file(tmp_path):
    def file(content=CSV, name="chime.csv"):
        path = tmp_path / name
        path.write_text(content)
        return path

    return file


def refused(result):
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


def test_a_catalogue_is_imported_listed_replaced_and_removed(run, file):
    assert run("import", file()).stdout == "chime: 2 entries, 1 of repeaters\n"
    assert run("import", file(), "--name", "another").exit_code == 0
    one = "name,ra,dec\nA,1,2\n"
    assert "--replace" in refused(run("import", file(one)))
    assert run("import", file(one), "--replace").stdout == "chime: 1 entries, in place of 2, 0 of repeaters\n"
    head, *rows = run("list").stdout.splitlines()
    assert head.split() == ["name", "entries", "of", "repeaters", "imported"]
    assert [row.split()[:3] for row in rows] == [["another", "2", "1"], ["chime", "1", "0"]]
    assert run("remove", "another").stdout == "another: 2 entries removed\n"
    assert "no catalogue another" in refused(run("remove", "another"))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (CSV + "FRB20200101Z,,400,10,\n", r"source 3\.ra: must be less than 360"),
        (CSV + "FRB20200101Z,,nan,10,\n", r"source 3\.ra"),
        ('[{"name": "A", "ra": 1, "dec": 2}, {"name": "", "ra": 1, "dec": 2}]', r"source 2\.name"),
        ("", "no sources"),
    ],
)
def test_a_row_that_cannot_be_is_named_and_nothing_is_imported(run, file, content, why):
    assert re.search(why, refused(run("import", file(content))))
    assert len(run("list").stdout.splitlines()) == 1


def test_what_else_cannot_be_done_is_said_in_a_line(run, file, tmp_path):
    assert "missing.csv" in refused(run("import", tmp_path / "missing.csv"))
    for name in ("", "x" * 101, "a\nb"):
        assert "--name" in refused(run("import", file(), "--name", name))


@pytest.mark.parametrize("url", ["sqlite://", "mysql://host/log", "nonsense"])
def test_a_database_that_cannot_be_used_is_said_in_a_line(run, monkeypatch, url):
    monkeypatch.setenv("OVRO_ALERT_DATABASE_URL", url)
    refused(run("list"))
