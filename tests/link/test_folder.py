"""Files that others drop; how they are read is also tried by the receivers that read them."""

import json
import os
from pathlib import Path

import pytest

from ovro_alert.link.folder import Folder, Unusable, is_whole

DROPPED = json.dumps({"a": [1, {"b": "}"}], "c": "Ω"}).encode()


def test_no_beginning_of_a_file_is_taken_for_the_whole():
    assert is_whole(DROPPED)
    assert not any(is_whole(DROPPED[:end]) for end in range(len(DROPPED)))


def test_what_is_no_json_object_is_not_whole():
    assert not any(is_whole(raw) for raw in (b"[]", b"1", b"[" * 100_000, b"\xff"))


@pytest.fixture
def folder(tmp_path) -> Folder:
    return Folder(tmp_path, lambda name: name.endswith(".json"), settle_s=5, max_size=1000)


def given(folder: Folder, now: float = 0) -> list[tuple[str, bytes]]:
    return [(each.name, each.raw) for each in folder.new(now)]


def test_each_file_is_given_once_and_again_when_it_has_changed(folder, tmp_path):
    for name in ("b.json", "a.json", "c.txt"):
        (tmp_path / name).write_bytes(DROPPED)
    assert given(folder) == [("a.json", DROPPED), ("b.json", DROPPED)]
    assert given(folder) == []
    (tmp_path / "b.json").write_bytes(DROPPED + b" ")
    assert given(folder) == [("b.json", DROPPED + b" ")]


def test_one_that_was_not_done_with_is_given_again(folder, tmp_path):
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_bytes(DROPPED)
    dropped = folder.new(0)
    next(dropped)
    assert next(dropped).name == "b.json"
    dropped.close()
    assert given(folder) == [("b.json", DROPPED)]


def test_half_a_file_is_waited_for_until_it_changes_no_more(folder, tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(DROPPED[:5])
    assert given(folder, 100) == []
    path.write_bytes(DROPPED[:6])
    assert given(folder, 104) == []
    assert given(folder, 108.9) == []
    assert given(folder, 109) == [("a.json", DROPPED[:6])]
    assert given(folder, 1000) == []


def test_a_name_that_went_and_came_again_is_new(folder, tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(DROPPED)
    assert len(given(folder)) == 1
    kept = tmp_path / "kept"
    path.rename(kept)
    assert given(folder) == []
    kept.rename(path)
    assert len(given(folder)) == 1


def test_traps_are_named_once_and_not_read(folder, tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "link.json").symlink_to("/etc/passwd")
    (tmp_path / "large.json").write_bytes(b"{" + b" " * 1000 + b"}")
    (tmp_path / "folder.json").mkdir()
    said = dict(given(folder))
    assert {name: str(why) for name, why in said.items()} == {
        "pipe.json": "it is not a regular file",
        "link.json": "it is a symbolic link",
        "large.json": "it is larger than 1000 bytes",
        "folder.json": "it is not a regular file",
    }
    assert all(isinstance(why, Unusable) for why in said.values())
    assert given(folder) == []


def test_a_name_of_any_bytes_can_be_told(folder, tmp_path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.json")).write_bytes(DROPPED)
    assert given(folder) == [("\ufffd.json", DROPPED)]


def test_a_folder_that_cannot_be_read_is_said(folder, tmp_path):
    tmp_path.rename(tmp_path.with_name("elsewhere"))
    with pytest.raises(OSError, match="No such file"):
        given(folder)
