"""The spool's promises: everything in order, nothing lost, nothing in the way of the rest."""

import errno
import json
import os
import stat
import threading
import tracemalloc
from collections import deque
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


class Twin:
    """The relay, as `send` of one message says; it notes how many each request had."""

    def __init__(self, send=None, enough=None):
        self.send = send or (lambda raw, about: None)
        self.enough = enough
        self.stop = threading.Event()
        self.sent, self.requests = [], []

    def post_alert(self, raw, about):
        (answer,) = self._post([(raw, about)])
        if isinstance(answer, Refused):
            raise answer
        return answer

    def post_alerts(self, messages):
        assert len(messages) > 1
        return self._post(messages)

    def _post(self, messages):
        self.requests.append(len(messages))
        if len(self.requests) == self.enough:
            self.stop.set()
        answers = []
        for raw, about in messages:
            try:
                self.send(raw, about)
            except Refused as refused:
                if refused.about_the_key:
                    raise
                answers.append(refused)
            else:
                answers.append("a receipt")
                self.sent.append((raw, about))
        return answers


def drained(spool, send=None, enough=None):
    """Drains until the spool is empty, or a relay was asked `enough` times; what was sent."""
    twin = Twin(send, enough)
    drain(spool, twin)
    return twin.sent


def drain(spool, twin):
    stop = twin.stop

    def watch():
        while not stop.wait(0.001):
            if not len(spool):
                stop.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    spool.drain(twin, stop)
    watcher.join()


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
            raise Refused(413, "too large", "nobody has it")

    with opened(tmp_path) as spool:
        for raw in (b"one", b"bad", b"three"):
            spool.put(raw, {"via": "test"})
        assert [raw for raw, _ in drained(spool, send)] == [b"one", b"three"]
    (kept,) = (tmp_path / "refused").glob("*.message")
    assert unpack(kept.read_bytes()) == (b"bad", {"via": "test"})
    reason = json.loads(kept.with_suffix(".reason.json").read_text())
    assert reason == {"reason": "too large", "status": 413, "answer": "nobody has it"}
    with opened(tmp_path) as spool:
        spool.put(b"bad", {})
        drained(spool, send)
    assert len(list((tmp_path / "refused").glob("*.message"))) == 2


def test_what_the_relay_could_not_read_and_has_set_aside_is_not_kept_a_second_time(tmp_path, caplog):
    def send(raw, about):
        if raw == b"bad":
            raise Refused(422, "event.far: not a number", {"setaside": 3})

    with opened(tmp_path) as spool:
        for raw in (b"one", b"bad", b"three"):
            spool.put(raw, {})
        assert [raw for raw, _ in drained(spool, send)] == [b"one", b"three"]
    assert not list((tmp_path / "refused").iterdir())
    assert "event.far: not a number" in caplog.text


def test_a_backlog_goes_many_at_a_time_and_a_message_alone_goes_alone(tmp_path):
    backlog = [str(n).encode() for n in range(spooling.BATCH + 10)]
    large = [b"x" * (spooling.BATCH_BYTES - 1000), b"y" * 2000, b"z"]
    with opened(tmp_path, limit=3 * MEGABYTE) as spool:
        for raw in backlog:
            spool.put(raw, {})
        twin = Twin()
        drain(spool, twin)
        assert twin.requests == [spooling.BATCH, 10]
        for raw in large:
            spool.put(raw, {})
        late = Twin()
        drain(spool, late)
        assert late.requests == [1, 2]
        assert [raw for raw, _ in twin.sent + late.sent] == backlog + large


@pytest.mark.parametrize("refusal", [Refused(404, "no such route", ""), Refused(413, "too large", "")])
def test_where_many_at_a_time_are_refused_they_go_one_at_a_time(tmp_path, refusal):
    class OfYesterday(Twin):
        def post_alerts(self, messages):
            raise refusal

    with opened(tmp_path) as spool:
        for raw in (b"one", b"two", b"three"):
            spool.put(raw, {})
        twin = OfYesterday()
        drain(spool, twin)
    assert twin.sent == [(b"one", {}), (b"two", {}), (b"three", {})]


def test_what_the_key_may_not_send_holds_up_what_came_after_it_and_nothing_before(tmp_path):
    """A relay takes none of many where the key lacks the right to one."""

    class Strict(Twin):
        allowed = False

        def post_alerts(self, messages):
            if not self.allowed and any(raw == b"other's" for raw, _ in messages):
                raise Refused(403, "no right", {})
            return super().post_alerts(messages)

    def send(raw, about):
        if raw == b"other's" and not twin.allowed:
            twin.allowed = len(twin.sent) == 1  # an operator gives it, now that the key is seen to be refused
            raise Refused(403, "no right", {})

    twin = Strict(send)
    with opened(tmp_path) as spool:
        for raw in (b"one", b"other's", b"three"):
            spool.put(raw, {})
        drain(spool, twin)
    assert [raw for raw, _ in twin.sent] == [b"one", b"other's", b"three"]


def test_how_many_wait_is_told_whenever_it_changes(tmp_path):
    told = []
    spool = Spool(tmp_path, MEGABYTE, told.append)
    spool.put(b"one", {})
    spool.put(b"two", {})
    drained(spool)
    spool.close()
    assert told == [0, 1, 2, 0]


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


def full(_descriptor):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_what_the_disk_has_no_room_for_waits_in_memory_in_its_order(tmp_path, monkeypatch, caplog):
    with opened(tmp_path) as spool:
        spool.put(b"one", {})
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            spool.put(b"two", {"via": "test"})
            spool.put(b"three", {})
            assert len(spool) == 3
            assert len(list(tmp_path.glob("*.message"))) == 1
            assert drained(spool) == [(b"one", {}), (b"two", {"via": "test"}), (b"three", {})]
    said = [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]
    assert len(said) == 1
    assert "No space left" in said[0]


def test_what_waits_in_memory_is_written_down_as_soon_as_there_is_room(tmp_path, monkeypatch):
    def away(raw, about):
        raise Away("down")

    with opened(tmp_path) as spool:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            spool.put(b"one", {})
            spool.put(b"two", {})
        spool.put(b"three", {})
        assert len(list(tmp_path.glob("*.message"))) == 3
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            spool.put(b"four", {})
        drained(spool, away, enough=2)  # nothing new comes, and it is tried all the same
    with opened(tmp_path) as spool:
        assert [raw for raw, _ in drained(spool)] == [b"one", b"two", b"three", b"four"]


def test_a_full_spool_is_a_clear_error_once_memory_is_full_as_well(tmp_path, monkeypatch):
    monkeypatch.setattr(spooling, "MEMORY", 100)
    with opened(tmp_path, limit=100) as spool:
        spool.put(b"x" * 10, {})
        spool.put(b"y" * 50, {})  # 77 bytes as it is kept
        with pytest.raises(OSError, match="may hold 100 bytes") as caught:
            spool.put(b"z", {})
        assert caught.value.errno == errno.ENOSPC
        assert [raw for raw, _ in drained(spool)] == [b"x" * 10, b"y" * 50]
        spool.put(b"x" * 50, {})  # what was sent has made room
        assert len(list(tmp_path.glob("*.message"))) == 1


def test_a_large_backlog_is_not_held_in_memory(tmp_path):
    message = pack(b"x" * 5000, {"via": "test"})
    with opened(tmp_path):
        pass
    for n in range(3000):
        (tmp_path / f"{n + 1:020}.message").write_bytes(message)
    tracemalloc.start()
    try:
        with opened(tmp_path, limit=100 * MEGABYTE) as spool:
            assert len(spool) == 3000
            tracemalloc.reset_peak()
            twin = Twin()
            twin.sent = deque(maxlen=1)
            drain(spool, twin)
            _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(twin.requests) == 3000
    assert peak < 5 * MEGABYTE  # of 15


def test_a_full_disk_does_not_keep_what_was_refused_in_the_way(tmp_path, monkeypatch):
    def send(raw, about):
        if raw == b"bad":
            raise Refused(413, "too large", {})

    with opened(tmp_path) as spool:
        spool.put(b"bad", {})
        spool.put(b"good", {})
        monkeypatch.setattr(os, "fsync", full)
        assert [raw for raw, _ in drained(spool, send)] == [b"good"]
    assert len(list((tmp_path / "refused").glob("*.message"))) == 1


def test_one_process_at_a_time(tmp_path):
    with opened(tmp_path), pytest.raises(OSError, match="another process"):
        Spool(tmp_path, MEGABYTE)
    with opened(tmp_path):
        pass
