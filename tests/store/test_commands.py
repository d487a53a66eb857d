"""The life of a command in the log, driven by a clock."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from ovro_alert.command import Kind, State
from ovro_alert.store import commands, entries, feed
from ovro_alert.store.commands import Claim, Refused
from ovro_alert.store.figures import told

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


def cancel(bench, command_id, reason="x"):
    return bench.do(lambda tx: commands.cancel(tx, command_id, reason))


def is_refused(result, state, *words):
    assert isinstance(result, Refused), result
    assert result.state == state
    assert all(word in str(result) for word in words), str(result)
    return True


def state_of(bench, command_id):
    return State(bench.read(lambda c: commands.find(c, command_id))["state"])


def test_a_claim_is_refused_to_a_second_client_until_its_lease_runs_out(bench, queue):
    command = queue()
    first = claim(bench, command, "a")
    assert first.expires == bench.now + LEASE
    assert is_refused(claim(bench, command, "b"), State.CLAIMED, "a has claimed it")
    bench.later(30)
    second = claim(bench, command, "b")
    assert second.token > first.token
    assert is_refused(report(bench, command, first.token, State.DONE), State.CLAIMED, "token")
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
    assert cancel(bench, command, "retracted").state is State.CANCELLED
    assert is_refused(claim(bench, command, "a", held.token), State.CANCELLED, "cancelled")
    assert is_refused(report(bench, command, held.token, State.RUNNING), State.CANCELLED, "cancelled")
    assert is_refused(cancel(bench, command, "again"), State.CANCELLED)
    last = bench.read(lambda c: feed.after(c, 0, 10))[-1]
    assert (last["kind"], last["data"]["reason"]) == ("cancelled", "retracted")


def test_what_runs_cannot_be_cancelled_any_more(bench, queue):
    command = queue()
    held = claim(bench, command)
    report(bench, command, held.token, State.RUNNING)
    assert is_refused(cancel(bench, command), State.RUNNING, "running")
    assert report(bench, command, held.token, State.DONE).state is State.DONE


def test_what_time_did_is_the_same_whether_it_was_swept_or_not(bench, queue):
    command = queue(deadline_s=40)
    held = claim(bench, command)
    bench.later(30)  # the lease is over, nobody has looked
    assert is_refused(report(bench, command, held.token, State.RUNNING), State.QUEUED)
    assert state_of(bench, command) is State.QUEUED
    bench.later(10)
    assert is_refused(cancel(bench, command), State.EXPIRED)
    assert state_of(bench, command) is State.EXPIRED


def test_the_same_report_again_is_the_same_answer_and_is_told_once(bench, queue):
    command = queue()
    held = claim(bench, command)
    first = report(bench, command, held.token, State.DONE, {"sdf": "x"})
    assert report(bench, command, held.token, State.DONE, {"sdf": "x"}) == first
    kinds = [told["kind"] for told in bench.read(lambda c: feed.after(c, 0, 10))]
    assert kinds == ["queued", "claimed", "reported"]


def test_an_event_is_nobodys_to_claim_and_an_unknown_id_is_said_to_be(bench, queue):
    event = queue(kind=Kind.EVENT)
    assert is_refused(claim(bench, event), None, "an event")
    assert is_refused(report(bench, event, 1, State.DONE), None, "an event")
    assert is_refused(cancel(bench, event), None, "an event")
    with pytest.raises(commands.Unknown):
        claim(bench, 1)


@pytest.mark.parametrize("state", [State.QUEUED, State.CANCELLED, State.EXPIRED, State.CLAIMED])
def test_a_client_cannot_report_what_is_not_its_to_say(bench, queue, state):
    command = queue()
    held = claim(bench, command)
    assert is_refused(report(bench, command, held.token, state), State.CLAIMED)


def test_what_waits_for_a_person_has_no_place_in_the_slot_until_it_is_approved(bench, queue):
    first = queue()
    new = entries.NewEntry(
        "lwa", Kind.COMMAND, "move", {}, 1.0, approval=True, deadline=bench.now + 9 * LEASE
    )
    waits = bench.do(lambda tx: entries.append(tx, new))
    assert (waits.state, waits.seq) == (State.PENDING, 0)
    assert is_refused(claim(bench, waits.id), State.PENDING)
    second = queue()
    assert bench.read(lambda c: entries.newest(c, "lwa")).id == second
    bench.later(60)
    approved = bench.do(lambda tx: commands.approve(tx, waits.id, "someone on duty"))
    log = bench.read(lambda c: entries.after(c, "lwa", 0, 10))
    assert [(one.seq, one.id) for one in log] == [(1, first), (2, second), (3, waits.id)]
    assert approved == log[-1] == bench.read(lambda c: entries.newest(c, "lwa"))
    row = bench.read(lambda c: commands.find(c, waits.id))
    assert (row["approved_by"], row["queued_at"]) == ("someone on duty", bench.now)
    assert is_refused(bench.do(lambda tx: commands.approve(tx, waits.id, "b")), State.QUEUED)
    assert claim(bench, waits.id).token


def test_what_is_denied_is_never_done_and_says_why(bench):
    new = entries.NewEntry("lwa", Kind.COMMAND, "move", {}, 1.0, approval=True)
    waits = bench.do(lambda tx: entries.append(tx, new))
    bench.do(lambda tx: commands.deny(tx, waits.id, "someone on duty", "a storm"))
    row = bench.read(lambda c: commands.find(c, waits.id))
    assert (row["state"], row["detail"]["message"]) == (State.REFUSED, "denied by someone on duty: a storm")
    assert is_refused(claim(bench, waits.id), State.REFUSED)
    assert bench.read(lambda c: entries.after(c, "lwa", 0, 10)) == []


@dataclass
class Model:
    """A command's life in other words than the code's: what is accepted and when, and what is told."""

    deadline: datetime | None
    state: str
    token: int | None = None
    lease_until: datetime | None = None
    told: list[str] = field(default_factory=lambda: ["queued"])

    def time_is(self, now):
        if self.state == "claimed" and self.lease_until <= now:
            self._goes("queued", "lapsed")
        if self.state in ("queued", "pending approval") and self.deadline and self.deadline <= now:
            self._goes("expired", "expired")

    def _goes(self, state, told):
        self.state = state
        self.told.append(told)
        return True

    def claimed(self, now):
        self.time_is(now)
        if self.state == "queued":
            return self._goes("claimed", "claimed")
        if self.state == "running" and self.lease_until <= now:
            return self._goes("running", "claimed")
        return False

    def renewed(self, now, token):
        self.time_is(now)
        return self.state in ("claimed", "running") and token == self.token and self.lease_until > now

    def reported(self, now, token, state):
        self.time_is(now)
        if token != self.token:
            return False
        if self.state == state and state in ("running", "done", "failed", "refused"):
            return True
        ends = ("done", "failed", "refused")
        if (self.state == "claimed" and state in ("running", *ends)) or (
            self.state == "running" and state in ends
        ):
            return self._goes(state, "reported")
        return False

    def approved(self, now):
        self.time_is(now)
        return self.state == "pending approval" and self._goes("queued", "approved")

    def denied(self, now):
        self.time_is(now)
        return self.state == "pending approval" and self._goes("refused", "denied")

    def cancelled(self, now):
        self.time_is(now)
        return self.state in ("pending approval", "queued", "claimed") and self._goes(
            "cancelled", "cancelled"
        )


COMMANDS = st.integers(0, 1)


class Story(RuleBasedStateMachine):
    """Whatever clients, people and the clock do in whatever order: each is answered as the model says."""

    def __init__(self):
        super().__init__()
        # One log for all stories, for each has commands of its own: a database each would take its time.
        self.begun_at = self.bench.read(told)
        self.newest_token = 0
        self.tokens = [-1]

    @initialize(deadlines=st.tuples(*[st.none() | st.integers(1, 100)] * 2), pending=st.booleans())
    def are_queued(self, deadlines, pending):
        self.ids, self.models = [], []
        for seconds in deadlines:
            deadline = None if seconds is None else self.bench.now + timedelta(seconds=seconds)
            waits = pending and bool(self.ids)
            new = entries.NewEntry("lwa", Kind.COMMAND, "c", {}, 1.0, deadline=deadline, approval=waits)
            self.ids.append(self.bench.do(lambda tx, new=new: entries.append(tx, new)).id)
            self.models.append(Model(deadline, "queued"))
            if waits:
                self.models[-1] = Model(deadline, "pending approval", told=["pending"])

    def agree(self, which, is_accepted, result):
        """Whether the log accepted what the model did; and what it said the state was, where it did not."""
        if is_accepted:
            assert not isinstance(result, Refused), result
        else:
            assert is_refused(result, self.models[which].state)
        return is_accepted

    @rule(which=COMMANDS, client=st.sampled_from("ab"))
    def claims(self, which, client):
        model = self.models[which]
        accepted = model.claimed(self.bench.now)
        result = claim(self.bench, self.ids[which], client)
        if self.agree(which, accepted, result):
            assert result.token > self.newest_token
            self.newest_token = model.token = result.token
            self.tokens.append(result.token)
            model.lease_until = result.expires
            assert result.expires == self.bench.now + LEASE

    @rule(which=COMMANDS, back=st.integers(0, 3))
    def renews(self, which, back):
        token = self.tokens[-1 - back % len(self.tokens)]
        accepted = self.models[which].renewed(self.bench.now, token)
        result = claim(self.bench, self.ids[which], "a", token)
        if self.agree(which, accepted, result):
            assert result == Claim(token, self.bench.now + LEASE)
            self.models[which].lease_until = result.expires

    @rule(which=COMMANDS, back=st.integers(0, 3), state=st.sampled_from(State))
    def reports(self, which, back, state):
        token = self.tokens[-1 - back % len(self.tokens)]
        accepted = self.models[which].reported(self.bench.now, token, state)
        result = report(self.bench, self.ids[which], token, state)
        if self.agree(which, accepted, result):
            assert result.state == state

    @rule(which=COMMANDS)
    def is_cancelled(self, which):
        accepted = self.models[which].cancelled(self.bench.now)
        self.agree(which, accepted, cancel(self.bench, self.ids[which]))

    @rule(which=COMMANDS)
    def is_approved(self, which):
        accepted = self.models[which].approved(self.bench.now)
        result = self.bench.do(lambda tx: commands.approve(tx, self.ids[which], "a person"))
        if self.agree(which, accepted, result):
            assert self.bench.read(lambda c: entries.after(c, "lwa", result.seq - 1, 9)) == [result]

    @rule(which=COMMANDS)
    def is_denied(self, which):
        accepted = self.models[which].denied(self.bench.now)
        self.agree(which, accepted, self.bench.do(lambda tx: commands.deny(tx, self.ids[which], "a", "no")))

    @rule(seconds=st.integers(1, 60))
    def time_passes(self, seconds):
        self.bench.later(seconds)

    @rule()
    def is_swept(self):
        self.bench.do(commands.sweep)
        assert not self.bench.read(lambda c: commands.is_due(c, self.bench.now))
        for command, model in zip(self.ids, self.models, strict=True):
            model.time_is(self.bench.now)
            assert state_of(self.bench, command) == model.state
            news = self.bench.read(lambda c: feed.after(c, self.begun_at, 1000))
            assert [one["kind"] for one in news if one["command_id"] == command] == model.told

    def teardown(self):
        self.is_swept()


def test_any_story_goes_as_the_model_says(bench):
    Story.bench = bench
    Story.TestCase.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
    Story.TestCase().runTest()
