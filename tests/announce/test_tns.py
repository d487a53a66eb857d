"""Reports for TNS: its fields as text, in a file that is whole, and apart from reports of tests."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from announcing import DETECTIONS, entry
from ovro_alert.acting import Unreachable
from ovro_alert.announce import detection
from ovro_alert.announce.detection import Unfit
from ovro_alert.announce.settings import TnsSettings
from ovro_alert.announce.tns import TnsSender, report
from ovro_alert.command import Entry
from ovro_alert.link.durable import replace


def sender(directory: Path, deployed: bool = True) -> TnsSender:
    return TnsSender(TnsSettings(reporter="A. Person"), deployed, directory, replace)


def sent(its: TnsSender, asked: Entry) -> tuple[Path, dict[str, Any]]:
    said = its.message(asked, detection.read(asked.args))
    assert its.find(said) is None
    path = Path(its.send(said)["file"])
    found = its.find(said)
    assert found is not None
    assert found.name == "TNS report of 260304aaaa"
    return path, json.loads(path.read_bytes())["frb_report"]["0"]


def test_a_report_has_tns_fields(tmp_path: Path) -> None:
    path, burst = sent(sender(tmp_path), entry("tns", fluence=2.5))
    assert path == tmp_path / "tns" / "www.wis-tns.org" / "260304aaaa-7.json"
    assert burst["ra"] == {"value": "291.61", "error": "0.02", "units": "deg"}
    assert burst["dec"] == {"value": "71.52", "error": "0.02", "units": "deg"}
    assert (burst["at_type"], burst["internal_name"], burst["reporter"]) == ("5", "260304aaaa", "A. Person")
    assert burst["discovery_datetime"] == "2026-03-04 05:06:07.123456"
    assert (burst["dm"], burst["dm_err"], burst["dm_unitid"]) == ("531.7", "0.4", "25")
    assert burst["reporting_groupid"] == burst["groupid"] == "132"
    assert burst["remarks"] == ""
    photometry = burst["photometry"]["photometry_group"]["0"]
    assert photometry["obsdate"] == burst["discovery_datetime"]
    assert (photometry["snr"], photometry["burst_width"], photometry["burst_width_unitid"]) == (
        "14.2",
        "1.05",
        "23",
    )
    assert (photometry["fluence"], photometry["fluence_unitid"], photometry["flux"]) == ("2.5", "22", "0")


@pytest.mark.parametrize(("deployed", "role"), [(False, "observation"), (True, "test")])
def test_a_test_goes_to_the_sandbox_and_says_so(tmp_path: Path, deployed: bool, role: str) -> None:
    path, burst = sent(sender(tmp_path, deployed), entry("tns", role=role))
    assert path.parent.name == "sandbox.wis-tns.org"
    assert burst["remarks"].startswith("A test, not a detection.")


@given(DETECTIONS)
def test_whatever_was_detected_every_value_is_text(args: dict[str, Any]) -> None:
    its = detection.read(args)
    burst = json.loads(report(its, False, TnsSettings()))["frb_report"]["0"]
    assert float(burst["dm"]) == its.dm
    photometry = burst.pop("photometry")["photometry_group"]["0"]
    flat = [*burst.pop("ra").values(), *burst.pop("dec").values(), *photometry.values()]
    assert burst.pop("proprietary_period_groups") == ["132"]
    assert all(isinstance(one, str) for one in [*flat, *burst.values()])


@pytest.mark.parametrize("field", ["snr", "width_ms"])
def test_what_a_report_needs_is_asked_for_by_name(tmp_path: Path, field: str) -> None:
    with pytest.raises(Unfit, match=rf"args\.{field}: is required"):
        sent(sender(tmp_path), entry("tns", **{field: None}))


def test_a_folder_that_cannot_be_written_to_is_out_of_reach(tmp_path: Path) -> None:
    (tmp_path / "tns").write_text("no folder")
    its = sender(tmp_path)
    asked = entry("tns")
    with pytest.raises(Unreachable, match="the folder of TNS's reports"):
        its.send(its.message(asked, detection.read(asked.args)))
    with pytest.raises(Unreachable, match="the folder of TNS's reports"):
        its.reach()
