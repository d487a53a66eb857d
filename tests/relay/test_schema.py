"""What the OpenAPI allows, and what it does not, is never answered 5xx; `make torture` tries more."""

import pytest

from support import RunningRelay
from torture.schema import CHANGES, try_schema


@pytest.mark.end_to_end
def test_no_request_makes_the_relay_stumble(tmp_path):
    relay = RunningRelay(tmp_path, CHANGES)
    try:
        relay.start()
        tried = try_schema(relay, examples=5)
    finally:
        relay.kill()
    assert tried.failures == []
    assert tried.operations >= 15
    assert tried.requests >= 200
