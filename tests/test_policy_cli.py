"""`ovro-alert policy`: rules checked, explained, and tried on the log of a relay and on a folder."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from ovro_alert.cli import app
from ovro_alert.demo.sample_bursts import Burst, chime_notice, dsa_notice
from ovro_alert.demo.samples import samples
from ovro_alert.relay.app import create_app
from ovro_alert.relay.settings import RelaySettings

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
KEY = "s3cret"
POLICY = """
[[rule]]
name = "merger"
when = ['source == "ligo"', 'gw.far <= 3.17e-9', '(gw.properties&["HasNS"] ?? 0) >= 0.5']
[[rule.then]]
slot = "lwa"
command = "trigger"
deadline = 'after(event_time, 1800)'
args.toa = 'event_time'

[[rule]]
name = "burst"
when = [
    'source in ["chime", "dsa"]',
    'frb.known_source != "" or (frb.dm >= 100 and frb.importance >= 0.9)',
]
[[rule.then]]
slot = "lwa"
command = "powerbeam"
deadline = 'arrival(43)'
args.ra = 'localization.ra'
args.start = 'now'
[[rule.then]]
slot = "dsa"
command = "repoint"
deadline = 'after(event_time, 3600)'
approval = true
priority = 3
cooldown_s = 4
per_day = 100
args.dec = 'localization.dec'
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the policy in force and the log of a relay that has heard the demonstration's story.

    Of DSA-110's burst there is an update in it, when the telescope has begun and people have not approved.
    """
    place = tmp_path_factory.mktemp("policy")
    (place / "policy.toml").write_text(POLICY)
    now = [NOW]

    def say(raw):
        now[0] += timedelta(seconds=2)
        return client.post("/alerts", content=raw).json()

    settings = RelaySettings(key=KEY, database_url=url(place), policy=place / "policy.toml")
    with TestClient(create_app(settings, lambda: now[0]), headers={"X-API-Key": KEY}) as client:
        for sample in samples(NOW):
            said = say(sample.raw)
            if sample.name == "dsa-detection":
                beam, _ = said["commands"]
                claim = client.post(f"/commands/{beam}/claim", json={"client": "lwa", "lease_s": 30}).json()
                report = {"token": claim["token"], "state": "running"}
                now[0] += timedelta(seconds=1)
                client.post(f"/commands/{beam}/report", json=report).raise_for_status()
                (repoint,) = say(moved(dsa_notice(sample_name(sample), "update", NOW)))["commands"]
                assert client.get(f"/commands/{repoint}").json()["command"] == "repoint"
    return place


def sample_name(sample):
    return json.loads(sample.raw)["id"]


def moved(notice):
    return json.dumps(json.loads(notice) | {"dec": 71.6}).encode()


def url(place):
    return f"sqlite:///{place / 'log.sqlite'}"


@pytest.fixture
def policy(place):
    """`ovro-alert policy …` with the settings of that relay; gives what it prints."""

    def run(*arguments, code=0, input=None, **environment):
        settings = {
            "OVRO_ALERT_DATABASE_URL": url(place),
            "OVRO_ALERT_RELAY_POLICY": str(place / "policy.toml"),
        }
        result = CliRunner().invoke(
            app, ["policy", *map(str, arguments)], env=settings | environment, input=input
        )
        assert result.exit_code == code, result.output
        return result.stdout if code == 0 else result.stderr

    return run


@pytest.fixture
def changed(tmp_path):
    """Another policy: that in force with words put in place of others."""

    def change(*pairs):
        text = POLICY
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "new.toml").write_text(text)
        return tmp_path / "new.toml"

    return change


def raw(name):
    (found,) = (sample.raw for sample in samples(NOW) if sample.name == name)
    return found


# check


def test_check_says_what_each_rule_sends(policy, place):
    head, _, columns, *rows = policy("check").splitlines()
    assert head.startswith(f"{place / 'policy.toml'}, digest ")
    assert columns.split() == ["rule", "sends", "useless", "after", "limits"]
    assert [" ".join(row.split()) for row in rows] == [
        "merger /lwa trigger after(event_time, 1800)",
        "burst /lwa powerbeam arrival(43)",
        "/dsa repoint after(event_time, 3600) a person approves, priority 3, once in 4 s, 100 a day",
    ]


def test_check_says_every_fault_with_its_file_and_line(policy, changed):
    file = changed(("gw.far", "gw.fat"), ('slot = "dsa"', 'slot = "chime"'), ("'now'", "'soon'"))
    assert [line.split(": ")[0] for line in policy("check", file, code=1).splitlines()] == [
        f"{file}:{line}" for line in (4, 22, 24)
    ]
    assert "rule.0.whenn: Extra inputs" in policy("check", changed(("when = ['s", "whenn = ['s")), code=1)
    file.write_text("[[rule]]\nname = = 1")
    assert f"{file}:2: Invalid value" in policy("check", file, code=1)
    assert "nowhere.toml" in policy("check", "nowhere.toml", code=1)


def test_check_goes_by_the_slots_of_the_settings(policy, place):
    slots = json.dumps({"lwa": "telescope", "chime": "sender"})
    said = policy("check", code=1, OVRO_ALERT_RELAY_SLOTS=slots)
    assert "policy.toml:24: slot 'dsa' takes no commands (those that do: lwa)" in said


def test_check_warns_of_what_is_seldom_meant(changed):
    file = changed(
        ('name = "merger"', 'name = "merger"\ntests = true'),
        ("arrival(43)", "after(now, 60)"),
        ("""'source == "ligo"', 'gw.far <= 3.17e-9', '(gw.properties&["HasNS"] ?? 0) >= 0.5'""", "'true'"),
        ('slot = "dsa"\ncommand = "repoint"', 'slot = "lwa"\ncommand = "powerbeam"'),
    )  # fmt: skip
    result = CliRunner().invoke(app, ["policy", "check", str(file)])
    assert result.exit_code == 0
    assert [line.removeprefix(f"{file}:") for line in result.stderr.splitlines()] == [
        "2: warning: merger: acts on tests, too",
        "2: warning: merger: its conditions ask nothing of the alert: it acts on every one",
        "12: warning: burst: /lwa powerbeam is never too late: its deadline goes by nothing of the alert",
        "12: warning: burst: asks /lwa powerbeam 2 times: an update replaces all of them by each",
    ]
    assert CliRunner().invoke(app, ["policy", "check"]).stderr == ""


# explain


def test_explain_shows_every_condition_the_verdict_and_what_would_be_sent(policy, tmp_path):
    (tmp_path / "burst.json").write_bytes(raw("chime-repeater-gcn"))
    said = policy("explain", tmp_path / "burst.json", "--now=2026-03-04T05:06:16Z").splitlines()
    assert "known source 60792403, at 2026-03-04 05:06:16 UTC" in said[1]
    merger, burst = said.index("merger: NO"), said.index("burst: YES")
    assert [" ".join(line.split()) for line in said[merger + 1 : burst - 1]] == [
        'when no source == "ligo" source = "chime"',
        "when error gw.far <= 3.17e-9 gw.far is not given",
        'when no (gw.properties&["HasNS"] ?? 0) >= 0.5 gw.properties["HasNS"] = not given',
        'not met: source == "ligo" (source = "chime")',
    ]
    # 4148.808 s MHz² × 348.8 × (43⁻² − 400⁻²) MHz⁻² = 773.597 s after 400 MHz, of which 10 s have passed.
    assert said[burst + 3 :] == [
        "  /lwa powerbeam: margin 12.7 min",
        "  /dsa repoint: margin 59.8 min, when a person has approved",
        "  sends /lwa powerbeam, useless after 2026-03-04 05:18:59 UTC",
        "    ra     41.37",
        '    start  "2026-03-04T05:06:16Z"',
        "  sends /dsa repoint, useless after 2026-03-04 06:06:06 UTC, priority 3, when a person has approved",
        "    dec  63.21",
    ]


def test_explain_as_json_has_the_same(policy):
    said = json.loads(
        policy("explain", "-", "--json", "--now=2026-03-04T05:06:16Z", input=raw("chime-repeater-gcn"))
    )
    assert (said["event_id"], said["at"]) == (f"chime-{burst_number(1)}", "2026-03-04T05:06:16Z")
    merger, burst = said["decisions"]
    assert (merger["rule"], merger["verdict"], merger["commands"]) == ("merger", "no", [])
    assert [one["value"] for one in merger["conditions"]] == [False, None, False]
    assert merger["conditions"][1]["why"] == "gw.far is not given"
    assert burst["conditions"][0] == {
        "of": "when",
        "text": 'source in ["chime", "dsa"]',
        "value": True,
        "why": "",
        "names": {"source": "chime"},
    }
    beam, repoint = burst["commands"]
    assert beam["args"] == {"ra": 41.37, "start": "2026-03-04T05:06:16Z"}
    assert beam["margin_s"] == pytest.approx(763.597, abs=0.001)
    assert (repoint["slot"], repoint["priority"], repoint["approval"]) == ("dsa", 3, True)


def burst_number(turn):
    return int(NOW.timestamp() * 1000) * 8 + turn


def logged(policy, name):
    """The alert_id that a message of the story has."""
    return json.loads(policy("explain", "-", "--json", input=raw(name)))["alert_id"]


def test_explain_of_an_alert_of_the_log_goes_by_its_moment_and_what_came_before(policy, changed):
    merger = policy("explain", logged(policy, "gw-merger"))
    assert "at 2026-03-04 05:06:38 UTC" in merger
    assert "merger: YES" in merger
    again = policy("explain", logged(policy, "chime-repeater-gcn"))
    assert "burst: NO" in again
    assert "this rule has already acted on this event: /lwa powerbeam, /dsa repoint" in again
    assert "cancels /lwa powerbeam" in policy("explain", logged(policy, "chime-retraction"))
    # By a rule that would have left the burst, there was nothing to retract.
    left = policy("explain", logged(policy, "chime-retraction"), "--policy", changed(("0.9", "0.99")))
    assert "its event has led to no command" in left
    late = policy("explain", logged(policy, "gw-merger"), "--now=2026-03-04T05:36:24Z")
    assert "/lwa trigger: too late by 42.0 s" in late


def test_what_cannot_be_explained_is_said_in_a_line(policy, tmp_path):
    assert "no such file, and no such alert" in policy("explain", "nobody's", code=1)
    cut = tmp_path / "cut.json"
    cut.write_bytes(raw("gw-malformed"))
    assert "is not JSON" in policy("explain", cut, code=1)
    assert "neither a date nor a moment" in policy("explain", cut, "--now=noon", code=1)
    nowhere = f"sqlite:///{tmp_path / 'nowhere.sqlite'}"
    assert "no such alert" in policy("explain", "x", code=1, OVRO_ALERT_DATABASE_URL=nowhere)
    assert "no log" in policy("replay", code=1, OVRO_ALERT_DATABASE_URL=nowhere)
    (tmp_path / "none.sqlite").write_bytes(b"no database, but long enough to be taken for one" * 100)
    none = f"sqlite:///{tmp_path / 'none.sqlite'}"
    assert "not a database" in policy("replay", code=1, OVRO_ALERT_DATABASE_URL=none)
    assert len(policy("replay", code=1, OVRO_ALERT_DATABASE_URL="nonsense").splitlines()) == 1
    assert not (tmp_path / "nowhere.sqlite").exists()


# replay


def replayed(policy, *arguments):
    """The alerts that lead to something, by event: how each command compares; and the sum."""
    *alerts, tally = map(json.loads, policy("replay", "--json", *arguments).splitlines())
    compared = [
        (alert["summary"].split(",")[0], one["kind"], one["rule"], one["command"], one["values"])
        for alert in alerts
        for one in alert["compared"]
    ]
    return compared, tally


def differences(policy, *arguments):
    return [one for one in replayed(policy, *arguments)[0] if one[1] != "="]


def test_the_policy_in_force_would_do_what_was_done(policy):
    compared, tally = replayed(policy)
    assert [(kind, rule, command) for _, kind, rule, command, _ in compared] == [
        ("=", "burst", "powerbeam"),  # of the repeater
        ("=", "burst", "repoint"),
        ("=", "burst", "powerbeam"),  # of the new burst
        ("=", "burst", "repoint"),
        ("=", "burst", "powerbeam"),  # of DSA-110's
        ("=", "burst", "repoint"),
        ("=", "burst", "repoint"),  # whose update left the beam that had begun
        ("=", "merger", "trigger"),
    ]
    assert tally["alerts"] == 15
    assert tally["rules"]["burst"] == {
        "same": 7, "more": 0, "less": 0, "other": 0, "unknown": 0, "errors": 0, "error": ""
    }  # fmt: skip


NEW_BURST = f"CHIME FRB {burst_number(2)}"
NOISE = f"CHIME FRB {burst_number(3)}"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (("frb.dm >= 100", "frb.dm >= 812.5"), [(NEW_BURST, "-"), (NEW_BURST, "-"), *[("DSA-110", "-")] * 3]),
        # DSA-110 is to cool down when the interference comes.
        (("0.9", "0.2"), [(NOISE, "+")]),
        (('"chime", "dsa"', '"chime"'), [("DSA-110", "-")] * 3),
        (("3.17e-9", "1e-14"), [("LIGO", "-")]),
        # The beam of another rule is another; a rule that is not there any more does nothing.
        (('"merger"', '"neutron stars"'), [("LIGO", "+"), ("LIGO", "-")]),
    ],
)
def test_a_changed_policy_differs_where_it_should(policy, changed, change, found):
    said = differences(policy, "--policy", changed(change))
    assert len(said) == len(found)
    for (alert, kind, *_), (expected, of_kind) in zip(said, found, strict=True):
        assert (alert.startswith(expected), kind) == (True, of_kind), said


def test_a_sky_map_of_the_log_is_at_hand_where_rules_ask_it(policy, changed):
    # The merger's is of 203 deg².
    small, large = changed(("gw.far <=", "area(0.9) < 202 and gw.far <=")), "not met: area(0.9) < 202"
    assert [kind for _, kind, *_ in differences(policy, "--policy", small)] == ["-"]
    assert large in policy("replay", "--policy", small)
    assert "area(0.9) = 202.897" in policy("explain", logged(policy, "gw-merger"), "--policy", small)
    assert differences(policy, "--policy", changed(("gw.far <=", "area(0.9) < 203 and gw.far <="))) == []


def test_changed_values_are_shown_beside_those_that_were_sent(policy, changed):
    said = differences(policy, "--policy", changed(("1800", "900"), ("priority = 3", "priority = 4")))
    assert [values for *_, command, values in said if command == "repoint"] == [{"priority": [3, 4]}] * 4
    (trigger,) = (values for *_, command, values in said if command == "trigger")
    assert trigger == {"deadline": ["2026-03-04T05:35:42Z", "2026-03-04T05:20:42Z"]}
    for_people = policy("replay", "--policy", changed(("1800", "900")))
    assert '  ~ merger: /lwa trigger: deadline "2026-03-04T05:35:42Z" → "2026-03-04T05:20:42Z"' in for_people


def test_since_and_until_choose_what_is_told_of_after_what_came_before(policy):
    def told(*arguments):
        return [line for line in policy("replay", *arguments).splitlines() if line.startswith("2026")]

    assert len(told("--since=2026-03-04")) == 7
    assert told("--since=2027-01-01") == told("--until=2026-03-04") == []
    # From the update of DSA-110's burst on: that it was known before is known.
    (update, retraction, merger) = told("--since=2026-03-04T05:06:26Z")
    assert ("DSA-110" in update, "retraction" in retraction, "LIGO" in merger) == (True, True, True)
    said = policy("replay", "--since=2026-03-04T05:06:26Z", "--until=2026-03-04T05:06:27Z")
    assert "= burst: /dsa repoint" in said
    assert "alerts: 1\n" in said


def test_the_sum_says_what_fails_and_first_on_what(policy, changed):
    said = policy(
        "replay", "--policy", changed(("frb.importance >= 0.9", "frb.importance / (frb.dm - 812.4) > 0"))
    )
    assert "\nalerts: 15\n" in said
    (row, _) = (line for line in said.splitlines() if line.startswith("burst "))
    assert row.split()[-1] == "1"
    assert "burst fails first on ivo://ca.chimenet.frb/FRB-DETECTION-#2026-03-04" in said


def test_a_folder_is_gone_through_by_the_times_in_its_messages(place, tmp_path):
    for sample in samples(NOW):
        (tmp_path / sample.filename).write_bytes(sample.raw)
    (tmp_path / "again.json").write_bytes(raw("gw-merger"))
    replay = ["policy", "replay", f"--policy={place / 'policy.toml'}", f"--folder={tmp_path}"]
    result = CliRunner().invoke(app, replay)
    assert result.exit_code == 0, result.output
    assert "not read: " in result.stderr
    assert "gw-malformed.json: " in result.stderr
    lines = result.stdout.splitlines()
    times = [line[:19] for line in lines if line.startswith("2026")]
    assert times == sorted(times)
    assert times[-1] == "2026-03-04 05:06:07"  # LIGO's notice says when it was sent
    assert "alerts: 14" in lines
    (row,) = (line for line in lines if line.startswith("merger "))
    assert row.split() == ["merger", "0", "0", "0", "0", "1", "0"]


SEEN_TWICE = """
[[rule]]
name = "seen twice"
when = ['source == "chime"', 'codetected("dsa") != ""']
[[rule.then]]
slot = "lwa"
command = "powerbeam"
deadline = 'arrival(43)'
args.start = 'now'
"""


@pytest.mark.parametrize("dsa_first", [False, True])
def test_what_rules_ask_of_others_is_gone_through_as_it_came(place, tmp_path, dsa_first):
    # 4148.808 s MHz² × 531.7 × (400⁻² − 1530⁻²) MHz⁻² = 12.84 s from the top of DSA-110's band.
    seen = NOW - timedelta(seconds=10 - 12.84)
    chime = chime_notice(Burst("1", seen, 291.61, 71.52, 531.7, 0.99))
    dsa = dsa_notice("260304aaaa", "initial", NOW)
    (tmp_path / "policy.toml").write_text(SEEN_TWICE)
    settings = RelaySettings(key=KEY, database_url=url(tmp_path), policy=tmp_path / "policy.toml")
    now = [NOW + timedelta(seconds=20)]
    with TestClient(create_app(settings, lambda: now[0]), headers={"X-API-Key": KEY}) as client:
        for raw in (dsa, chime) if dsa_first else (chime, dsa):
            said = client.post("/alerts", content=raw).json()
            now[0] += timedelta(seconds=5)
        assert bool(said["commands"]) == dsa_first
        assert len(client.get("/lwa/commands").json()["commands"]) == 1

    def replay(*arguments):
        settings = {"OVRO_ALERT_DATABASE_URL": url(tmp_path)}
        result = CliRunner().invoke(app, ["policy", "replay", "--json", *arguments], env=settings)
        assert result.exit_code == 0, result.output
        *alerts, tally = map(json.loads, result.stdout.splitlines())
        return [(one["again"], one["compared"][0]["kind"]) for one in alerts], tally

    in_force = f"--policy={tmp_path / 'policy.toml'}"
    found, tally = replay(in_force)
    assert (found, tally["alerts"]) == ([(not dsa_first, "=")], 2)
    # The same when only what came last is told of, and less by a policy that asks for others.
    assert replay(in_force, f"--since={(NOW + timedelta(seconds=21)).isoformat()}")[0] == found
    (tmp_path / "another.toml").write_text(SEEN_TWICE.replace('"dsa"', '"ligo"'))
    assert replay(f"--policy={tmp_path / 'another.toml'}")[0] == [(not dsa_first, "-")]


def test_a_replay_leaves_the_log_as_it_is(policy, place):
    before = (place / "log.sqlite").read_bytes()
    policy("replay")
    policy("explain", logged(policy, "gw-merger"))
    assert (place / "log.sqlite").read_bytes() == before


def test_what_was_written_to_a_terminal_is_not_obeyed(policy, changed, tmp_path):
    request = json.loads(raw("flarescope-request")) | {"name": "AD Leo\x1b[2J\u202e"}
    (tmp_path / "request.json").write_text(json.dumps(request))
    asks = changed(('source == "ligo"', 'name != ""'))
    said = policy("explain", tmp_path / "request.json", "--policy", asks)
    assert 'name = "AD Leo[2J"' in said
    assert "\x1b" not in said
    assert "\u202e" not in said
