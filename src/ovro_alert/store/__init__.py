"""The durable log: what was seen, decided, asked and done. One schema on SQLite and on PostgreSQL."""
