"""Keys in the log: shown once, kept as hashes, rotated and revoked."""

from datetime import timedelta
from functools import partial

import pytest

from ovro_alert.store import keys


def make(tx, name="lwa-alert at ovro", scopes=("claim:lwa", "read:lwa"), expires_at=None):
    return keys.make(tx, name, scopes, expires_at)


def test_a_key_is_known_again_by_its_id_and_its_hash(bench):
    key, token = bench.do(make)
    assert keys.id_of(token.encode()) == key.id
    (kept,) = bench.read(keys.not_revoked).values()
    assert kept == key
    assert kept.hash == keys.hash_of(token.encode())
    assert (kept.scopes, kept.made_at, kept.last_used) == (("claim:lwa", "read:lwa"), bench.now, None)
    assert token not in repr(kept)


def test_every_key_is_another_and_has_256_random_bits(bench):
    tokens = [token for _, token in bench.write(*[make] * 50)]
    assert len({token.split("_", 2)[1] for token in tokens}) == 50
    assert len({token.split("_", 2)[2] for token in tokens}) == 50
    assert {len(token.split("_", 2)[2]) for token in tokens} == {43}  # 256 bits, 6 a letter


@pytest.mark.parametrize("text", [b"", b"s3cret", b"oa_short_x", b"oa_ABCDEFGHIJ_" + b"x" * 43, b"\xff" * 57])
def test_what_has_not_the_form_of_a_key_has_no_id(text):
    assert keys.id_of(text) is None


def test_a_revoked_key_is_out_of_force_for_good(bench):
    key, _ = bench.do(make)
    bench.do(partial(keys.revoke, id=key.id))
    revoked_at = bench.now
    bench.later(60)
    bench.do(partial(keys.revoke, id=key.id))
    assert bench.read(keys.not_revoked) == {}
    (listed,) = bench.read(keys.listed)
    assert listed.revoked_at == revoked_at
    with pytest.raises(keys.Unknown, match="no longer in force"):
        bench.do(lambda tx: keys.rotate(tx, key.id, tx.now))


def test_a_key_is_in_force_until_the_moment_that_it_expires(bench):
    key, _ = bench.do(partial(make, expires_at=bench.now + timedelta(hours=1)))
    assert key.is_in_force(bench.now + timedelta(minutes=59))
    assert not key.is_in_force(bench.now + timedelta(hours=1))


def test_rotated_at_once_the_old_key_goes_and_the_new_has_its_name_and_scopes(bench):
    old, _ = bench.do(make)
    new, token = bench.do(lambda tx: keys.rotate(tx, old.id, tx.now))
    assert list(bench.read(keys.not_revoked)) == [new.id]
    assert (new.name, new.scopes, new.expires_at) == (old.name, old.scopes, None)
    assert keys.hash_of(token.encode()) == new.hash != old.hash


def test_rotated_with_an_overlap_the_old_key_goes_at_its_end_or_its_own_if_that_is_sooner(bench):
    end = bench.now + timedelta(hours=2)
    lasting, _ = bench.do(make)
    passing, _ = bench.do(partial(make, expires_at=bench.now + timedelta(hours=1)))
    bench.later(60)
    for key in (lasting, passing):
        bench.do(lambda tx, id=key.id: keys.rotate(tx, id, end))
    kept = {key.id: key.expires_at for key in bench.read(keys.listed)}
    assert kept.pop(lasting.id) == end
    assert kept.pop(passing.id) == passing.expires_at
    # The successor of a key that lived an hour lives an hour from now.
    assert set(kept.values()) == {None, bench.now + timedelta(hours=1)}


def test_the_first_key_is_made_once_even_if_all_are_revoked_since(bench):
    first, *others = bench.write(*[partial(keys.make_first, name="first", scope="admin")] * 3)
    assert others == [None, None]
    bench.do(partial(keys.revoke, id=keys.id_of(first.encode())))
    assert bench.do(partial(keys.make_first, name="first", scope="admin")) is None


def test_an_unknown_key_is_said_so(bench):
    with pytest.raises(keys.Unknown, match="no key abcdefghij"):
        bench.do(partial(keys.revoke, id="abcdefghij"))
