"""Feed entries as Slack messages: readable, within Slack's limits, and deaf to what others write."""

import re
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovro_alert.people.slack import Post, by_thread, escape, is_test, post
from ovro_alert.people.slack_errors import Mends, mends

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
EVENT = "S260301a"


def entry(
    kind: str, data: dict[str, Any], event: str | None = EVENT, command: int | None = None, n: int = 1
) -> SimpleNamespace:
    return SimpleNamespace(n=n, at=NOON, kind=kind, event_id=event, command_id=command, data=data)


STORY = [
    entry("logged", {"role": "observation", "summary": "LIGO S260301a PRELIMINARY: CBC, BNS 0.95"}),
    entry(
        "decided",
        {
            "decisions": [
                {"rule": "ligo-merger", "verdict": "yes", "reasons": ["FAR below 1 a decade", "BNS > 0"]},
                {"rule": "chime-repeater", "verdict": "no", "reasons": ["source is ligo"]},
                {"rule": "ligo-burst", "verdict": "no", "reasons": ["source is ligo", "group is CBC"]},
                {"rule": "flare", "verdict": "no", "reasons": []},
                {"rule": "new", "verdict": "error", "reasons": ["no such name"]},
            ]
        },
    ),
    entry(
        "queued",
        {"slot": "lwa", "seq": 3, "command": "trigger", "args": {"n": 1}, "deadline": "2026-03-01T12:30:00Z"},
        command=7,
    ),
    entry("queued", {"slot": "dsa", "seq": 1, "command": "point", "args": {}, "deadline": None}, command=8),
    entry("claimed", {"slot": "lwa", "seq": 3, "command": "trigger", "client": "lwa-1"}, command=7),
    entry(
        "reported",
        {"slot": "lwa", "seq": 3, "command": "trigger", "state": "running", "detail": None},
        command=7,
    ),
    entry(
        "reported",
        {"slot": "lwa", "seq": 3, "command": "trigger", "state": "done", "detail": {"files": ["a<b"]}},
        command=7,
    ),
    entry("cancelled", {"slot": "dsa", "seq": 1, "command": "point", "reason": "retracted"}, command=8),
]


def text_of(message: Post) -> str:
    return "\n".join(block["text"]["text"] for block in message.blocks)


def test_an_event_reads_as_what_was_seen_decided_and_done() -> None:
    message = post(STORY)
    assert message is not None
    assert text_of(message).splitlines() == [
        "*LIGO S260301a PRELIMINARY: CBC, BNS 0.95*",
        "• yes: ligo-merger – FAR below 1 a decade; BNS &gt; 0",
        "• error: new – no such name",
        "• no: ligo-burst (group is CBC), chime-repeater, flare",
        "• */lwa trigger #3*: queued until 2026-03-01T12:30:00Z (n 1) → claimed by lwa-1 → running → "
        'done ({"files": ["a&lt;b"]})',
        "• */dsa point #1*: queued → cancelled (retracted)",
    ]
    assert message.text == text_of(message)


def test_a_lone_rule_that_does_not_act_says_why() -> None:
    decision = {"rule": "retraction", "verdict": "no", "reasons": ["its event has led to no command"]}
    message = post([entry("logged", {"summary": "x"}), entry("decided", {"decisions": [decision]})])
    assert message is not None
    assert message.text.splitlines()[1] == "• no: retraction (its event has led to no command)"


def test_news_without_an_alert_still_names_its_event() -> None:
    message = post(STORY[-1:])
    assert message is not None
    assert message.text.splitlines() == ["*S260301a*", "• */dsa point #1*: cancelled (retracted)"]


def test_what_could_not_be_read_is_told_with_its_reason() -> None:
    aside = [
        entry("setaside", {"setaside_id": n, "reason": "event.far: NaN", "format": "igwn"}, event=None)
        for n in (4, 5)
    ]
    message = post(aside)
    assert message is not None
    assert message.text.splitlines() == [
        "*Set aside: 2 unreadable messages*",
        "• 4 (igwn): event.far: NaN",
        "• 5 (igwn): event.far: NaN",
    ]


def test_a_source_that_is_deaf_is_told_of_with_the_reason_and_each_deafness_has_a_thread() -> None:
    def turn(kind: str, since: str, why: str = "") -> SimpleNamespace:
        return entry(kind, {"source": "gcn.heartbeat", "why": why, "deaf_at": since}, event=None)

    first = [turn("deaf", "T1", "not connected for 2 min: no route"), turn("hears", "T1")]
    second = [turn("deaf", "T2", "no message for 61 s")]
    assert list(by_thread(first + second).values()) == [first, second]
    told = [post([each]) for each in first + second]
    assert [message.text for message in told if message] == [
        "*gcn.heartbeat is deaf* (not connected for 2 min: no route)",
        "*gcn.heartbeat hears again*",
        "*gcn.heartbeat is deaf* (no message for 61 s)",
    ]


def test_what_the_policy_comes_to_is_told_by_itself() -> None:
    broken = entry(
        "policy", {"rules": 4, "trouble": "policy.toml:3: x > 1: unknown name 'x'"}, event=None, n=1
    )
    mended = entry("policy", {"rules": 5, "trouble": None}, event=None, n=2)
    fails = entry(
        "fails", {"rule": "beam", "reason": "gw.far is not given", "alert_id": "a1"}, event=None, n=3
    )
    assert list(by_thread([broken, mended, fails]).values()) == [[broken], [mended], [fails]]
    assert [message.text for one in (broken, mended, fails) if (message := post([one]))] == [
        "*The policy cannot be used, the one before stays* (policy.toml:3: x &gt; 1: unknown name 'x')",
        "*A changed policy is in force* (rules 5)",
        "*The rule beam fails*: gw.far is not given (of a1)",
    ]


def test_people_are_asked_and_hear_what_people_said() -> None:
    asked = {"slot": "dsa", "command": "repoint", "deadline": "2026-03-04T05:16:05Z", "args": {"dec": 48.2}}
    steps = [
        entry("pending", asked | {"seq": None}, "e", 9),
        entry("approved", asked | {"seq": 1, "by": "someone on duty"}, "e", 9),
    ]
    message = post(steps)
    assert message is not None
    assert message.text.splitlines()[-1] == (
        "• */dsa repoint*: waits for your approval until 2026-03-04T05:16:05Z (dec 48.2) → "
        "approved by someone on duty"
    )
    denied = post([steps[0], entry("denied", {"by": "b", "reason": "a storm"}, "e", 9)])
    assert denied is not None
    assert denied.text.endswith("→ denied by b (a storm)")


def test_a_kind_of_a_later_relay_says_nothing_by_itself() -> None:
    assert post([entry("weather", {"rain": True}, event=None)]) is None


def test_threads_are_events_then_commands_and_keep_the_order_of_the_feed() -> None:
    a1, b, a2 = entry("logged", {}, "a", n=1), entry("logged", {}, "b", n=2), entry("decided", {}, "a", n=3)
    lone = entry("queued", {}, None, 9, n=4)
    aside = entry("setaside", {}, None, n=5)
    assert list(by_thread([a1, b, a2, lone, aside]).items()) == [
        ("event:a", [a1, a2]),
        ("event:b", [b]),
        ("command:9", [lone]),
        ("setaside", [aside]),
    ]


@pytest.mark.parametrize(
    ("roles", "test"),
    [([], None), (["test"], True), (["test", "observation"], False), (["utility"], False)],
)
def test_an_event_is_a_test_when_all_its_alerts_are(roles: list[str], test: bool | None) -> None:
    assert is_test([entry("logged", {"role": role}) for role in roles] + STORY[1:2]) is test


@pytest.mark.parametrize(
    "evil",
    [
        "<!channel>",
        "<!here|here>",
        "<@U012>",
        "<https://evil.example|LIGO>",
        "&lt;!here&gt;",
        "a\n<!everyone>",
    ],
)
def test_nobody_can_mention_or_link_through_us(evil: str) -> None:
    message = post(
        [
            entry("logged", {"role": "observation", "summary": evil}, evil),
            entry("decided", {"decisions": [{"rule": evil, "verdict": "yes", "reasons": [evil]}]}, evil),
            entry("queued", {"slot": evil, "seq": evil, "command": evil, "args": {evil: evil}}, evil, 1),
            entry("reported", {"state": evil, "detail": [evil]}, evil, 1),
            entry("setaside", {"setaside_id": 1, "reason": evil, "format": evil}, evil),
        ]
    )
    assert message is not None
    for text in (message.text, text_of(message)):
        assert "<" not in text
        assert ">" not in text
    assert all(block["text"]["verbatim"] for block in message.blocks)
    # & is what Slack decodes, so what it shows is what was written.
    assert escape("a & <b>") == "a &amp; &lt;b&gt;"


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
LONG = "x<&>" * 5000
keys = st.sampled_from(
    [
        "summary",
        "decisions",
        "slot",
        "seq",
        "command",
        "args",
        "deadline",
        "client",
        "state",
        "detail",
        "reason",
        "source",
        "why",
    ]
)
kinds = st.sampled_from(
    "logged decided queued claimed reported cancelled expired setaside deaf hears new".split()  # noqa: SIM905
)
entries = st.builds(
    entry,
    kinds,
    st.dictionaries(
        keys, anything | st.just(LONG) | st.just([{"rule": LONG, "verdict": "yes", "reasons": [LONG]}])
    ),
    st.none() | st.text(min_size=1) | st.just(LONG),
    st.none() | st.integers(0, 3),
)


@given(st.lists(entries, min_size=1, max_size=10))
def test_every_message_is_within_slacks_limits_and_safe(news: list[SimpleNamespace]) -> None:
    message = post(news)
    if message is None:
        return
    assert 0 < len(message.text) <= 4000
    assert 0 < len(message.blocks) <= 50
    assert sum(len(block["text"]["text"]) for block in message.blocks) <= 10_000
    for text in (message.text, *(block["text"]["text"] for block in message.blocks)):
        assert 0 < len(text) <= 4000
        assert not re.search(r"<|>|&(?!amp;|lt;|gt;)", text)
    assert all(len(block["text"]["text"]) <= 3000 for block in message.blocks)


def test_a_long_story_says_how_much_is_left_out() -> None:
    news = [
        entry(
            "reported",
            {"slot": "lwa", "seq": n, "command": "x", "state": "done", "detail": "y" * 290},
            command=n,
        )
        for n in range(100)
    ]
    message = post(news)
    assert message is not None
    told = len(re.findall(r"/lwa x #", text_of(message)))
    assert text_of(message).splitlines()[-1] == f"… and {100 - told} lines more"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"ok": False, "error": "invalid_blocks"}, Mends.NEVER),
        (200, {"ok": False, "error": "thread_not_found"}, Mends.ELSEWHERE),
        (200, {"ok": False, "error": "invalid_auth"}, Mends.IN_TIME),
        (429, {"ok": False, "error": "ratelimited"}, Mends.IN_TIME),
        (500, {"ok": False, "error": "something_new"}, Mends.IN_TIME),
        (200, {"ok": False, "error": "something_new"}, Mends.UNKNOWN),
        (200, {"ok": False, "error": "<html> a hotel's page"}, Mends.IN_TIME),
        (200, b"\x1f\x8b", Mends.IN_TIME),
        (200, ["ok"], Mends.IN_TIME),
    ],
)
def test_who_can_mend_an_error(status: int, body: object, expected: Mends) -> None:
    assert mends(status, body)[0] is expected
