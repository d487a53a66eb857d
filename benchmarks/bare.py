"""The least that FastAPI can do with the same bodies: what the relay's speed is held against."""

from typing import Any

from fastapi import FastAPI

from ovro_alert.relay.slots import Newest, Put, PutAnswer

app = FastAPI()
newest: dict[str, dict[str, Any]] = {}


@app.put("/{slot}", response_model=PutAnswer)
async def put_slot(slot: str, put: Put) -> Any:
    newest[slot] = {"command": put.command, "command_mjd": put.command_mjd, "args": put.args}
    return {"id": 1, "seq": 1, "slot": slot, "kind": "command", "event_id": None}


@app.get("/{slot}", response_model=Newest, response_model_exclude_unset=True)
async def get_slot(slot: str) -> Any:
    return {"read_mjd": 61000.0} | newest.get(slot, {"command": None, "command_mjd": None})
