"""The spool's promises: everything in order, nothing lost, nothing in the way of the rest."""

import errno
import json
import os
import stat
import threading
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovro_alert.link import durable
from ovro_alert.link import spool as spooling
from ovro_alert.link.relay import Away, Refused
from ovro_alert.link.spool import Spool, pack, unpack

MEGABYTE = 1_000_000


@pytest.fixture(autouse=True)
def awake(monkeypatch):
    """These tests end a drain as soon as the spool is empty, and need not wait for it to notice."""
    monkeypatch.setattr(spooling, "WAKE_S", 0.005)


@contextmanager
def opened(directory, limit=MEGABYTE):
    spool = Spool(directory, limit)
    try:
        yield spool
    finally:
        spool.close()


def drained(spool, send=None, enough=None):
    """Drains until the spool is empty, or `enough` messages were tried; what was sent."""
    stop = threading.Event()
    sent, tried = [], []

    def post(raw, about):
        tried.append(raw)
        try:
            if send is not None:
                send(raw, about)
            sent.append((raw, about))
        finally:
            if len(tried) == enough:
                stop.set()

    def watch():
        while not stop.wait(0.001):
            if not len(spool):
                stop.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    spool.drain(post, stop)
    watcher.join()
    return sent


messages = st.lists(
    st.tuples(st.binary(max_size=300), st.dictionaries(st.text(max_size=5), st.text(max_size=9)))
)


@settings(max_examples=25, deadline=None)
@given(runs=st.lists(messages, min_size=1, max_size=4))
def test_messages_come_out_as_and_in_the_order_they_went_in_across_restarts(tmp_path_factory, runs):
    directory = tmp_path_factory.mktemp("spool")
    for each in runs:
        with opened(directory) as spool:
            for raw, about in each:
                spool.put(raw, about)
    with opened(directory) as spool:
        assert drained(spool) == [message for each in runs for message in each]
    with opened(directory) as spool:
        assert len(spool) == 0


@given(st.binary(), st.dictionaries(st.text(), st.integers() | st.text() | st.none()))
def test_a_packed_message_is_whole_or_known_to_be_damaged(raw, about):
    message = pack(raw, about)
    assert unpack(message) == (raw, about)
    for end in {0, 1, len(message) // 2, len(message) - 1}:
        with pytest.raises(ValueError, match=r".+"):
            unpack(message[:end])


def test_a_kill_at_any_byte_of_a_write_leaves_no_false_message(tmp_path):
    with opened(tmp_path) as spool:
        spool.put(b"first", {})
    message = pack(b"second", {"via": "test"})
    for end in range(len(message) + 1):
        (tmp_path / f".{2:020}.message{durable.PART}").write_bytes(message[:end])
        with opened(tmp_path) as spool:
            assert len(spool) == 1
        assert len(list(tmp_path.glob("*.message*"))) == 1
    with opened(tmp_path) as spool:
        spool.put(b"third", {})
        assert drained(spool) == [(b"first", {}), (b"third", {})]


def test_what_is_put_is_on_disk_before_put_returns(tmp_path, monkeypatch):
    steps = []
    fsync, replace = os.fsync, type(tmp_path).replace

    def note_fsync(descriptor):
        steps.append("fsync " + ("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"))
        fsync(descriptor)

    def note_replace(path, target):
        steps.append("rename")
        return replace(path, target)

    with opened(tmp_path) as spool:
        monkeypatch.setattr(os, "fsync", note_fsync)
        monkeypatch.setattr(type(tmp_path), "replace", note_replace)
        spool.put(b"x", {})
    assert steps == ["fsync file", "rename", "fsync directory"]


def test_a_message_is_gone_only_when_it_was_acknowledged(tmp_path):
    def away(raw, about):
        assert list(tmp_path.glob("*.message"))
        raise Away("down")

    with opened(tmp_path) as spool:
        spool.put(b"one", {})
        assert drained(spool, away, enough=3) == []
    with opened(tmp_path) as spool:
        assert drained(spool) == [(b"one", {})]
    assert not list(tmp_path.glob("*.message"))


def test_a_refused_key_keeps_the_message_until_the_key_is_mended(tmp_path, caplog):
    answers = [Refused(401, "wrong key", {}), Refused(403, "wrong key", {}), Away("busy")]

    def send(raw, about):
        if answers:
            raise answers.pop(0)

    with opened(tmp_path) as spool:
        spool.put(b"one", {})
        assert drained(spool, send) == [(b"one", {})]
    assert not list((tmp_path / "refused").iterdir())
    assert any(each.levelname == "ERROR" and "key" in each.getMessage() for each in caplog.records)


def test_what_is_refused_for_good_is_kept_beside_its_reason_and_holds_nothing_up(tmp_path):
    def send(raw, about):
        if raw == b"bad":
            raise Refused(422, "event.far: not a number", {"setaside": 3})

    with opened(tmp_path) as spool:
        for raw in (b"one", b"bad", b"three"):
            spool.put(raw, {"via": "test"})
        assert [raw for raw, _ in drained(spool, send)] == [b"one", b"three"]
    (kept,) = (tmp_path / "refused").glob("*.message")
    assert unpack(kept.read_bytes()) == (b"bad", {"via": "test"})
    reason = json.loads(kept.with_suffix(".reason.json").read_text())
    assert reason == {"reason": "event.far: not a number", "status": 422, "answer": {"setaside": 3}}
    with opened(tmp_path) as spool:
        spool.put(b"bad", {})
        drained(spool, send)
    assert len(list((tmp_path / "refused").glob("*.message"))) == 2


def test_a_damaged_file_is_set_apart_and_the_rest_goes_on(tmp_path):
    with opened(tmp_path) as spool:
        for raw in (b"one", b"two", b"three", b"four"):
            spool.put(raw, {})
    first, second, third, _ = sorted(tmp_path.glob("*.message"))
    first.write_bytes(b"")
    second.write_bytes(second.read_bytes()[:-1])
    with opened(tmp_path) as spool:
        third.unlink()
        assert [raw for raw, _ in drained(spool)] == [b"four"]
    assert len(list((tmp_path / "refused").glob("*.message"))) == 2


def test_a_full_spool_or_disk_is_a_clear_error_and_nothing_else(tmp_path, monkeypatch):
    with opened(tmp_path, limit=100) as spool:
        spool.put(b"x" * 10, {})
        with pytest.raises(OSError, match="may hold 100 bytes") as caught:
            spool.put(b"x" * 90, {})
        assert caught.value.errno == errno.ENOSPC

        def full(_descriptor):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="No space left"):
                spool.put(b"y", {})
        spool.put(b"z", {})
        assert [raw for raw, _ in drained(spool)] == [b"x" * 10, b"z"]
        spool.put(b"x" * 50, {})  # what was sent has made room


def test_a_full_disk_does_not_keep_what_was_refused_in_the_way(tmp_path, monkeypatch):
    def send(raw, about):
        if raw == b"bad":
            raise Refused(413, "too large", {})

    with opened(tmp_path) as spool:
        spool.put(b"bad", {})
        spool.put(b"good", {})

        def full(_descriptor):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        assert [raw for raw, _ in drained(spool, send)] == [b"good"]
    assert len(list((tmp_path / "refused").glob("*.message"))) == 1


def test_one_process_at_a_time(tmp_path):
    with opened(tmp_path), pytest.raises(OSError, match="another process"):
        Spool(tmp_path, MEGABYTE)
    with opened(tmp_path):
        pass
