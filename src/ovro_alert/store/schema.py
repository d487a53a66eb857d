"""The tables of the log. Migrations bring a database to this shape; `tests/store` holds the two together."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Moment(TypeDecorator[datetime]):
    """An aware UTC moment, kept as whole microseconds since 1970: exact, ordered, alike on every engine."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else (value - UNIX_EPOCH) // MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else UNIX_EPOCH + value * MICROSECOND


# SQLite numbers rows by itself only in a column that is INTEGER to the letter.
Serial = BigInteger().with_variant(Integer, "sqlite")
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# The last number given in each slot and in the feed. Taken by UPDATE, so that numbers are given in the order
# of the commits, without gaps: a follower that has seen n has seen all before it.
counters = Table(
    "counters",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("event_id", String(500), primary_key=True),
    Column("source", String(50), nullable=False),
    Column("summary", Text, nullable=False),  # of its newest alert
    Column("first_at", Moment, nullable=False),
    Column("last_at", Moment, nullable=False, index=True),
    Column("retracted_by", String(500)),
)

# Every name under which an event has been spoken of, its own among them.
event_names = Table(
    "event_names",
    metadata,
    Column("name", String(500), primary_key=True),
    Column("event_id", String(500), ForeignKey("events.event_id"), nullable=False, index=True),
)

alerts = Table(
    "alerts",
    metadata,
    Column("n", Serial, primary_key=True),
    Column("alert_id", String(500), nullable=False, unique=True),
    Column("event_id", String(500), ForeignKey("events.event_id"), nullable=False, index=True),
    Column("source", String(50), nullable=False),
    Column("role", String(20), nullable=False),
    Column("alert_type", String(20), nullable=False),
    Column("summary", Text, nullable=False),
    Column("body", JSON, nullable=False),  # the Alert
    Column("transport", JSON, nullable=False),  # what the transport knew: topic, offset, broker …
    Column("arrived_at", Moment),  # at the receiver
    Column("received_at", Moment, nullable=False),  # at the relay
    Column("logged_at", Moment, nullable=False),
    Column("event_time", Moment, index=True),  # when the thing happened
)

# Apart from the alerts: a sky map of a megabyte must not be read to list a name.
raw = Table(
    "raw",
    metadata,
    Column("alert_id", String(500), ForeignKey("alerts.alert_id"), primary_key=True),
    Column("bytes", LargeBinary, nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    Column("n", Serial, primary_key=True),
    Column("alert_id", String(500), ForeignKey("alerts.alert_id"), nullable=False, index=True),
    Column("rule", String(200), nullable=False),
    Column("verdict", String(10), nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("decided_at", Moment, nullable=False),
)

entries = Table(
    "entries",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger),  # none while it waits for a person's approval
    Column("slot", String(50), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("command", String(200), nullable=False),
    Column("args", JSON, nullable=False),
    Column("command_mjd", Float(53), nullable=False),
    Column("state", String(20)),
    Column("event_id", String(500), ForeignKey("events.event_id"), index=True),
    Column("alert_id", String(500), ForeignKey("alerts.alert_id"), index=True),
    Column("rule", String(200)),
    Column("deadline", Moment),
    Column("queued_at", Moment, nullable=False),
    Column("claimed_at", Moment),
    Column("running_at", Moment),
    Column("over_at", Moment),
    Column("token", BigInteger),  # the fencing token of the newest claim
    Column("client", String(200)),
    Column("lease_until", Moment),
    Column("detail", JSON),  # what the client said last, or why it was cancelled
    Column("margin_s", Float(53)),  # how long before its deadline it was asked
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("approved_by", String(200)),
    Column("role", String(20), nullable=False, server_default="observation"),  # of the alert that it answers
    UniqueConstraint("slot", "seq"),
)
Index("ix_entries_state_deadline", entries.c.state, entries.c.deadline)
Index("ix_entries_rule_queued_at", entries.c.rule, entries.c.queued_at)

feed = Table(
    "feed",
    metadata,
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("event_id", String(500), index=True),
    Column("alert_id", String(500)),
    Column("command_id", BigInteger),
    Column("data", JSON, nullable=False),
)

setaside = Table(
    "setaside",
    metadata,
    Column("n", Serial, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("format", String(100)),
    Column("transport", JSON, nullable=False),
    Column("size", BigInteger, nullable=False),  # of all that was sent; `bytes` may be its beginning only
    Column("bytes", LargeBinary, nullable=False),
)

# Who may speak with the relay. A key's secret is nowhere: this is all that is kept of it.
keys = Table(
    "keys",
    metadata,
    Column("id", String(10), primary_key=True),  # the public part of the key
    Column("name", String(200), nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("last_used", Moment),  # to the hour
    Column("revoked_at", Moment),
    Column("expires_at", Moment),
)

# The requests that were to be done once, and the entry that each has made. An entry is as old as its key.
idempotency = Table(
    "idempotency",
    metadata,
    Column("holder", String(200), primary_key=True),  # of the key to the relay
    Column("key", String(255), primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),  # of the request
    Column("entry_id", BigInteger, nullable=False),
    Column("at", Moment, nullable=False, index=True),
)

# How each source is heard: one row a source, written over whenever its receiver reports.
sources = Table(
    "sources",
    metadata,
    Column("source", String(100), primary_key=True),
    Column("watched_at", Moment, nullable=False),  # when it was first reported, or expected
    Column("reported_at", Moment),
    Column("transport", String(100)),
    Column("reporter", String(200)),
    Column("connected", Boolean, nullable=False),
    Column("since", Moment),  # that it is connected, or not
    Column("trouble", String(500), nullable=False),
    Column("heard_at", Moment),
    Column("expected_at", Moment),
    Column("behind", BigInteger),
    Column("waiting", BigInteger),
    Column("deaf_at", Moment),  # when people were told that it is deaf
)

# Sources of bursts that are known, as catalogues have them; a repeater's bursts may be rows of their own.
known_sources = Table(
    "known_sources",
    metadata,
    Column("n", Serial, primary_key=True),
    Column("catalogue", String(100), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("ra", Float(53), nullable=False),
    Column("dec", Float(53), nullable=False),
    Column("dm", Float(53)),
    Column("error_deg", Float(53)),
    Column("repeats", Boolean, nullable=False),
    Column("imported_at", Moment, nullable=False),
)
