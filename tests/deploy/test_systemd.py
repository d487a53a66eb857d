"""The units: systemd reads them, and what they start is there to be started."""

import os
import re
import shutil
import subprocess
import tomllib
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
COMMON = ROOT / "deploy" / "systemd" / "ovro-alert-.service.d" / "common.conf"
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"].keys()
OF_OTHERS = {"uvicorn", "twistd"}  # the relay's server; Comet's


def service(unit: Path) -> dict[str, str]:
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read([COMMON, unit])
    return dict(parser["Service"])


def program(unit: Path) -> str:
    return service(unit)["ExecStart"].split()[0].removeprefix("/opt/ovro-alert/bin/")


def test_every_daemon_has_a_unit_and_no_unit_starts_anything_else():
    assert sorted(map(program, UNITS)) == sorted(SCRIPTS - {"ovro-alert"} | OF_OTHERS)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_each_is_watched_started_again_and_confined(unit):
    said = service(unit)
    assert (said["Type"], said["Restart"], said["ProtectSystem"]) == ("notify", "always", "strict")
    assert (said["NoNewPrivileges"], said["User"]) == ("yes", "ovro-alert")
    assert re.fullmatch(r"\d+min", said["WatchdogSec"])
    assert not re.search(r"(?i)key|token|secret|password", said["ExecStart"] + said["Environment"])


def test_systemd_has_no_complaint(tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze here: apt-get install systemd")
    programs = tmp_path / "bin"
    programs.mkdir()
    for unit in UNITS:
        (programs / program(unit)).symlink_to("/bin/true")
        text = unit.read_text().replace("/opt/ovro-alert/bin", str(programs))
        (tmp_path / unit.name).write_text(text)
    shutil.copytree(COMMON.parent, tmp_path / COMMON.parent.name)
    done = subprocess.run(
        [analyze, "verify", "--man=no", "--recursive-errors=no", *(unit.name for unit in UNITS)],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert (done.returncode, done.stderr) == (0, "")
