"""What the relay's pages at /docs say beyond what the routes tell by themselves."""

from typing import Any

KEY_SCHEMES = {  # as OpenAPI 3.1 has them
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "query": {"type": "apiKey", "in": "query", "name": "key", "description": "For clients of today."},
}


def documented(schema: dict[str, Any], query_key: bool) -> dict[str, Any]:
    """The schema with how a key is shown, and every operation summed up by its own first sentence."""
    schemes = {name: scheme for name, scheme in KEY_SCHEMES.items() if query_key or name != "query"}
    schema.setdefault("components", {})["securitySchemes"] = schemes
    for operations in schema["paths"].values():
        for operation in operations.values():
            first, *_ = operation.get("description", "").split("\n\n")
            operation["summary"] = " ".join(first.split()).rstrip(".") or operation["summary"]
    return schema | {"security": [{name: []} for name in schemes]}
