"""The life of a command in the log, driven by a clock."""

from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ovro_alert.command import Kind, State, is_over
from ovro_alert.store import commands, entries, feed
from ovro_alert.store.commands import Claim, Refused

LEASE = timedelta(seconds=30)


@pytest.fixture
def queue(bench):
    """Queues a command with a deadline so many seconds from now; gives its id."""

    def queue(deadline_s=None, kind=Kind.COMMAND):
        deadline = None if deadline_s is None else bench.now + timedelta(seconds=deadline_s)
        new = entries.NewEntry("lwa", kind, "c", {}, 1.0, deadline=deadline)
        return bench.do(lambda tx: entries.append(tx, new)).id

    return queue


def claim(bench, command_id, client="a", token=None):
    return bench.do(lambda tx: commands.claim(tx, command_id, client, LEASE, token))


def report(bench, command_id, token, state, detail=None):
    return bench.do(lambda tx: commands.report(tx, command_id, token, state, detail))


def state_of(bench, command_id):
    return State(bench.read(lambda c: commands.find(c, command_id))["state"])


def test_a_claim_is_refused_to_a_second_client_until_its_lease_runs_out(bench, queue):
    command = queue()
    first = claim(bench, command, "a")
    assert first.expires == bench.now + LEASE
    refused = claim(bench, command, "b")
    assert isinstance(refused, Refused)
    assert "a has claimed it" in str(refused)
    bench.later(30)
    second = claim(bench, command, "b")
    assert second.token > first.token
    with pytest.raises(Refused, match="token"):
        report(bench, command, first.token, State.DONE)
    assert report(bench, command, second.token, State.DONE).state is State.DONE


def test_a_claim_is_renewed_with_its_token_only_while_it_holds(bench, queue):
    command = queue()
    held = claim(bench, command)
    bench.later(20)
    assert claim(bench, command, "a", held.token) == Claim(held.token, bench.now + LEASE)
    bench.later(20)  # beyond the first lease, within the renewed one
    assert isinstance(claim(bench, command, "b"), Refused)
    assert isinstance(claim(bench, command, "b", held.token + 1), Refused)
    bench.later(20)
    assert isinstance(claim(bench, command, "a", held.token), Refused)


def test_a_deadline_expires_what_nobody_has_begun(bench, queue):
    command = queue(deadline_s=10)
    bench.later(10)
    refused = claim(bench, command)
    assert (refused.state, state_of(bench, command)) == (State.EXPIRED, State.EXPIRED)
    unseen = queue(deadline_s=10)
    bench.later(11)
    assert bench.read(lambda c: commands.is_due(c, bench.now))
    bench.do(commands.sweep)
    assert state_of(bench, unseen) is State.EXPIRED
    assert not bench.read(lambda c: commands.is_due(c, bench.now))


def test_what_was_running_never_expires_for_it_may_have_been_done(bench, queue):
    command = queue(deadline_s=10)
    held = claim(bench, command)
    report(bench, command, held.token, State.RUNNING)
    bench.later(100)
    bench.do(commands.sweep)
    assert state_of(bench, command) is State.RUNNING
    claim(bench, command, "b")  # and dies
    bench.later(100)
    bench.do(commands.sweep)
    looked = claim(bench, command, "c")
    assert (
        report(bench, command, looked.token, State.DONE, {"message": "its trace was there"}).state == "done"
    )


def test_a_claim_whose_client_died_before_it_began_is_queued_again(bench, queue):
    command = queue()
    claim(bench, command)
    bench.later(31)
    bench.do(commands.sweep)
    assert state_of(bench, command) is State.QUEUED
    kinds = [told["kind"] for told in bench.read(lambda c: feed.after(c, 0, 10))]
    assert kinds == ["queued", "claimed", "lapsed"]


def test_a_cancelled_command_is_refused_to_the_client_that_has_claimed_it(bench, queue):
    command = queue()
    held = claim(bench, command)
    assert bench.do(lambda tx: commands.cancel(tx, command, "retracted"))
    with pytest.raises(Refused, match="cancelled"):
        report(bench, command, held.token, State.RUNNING)
    assert not bench.do(lambda tx: commands.cancel(tx, command, "again"))


def test_the_same_report_again_is_the_same_answer_and_is_told_once(bench, queue):
    command = queue()
    held = claim(bench, command)
    first = report(bench, command, held.token, State.DONE, {"sdf": "x"})
    assert report(bench, command, held.token, State.DONE, {"sdf": "x"}) == first
    kinds = [told["kind"] for told in bench.read(lambda c: feed.after(c, 0, 10))]
    assert kinds == ["queued", "claimed", "reported"]


def test_an_event_is_nobodys_to_claim_and_an_unknown_id_is_said_to_be(bench, queue):
    event = queue(kind=Kind.EVENT)
    assert isinstance(claim(bench, event), Refused)
    with pytest.raises(commands.Unknown):
        claim(bench, 1)


@pytest.mark.parametrize("state", [State.QUEUED, State.CANCELLED, State.EXPIRED, State.CLAIMED])
def test_a_client_cannot_report_what_is_not_its_to_say(bench, queue, state):
    command = queue()
    held = claim(bench, command)
    with pytest.raises(Refused):
        report(bench, command, held.token, state)


class Story(RuleBasedStateMachine):
    """Whatever clients do in whatever order: the newest token alone is heard, and what is over stays so."""

    def __init__(self):
        super().__init__()
        self.bench = self.new_bench()
        self.tokens = []
        self.end = None

    @initialize(deadline=st.none() | st.integers(1, 100))
    def queue(self, deadline):
        moment = None if deadline is None else self.bench.now + timedelta(seconds=deadline)
        new = entries.NewEntry("lwa", Kind.COMMAND, "c", {}, 1.0, deadline=moment)
        self.command = self.bench.do(lambda tx: entries.append(tx, new)).id

    @rule(client=st.sampled_from("ab"))
    def claims(self, client):
        result = claim(self.bench, self.command, client)
        if isinstance(result, Claim):
            assert self.end is None
            assert all(result.token > token for token in self.tokens)
            self.tokens.append(result.token)

    @precondition(lambda self: self.tokens)
    @rule(which=st.integers(0, 5), state=st.sampled_from([State.RUNNING, State.DONE, State.FAILED]))
    def reports(self, which, state):
        token = self.tokens[which % len(self.tokens)]
        try:
            report(self.bench, self.command, token, state)
        except Refused:
            return
        assert token == self.tokens[-1]
        assert self.end in (None, state)

    @rule(seconds=st.integers(1, 60))
    def time_passes(self, seconds):
        self.bench.later(seconds)

    @rule()
    def is_swept(self):
        self.bench.do(commands.sweep)

    @rule()
    def is_cancelled(self):
        cancelled = self.bench.do(lambda tx: commands.cancel(tx, self.command, "x"))
        assert not (cancelled and self.end)

    @invariant()
    def ends_once(self):
        state = state_of(self.bench, self.command)
        assert self.end in (None, state)
        self.end = state if is_over(state) else None

    def teardown(self):
        self.bench.log.close()


def test_any_story_keeps_to_one_holder_and_one_end(new_bench):
    Story.new_bench = staticmethod(new_bench)
    Story.TestCase.settings = settings(max_examples=20, stateful_step_count=15, deadline=None)
    Story.TestCase().runTest()
