"""Writes that are done once, on each engine."""

from datetime import timedelta

from sqlalchemy import func, select

from ovro_alert.command import Kind
from ovro_alert.store import entries
from ovro_alert.store.idempotency import KEPT, Reused, once, only_once
from ovro_alert.store.schema import idempotency


def put(key, body=b"{}", holder="me"):
    new = entries.NewEntry("lwa", Kind.COMMAND, "c", {}, 1.0)
    return only_once(once(holder, key, "lwa", body), lambda tx: entries.append(tx, new))


def test_of_many_that_come_together_one_is_done(bench):
    first, *others = bench.write(*[put("a")] * 20, put("a", b"other"), put("a", holder="you"))
    *same, reused, yours = others
    assert {entry.id for entry in same} == {first.id}
    assert isinstance(reused, Reused)
    assert yours.seq == 2


def test_what_failed_has_used_up_no_key(bench):
    def fails(tx):
        raise ValueError("not this one")

    (failed,) = bench.write(only_once(once("me", "a", "lwa", b"{}"), fails))
    assert isinstance(failed, ValueError)
    assert bench.do(put("a")).seq == 1


def test_old_keys_are_forgotten_a_few_at_a_time(bench):
    def kept():
        return bench.read(lambda c: c.scalar(select(func.count()).select_from(idempotency)))

    bench.write(*(put(f"old {n}") for n in range(25)))
    bench.now += KEPT + timedelta(seconds=1)
    counts = []
    for n in range(3):
        bench.do(put(f"new {n}"))
        counts.append(kept())
    assert counts == [16, 7, 3]
