"""docs/telescopes.md and the settings of docs/running.md are held to the code: what they print, it does."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_settings import BaseSettings
from telescopes.memory import NOW, Clock, MemoryKeys

from dsa_array import Array
from dsa_array import command as dsa_command
from ovro_alert.acting import Hands, Outcome, Plan
from ovro_alert.announce import settings as announced
from ovro_alert.announce.detection import Detection
from ovro_alert.clients import dsa_alert, lwa_alert, world_alert
from ovro_alert.command import Entry, Kind, State, to_mjd
from ovro_alert.link.settings import EtcdSettings
from ovro_alert.telescopes.arguments import spelled
from ovro_alert.telescopes.dsa import arguments as dsa_arguments
from ovro_alert.telescopes.dsa.check import check as dsa_check
from ovro_alert.telescopes.dsa.settings import DsaSettings
from ovro_alert.telescopes.findings import told
from ovro_alert.telescopes.lwa import sdf
from ovro_alert.telescopes.lwa.arguments import BeamArguments, DumpArguments
from ovro_alert.telescopes.lwa.check import check as lwa_check
from ovro_alert.telescopes.lwa.dump.hands import Dumping
from ovro_alert.telescopes.lwa.dump.settings import DumpSettings
from ovro_alert.telescopes.lwa.session import Session
from ovro_alert.telescopes.lwa.settings import LwaSettings
from ovro_alert.telescopes.lwa.twin.executor import Executor
from ovro_alert.telescopes.lwa.twin.pipelines import Pipelines

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "telescopes.md").read_text(encoding="utf-8")
RUNNING = (DOCS / "running.md").read_text(encoding="utf-8")
ID = 836612357849089


def section(title: str, text: str = TEXT) -> str:
    """What stands below a heading, until the next one."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


def tables(text: str) -> list[list[list[str]]]:
    """The cells of a text's tables, row by row, without their headings."""
    bodies = re.findall(r"^\|[-| ]+\|\n((?:\|.*\n?)+)", text, re.MULTILINE)
    return [[re.split(r" *\| *", row)[1:-1] for row in body.splitlines()] for body in bodies]


def codes(text: str) -> list[str]:
    return re.findall(r"`(.*?)`", text)


def blocks(kind: str, text: str = TEXT) -> list[str]:
    """What is printed as that kind, without the indentation of a list."""
    found = re.findall(rf"^( *)```{kind}\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def command(slot: str, word: str, args: dict[str, Any]) -> Entry:
    return Entry(
        id=ID,
        seq=1,
        slot=slot,
        kind=Kind.COMMAND,
        command=word,
        args=args,
        command_mjd=to_mjd(NOW),
        state=State.QUEUED,
        event_id="chime-424242",
        deadline=None,
    )


class Lwa:
    """The client's own hands on OVRO-LWA's twins, and the word of one command."""

    retracted_by = None

    def __init__(self, directory: Path) -> None:
        self.keys, self.clock, self.directory = MemoryKeys(), Clock(), directory
        self.executor = Executor(self.keys, self.clock)
        self.pipelines = Pipelines(self.keys, clock=self.clock)
        self.pipelines.tick()
        self.keys.idle = self.tick
        self.hands = lwa_alert.hands(self.keys, directory, self.clock)
        self.said: list[tuple[str, str]] = []

    def tick(self) -> None:
        self.executor.tick()
        self.pipelines.tick()

    def say(self, detail: dict[str, Any]) -> None:
        self.said.append((State.RUNNING, detail["message"]))

    def check(self) -> None: ...

    def wait(self, seconds: float) -> None:
        self.clock.on(seconds)
        self.tick()

    def carry_through(self, entry: Entry) -> None:
        plan = self.hands.plan(entry, self.clock())
        assert isinstance(plan, Plan), plan
        self.say(plan.summary)
        outcome = self.hands.follow(entry, self.hands.carry_out(entry, plan), self)
        self.said.append((outcome.state, outcome.detail["message"]))


@pytest.fixture
def lwa(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lwa:
    monkeypatch.setenv("OVRO_ALERT_LWA_FOLLOW_S", "600")  # keys in memory are slow over hours of looks
    return Lwa(tmp_path)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hands:
    """Whom there is to tell, as far as it is not spoken to."""
    for name, value in {
        "OVRO_ALERT_WORLD_VOEVENT_HOST": "broker.example.org",
        "OVRO_ALERT_WORLD_SWIFT_USERNAME": "somebody",
        "OVRO_ALERT_WORLD_SWIFT_SECRET": "a secret",
        "GCN_PRODUCER_CLIENT_ID": "an id",
        "GCN_PRODUCER_CLIENT_SECRET": "another",
    }.items():
        monkeypatch.setenv(name, value)
    return world_alert.hands(tmp_path)


FILES = list(
    zip(map(json.loads, blocks("json", section("The session definition file"))), blocks("sdf"), strict=True)
)


@pytest.mark.parametrize(("asked", "file"), FILES, ids=["power", "voltage", "calibrated"])
def test_session_definition_files_are_printed_as_they_are_written(
    lwa: Lwa, asked: dict[str, Any], file: str
) -> None:
    lwa.carry_through(command("lwa", asked["command"], asked["args"]))
    (written,) = lwa.directory.glob("sdf/*.sdf")
    assert written.read_text() == file
    assert sdf.parse(file).name == lwa.said[0][1].split()[1].strip(",")


def test_people_are_told_what_is_printed(lwa: Lwa) -> None:
    asked, _ = FILES[-1]
    lwa.carry_through(command("lwa", asked["command"], asked["args"]))
    _, told = tables(section("The session definition file"))
    assert [tuple(codes(" ".join(row))) for row in told] == lwa.said


def test_every_key_of_the_format_is_in_its_table() -> None:
    fields: dict[str, Any] = {"obs_id": 1, "start": NOW, "duration_ms": 1, "int_time_ms": 1, "target": "X"}
    observation = fields | {"ra": 1, "dec": 1, "az": 1, "alt": 1}
    whole = sdf.write(Session(session_id=1, mode="POWER", beam=1, observations=(observation,)))
    table, _ = tables(section("The session definition file"))
    assert [key for row in table for key in codes(row[0])] == [
        line.split()[0] for line in whole.splitlines() if line
    ]


def test_what_is_put_for_a_dump_of_the_voltage_buffer(lwa: Lwa) -> None:
    text = section("OVRO-LWA: the voltage buffer")
    [asked] = re.findall(r"`(\{\"toa\".*?\})`", text)
    lwa.carry_through(command("lwa", "trigger", json.loads(asked)))
    assert_put(text, {key: put.value for key, put in lwa.keys.log})


@pytest.mark.parametrize(("word", "args"), [("dump", None), ("repoint", {"dec": 71.62})])
def test_what_is_put_for_dsa110(word: str, args: dict[str, Any] | None) -> None:
    text, array = section(word), Array()
    if args is None:
        [asked] = re.findall(r"`(\{\"mjds\".*?\})`", text)
        args = json.loads(asked)
    array.begin(dsa_command(word, args, id=ID))
    assert_put(text, {key: put.value for key, put in array.keys.history})


def assert_put(text: str, puts: dict[str, bytes]) -> None:
    [block] = blocks("etcd", text)
    key, value = block.splitlines()
    assert puts[key].decode() == value
    assert any(each.startswith("/ovro-alert/") and each.endswith(f"/{ID}") for each in puts)


# Where the arguments of a command are told of, and what reads them.
ARGUMENTS: list[tuple[str, type[BaseModel]]] = [
    ("OVRO-LWA: beams", BeamArguments),
    ("OVRO-LWA: the voltage buffer", DumpArguments),
    ("dump", dsa_arguments.DumpArguments),
    ("repoint", dsa_arguments.RepointArguments),
    ("CHIME FRB", dsa_arguments.BurstArguments),
    ("The world", Detection),
]


@pytest.mark.parametrize(("title", "model"), ARGUMENTS, ids=[title for title, _ in ARGUMENTS])
def test_every_argument_is_told_of_and_whether_it_must_be_there(title: str, model: type[BaseModel]) -> None:
    told, required = set(), set()
    for cells in tables(section(title))[0]:
        names = {name if model is Detection else spelled_alone(name) for name in codes(cells[0])}
        told |= names
        if cells[-1].endswith("must be there"):
            # That another one must be there says so in that one's place.
            required |= names & set(codes(cells[-1])) if codes(cells[-1]) else names
    fields = model.model_fields
    assert told == fields.keys()
    assert required == {name for name, field in fields.items() if field.is_required()}


def spelled_alone(name: str) -> str:
    [one] = spelled({name: 1})
    return one


REFUSED = [
    (slot, word, json.loads(args), reason)
    for what, args, reason in (
        [codes(cell)[0] for cell in row] for row in tables(section("What is refused"))[0]
    )
    for slot, _, word in [what.removeprefix("/").partition(" ")]
]


@pytest.mark.parametrize(("slot", "word", "args", "reason"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_refused_is_refused_so(
    slot: str, word: str, args: dict[str, Any], reason: str, lwa: Lwa, world: Hands
) -> None:
    if slot == "dsa":
        assert Array().refusal(dsa_command(word, args, approved_by=None)) == reason
        return
    before = len(lwa.keys.log)
    outcome = (lwa.hands if slot == "lwa" else world).plan(command(slot, word, args), NOW)
    assert outcome == Outcome(State.REFUSED, {"message": reason})
    assert len(lwa.keys.log) == before


def test_every_slot_has_its_commands(lwa: Lwa, world: Hands) -> None:
    known = {
        "/lwa": lwa.hands.plan(command("lwa", "?", {}), NOW),
        "/dsa": Array().plan(dsa_command("?")),
        "/world": world.plan(command("world", "?", {}), NOW),
    }
    table = {codes(slot)[0]: codes(words) for slot, words in tables(TEXT)[0]}
    assert table.keys() == known.keys()
    for slot, outcome in known.items():
        assert isinstance(outcome, Outcome)
        said = outcome.detail["message"].partition("known are ")[2].split(", ")
        assert said == [*(word.casefold() for word in table[slot]), "test"]


def printed(program: str) -> str:
    """What stands below `$ <program> --check`."""
    [block] = [one for one in blocks("console") if one.startswith(f"$ {program} --check\n")]
    return block.partition("\n")[2]


def assert_prints(output: str, told: str) -> None:
    """The same lines, where `…` stands for any number of them."""
    pattern = "".join(r"(?:.*\n)*?" if line == "…" else re.escape(line) + "\n" for line in told.splitlines())
    assert re.fullmatch(pattern, output), output


def test_lwa_alert_check_prints_what_is_told(lwa: Lwa, open_path: Path) -> None:
    lwa.keys.put("/ovro-alert/lwa/calibrated/3", b'{"at": "2026-01-01T11:00:00+00:00"}')
    passed: list[float] = []

    def idle() -> None:  # while it listens the recorders speak, once
        if not passed:
            passed.append(9)
            lwa.wait(9)

    lwa.keys.idle = idle
    found = lwa_check(lwa.keys, "lwa", LwaSettings(), open_path, lwa.clock)
    found += Dumping(lwa.keys, DumpSettings(), clock=lwa.clock).check(lwa.clock())
    assert_prints("".join(f"{line}\n" for line in told(found)), printed("lwa-alert"))


def test_dsa_alert_check_prints_what_is_told() -> None:
    array = Array()
    found = dsa_check(array.keys, array.settings, array.now)
    assert_prints("".join(f"{line}\n" for line in told(found)), printed("dsa-alert"))


def test_world_alert_check_prints_what_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert not world_alert.check(NOW)
    assert_prints(capsys.readouterr().out, printed("world-alert"))


WORKERS = [lwa_alert.LwaAlertSettings, dsa_alert.DsaAlertSettings, world_alert.WorldAlertSettings]
SETTINGS: dict[str, type[BaseSettings]] = {
    model.table: model
    for model in (
        EtcdSettings,
        LwaSettings,
        DumpSettings,
        DsaSettings,
        announced.WorldSettings,
        announced.VoeventSettings,
        announced.GcnSettings,
        announced.SwiftSettings,
        announced.TnsSettings,
        *WORKERS,
    )
}


OF_EACH = ("slot", "directory")  # of each client its own
OF_EACH_HOST = ("client",)


def settings_told(table: str) -> dict[str, list[str]]:
    """By name what is told as a setting's default, as TOML has it."""
    lines = RUNNING.splitlines()
    [title] = [line for line in lines if line.startswith("### ") and f"`[{table}]`" in line]
    [rows] = tables(section(title.removeprefix("### "), RUNNING))
    return {codes(row[0])[0]: codes(row[1]) for row in rows}


@pytest.mark.parametrize("table", SETTINGS)
def test_every_setting_is_told_of_with_its_default(table: str) -> None:
    model, told = SETTINGS[table], settings_told(table)
    assert told.keys() == model.model_fields.keys()
    default = model()
    for name, cell in told.items():
        if model in WORKERS and name in OF_EACH + OF_EACH_HOST:
            continue
        if cell:
            value = tomllib.loads(f"it = {cell[0]}")["it"]
            assert getattr(model(**{name: value}), name) == getattr(default, name), name
        else:
            assert getattr(default, name) is None, name


def test_each_client_has_the_slot_and_the_directory_that_are_told() -> None:
    told = settings_told(WORKERS[0].table)
    for name in OF_EACH:
        assert [json.loads(each) for each in told[name]] == [str(getattr(one(), name)) for one in WORKERS]


def test_settings_that_the_chapter_names_are_there() -> None:
    known = {name for _, model in ARGUMENTS for name in model.model_fields}
    known |= {name for model in SETTINGS.values() for name in model.model_fields}
    assert {name for name in codes(TEXT) if re.fullmatch(r"[a-z_]+_(s|bytes|deg|at|samples)", name)} <= known
