"""Catalogues of known sources in the log's database."""

from datetime import UTC, datetime

import pytest

from ovro_alert.sky.catalogue import Known
from ovro_alert.store import catalogue

REPEATER = Known("FRB 20180916B", 29.5031, 65.7168, 348.77, 0.001, repeats=True)
ONCE = Known("FRB 20200101Z", 180.0, 10.0)


def test_what_is_imported_is_what_is_known(bench):
    assert bench.read(catalogue.sources) == []
    assert bench.do(lambda tx: catalogue.put(tx, "mine", [REPEATER, ONCE], replace=False)) == 0
    bench.do(lambda tx: catalogue.put(tx, "another", [ONCE], replace=False))
    assert bench.read(catalogue.sources) == [REPEATER, ONCE, ONCE]
    imported = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert bench.read(catalogue.listed) == [
        catalogue.Imported("another", 1, 0, imported),
        catalogue.Imported("mine", 2, 1, imported),
    ]


def test_one_of_the_same_name_is_replaced_only_when_told_to(bench):
    bench.do(lambda tx: catalogue.put(tx, "mine", [REPEATER], replace=False))
    (refused,) = bench.write(lambda tx: catalogue.put(tx, "mine", [ONCE], replace=False))
    assert isinstance(refused, catalogue.Exists)
    assert bench.read(catalogue.sources) == [REPEATER]
    assert bench.do(lambda tx: catalogue.put(tx, "mine", [ONCE] * 12000, replace=True)) == 1
    assert bench.read(catalogue.sources) == [ONCE] * 12000
    assert bench.do(lambda tx: catalogue.remove(tx, "mine")) == 12000
    assert bench.read(catalogue.listed) == []
    (unknown,) = bench.write(lambda tx: catalogue.remove(tx, "mine"))
    assert isinstance(unknown, catalogue.Unknown)


def test_every_change_is_seen_by_a_number_that_grows(bench):
    seen = [bench.read(catalogue.version)]
    for job in (
        lambda tx: catalogue.put(tx, "mine", [ONCE], replace=False),
        lambda tx: catalogue.put(tx, "mine", [ONCE], replace=True),
        lambda tx: catalogue.remove(tx, "mine"),
    ):
        bench.do(job)
        seen.append(bench.read(catalogue.version))
    assert seen == sorted(set(seen))
    bench.write(lambda tx: catalogue.remove(tx, "mine"))
    assert bench.read(catalogue.version) == seen[-1]


@pytest.mark.parametrize("error", [None, 0.0])
def test_what_is_not_known_of_a_source_stays_unknown(bench, error):
    known = Known("A", 0.0, -90.0, None, error)
    bench.do(lambda tx: catalogue.put(tx, "mine", [known], replace=False))
    assert bench.read(catalogue.sources) == [known]
