"""Get, put and watch: the same of the real etcd and of its twin; and what is made of one in trouble."""

import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from etcds import Server, Twin, ask, base64
from ovro_alert.demo.etcd_gateway import Gateway
from ovro_alert.link.etcd import Compacted, Etcd, EtcdAway, EtcdRefused, Put
from support import free_port

SILENCE_S = 0.2  # for a watch that is to end by itself


@pytest.fixture(params=["etcd_url", "etcd_twin_url"])
def store(request: pytest.FixtureRequest) -> str:
    """The URL of a store that holds nothing but what tests put under keys of their own."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def etcd(store: str) -> Iterator[Etcd]:
    with Etcd([store]) as client:
        yield client


@pytest.fixture
def key() -> str:
    return f"/test/{uuid4().hex}"


def test_what_is_put_is_found_with_its_revision(etcd: Etcd, key: str) -> None:
    before = etcd.get(key)
    assert before.put is None
    first = etcd.put(key, b"\x00\xff not text")
    second = etcd.put(key, b"")
    assert before.revision < first < second
    found = etcd.get(key)
    assert found.put == Put(b"", second, 2)
    assert found.revision >= second


def test_a_watch_goes_on_from_any_revision_and_gives_each_put_once_in_order(etcd: Etcd, key: str) -> None:
    revisions = [etcd.put(key, b"%d" % n) for n in range(50)]
    seen = []
    with etcd.watch(key, revisions[20], SILENCE_S) as puts:
        for put in puts:
            seen.append(put)
            if len(seen) == 10:  # while it is under way
                revisions.append(etcd.put(key, b"50"))
    assert seen == [Put(b"%d" % n, revisions[n], n + 1) for n in range(20, 51)]


def test_a_watch_from_now_sees_what_is_put_after_it_began_and_nothing_older(etcd: Etcd, key: str) -> None:
    etcd.put(key, b"old")
    with etcd.watch(key, silence_s=5) as puts:
        revision = etcd.put(key, b"new")
        assert next(puts) == Put(b"new", revision, 2)


def test_values_of_the_greatest_size_come_whole(etcd: Etcd, key: str) -> None:
    values = [os.urandom(1_400_000) for _ in range(4)]
    revisions = [etcd.put(key, value) for value in values]
    with etcd.watch(key, revisions[0], SILENCE_S) as puts:
        assert [put.value for put in puts] == values


def test_what_was_compacted_is_said_and_what_came_after_is_there(keys_url: str) -> None:
    url = keys_url
    with Etcd([url]) as etcd:
        revisions = [etcd.put("key", b"%d" % n) for n in range(4)]
        ask(url, "/kv/compaction", revision=str(revisions[2]))
        with pytest.raises(Compacted) as caught, etcd.watch("key", revisions[0], SILENCE_S) as puts:
            list(puts)
        assert caught.value.revision == revisions[2]
        with etcd.watch("key", revisions[3], SILENCE_S) as puts:
            assert [put.value for put in puts] == [b"3"]


def test_a_deletion_is_no_put_and_what_is_put_after_it_is_new(keys: Etcd, keys_url: str) -> None:
    start = keys.put("key", b"1")
    assert ask(keys_url, "/kv/deleterange", key=base64("key"))["deleted"] == "1"
    assert keys.get("key").put is None
    last = keys.put("key", b"2")
    assert keys.get("key").put == Put(b"2", last, 1)
    with keys.watch("key", start, SILENCE_S) as puts:
        assert [put.value for put in puts] == [b"1", b"2"]


def test_a_watch_ends_with_an_error_when_etcd_stops_and_goes_on_from_its_revision_after(
    etcd_process: Server | Gateway,
) -> None:
    with Etcd([etcd_process.url]) as etcd:
        start = etcd.put("key", b"1")
        with etcd.watch("key", start, 30) as puts:
            assert next(puts).value == b"1"
            etcd_process.stop()
            with pytest.raises(EtcdAway):
                next(puts)
        with pytest.raises(EtcdAway):
            etcd.get("key")
        etcd_process.start()
        etcd.put("key", b"2")
        with etcd.watch("key", start + 1, SILENCE_S) as puts:
            assert [put.value for put in puts] == [b"2"]


def test_a_cluster_that_asks_for_a_password(etcd_server: Server) -> None:
    url = etcd_server.url
    everything = {"permType": "READWRITE", "key": base64("/mon/"), "range_end": base64("/mon0")}
    ask(url, "/auth/user/add", name="root", password="root")
    ask(url, "/auth/role/add", name="root")
    ask(url, "/auth/user/grant", user="root", role="root")
    ask(url, "/auth/user/add", name="alert", password="secret")
    ask(url, "/auth/role/add", name="reader")
    ask(url, "/auth/role/grant", name="reader", perm=everything)
    ask(url, "/auth/user/grant", user="alert", role="reader")
    ask(url, "/auth/enable")
    with Etcd([url], "alert", "secret") as etcd:
        start = etcd.put("/mon/key", b"1")
        with etcd.watch("/mon/key", start, SILENCE_S) as puts:
            assert [put.value for put in puts] == [b"1"]
        with pytest.raises(EtcdRefused, match="permission denied"):
            etcd.get("/cmd/key")
        with pytest.raises(EtcdRefused), etcd.watch("/cmd/key", 0, SILENCE_S) as puts:
            list(puts)
        # Tokens last five minutes, and none outlives the server.
        etcd_server.stop()
        etcd_server.start()
        assert etcd.get("/mon/key").put == Put(b"1", start, 1)
    for wrong in ("", "alert"):
        with Etcd([url], wrong, "not it") as etcd, pytest.raises(EtcdRefused) as caught:
            etcd.get("/mon/key")
        assert "not it" not in str(caught.value)


@pytest.mark.parametrize("fault", ["busy", "garbage", "cut", "ended", "endless"])
def test_an_answer_that_makes_no_sense_is_an_etcd_that_is_away(etcd_twin: Twin, fault: str) -> None:
    with Etcd([etcd_twin.url]) as etcd:
        etcd_twin.put(b"1")
        etcd_twin.fail(fault)
        with pytest.raises(EtcdAway):
            etcd.get("key")
        with etcd.watch("key", 1, 5) as puts:
            assert next(puts).value == b"1"
            with pytest.raises(EtcdAway):
                next(puts)
        etcd_twin.well()
        assert etcd.get("key").put == Put(b"1", 2, 1)


def test_a_silent_watch_ends_without_an_error(etcd_twin: Twin) -> None:
    with Etcd([etcd_twin.url]) as etcd:
        etcd_twin.put(b"1")
        etcd_twin.fail("silent")
        with etcd.watch("key", 1, SILENCE_S) as puts:
            assert [put.value for put in puts] == [b"1"]


def test_the_next_member_is_asked_and_stays_the_first(etcd_twin: Twin) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    with Twin() as sick, Etcd([nobody, sick.url, etcd_twin.url + "/"]) as etcd:
        sick.fail("busy")
        etcd_twin.put(b"1")
        assert etcd.get("key").revision == 2
        with etcd.watch("key", 2, SILENCE_S) as puts:
            assert len(list(puts)) == 1
        assert len(sick.asked) == 1


def test_a_put_that_may_have_happened_is_not_given_to_another_member(etcd_twin: Twin) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    with Twin() as sick, Etcd([nobody, sick.url, etcd_twin.url]) as etcd:
        sick.fail("cut")
        with pytest.raises(EtcdAway):
            etcd.put("key", b"1")
        assert not etcd_twin.asked
        sick.well()
        etcd.put("key", b"2")
        assert etcd.get("key").put == Put(b"2", 2, 1)


def test_of_an_etcd_without_a_gateway_it_is_said_what_is_missing(etcd_twin: Twin) -> None:
    etcd_twin.fail("no gateway")
    with Etcd([etcd_twin.url]) as etcd, pytest.raises(EtcdRefused, match="enable-grpc-gateway"):
        etcd.get("key")


def test_a_member_by_tls_is_believed_with_the_certificate_that_is_named(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl here to make a certificate")
    certificate, private = tmp_path / "etcd.pem", tmp_path / "etcd.key"
    asked = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=etcd -days 2"
    named = ["-addext", "subjectAltName=IP:127.0.0.1", "-out", certificate, "-keyout", private]
    subprocess.run(["openssl", *asked.split(), *named], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, private)
    with Twin(tls) as twin:
        with Etcd([twin.url], ca=certificate) as etcd:
            etcd.put("key", b"1")
            with etcd.watch("key", 2, SILENCE_S) as puts:
                assert [put.value for put in puts] == [b"1"]
        with Etcd([twin.url]) as etcd, pytest.raises(EtcdAway, match="CERTIFICATE_VERIFY_FAILED"):
            etcd.get("key")


def test_no_member_is_an_etcd_that_is_away() -> None:
    with Etcd([]) as etcd, pytest.raises(EtcdAway, match="no member"):
        etcd.get("key")
