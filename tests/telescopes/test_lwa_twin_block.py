"""The twin of a pipeline's buffer judges commands as the published block does, and more strictly."""

import json
from typing import Any

import pytest

from ovro_alert.telescopes.lwa.twin.block import BYTES_PER_S, Block, Fault, Speeds

SPEEDS = Speeds(ring_s=158, disk_bytes_per_s=2.5e9, factor=1)
GOOD = {"command": "trigger", "nfile": 2, "ntime_per_file": 1_000_320, "dump_path": "/data0/"}
FILE = 1_000_320 * 67_584


def told(kwargs: Any, **changes: Any) -> bytes:
    val = {"block": "TriggeredDump", "timestamp": 1767268800.0, "kwargs": kwargs}
    return json.dumps({"cmd": "update", "val": val, "id": "1767268800000000"} | changes).encode()


@pytest.fixture
def block() -> Block:
    return Block("lxdlwagpu01", 2, "/data0/")


@pytest.mark.parametrize(
    ("kwargs", "response"),
    [
        (GOOD, "0"),
        ({"command": "abort"}, "0"),
        ({"command": "stop"}, "0"),
        (GOOD | {"ntime_per_sample": 1}, "-1"),
        (GOOD | {"nfile": None}, "-2"),
        (GOOD | {"nfile": 2.0}, "-2"),
        (GOOD | {"nfile": True}, "-2"),
        (GOOD | {"dump_path": None}, "-2"),
        ({"command": "abort", "nfile": None}, "-2"),
        (GOOD | {"command": "Trigger"}, "-3"),
        (GOOD | {"nfile": 0}, "-3"),
        (GOOD | {"ntime_per_file": 1_000_000}, "-3"),
        (GOOD | {"ntime_per_file": 0}, "-3"),
        (GOOD | {"dump_path": "/data1/"}, "-3"),
        ({"command": "trigger"}, "-3"),
        ({}, "-3"),
        ([], "`val[kwargs]` field should be a dictionary"),
    ],
)
def test_the_response_to_what_it_is_told(block: Block, kwargs: Any, response: str) -> None:
    said = block.take(told(kwargs), 0, SPEEDS)
    assert said["response"] == response
    assert (block.dump is not None) == (kwargs is GOOD)
    reply = json.loads(block.reply(said["id"], said["response"], 5))
    status = "normal" if response == "0" else "error"
    val = {"status": status, "response": response, "timestamp": 5}
    assert reply == {"id": "1767268800000000", "val": val}


@pytest.mark.parametrize(
    ("value", "response"),
    [
        (b"nonsense", "Missing ID field"),
        (b'"text"', "Missing ID field"),
        (told(GOOD, id=7), "Missing ID field"),
        (told(GOOD, cmd="get"), "Invalid command"),
        (told(GOOD, val=3), "`val` field should be a dictionary"),
        (told(GOOD, val={"block": "Corr", "timestamp": 1, "kwargs": GOOD}), "-3"),
    ],
)
def test_the_response_to_what_is_no_command(block: Block, value: bytes, response: str) -> None:
    assert block.take(value, 0, SPEEDS)["response"] == response
    assert block.dump is None


def shown(block: Block) -> dict[str, Any]:
    stats: dict[str, Any] = json.loads(block.point(0))["stats"]
    return stats


def test_it_writes_as_fast_as_the_disk_and_then_as_it_is_sampled(block: Block) -> None:
    assert block.take(told(GOOD | {"nfile": 20}), 1000, SPEEDS)["did"] == "began"
    assert shown(block) == {"state": "triggering", "last_trigger_time": 1000}
    block.write(1010, SPEEDS)
    assert shown(block)["bytes_dumped"] == 25_000_000_000
    assert (shown(block)["status"], shown(block)["files_created"]) == ("writing", 1)
    block.write(1600, SPEEDS)
    assert shown(block)["bytes_dumped"] == pytest.approx(758 * BYTES_PER_S)
    block.write(1700, SPEEDS)
    assert shown(block)["bytes_dumped"] == 20 * FILE
    assert (shown(block)["status"], shown(block)["state"]) == ("complete", "triggering")


def test_a_trigger_while_it_writes_is_accepted_and_lost(block: Block) -> None:
    block.take(told(GOOD), 0, SPEEDS)
    said = block.take(told(GOOD, id="2"), 1, SPEEDS)
    assert (said["response"], said["did"]) == ("0", "swallowed")
    block.write(1000, SPEEDS)
    assert shown(block)["last_trigger_time"] == 0
    assert block.take(told(GOOD, id="3"), 1001, SPEEDS)["did"] == "began"


def test_an_abort_ends_it_where_it_is(block: Block) -> None:
    assert block.take(told({"command": "abort"}), 0, SPEEDS)["did"] == "nothing"
    block.take(told(GOOD), 0, SPEEDS)
    assert block.take(told({"command": "abort"}), 10, SPEEDS)["did"] == "aborted"
    block.write(1000, SPEEDS)
    assert (shown(block)["status"], shown(block)["bytes_dumped"]) == ("aborted", 25_000_000_000)


@pytest.mark.parametrize(
    ("fault", "status", "hears"),
    [("stopped", "stopped", True), ("full", "writing", True), ("dies", "writing", False)],
)
def test_how_it_ends_when_it_goes_wrong(block: Block, fault: str, status: str, hears: bool) -> None:
    block.fault = Fault(ends=fault, at=0.25)
    block.take(told(GOOD), 0, SPEEDS)
    block.write(1000, SPEEDS)
    assert shown(block)["bytes_dumped"] == FILE // 2
    assert (shown(block)["status"], block.hears) == (status, hears)
    block.write(2000, SPEEDS)
    assert shown(block)["bytes_dumped"] == FILE // 2
    assert block.dump is None
