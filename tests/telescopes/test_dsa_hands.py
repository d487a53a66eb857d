"""DSA-110's words, and what is refused before anything is written."""

from typing import Any

import pytest

from dsa_array import Array, command
from ovro_alert.acting import Outcome, Unreachable
from ovro_alert.command import State

BURST = {"ra": 180.0, "dec": 53.0, "dm": 500.0, "toa": 61100.25}
NO_MJD = "must be ISO 8601 or an MJD, between the years 2000 and 2100"


def test_a_test_moves_nothing() -> None:
    array = Array()
    before = len(array.keys.history)
    assert array.plan(command(" TEST ")) == Outcome(State.DONE, {"message": "a test: nothing was moved"})
    assert len(array.keys.history) == before


def test_an_unknown_word_is_refused_with_those_that_are_known() -> None:
    said = Array().refusal(command("fire the laser"))
    assert said == "command: 'fire the laser' is not known here; known are dump, repoint, chime frb, test"


@pytest.mark.parametrize(
    ("word", "args", "says"),
    [
        ("repoint", {}, "args: dec: missing, and so is elevation"),
        ("repoint", {"dec": 91}, "args.dec: Input should be less than or equal to 90"),
        ("repoint", {"dec": "north"}, "args.dec: Input should be a valid number"),
        ("repoint", {"dec": "nan"}, "args.dec: Input should be"),
        ("repoint", {"dec": True}, "args.dec: Value error, must not be true or false"),
        ("repoint", {"dec": 40, "ra": 400}, "args.ra: Input should be less than 360"),
        ("repoint", {"dec": 40, "elevation": 50}, "args: elevation: 50° is not that of dec, 92.77°"),
        ("repoint", {"dec": 40, "Dec": 41}, "args: dec is given twice, and differently"),
        ("repoint", {"dec": 80}, "args.dec: elevation 132.77° (declination 80.00°) is outside 30° to 125°"),
        ("repoint", {"elevation": 29.9}, "args.elevation: elevation 29.90°"),
        ("repoint", {"elevation": float("inf")}, "args.elevation: Input should be a finite number"),
        ("dump", {}, "args.specnum: missing, and so is args.mjds to reckon it from"),
        ("dump", {"specnum": -1}, "args.specnum: Input should be greater than or equal to 0"),
        ("dump", {"specnum": 1.5}, "args.specnum: Input should be a valid integer"),
        (
            "dump",
            {"specnum": 0, "name": "260301aaaa;reboot"},
            "args: name: '260301aaaa;reboot' is not yymmdd",
        ),
        ("dump", {"specnum": 0, "name": "260301AAAA"}, "args: name: '260301AAAA' is not yymmdd"),
        ("dump", {"specnum": 0, "name": "260301aaaa\n"}, "args: name: '260301aaaa\\n' is not yymmdd"),
        ("dump", {"mjds": 2461100.5}, f"args.mjds: Value error, {NO_MJD}"),
        ("dump", {"mjds": [1]}, f"args.mjds: Value error, {NO_MJD}"),
        ("CHIME FRB", {}, "args.ra: Field required; args.dec: Field required; args.dm: Field required"),
        ("CHIME FRB", BURST | {"ra": 400}, "args.ra: Input should be less than 360"),
        ("CHIME FRB", BURST | {"dm": -5}, "args.dm: Input should be greater than 0"),
        ("dump", {"mjds": 20260301}, f"args.mjds: Value error, {NO_MJD}"),
        ("dump", {"mjds": 10**400}, f"args.mjds: Value error, {NO_MJD}"),
        ("dump", {"mjds": "1999-12-31T23:59:59"}, f"args.mjds: Value error, {NO_MJD}"),
        ("CHIME FRB", BURST | {"toa": "now"}, f"args.toa: Value error, {NO_MJD}"),
        ("CHIME FRB", BURST | {"toa": "0001-01-01T00:00+14:00"}, f"args.toa: Value error, {NO_MJD}"),
        ("CHIME FRB", BURST | {"error": 1e300}, "args.error: Input should be less than or equal to 180"),
        ("CHIME FRB", BURST | {"error": -1}, "args.error: Input should be greater than or equal to 0"),
        ("CHIME FRB", BURST | {"error": "nan"}, "args.error: Input should be"),
        ("CHIME FRB", BURST | {"position": "180,53,x"}, "args.error: Input should be a valid number"),
        ("CHIME FRB", BURST | {"reference_mhz": 1e-200}, "args.referencemhz: Input should be greater than"),
        ("CHIME FRB", BURST | {"containment": 1e-320}, "args.containment: Input should be greater than"),
        ("CHIME FRB", BURST | {"dm": 1e308}, "args.dm: Input should be less than or equal to 100000"),
        ("CHIME FRB", BURST | {"dm_error": 1e300}, "args.dmerror: Input should be less than or equal to"),
        ("CHIME FRB", BURST | {"toa": "nan"}, f"args.toa: Value error, {NO_MJD}"),
        (
            "CHIME FRB",
            BURST | {"containment": 2},
            "args.containment: Input should be less than or equal to 1",
        ),
    ],
)
def test_arguments_that_cannot_be_are_named_and_nothing_is_written(
    word: str, args: dict[str, Any], says: str
) -> None:
    entry = command(word, args)
    array = Array()
    assert says in array.refusal(entry)
    assert array.hands.find(entry) is None


def test_without_an_answer_nothing_is_said_of_the_telescope() -> None:
    array = Array()
    array.keys.is_away = True
    for word, args in (("repoint", {"dec": 40}), ("dump", {"specnum": 5})):
        with pytest.raises(Unreachable):
            array.hands.find(command(word, args))
        with pytest.raises(Unreachable):
            array.plan(command(word, args))
