"""Files that others drop; how they are read is also tried by the receivers that read them."""

import json

from ovro_alert.link.folder import is_whole

DROPPED = json.dumps({"a": [1, {"b": "}"}], "c": "Ω"}).encode()


def test_no_beginning_of_a_file_is_taken_for_the_whole():
    assert is_whole(DROPPED)
    assert not any(is_whole(DROPPED[:end]) for end in range(len(DROPPED)))


def test_what_is_no_json_object_is_not_whole():
    assert not any(is_whole(raw) for raw in (b"[]", b"1", b"[" * 100_000, b"\xff"))
