"""The rules that come with ovro-alert: their thresholds, what their commands say, what every rule does."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from ovro_alert.acting import Later
from ovro_alert.alert import Alert, BeamRequest, FastRadioBurst, GravitationalWave, Localization, SkyMap
from ovro_alert.command import State, from_mjd
from ovro_alert.policy.decide import RETRACTION, Verdict, decide
from ovro_alert.policy.functions import World
from ovro_alert.policy.history import History, Sent
from ovro_alert.policy.rules import load
from ovro_alert.sky.catalogue import Catalogue, Known
from ovro_alert.sky.skymap import read
from ovro_alert.telescopes.arguments import spelled
from ovro_alert.telescopes.lwa.arguments import DumpArguments
from ovro_alert.telescopes.lwa.dump.settings import DumpSettings
from ovro_alert.telescopes.lwa.dump.window import Size, size
from tests.sky.maps import fits_bytes, whole_sky

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
POLICY = load(None, frozenset({"lwa", "dsa", "world"}))
RIGHT_THERE = Localization(ra=29.5, dec=65.7, error_deg=0.1, containment=0.95)


def an_alert(**about):
    seen = {"alert_id": "a1", "event_id": "e1", "role": "observation", "alert_type": "initial"}
    return Alert.model_validate(seen | {"event_time": NOW - timedelta(seconds=2)} | about)


LIKELY = {"BNS": 0.95, "NSBH": 0.03, "BBH": 0.0, "Terrestrial": 0.02}


def merger(stage="PRELIMINARY", classification=None, **about):
    gw = {
        "far": 1e-10,
        "group": "CBC",
        "classification": LIKELY if classification is None else classification,
        "properties": {"HasNS": 1.0, "HasRemnant": 1.0, "HasMassGap": 0.0},
    }
    top = {key: about.pop(key) for key in list(about) if key in Alert.model_fields}
    return an_alert(source="ligo", stage=stage, gw=GravitationalWave.model_validate(gw | about), **top)


def burst(source="chime", dm=500.0, importance=0.98, reference_mhz=400.0, known_source="", **about):
    frb = FastRadioBurst(dm=dm, importance=importance, reference_mhz=reference_mhz, known_source=known_source)
    return an_alert(source=source, frb=frb, **{"localization": RIGHT_THERE} | about)


def sent_by(alert, history=None):
    decisions = decide(POLICY, alert, history or History(), NOW)
    return [(command.slot, command.command) for decision in decisions for command in decision.commands]


def decision_of(rule, alert, history=None):
    (found,) = (one for one in decide(POLICY, alert, history or History(), NOW) if one.rule == rule)
    return found


TO_BOTH = [("lwa", "powerbeam"), ("dsa", "CHIME FRB")]


@pytest.mark.parametrize("stage", ["EARLYWARNING", "PRELIMINARY", "INITIAL"])
def test_a_neutron_star_merger_dumps_the_buffer(stage):
    assert sent_by(merger(stage)) == [("lwa", "trigger")]


@pytest.mark.parametrize(
    ("about", "reason"),
    [
        ({"stage": "UPDATE", "alert_type": "update"}, "stage"),
        ({"group": "Burst"}, "gw.group"),
        ({"far": 3.18e-9}, "gw.far = 3.18e-09"),
        ({"classification": {"BNS": 0.8, "Terrestrial": 0.11}}, "Terrestrial"),
        ({"classification": {"BBH": 0.98, "Terrestrial": 0.02, "BNS": 0.0, "NSBH": 0.0}}, '"BNS"'),
        ({"properties": {"HasNS": 0.49}}, '"HasNS"'),
        ({"classification": {}}, "Terrestrial"),
    ],
)
def test_a_merger_past_a_threshold_does_not_and_says_which(about, reason):
    decision = decision_of("LIGO neutron-star merger", merger(**about))
    assert decision.verdict is Verdict.NO
    assert reason in decision.reasons[-1]
    assert sent_by(merger(**about)) == []


def test_at_the_very_thresholds_it_does():
    edge = {"BNS": 0.0, "NSBH": 1e-6, "Terrestrial": 0.1}
    assert sent_by(merger(far=3.17e-9, classification=edge, properties={"HasNS": 0.5})) == [
        ("lwa", "trigger")
    ]


@pytest.mark.parametrize(
    ("alert", "commands"),
    [
        (burst(), TO_BOTH),
        (burst(dm=99.9), []),
        (burst(importance=0.89), []),
        (burst(importance=None), TO_BOTH),
        (burst(dm=99.9, importance=0.1, known_source="FRB 20180916B"), TO_BOTH),
        (burst(alert_type="subsequent", known_source="FRB 20180916B"), [*TO_BOTH, ("dsa", "repoint")]),
        (burst(alert_type="update"), []),
        (burst(source="dsa", reference_mhz=1530.0), [("lwa", "powerbeam"), ("world", "swift")]),
        (burst(source="dsa", reference_mhz=1530.0, importance=0.89), []),
        (burst(source="dsa", reference_mhz=1530.0, importance=None), [("lwa", "powerbeam")]),
        (burst(source="dsa", reference_mhz=1530.0, localization=None), []),
        (burst(source="casm"), []),
    ],
)
def test_bursts(alert, commands):
    assert sent_by(alert) == commands


def test_a_beam_follows_the_burst_until_it_has_swept_the_band():
    (beam, to_dsa) = decision_of("CHIME burst", burst(dm=500.0)).commands
    # 4148.808 s MHz² × 500 × (43⁻² − 400⁻²) MHz⁻² = 1108.94 s after 400 MHz, of which 2 s have passed.
    assert (beam.deadline - NOW).total_seconds() == pytest.approx(1106.94, abs=0.01)
    assert beam.args["duration"] == pytest.approx(1116.94, abs=0.01)
    assert (beam.args["ra"], beam.args["dec"], beam.args["dm"]) == (29.5, 65.7, 500.0)
    assert from_mjd(to_dsa.args["toa"]) - (NOW - timedelta(seconds=2)) < timedelta(microseconds=20)


def test_a_request_is_carried_out_at_its_start_and_for_its_duration():
    start = NOW + timedelta(hours=2)
    alert = an_alert(
        source="flarescope",
        event_time=start,
        localization=RIGHT_THERE,
        request=BeamRequest(start=start, duration=600.0),
    )
    (beam,) = decision_of("Flarescope request", alert).commands
    assert (beam.slot, beam.command) == ("lwa", "powerbeam")
    assert beam.args["start"] == "2026-03-04T07:06:07Z"
    assert beam.args["duration"] == 600.0
    assert beam.deadline == start + timedelta(seconds=600)
    assert (beam.args["int_time_ms"], beam.args["name"]) == (128.0, "e1")
    named = alert.model_copy(
        update={"name": "AD Leo", "request": BeamRequest(start=start, duration=60.0, int_time_ms=64.0)}
    )
    (beam,) = decision_of("Flarescope request", named).commands
    assert (beam.args["int_time_ms"], beam.args["name"]) == (64.0, "AD Leo")


@pytest.mark.parametrize(
    ("rule", "alert"),
    [("LIGO neutron-star merger", merger(role="test")), ("CHIME burst", burst(role="test"))],
)
def test_a_test_moves_nothing_and_says_so(rule, alert):
    assert sent_by(alert) == []
    decision = decision_of(rule, alert)
    assert decision.verdict is Verdict.NO
    assert decision.reasons[-1].startswith("a test moves nothing")


def test_a_late_alert_is_recorded_and_not_acted_on():
    # At 43 MHz 300 pc cm⁻³ are 4148.808 × 300 / 43² = 673.1 s, and the buffer holds 158 s.
    decision = decision_of("LIGO neutron-star merger", merger(event_time=NOW - timedelta(seconds=873.1)))
    assert (decision.verdict, decision.commands) == (Verdict.NO, ())
    assert decision.reasons[-1] == "/lwa trigger: too late by 42.0 s"


# A merger's radio emission from first principles: e² / (2π mₑ c) × DM / f² in Gaussian units (Lorimer
# & Kramer 2005, eq. 4.5), DM in cm⁻², of 300 pc cm⁻³ at 43 MHz.
EMISSION_S = 4.80320e-10**2 / (2 * np.pi * 9.10938e-28 * 2.997925e10) * 300 * 3.085678e18 / 43e6**2
SAMPLE_HZ, SAMPLE_BYTES = 196e6 / 8192, 67_584  # of a pipeline
OLDEST_S = 170  # so much may be held, and is written first


def dump_of(age, rule="LIGO neutron-star merger", stage="PRELIMINARY"):
    """What OVRO-LWA's client makes of the command for a merger that was so many s ago."""
    (command,) = decision_of(rule, merger(stage, event_time=NOW - timedelta(seconds=age))).commands
    arguments = DumpArguments.model_validate(spelled(command.args))
    return size(arguments, NOW, DumpSettings(), command.deadline)


@pytest.mark.parametrize("age", [-5, 0, 30, 120, 200, 230, 400, 600, 800, 830])
@pytest.mark.parametrize(
    "rule", [("LIGO early warning", "EARLYWARNING"), ("LIGO neutron-star merger", "INITIAL")]
)
def test_a_mergers_dump_lasts_until_its_latest_emission_has_swept_past(age, rule):
    dump = dump_of(age, *rule)
    assert isinstance(dump, Size), dump
    samples = dump.nfile * dump.ntime_per_file
    reaches = samples / SAMPLE_HZ - OLDEST_S + age  # s after the merger
    assert EMISSION_S - 0.1 < reaches < EMISSION_S + 1  # blocks of 40 ms in up to 22 files
    assert not any("budget" in note for note in dump.notes)
    assert samples * SAMPLE_BYTES < 1.39e12  # as the policy says


def test_before_a_merger_its_dump_is_waited_for():
    with pytest.raises(Later):
        dump_of(-30, "LIGO early warning", "EARLYWARNING")


def test_a_mergers_latest_emission_has_left_the_buffer_when_its_command_is_useless():
    assert pytest.approx(673.1, abs=0.1) == EMISSION_S
    assert isinstance(dump_of(EMISSION_S + 158 - 1), Size)
    late = merger(event_time=NOW - timedelta(seconds=832))
    assert decision_of("LIGO neutron-star merger", late).commands == ()


def test_what_an_alert_does_not_give_is_an_error_of_that_rule_alone():
    verdicts = {one.rule: one.verdict for one in decide(POLICY, burst(dm=None), History(), NOW)}
    assert {rule for rule, verdict in verdicts.items() if verdict is Verdict.ERROR} == {"CHIME burst"}
    assert decision_of("CHIME burst", burst(dm=None)).reasons[-1] == "frb.dm is not given"
    nowhere = decision_of("CHIME burst", burst(localization=None))
    assert (nowhere.verdict, nowhere.reasons[-1]) == (Verdict.ERROR, "localization is not given")


KNOWN = World(catalogue=Catalogue([Known("FRB 20180916B", 29.5, 65.7, 500.0, 0.001, repeats=True)]))


def test_a_repeater_of_the_catalogues_is_one_whatever_chime_says_and_no_new_one():
    said = {one.rule: one for one in decide(POLICY, burst(dm=503.0), History(), NOW, KNOWN)}
    assert [said[rule].verdict for rule in ("CHIME repeater", "CHIME burst")] == [Verdict.YES, Verdict.NO]
    again = burst(dm=503.0, alert_type="subsequent", known_source="FRB 20180916B")
    said = {one.rule: one for one in decide(POLICY, again, History(), NOW, KNOWN)}
    assert said["CHIME repeater"].verdict is Verdict.YES
    assert said["new CHIME repeater"].reasons[-1].startswith("not met: not repeats(0.1, 5)")


def test_a_wave_from_below_the_horizon_is_not_dumped():
    density = np.zeros(12)
    density[11] = 1.0  # of order 0: around declination -42, right ascension 315; at NOW the sky's 120 is high
    low = SkyMap(pixels=12, ra=315.0, dec=-41.8, area_50_deg2=1719.0, area_90_deg2=3094.0)
    low = low.with_whole(read(fits_bytes(whole_sky(0), density)))
    decision = decision_of("LIGO neutron-star merger", merger(skymap=low))
    assert decision.verdict is Verdict.NO
    assert "ruled out: gw.skymap != null and probability_up(event_time, 5) < 0.1" in decision.reasons[-1]


def test_a_rule_acts_once_on_an_event():
    before = History(
        sent=(Sent(7, "lwa", "trigger", "/lwa #3 trigger", "LIGO neutron-star merger", State.DONE),)
    )
    decision = decision_of("LIGO neutron-star merger", merger("INITIAL"), before)
    assert decision.verdict is Verdict.NO
    assert "/lwa #3 trigger" in decision.reasons[-1]


def test_a_retraction_cancels_what_waits_and_leaves_the_rest():
    sent = tuple(
        Sent(number, "lwa", "powerbeam", f"/lwa #{number} powerbeam", "a rule", state)
        for number, state in enumerate([State.QUEUED, State.CLAIMED, State.RUNNING, State.DONE])
    )
    (decision,) = decide(POLICY, merger("RETRACTION", alert_type="retraction"), History("a2", sent), NOW)
    assert (decision.rule, decision.verdict, decision.cancels) == (RETRACTION, Verdict.YES, (0, 1))
    assert decision.reasons[2:] == ("/lwa #2 powerbeam is running", "/lwa #3 powerbeam is done")


def test_what_arrives_after_its_retraction_leads_to_nothing():
    (decision,) = decide(POLICY, merger(alert_type="retraction"), History("a0"), NOW)
    assert decision.verdict is Verdict.NO
    late = decision_of("LIGO neutron-star merger", merger(), History("a0"))
    assert late.reasons[-1] == "its event was retracted by a0"
    assert sent_by(merger(), History("a0")) == []


def test_an_event_that_proves_retracted_is_cancelled_by_whatever_proves_it():
    history = History("a0", (Sent(1, "lwa", "powerbeam", "/lwa #1 powerbeam", "CHIME burst", State.QUEUED),))
    assert decide(POLICY, burst(), history, NOW)[0].cancels == (1,)


def test_a_tests_retraction_cancels_nothing_that_is_real():
    waits = Sent(1, "lwa", "powerbeam", "/lwa #1 powerbeam", "CHIME burst", State.QUEUED)
    drill = an_alert(source="chime", alert_type="retraction", role="test")
    (decision,) = decide(POLICY, drill, History(sent=(waits,)), NOW)
    assert (decision.verdict, decision.cancels) == (Verdict.NO, ())
    assert decision.reasons == ("a test moves nothing: it does not cancel /lwa #1 powerbeam",)
