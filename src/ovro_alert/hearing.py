"""The vocabulary of listening: what a receiver says of its source, and whether that is heard."""

from typing import Annotated

from pydantic import ConfigDict, Field

from ovro_alert.alert import Part

AGO = Field(ge=0, le=1e10, allow_inf_nan=False)
Ago = Annotated[float, AGO]  # seconds before the report: no two clocks need agree
Count = Annotated[int, Field(ge=0, lt=2**63)]


class Report(Part):
    """How a receiver hears one source, at the moment when it says so."""

    model_config = ConfigDict(strict=True)

    transport: str = Field(min_length=1, max_length=100)  # kafka, voevent, etcd, folder …
    reporter: str = Field(min_length=1, max_length=200)  # the host that it runs on
    connected: bool
    since_s: Ago  # that it is connected, or not
    why: str = Field("", max_length=500)  # it is not
    heard_s: Ago | None = None  # the last message, of any kind
    expected_s: Ago | None = None  # the last that comes at a cadence: a heartbeat, a mock event, a test
    behind: Count | None = None  # messages at the broker that have not come yet
    waiting: Count | None = None  # messages here that the relay has not acknowledged yet
