"""Faults, tried: the relay's promise is tested by breaking what it stands on. `make torture`."""
