"""All keys below a prefix, and several put once: the same of the real etcd and of the one in memory."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx2
import pytest

from etcds import Twin, ask, base64
from ovro_alert.acting import Unreachable
from ovro_alert.link.etcd import Compacted, Etcd, EtcdAway, EtcdRefused, Found, Put

SILENCE_S = 0.2  # for a watch that is to end by itself
MARK = "/ovro-alert/lwa/7"
PIPELINES = [f"/cmd/drx/{n:02}" for n in range(1, 17)]


def test_all_below_a_prefix_is_found_and_nothing_beside_it(keys: Etcd) -> None:
    assert keys.get_all("/mon/") == ({}, keys.get("/mon/1").revision)
    for beside in ("/mon", "/mon0", "/mom/1", "/moo", "/mon.", "/", "/cmd/1"):
        keys.put(beside, b"beside")
    first = keys.put("/mon/1", b"")
    keys.put("/mon/2", b"old")
    second = keys.put("/mon/2", b"\xff")
    deep = keys.put("/mon/ö/\U0010ffff", b"3")
    found = {"/mon/1": Put(b"", first, 1), "/mon/2": Put(b"\xff", second, 2)}
    assert keys.get_all("/mon/") == (found | {"/mon/ö/\U0010ffff": Put(b"3", deep, 1)}, deep)
    assert set(keys.get_all("/mon/ö/\U0010ffff")[0]) == {"/mon/ö/\U0010ffff"}
    assert len(keys.get_all("")[0]) == 10


def test_several_keys_are_got_at_one_moment(keys: Etcd) -> None:
    first, second = keys.put("/mon/1", b"one"), keys.put("/mon/ö", b"")
    assert keys.get_each(["/mon/ö", "/mon/none", "/mon/1"]) == {
        "/mon/1": Put(b"one", first, 1),
        "/mon/ö": Put(b"", second, 1),
    }
    assert keys.get_each(["/mon/none"]) == {}


def test_what_was_there_before_is_known_until_it_is_forgotten(keys: Etcd, keys_url: str) -> None:
    before = keys.put("/mon/other", b"")
    first = keys.put("/mon/1", b"1")
    keys.put("/mon/2", b"2")
    ask(keys_url, "/kv/deleterange", key=base64("/mon/2"))
    last = keys.put("/mon/1", b"3")
    assert keys.get("/mon/1", first + 1) == Found(Put(b"1", first, 1), last)
    assert keys.get("/mon/1", before).put is None
    assert set(keys.get_all("/mon/", first + 1)[0]) == {"/mon/1", "/mon/2", "/mon/other"}
    assert set(keys.get_all("/mon/", last)[0]) == {"/mon/1", "/mon/other"}
    ask(keys_url, "/kv/compaction", revision=str(first + 1))
    assert keys.get("/mon/1", first + 1).put == Put(b"1", first, 1)
    for ask_for in (keys.get, keys.get_all):
        with pytest.raises(Compacted):
            ask_for("/mon/1", first)
    with pytest.raises(EtcdRefused, match="future"):
        keys.get("/mon/1", last + 1)


def test_a_watch_of_a_prefix_tells_each_put_with_its_key_in_order(keys: Etcd) -> None:
    start = keys.put("/mon/1", b"1")
    keys.put("/mon", b"beside")
    second = keys.put("/mon/2", b"2")
    with keys.watch_all("/mon/", start, 5) as puts:
        assert [next(puts), next(puts)] == [("/mon/1", Put(b"1", start, 1)), ("/mon/2", Put(b"2", second, 1))]
        keys.put("/mon0", b"beside")
        third = keys.put("/mon/1", b"3")
        assert next(puts) == ("/mon/1", Put(b"3", third, 2))
    with keys.watch_all("/mon/", silence_s=SILENCE_S) as puts:
        last = keys.put("/mon/3", b"4")
        assert list(puts) == [("/mon/3", Put(b"4", last, 1))]


def test_a_watch_of_a_prefix_says_what_is_forgotten(keys: Etcd, keys_url: str) -> None:
    start = keys.put("/mon/1", b"1")
    last = keys.put("/mon/2", b"2")
    ask(keys_url, "/kv/compaction", revision=str(last))
    with pytest.raises(Compacted), keys.watch_all("/mon/", start, SILENCE_S) as puts:
        list(puts)
    with keys.watch_all("/mon/", last, SILENCE_S) as puts:
        assert [key for key, _ in puts] == ["/mon/2"]


def test_several_are_put_once_at_one_revision_and_never_again(keys: Etcd) -> None:
    keys.put(PIPELINES[0], b"before")
    before = keys.get(MARK).revision
    puts = {MARK: b"first"} | dict.fromkeys(PIPELINES, b"dump")
    assert keys.put_once(MARK, puts)
    assert keys.get(MARK) == Found(Put(b"first", before + 1, 1), before + 1)
    assert keys.get(PIPELINES[0]).put == Put(b"dump", before + 1, 2)
    assert not keys.put_once(MARK, {MARK: b"second"} | dict.fromkeys(PIPELINES, b"again"))
    assert keys.get(MARK) == Found(Put(b"first", before + 1, 1), before + 1)
    with keys.watch_all("/cmd/drx/", before + 1, SILENCE_S) as seen:
        assert sorted(seen) == [
            (key, Put(b"dump", before + 1, 2 if key == PIPELINES[0] else 1)) for key in PIPELINES
        ]


def test_a_mark_that_was_taken_away_may_be_put_once_more(keys: Etcd, keys_url: str) -> None:
    assert keys.put_once(MARK, {MARK: b"1"})
    ask(keys_url, "/kv/deleterange", key=base64(MARK))
    assert keys.put_once(MARK, {MARK: b"2"})


def test_nothing_is_put_where_what_was_seen_has_changed(keys: Etcd, keys_url: str) -> None:
    seen = {"/cmd/1": keys.put("/cmd/1", b"1"), "/cmd/2": 0}
    keys.put("/cmd/1/beside", b"")
    assert keys.put_once(MARK, {MARK: b"first", "/cmd/1": b"2"}, seen)
    assert not keys.put_once("/another", {"/another": b"", "/cmd/2": b"2"}, seen)
    seen["/cmd/1"] = keys.get("/cmd/1").put.revision
    keys.put("/cmd/2", b"theirs")
    assert not keys.put_once("/another", {"/another": b"", "/cmd/2": b"ours"}, seen)
    assert keys.get("/another").put is None
    seen["/cmd/2"] = keys.get("/cmd/2").put.revision
    assert keys.put_once("/another", {"/another": b"", "/cmd/2": b"ours"}, seen)
    ask(keys_url, "/kv/deleterange", key=base64("/cmd/2"))
    assert not keys.put_once("/third", {"/third": b""}, {"/cmd/2": seen["/cmd/2"]})
    assert keys.put_once("/third", {"/third": b""}, {"/cmd/2": 0})


def test_of_many_who_put_once_at_the_same_time_one_does(keys: Etcd, keys_url: str) -> None:
    ready = threading.Barrier(8)
    with Etcd([keys_url]) as other, ThreadPoolExecutor(8) as threads:

        def put_once(n: int) -> bool:
            ready.wait()
            return (keys, other)[n % 2].put_once(MARK, {MARK: b"%d" % n, "/cmd/lwa": b"%d" % n})

        done = list(threads.map(put_once, range(8)))
    assert sum(done) == 1
    who = b"%d" % done.index(True)
    assert [keys.get(key).put.value for key in (MARK, "/cmd/lwa")] == [who, who]
    assert keys.get("/cmd/lwa").put.version == 1


def test_what_would_not_be_put_only_once_is_an_error(keys: Etcd) -> None:
    with pytest.raises(ValueError, match=MARK):
        keys.put_once(MARK, {"/cmd/lwa": b"1"})
    assert keys.get_all("")[0] == {}


def test_what_is_too_much_at_once_is_refused_and_nothing_is_put(keys: Etcd) -> None:
    with pytest.raises(EtcdRefused, match="too many operations"):
        keys.put_once(MARK, {MARK: b""} | {f"/cmd/{n}": b"" for n in range(128)})
    with pytest.raises(EtcdRefused, match="too large"):
        keys.put_once(MARK, {MARK: b"", "/cmd/lwa": bytes(1_600_000)})
    with pytest.raises(EtcdRefused, match="key is not provided"):
        keys.put_once(MARK, {MARK: b"", "": b""})
    assert keys.get_all("")[0] == {}


def test_the_gateway_refuses_as_etcd_does(keys: Etcd, keys_url: str) -> None:
    def error(path: str, **body: object) -> tuple[int, int]:
        answer = httpx2.post(f"{keys_url}/v3{path}", json=body, trust_env=False)
        return answer.status_code, answer.json()["code"] if answer.status_code != 404 else 0

    put = {"request_put": {"key": base64("key"), "value": ""}}
    last = keys.put("key", b"1")
    assert error("/kv/txn", success=[put, put]) == (400, 3)
    assert error("/kv/range", key=12) == (400, 3)
    assert error("/kv/put", value="") == (400, 3)
    assert error("/kv/compaction", revision=str(last + 1)) == (400, 11)
    ask(keys_url, "/kv/compaction", revision=str(last))
    assert error("/kv/compaction", revision=str(last)) == (400, 11)
    assert error("/kv/nothing") == (404, 0)
    assert keys.get("key").put == Put(b"1", last, 1)


def test_a_transaction_compares_and_answers_as_etcd_does(keys: Etcd, keys_url: str) -> None:
    key = base64("key")
    created = keys.put("key", b"1")
    last = keys.put("key", b"2")
    for field, right, wrong in (
        ({"target": "CREATE"}, {"create_revision": str(created)}, {"create_revision": str(last)}),
        ({"target": "MOD"}, {"mod_revision": str(last)}, {"mod_revision": str(created)}),
        ({"target": "VERSION", "result": "EQUAL"}, {"version": "2"}, {"version": "1"}),
    ):
        look = [{"request_range": {"key": key}}]
        held = ask(keys_url, "/kv/txn", compare=[{"key": key, **field, **right}], success=look)
        not_held = ask(keys_url, "/kv/txn", compare=[{"key": key, **field, **wrong}], failure=look)
        assert held["succeeded"] is True
        assert "succeeded" not in not_held
        for answer in (held, not_held):
            (found,) = answer["responses"][0]["response_range"]["kvs"]
            assert found == {
                "key": key,
                "create_revision": str(created),
                "mod_revision": str(last),
                "version": "2",
                "value": base64("2"),
            }
    done = ask(keys_url, "/kv/txn", success=[{"request_delete_range": {"key": key}}])
    assert done["responses"][0]["response_delete_range"]["deleted"] == "1"
    assert keys.get("key") == Found(None, last + 1)


def test_an_answer_that_was_lost_may_be_asked_for_again_and_nothing_is_done_twice(etcd_twin: Twin) -> None:
    puts = {MARK: b"1", "/cmd/lwa": b"1"}
    with Etcd([etcd_twin.url]) as etcd:
        etcd_twin.fail("lost")
        with pytest.raises(EtcdAway) as caught:
            etcd.put_once(MARK, puts)
        assert isinstance(caught.value, Unreachable)
        etcd_twin.well()
        assert not etcd.put_once(MARK, puts)
        assert etcd.get(MARK).put == etcd.get("/cmd/lwa").put == Put(b"1", 2, 1)


def test_the_next_member_is_asked_to_put_once_though_the_first_may_have_done_it(etcd_twin: Twin) -> None:
    with Twin() as sick, Etcd([sick.url, etcd_twin.url]) as etcd:
        sick.store = etcd_twin.store  # two members of one cluster
        sick.fail("lost")
        assert not etcd.put_once(MARK, {MARK: b"1"})
        assert etcd.get(MARK).put == Put(b"1", 2, 1)
        sick.fail("busy")
        assert etcd.put_once("/another", {"/another": b""})


def test_what_was_put_is_there_after_etcd_was_away(etcd_process) -> None:
    with Etcd([etcd_process.url]) as etcd:
        assert etcd.put_once(MARK, {MARK: b"1"})
        etcd_process.stop()
        with pytest.raises(EtcdAway):
            etcd.put_once(MARK, {MARK: b"2"})
        etcd_process.start()
        assert not etcd.put_once(MARK, {MARK: b"2"})
        assert etcd.get(MARK).put.value == b"1"


def test_one_connection_does_for_all_that_is_asked_one_after_the_other() -> None:
    with Twin() as twin, Etcd([twin.url]) as etcd:
        for n in range(5):
            etcd.put("key", b"%d" % n)
            etcd.get("key")
            etcd.get_all("/")
            etcd.put_once(f"/{n}", {f"/{n}": b""})
        assert twin.connections == 1


def test_many_watches_at_once_keep_nobody_out(keys: Etcd) -> None:
    with ExitStack() as stack:
        watches = [stack.enter_context(keys.watch(f"/mon/{n}", silence_s=10)) for n in range(120)]
        for n in (0, 60, 119):
            revision = keys.put(f"/mon/{n}", b"%d" % n)
            assert next(watches[n]) == Put(b"%d" % n, revision, 1)
