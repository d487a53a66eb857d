"""A lock that the kernel keeps: one holder, none after a death, and no trace when it is over."""

import fcntl
from pathlib import Path
from typing import IO

import pytest

from ovro_alert.link.alone import alone


def test_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "7"
    with alone(path) as first:
        with alone(path) as second, alone(tmp_path / "locks" / "8") as another:
            assert (first, second, another) == (True, False, True)
        assert path.exists(), "who did not get the lock leaves it alone"
        with alone(path) as third:
            assert not third
    assert not path.exists()
    with alone(path) as again:
        assert again


def test_the_file_that_a_kill_left_behind_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "7").touch()
    with alone(tmp_path / "7") as ours:
        assert ours


def test_a_file_that_its_holder_removes_before_we_lock_it_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, lock = tmp_path / "7", fcntl.flock

    def late(file: IO[str], how: int) -> None:
        path.unlink()
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with alone(path) as ours:
        assert not ours
