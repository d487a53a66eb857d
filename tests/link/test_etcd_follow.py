"""Every put is taken in order, whatever etcd forgets, loses or leaves unsaid; what cannot be had is said."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from etcds import Twin, ask, base64
from ovro_alert.link.cursor import Cursor
from ovro_alert.link.etcd import Etcd, Found, Put
from ovro_alert.link.etcd_follow import Follower, resume
from ovro_alert.link.pulse import Pulse
from ovro_alert.link.retry import Stopped
from support import until


def put(revision: int) -> Put:
    return Put(b"", revision, 1)


@pytest.mark.parametrize(
    ("found", "seen", "forgotten", "first", "start", "then"),
    [
        # At the first start what is there is taken, and what comes after it.
        (Found(put(7), 9), 0, 0, put(7), 10, 7),
        (Found(None, 9), 0, 0, None, 10, 9),
        # Nothing new: it is watched from now, for etcd may forget what was put long ago.
        (Found(put(7), 900), 7, 0, None, 901, 7),
        # Something new, or taken away again.
        (Found(put(12), 15), 7, 0, None, 8, 7),
        (Found(None, 15), 7, 0, None, 8, 7),
        # What happened in between is forgotten: only the newest can be had.
        (Found(put(12), 15), 7, 11, put(12), 16, 12),
        (Found(None, 15), 7, 11, None, 16, 15),
        # Forgotten, but nothing was put.
        (Found(put(7), 15), 7, 11, None, 16, 7),
        # Another store under the same address.
        (Found(put(3), 5), 7, 0, put(3), 6, 3),
        (Found(None, 5), 7, 0, None, 6, 5),
        (Found(put(3), 20), 7, 0, put(3), 21, 3),
    ],
)
def test_how_to_go_on(found, seen, forgotten, first, start, then):
    assert resume(found, seen, forgotten)[:3] == (first, start, then)


class Taken:
    """What a follower gives, and what it is to be told."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.refuse: Callable[[bytes], None] = lambda value: None

    def take(self, put: Put) -> None:
        self.refuse(put.value)
        self.values.append(put.value)


@pytest.fixture
def taken() -> Taken:
    return Taken()


@contextmanager
def following(
    url: str, taken: Taken, cursor: Path, key: str = "key", check_s: float = 0.1
) -> Iterator[Pulse]:
    stop = threading.Event()
    pulse = Pulse("test", "etcd")
    with Etcd([url]) as etcd:
        follower = Follower(etcd, key, taken.take, Cursor(cursor), pulse, check_s)
        thread = threading.Thread(target=follower.run, args=[stop])
        thread.start()
        try:
            yield pulse
        finally:
            stop.set()
            thread.join(20)
    assert not thread.is_alive()


@pytest.fixture(params=["etcd_url", "etcd_twin_url"])
def url(request: pytest.FixtureRequest) -> str:
    """Of the real etcd and of its twin."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def key() -> str:
    return f"/test/{uuid4().hex}"


def test_every_put_is_taken_across_restarts_and_while_etcd_is_silent(url, key, taken, tmp_path):
    with Etcd([url]) as etcd:
        etcd.put(key, b"there before")
        with following(url, taken, tmp_path / "cursor", key) as pulse:
            until(lambda: pulse.report().connected)
            etcd.put(key, b"1")
            until(lambda: len(taken.values) == 2)
        for value in (b"2", b"3"):
            etcd.put(key, value)
        with following(url, taken, tmp_path / "cursor", key):
            until(lambda: len(taken.values) == 4)
            for n in range(4, 60):
                etcd.put(key, b"%d" % n)
            until(lambda: taken.values[-1] == b"59")
    assert taken.values == [b"there before", *(b"%d" % n for n in range(1, 60))]


def test_what_was_not_taken_is_given_again(url, key, taken, tmp_path):
    def broken(value: bytes) -> None:
        raise OSError("the disk is full")

    taken.refuse = broken
    with Etcd([url]) as etcd, following(url, taken, tmp_path / "cursor", key) as pulse:
        until(lambda: pulse.report().connected)
        etcd.put(key, b"1")
        etcd.put(key, b"2")
        until(lambda: pulse.report().why == "the disk is full")
        taken.refuse = lambda value: None
        until(lambda: len(taken.values) == 2)
    assert taken.values == [b"1", b"2"]


def test_what_is_put_while_the_very_first_is_taken_is_not_lost_with_a_kill(url, key, taken, tmp_path):
    begun = threading.Event()

    def killed(value: bytes) -> None:
        begun.set()
        raise Stopped

    taken.refuse = killed
    with Etcd([url]) as etcd:
        etcd.put(key, b"1")
        with following(url, taken, tmp_path / "cursor", key):
            assert begun.wait(20)
        taken.refuse = lambda value: None
        etcd.put(key, b"2")
        etcd.put(key, b"3")
        with following(url, taken, tmp_path / "cursor", key):
            until(lambda: len(taken.values) == 3)
    assert taken.values == [b"1", b"2", b"3"]


def test_a_cursor_that_cannot_be_kept_holds_nothing_up(etcd_twin, taken, tmp_path, caplog):
    cursor = tmp_path / "here" / "cursor"
    with following(etcd_twin.url, taken, cursor) as pulse:
        until(lambda: pulse.report().connected)
        cursor.unlink()
        cursor.parent.rmdir()
        for value in (b"1", b"2"):
            etcd_twin.put(value)
        until(lambda: len(taken.values) == 2)
    assert "cannot be kept" in caplog.text


def test_what_etcd_has_forgotten_is_said_and_the_newest_is_taken(keys_url, taken, tmp_path, caplog):
    url = keys_url
    with Etcd([url]) as etcd:
        etcd.put("key", b"1")
        with following(url, taken, tmp_path / "cursor"):
            until(lambda: taken.values)
        for value in (b"2", b"3"):
            etcd.put("key", value)
        ask(url, "/kv/compaction", revision=str(etcd.put("key", b"4")))
        with following(url, taken, tmp_path / "cursor"):
            until(lambda: len(taken.values) == 2)
            etcd.put("key", b"5")
            until(lambda: len(taken.values) == 3)
    assert taken.values == [b"1", b"4", b"5"]
    assert "may be lost" in caplog.text


def test_what_an_etcd_has_forgotten_is_nothing_to_the_next(etcd_twin: Twin, taken, tmp_path):
    @contextmanager
    def away() -> Iterator[None]:
        etcd_twin.fail("busy")
        until(lambda: not pulse.report().connected)
        yield
        etcd_twin.well()
        until(lambda: pulse.report().connected)

    with following(etcd_twin.url, taken, tmp_path / "cursor") as pulse:
        until(lambda: pulse.report().connected)
        with away():
            etcd_twin.store.clear(1000)
            etcd_twin.put(b"1")
            etcd_twin.compact(1001)
        until(lambda: taken.values == [b"1"])
        with away():
            etcd_twin.store.clear(0)
            etcd_twin.put(b"2")
        until(lambda: taken.values == [b"1", b"2"])
        with away():
            etcd_twin.put(b"3")
            etcd_twin.put(b"4")
        until(lambda: len(taken.values) == 4)
    assert taken.values == [b"1", b"2", b"3", b"4"]


def test_a_key_at_rest_is_not_lost_where_the_rest_of_the_store_moves_and_is_forgotten(
    keys_url, taken, tmp_path, caplog
):
    with Etcd([keys_url]) as etcd:
        etcd.put("key", b"1")
        with following(keys_url, taken, tmp_path / "cursor"):
            until(lambda: taken.values)
        for n in range(20):
            last = etcd.put("another", b"%d" % n)
        ask(keys_url, "/kv/compaction", revision=str(last))
        with following(keys_url, taken, tmp_path / "cursor") as pulse:
            until(lambda: pulse.report().connected)
            etcd.put("key", b"2")
            until(lambda: len(taken.values) == 2)
    assert "may be lost" not in caplog.text


def test_a_key_that_is_taken_away_and_comes_again(keys_url, taken, tmp_path):
    url = keys_url
    with Etcd([url]) as etcd, following(url, taken, tmp_path / "cursor") as pulse:
        until(lambda: pulse.report().connected)
        for value in (b"1", b"2"):
            etcd.put("key", value)
            ask(url, "/kv/deleterange", key=base64("key"))
        until(lambda: len(taken.values) == 2)
    assert taken.values == [b"1", b"2"]


def test_a_new_etcd_under_the_old_address_is_noticed(etcd_twin: Twin, taken, tmp_path, caplog):
    etcd_twin.store.clear(1000)
    etcd_twin.put(b"1")
    with following(etcd_twin.url, taken, tmp_path / "cursor"):
        until(lambda: taken.values)
    etcd_twin.store.clear(10)
    etcd_twin.put(b"2")
    with following(etcd_twin.url, taken, tmp_path / "cursor") as pulse:
        until(lambda: pulse.report().connected)
        etcd_twin.put(b"3")
        until(lambda: len(taken.values) == 3)
    assert taken.values == [b"1", b"2", b"3"]
    assert "restored" in caplog.text


def test_etcd_stops_and_comes_back(etcd_process, taken, tmp_path, caplog):
    caplog.set_level("INFO")
    with (
        Etcd([etcd_process.url]) as etcd,
        following(etcd_process.url, taken, tmp_path / "cursor", check_s=1) as pulse,
    ):
        until(lambda: pulse.report().connected)
        etcd_process.stop()
        until(lambda: not pulse.report().connected)
        etcd_process.start()
        etcd.put("key", b"1")
        until(lambda: taken.values == [b"1"])
        until(lambda: pulse.report().connected)
    assert caplog.text.count("is there again") == 1


@pytest.mark.parametrize("fault", ["busy", "garbage", "cut", "ended", "no gateway"])
def test_trouble_of_any_kind_is_outlived(etcd_twin: Twin, taken, tmp_path, fault):
    with following(etcd_twin.url, taken, tmp_path / "cursor") as pulse:
        until(lambda: pulse.report().connected)
        etcd_twin.fail(fault)
        asked = len(etcd_twin.asked)
        until(lambda: len(etcd_twin.asked) >= asked + 2)
        etcd_twin.put(b"1")
        etcd_twin.well()
        until(lambda: taken.values)
        until(lambda: pulse.report().connected)
        etcd_twin.put(b"2")
        until(lambda: len(taken.values) == 2)
    assert taken.values == [b"1", b"2"]


def test_a_watch_that_is_told_nothing_though_something_was_put_is_begun_anew(etcd_twin, taken, tmp_path):
    """A half-dead connection: etcd answers, and the watch that we hold is silent for ever."""
    etcd_twin.deaf = True
    with following(etcd_twin.url, taken, tmp_path / "cursor") as pulse:
        until(lambda: pulse.report().connected)
        etcd_twin.put(b"1")
        until(lambda: taken.values)
        assert pulse.report().expected_s is not None
