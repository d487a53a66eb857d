"""What was put under a key before: etcd knows it until it is compacted."""

from collections.abc import Iterator

from ovro_alert.telescopes.etcd import Compacted, Keys, Put


def history(keys: Keys, key: str, most: int) -> Iterator[Put]:
    """What is and was under `key`, the newest first, as far back as etcd remembers; so many at the most.

    Each is a question of its own, asked when it is wanted.
    """
    put = keys.get(key).put
    for _ in range(most):
        if put is None:
            return
        yield put
        if put.version == 1:  # the first since it was there
            return
        try:
            put = keys.get(key, put.revision - 1).put
        except Compacted:
            return
