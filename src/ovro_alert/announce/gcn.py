"""A detection as a GCN notice, and to GCN's Kafka with it.

Source of the facts: nasa-gcn/gcn-schema, gcn/notices/dsa110/frb.schema.json; nasa-gcn/gcn-kafka-python.
"""

import json
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from jsonschema import Draft202012Validator, SchemaError
from pydantic import BaseModel, ConfigDict, Field
from referencing import Registry, Resource
from referencing.exceptions import CannotDetermineSpecification, Unresolvable

from ovro_alert.acting import Trace, Unreachable
from ovro_alert.alert import Declination, NotNegative, Positive, Probability, RightAscension
from ovro_alert.announce.detection import Detection, Unfit
from ovro_alert.announce.gcn_topic import Topic
from ovro_alert.announce.sender import Message
from ovro_alert.announce.settings import GcnSettings
from ovro_alert.command import Entry

SCHEMA = "gcn/notices/dsa110/frb.schema.json"
PARTS = "gcn/notices/core"  # what it refers to
SCHEMA_URL = f"https://gcn.nasa.gov/schema/v7.2.3/{SCHEMA}"  # where no copy of the schema says its own
TEST = "This is a test of the sender, not a detection."


class Notice(BaseModel):
    """The fields that DSA-110's notices have, and no others."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, populate_by_name=True)

    schema_url: str = Field(
        alias="$schema", pattern=r"^https://gcn\.nasa\.gov/schema/[\w.-]+/gcn/notices/dsa110/"
    )
    alert_type: Literal["initial", "subsequent", "update", "retraction"]
    trigger_time: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
    id: str = Field(pattern=r"^\d{6}[a-z]{4}(_inj\d*)?$")
    snr: Positive | None = None
    dm: Positive
    event_duration: Positive | None = None  # ms
    ra: RightAscension
    dec: Declination
    ra_dec_error: NotNegative  # of a circle, deg
    importance: Probability | None = None
    known_source: str | None = None
    description: str | None = None


def document(detection: Detection, test: bool, schema_url: str = SCHEMA_URL) -> bytes:
    """The notice of a detection, in the same bytes whenever it is made; what is not known is left out."""
    description = " ".join(filter(None, [TEST if test else "", detection.description]))
    notice = Notice(
        schema_url=schema_url,
        alert_type=detection.alert_type,
        trigger_time=f"{detection.toa:%Y-%m-%dT%H:%M:%S.%fZ}",
        id=detection.name,
        snr=detection.snr,
        dm=detection.dm,
        event_duration=detection.width_ms,
        ra=detection.ra,
        dec=detection.dec,
        ra_dec_error=detection.radius_deg,
        importance=detection.importance,
        known_source=detection.known_source or None,
        description=description or None,
    )
    return notice.model_dump_json(by_alias=True, exclude_none=True).encode()


class Schema:
    """A copy of GCN's schema in a folder."""

    def __init__(self, folder: Path) -> None:
        """Reads it; Unfit where it is not there, or no schema."""
        try:
            main = json.loads((folder / SCHEMA).read_bytes())
            parts = [
                json.loads(path.read_bytes()) for path in sorted((folder / PARTS).glob("**/*.schema.json"))
            ]
            resources = [(part["$id"], Resource.from_contents(part)) for part in [main, *parts]]
            self.url = str(main["$id"])
            Draft202012Validator.check_schema(main)
            registry: Registry[Any] = Registry().with_resources(resources)
            self._validator = Draft202012Validator(main, registry=registry)
            list(self._validator.iter_errors({}))  # for which it goes through all of its parts
        except (OSError, ValueError, KeyError, TypeError, SchemaError, CannotDetermineSpecification) as error:
            why = f"{type(error).__name__}: {error}"
            raise Unfit(f"[world_gcn] schema_folder: {folder} has no copy of GCN's schema: {why}") from error
        except Unresolvable as error:
            raise Unfit(f"[world_gcn] schema_folder: the copy in {folder} is not whole: {error}") from None

    def check(self, raw: bytes) -> None:
        """Unfit, with the field, where a notice is not as the schema has it."""
        errors = list(self._validator.iter_errors(json.loads(raw)))
        if errors:
            wrong = max(errors, key=lambda error: len(error.path))  # the one that points the closest
            raise Unfit(
                f"GCN's schema, {'.'.join(map(str, wrong.path)) or 'the notice'}: {wrong.message[:300]}"
            )


class GcnSender:
    """To the topic of DSA-110's notices; its last messages tell whether a notice is there already."""

    def __init__(self, settings: GcnSettings, deployed: bool) -> None:
        self._deployed = deployed
        self._folder = settings.schema_folder
        self._topics = {test: Topic(settings, test) for test in (True, False)}

    def message(self, entry: Entry, detection: Detection) -> Message:
        test = detection.is_test or not self._deployed
        topic = self._topics[test]
        if topic.lacks:
            raise Unfit(topic.lacks)
        raw = document(detection, test, SCHEMA_URL if self._schema is None else self._schema.url)
        if self._schema is not None:
            self._schema.check(raw)
        name = f"GCN notice of {detection.name}, {detection.alert_type}"
        return Message(name, topic.name, test, raw, {"notice": json.loads(raw)}, settles=timedelta())

    def find(self, message: Message) -> Trace | None:
        at = self._topics[message.test].last(lambda raw: _same(raw, message.raw))
        return None if at is None else Trace(message.name, at)

    def send(self, message: Message) -> dict[str, Any]:
        return {"said": self._topics[message.test].produce(message.raw)}

    def reach(self) -> str:
        try:
            checked = (
                f"checked by {self._schema.url}" if self._schema else "checked by no copy of GCN's schema"
            )
        except Unfit as error:
            raise Unreachable(str(error)) from error
        return f"{self._topics[not self._deployed].reach()}; {checked}"

    @cached_property
    def _schema(self) -> Schema | None:
        """Raises Unfit, each time that it is asked for."""
        return None if self._folder is None else Schema(self._folder)


def _same(raw: bytes, ours: bytes) -> bool:
    """Whether what stands in the topic tells the same of the same burst, in whatever words."""
    try:
        notice = json.loads(raw)
    except ValueError:
        return False
    mine = json.loads(ours)
    return isinstance(notice, dict) and all(notice.get(name) == mine[name] for name in ("id", "alert_type"))
