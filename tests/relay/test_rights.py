"""Scopes: what they allow, against the plain reading of them as patterns over verb and slot."""

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovro_alert.relay.rights import ALL_RIGHTS, Rights, Verb, lacking, parse_scope

SLOTS = ["lwa", "dsa", "ligo", "chime", "lw", "lwa2"]  # names that begin alike among them
verbs, slots = st.sampled_from(list(Verb)), st.sampled_from(SLOTS)
scopes = st.one_of(st.just("admin"), st.builds("{}:{}".format, verbs, slots), st.builds("{}:*".format, verbs))
rights = st.frozensets(scopes, max_size=4)


@given(rights, verbs, slots)
def test_a_scope_allows_what_it_says_as_a_pattern_and_nothing_else(granted, verb, slot):
    patterns = ["*:*" if scope == "admin" else scope for scope in granted]
    assert Rights(granted).allow(verb, slot) == any(fnmatchcase(f"{verb}:{slot}", one) for one in patterns)


@given(rights, verbs)
def test_all_slots_are_allowed_only_by_who_allows_whichever_comes(granted, verb):
    assert Rights(granted).allow(verb, "*") == Rights(granted).allow(verb, "a_slot_of_tomorrow")


@given(rights, scopes, verbs, slots)
def test_one_scope_more_takes_nothing_away(granted, more, verb, slot):
    if Rights(granted).allow(verb, slot):
        assert Rights(granted | {more}).allow(verb, slot)


@given(scopes)
def test_a_scope_is_read_as_it_is_written(scope):
    assert parse_scope(f" {scope} ", SLOTS) == scope


@pytest.mark.parametrize(
    "text",
    ["", "*", "send", "send:", "send:gbt", "admin:lwa", "SEND:lwa", "read:lwa,dsa", "write:lwa", "read:lw*"],
)
def test_what_is_no_scope_is_refused(text):
    with pytest.raises(ValueError, match=r"no scope|no slot"):
        parse_scope(text, SLOTS)


NEEDED = [
    ("GET", "/lwa", "read:lwa"),
    ("HEAD", "/lwa", "read:lwa"),
    ("GET", "/lwa/commands", "read:lwa"),
    ("GET", "/lwa/stream", "read:lwa"),
    ("PUT", "/lwa", "send:lwa"),
    ("GET", "/feed", "read:*"),
    ("GET", "/events", "read:*"),
    ("GET", "/setaside", "read:*"),
    ("GET", "/setaside/1/raw", "read:*"),
    ("GET", "/alerts/ivo://a/b#c/raw", "read:*"),
    ("GET", "/metrics", "read:*"),
    ("GET", "/sources", "read:*"),
    ("DELETE", "/sources/gcn.heartbeat", "admin"),
    ("DELETE", "/lwa", "admin"),
    ("POST", "/lwa", "admin"),
    ("POST", "/commands/1/something_new", "admin"),
    ("OPTIONS", "/feed", "admin"),
]


@pytest.mark.parametrize(("method", "path", "scope"), NEEDED)
def test_what_a_request_needs_is_told_by_its_first_line(method, path, scope):
    assert lacking(Rights(frozenset({scope})), method, path) is None
    assert lacking(ALL_RIGHTS, method, path) is None
    others = {f"{verb}:{slot}" for verb in Verb for slot in ("*", *SLOTS)} - {
        scope,
        scope.split(":")[0] + ":*",
    }
    assert lacking(Rights(frozenset(others)), method, path) == scope


@pytest.mark.parametrize(
    ("method", "path", "verb"),
    [
        ("POST", "/alerts", "send"),
        ("PUT", "/sources/gcn.heartbeat", "send"),
        ("POST", "/commands/1/claim", "claim"),
        ("POST", "/commands/1/report", "claim"),
        ("POST", "/commands/1/cancel", "send"),
        ("GET", "/commands/1", "read"),
        ("GET", "/events/S230518h", "read"),
    ],
)
def test_where_the_slot_is_known_later_any_of_the_verb_will_do_to_ask(method, path, verb):
    assert lacking(Rights(frozenset({f"{verb}:lwa"})), method, path) is None
    others = frozenset(f"{other}:*" for other in Verb if other != verb)
    assert lacking(Rights(others), method, path) == f"{verb}:<slot>"
