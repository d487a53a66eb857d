"""What the log says of itself, on each engine."""

from datetime import timedelta

from ovro_alert.command import Kind, State
from ovro_alert.store import commands, entries, setaside
from ovro_alert.store.figures import figures, hops, told


def put(bench, slot):
    return bench.do(lambda tx: entries.append(tx, entries.NewEntry(slot, Kind.COMMAND, "c", {}, 1.0))).id


def test_the_figures_of_a_log(bench):
    assert bench.read(told) == 0
    first = bench.now
    taken = put(bench, "lwa")
    put(bench, "dsa")
    bench.later(7)
    put(bench, "lwa")
    bench.do(lambda tx: commands.claim(tx, taken, "a", timedelta(seconds=30)))
    bench.do(lambda tx: setaside.append(tx, b"?", 1, ["no format"], None, {}))
    now = bench.read(figures)
    assert now.oldest_queued == {"lwa": first + timedelta(seconds=7), "dsa": first}
    assert now.entries == {"lwa": 2, "dsa": 1}
    assert now.set_aside == 1
    assert now.size > 10_000
    assert bench.read(told) == 5


def test_each_hop_of_a_command_is_told_once(bench):
    command = put(bench, "lwa")
    bench.later(2)
    claim = bench.do(lambda tx: commands.claim(tx, command, "a", timedelta(seconds=30)))
    bench.later(3)
    for state in (State.RUNNING, State.DONE):  # even where both are of one moment
        bench.do(lambda tx, state=state: commands.report(tx, command, claim.token, state, {"state": "?"}))
    last = bench.read(told)
    assert bench.read(lambda c: [*hops(c, 0, last)]) == [("logged to claimed", 2.0), ("claimed to over", 3.0)]
    assert bench.read(lambda c: [*hops(c, 2, last)]) == [("claimed to over", 3.0)]
    assert bench.read(lambda c: [*hops(c, last, last)]) == []
