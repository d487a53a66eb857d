"""What an operator tunes of what is told to the world: a table for all of it, and one for each sender."""

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr

from ovro_alert.alert import Positive
from ovro_alert.settings import Address, Settings


class WorldSettings(Settings, table="world"):
    """Table `[world]`."""

    # Until it is, VOEvents have the role `test`, Swift only validates, GCN's notices go to its test brokers,
    # and TNS's reports into a folder of their own.
    deployed: bool = False


class VoeventSettings(Settings, table="world_voevent"):
    """Table `[world_voevent]`: a VOEvent broker that takes events of authors, and who speaks."""

    host: str = ""
    port: int = Field(8098, ge=1, le=65535)
    timeout_s: Positive = 10.0
    contact_name: str = ""
    contact_email: str = ""


class GcnSettings(Settings, table="world_gcn"):
    """Table `[world_gcn]`; `config` holds any settings of librdkafka, which win over ours.

    GCN's credentials have one scope each: those that may write a mission's notices may not read, so that
    looking for a notice that was sent before takes others. Without them only what we have kept tells.
    """

    topic: str = "gcn.notices.dsa110.frb"
    client_id: str | None = Field(None, validation_alias=AliasChoices("GCN_PRODUCER_CLIENT_ID", "client_id"))
    client_secret: SecretStr | None = Field(
        None, validation_alias=AliasChoices("GCN_PRODUCER_CLIENT_SECRET", "client_secret")
    )
    reader_id: str | None = None
    reader_secret: SecretStr | None = None
    # Credentials are of one domain: those of test.gcn.nasa.gov, where tests go.
    test_client_id: str | None = None
    test_client_secret: SecretStr | None = None
    test_topic: str = (
        ""  # where tests go when `config` names the brokers: a notice does not say that it is one
    )
    config: dict[str, str | int | float | bool] = Field({})
    # A copy of nasa-gcn/gcn-schema, such as npm's @nasa-gcn/schema unpacked: notices are checked against it.
    schema_folder: Path | None = None
    timeout_s: Positive = 15.0


class SwiftSettings(Settings, table="world_swift"):
    """Table `[world_swift]`: who asks Swift, and for what.

    What is asked for is as SwiftTOORequest has it [swifttools]; the texts are what its scientists decide by.
    """

    url: Address | None = Field(None, validation_alias=AliasChoices("SWIFT_TOO_API_URL", "url"))
    username: str = ""
    secret: SecretStr = SecretStr("")
    timeout_s: Positive = 30.0
    target_type: str = Field("FRB", min_length=1)
    obs_type: Literal["Spectroscopy", "Light Curve", "Position", "Timing"] = "Light Curve"
    urgency: int = Field(1, ge=0, le=4)  # 0: within minutes … 4
    exposure_s: int = Field(2000, gt=0)
    brightness: str = Field("unknown; a counterpart has not been seen", min_length=1)
    exp_time_just: str = Field(
        "Two orbits' worth, to see an X-ray or UV afterglow of the burst.", min_length=1
    )
    immediate_objective: str = Field(
        "To look for an X-ray or UV counterpart of a fast radio burst.", min_length=1
    )


class TnsSettings(Settings, table="world_tns"):
    """Table `[world_tns]`: who reports. 132 is DSA-110's group at TNS, 239 its instrument, 129 its band."""

    reporter: str = Field("DSA-110 Collaboration", min_length=1)
    group: int = 132
    instrument: int = 239
    band: int = 129


def secret_of(secret: SecretStr | None) -> str | None:
    """What is in it; None where nothing is."""
    return (secret.get_secret_value() or None) if secret is not None else None
