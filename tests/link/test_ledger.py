"""What was handed over is known after a restart, whatever stood at the end of the file."""

import pytest

from ovro_alert.link.ledger import Ledger


def test_what_was_added_is_known_and_nothing_else(tmp_path):
    path = tmp_path / "not yet there" / "ledger"
    ledger = Ledger(path)
    assert b"one" not in ledger
    ledger.add(b"one")
    ledger.add(b"two")
    for known in (ledger, Ledger(path)):
        assert b"one" in known
        assert b"two" in known
        assert b"three" not in known


@pytest.mark.parametrize("kept", range(1, 32))
def test_half_an_entry_counts_for_nothing_and_spoils_nothing(tmp_path, kept):
    path = tmp_path / "ledger"
    ledger = Ledger(path)
    ledger.add(b"one")
    ledger.add(b"two")
    path.write_bytes(path.read_bytes()[: 32 + kept])
    again = Ledger(path)
    assert b"one" in again
    assert b"two" not in again
    again.add(b"three")
    assert all(raw in Ledger(path) for raw in (b"one", b"three"))


def test_a_disk_that_refuses_is_said(tmp_path):
    path = tmp_path / "ledger"
    ledger = Ledger(path)
    path.unlink()
    path.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        ledger.add(b"one")
