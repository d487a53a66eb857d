"""How a database of one shape becomes the next; run by `engine.migrate`."""
