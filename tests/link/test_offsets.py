"""How far a partition may be committed."""

from ovro_alert.link.offsets import Offsets

A, B = ("gw", 0), ("gw", 1)


def taken(*offsets: int) -> Offsets:
    found = Offsets()
    for offset in offsets:
        found.taken(A, offset)
    return found


def test_a_commit_never_passes_a_message_that_is_not_acknowledged():
    offsets = taken(3, 4, 5, 9)  # a log that was compacted has gaps
    offsets.acknowledged(A, 4)
    offsets.acknowledged(A, 9)
    assert offsets.reached() == {}
    offsets.acknowledged(A, 3)
    assert offsets.reached() == {A: 5}
    assert offsets.reached() == {}
    offsets.acknowledged(A, 5)
    assert offsets.reached() == {A: 10}
    assert offsets.waiting() == {"gw": 0}


def test_partitions_do_not_wait_for_one_another():
    offsets = taken(1)
    offsets.taken(B, 7)
    offsets.acknowledged(B, 7)
    assert offsets.reached() == {B: 8}
    assert offsets.waiting() == {"gw": 1}


def test_what_another_has_by_now_is_not_committed():
    offsets = taken(1, 2)
    offsets.acknowledged(A, 1)
    offsets.forget([A])
    offsets.acknowledged(A, 2)
    assert offsets.reached() == {}


def test_a_partition_that_came_back_begins_where_the_other_one_stopped():
    offsets = taken(1, 2, 3)
    offsets.forget([A])
    for offset in (2, 3):
        offsets.taken(A, offset)
    offsets.acknowledged(A, 3)  # sent before it was forgotten: the relay has it all the same
    assert offsets.reached() == {}
    offsets.acknowledged(A, 2)
    assert offsets.reached() == {A: 4}


def test_a_topic_that_was_made_anew_begins_at_its_beginning():
    offsets = taken(100)
    offsets.acknowledged(A, 100)
    assert offsets.reached() == {A: 101}
    offsets.taken(A, 0)
    offsets.acknowledged(A, 0)
    assert offsets.reached() == {A: 1}
