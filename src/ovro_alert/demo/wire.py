"""How the made-up alerts write time and JSON."""

import json
from datetime import datetime
from typing import Any


def utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"


def to_json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=2).encode()
