"""A cursor survives, is whole, and says so when it is not."""

import errno
import os

import pytest

from ovro_alert.link.cursor import Cursor


def test_it_begins_at_nothing_and_keeps_what_was_written(tmp_path):
    path = tmp_path / "deep" / "cursor"
    assert Cursor(path).read() == 0
    Cursor(path).write(2**53)
    assert Cursor(path).read() == 2**53
    assert [each.name for each in path.parent.iterdir()] == ["cursor"]


@pytest.mark.parametrize("content", [b"", b"-1", b"+3", b"1e3", b"12\x00", "４".encode(), b"two"])
def test_anything_else_is_named_and_never_taken_for_a_number(tmp_path, content):
    path = tmp_path / "cursor"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=str(path)):
        Cursor(path).read()


def test_a_disk_that_refuses_leaves_the_old_number(tmp_path, monkeypatch):
    cursor = Cursor(tmp_path / "cursor")
    cursor.write(5)

    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            cursor.write(6)
    assert cursor.read() == 5
    assert [each.name for each in tmp_path.iterdir()] == ["cursor"]
