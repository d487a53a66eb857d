"""What happened, as Slack messages: entries of the relay's feed → posts. Pure.

Slack's text is mrkdwn: `&`, `<` and `>` are its only control characters (a mention is `<!here>`, a link
`<https://…|…>`), and whatever others wrote has them escaped; `verbatim` in blocks and `parse=none` in the
call keep Slack from making mentions and links out of plain words.
https://docs.slack.dev/messaging/formatting-message-text
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from ovro_alert.people.summary import one_line

LONGEST_SECTION = 3000  # characters, Slack's limit of a section's text
LONGEST_POST = 9000  # well below the 13,200 at which Slack refuses blocks; people read less anyway
LONGEST_TEXT = 3900  # Slack asks for 4,000 at most
LONGEST_SUMMARY = 500
LONGEST_DETAIL = 300
LONGEST_NAME = 80
MOST_STEPS = 6  # of one command in one post; with the limits above no line outgrows a section
SET_ASIDE = "setaside"  # the thread of what could not be read: it belongs to no event
# Kinds of the feed that are not a command's life, and those that say of themselves what they are about.
OF_SOURCES = frozenset({"deaf", "hears"})
OF_POLICY = frozenset({"policy", "fails"})
NOT_STEPS = frozenset({"logged", "decided", "setaside", "progress"}) | OF_SOURCES | OF_POLICY
TITLES = frozenset({"logged"}) | OF_SOURCES | OF_POLICY
MRKDWN = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class FeedEntry(Protocol):
    """One thing that happened at the relay, as its feed tells it."""

    @property
    def n(self) -> int: ...
    @property
    def at(self) -> datetime: ...
    @property
    def kind(self) -> str: ...
    @property
    def event_id(self) -> str | None: ...
    @property
    def command_id(self) -> int | None: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


Entry = TypeVar("Entry", bound=FeedEntry)


@dataclass(frozen=True)
class Post:
    """One message: `text` for notifications and for clients without blocks, `blocks` for reading."""

    text: str
    blocks: tuple[dict[str, Any], ...]


def thread_of(entry: FeedEntry) -> str:
    """The name of the thread that an entry belongs to: its event's, its command's own, or a deafness'."""
    if entry.kind == "setaside":
        return SET_ASIDE
    if entry.kind in OF_POLICY:
        return f"policy {entry.n}"  # a thread each: nothing more is said of it
    if entry.kind in OF_SOURCES:
        return f"source:{entry.data.get('source')} {entry.data.get('deaf_at')}"
    return f"command:{entry.command_id}" if entry.event_id is None else f"event:{entry.event_id}"


def by_thread(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """The entries of each thread; threads and entries stay in the order of the feed."""
    threads: dict[str, list[Entry]] = {}
    for entry in entries:
        threads.setdefault(thread_of(entry), []).append(entry)
    return threads


def is_test(entries: Iterable[FeedEntry]) -> bool | None:
    """Whether the alerts among `entries` are tests all; None where there is no alert among them."""
    roles = [entry.data.get("role") for entry in entries if entry.kind == "logged"]
    return all(role == "test" for role in roles) if roles else None


def post(entries: Sequence[FeedEntry]) -> Post | None:
    """One thread's entries as one message; None where they tell people nothing."""
    lines = [line for entry in entries for line in _told(entry)]
    lines += [_command(steps) for steps in _by_command(entries)]
    if not lines:
        return None
    if not any(entry.kind in TITLES for entry in entries):
        lines.insert(0, _title(entries))
    return _fitted(lines)


def escape(text: object, longest: int = LONGEST_DETAIL) -> str:
    """What others wrote, on one line, as mrkdwn that shows it and does nothing else; cut to `longest`."""
    clean = one_line(str(text), longest)
    while len(escaped := clean.translate(MRKDWN)) > longest:  # never through the middle of an entity
        clean = one_line(clean, len(clean) - 1)
    return escaped


def _title(entries: Sequence[FeedEntry]) -> str:
    first = entries[0]
    if first.event_id is not None:
        return f"*{escape(first.event_id, LONGEST_NAME)}*"
    if first.command_id is not None:
        return "*Asked without an alert*"
    return f"*Set aside: {len(entries)} unreadable message{'s' * (len(entries) > 1)}*"


def _told(entry: FeedEntry) -> list[str]:
    data = entry.data
    match entry.kind:
        case "logged":
            return [f"*{escape(data.get('summary') or entry.event_id or '', LONGEST_SUMMARY)}*"]
        case "decided":
            return _decided([each for each in _list(data.get("decisions")) if isinstance(each, Mapping)])
        case "deaf":
            return [f"*{escape(data.get('source', '?'), LONGEST_NAME)} is deaf*{_aside(data.get('why'))}"]
        case "hears":
            return [f"*{escape(data.get('source', '?'), LONGEST_NAME)} hears again*"]
        case "policy" if data.get("trouble"):
            return [f"*The policy cannot be used, the one before stays*{_aside(data['trouble'])}"]
        case "policy":
            return [f"*A changed policy is in force*{_aside({'rules': data.get('rules', '?')})}"]
        case "fails":
            rule, reason = escape(data.get("rule", "?"), LONGEST_NAME), escape(data.get("reason", "?"))
            return [f"*The rule {rule} fails*: {reason} (of {escape(data.get('alert_id', '?'))})"]
        case "setaside":
            name = f"{data.get('setaside_id')} ({data.get('format') or 'unknown format'})"
            return [f"• {escape(name, LONGEST_NAME)}: {escape(data.get('reason', ''))}"]
        case _:
            return []


def _decided(decisions: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each rule that acts or failed, with all its reasons; one for all that do not act."""
    lines, idle = [], []
    for decision in decisions:
        rule, verdict = str(decision.get("rule", "?")), str(decision.get("verdict", "?"))
        reasons = [str(reason) for reason in _list(decision.get("reasons"))]
        if verdict == "no":
            idle.append((rule, reasons))
        else:
            said = f"• {escape(verdict, LONGEST_NAME)}: {escape(rule, LONGEST_NAME)}"
            lines.append(f"{said} – {escape('; '.join(reasons))}" if reasons else said)
    return [*lines, f"• no: {escape(_idle(idle), 2 * LONGEST_DETAIL)}"] if idle else lines


def _idle(rules: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Rules that do not act, those that came closest first, with the last reason: the one that decided.

    A rule that fails at its first condition is about other alerts: beside others its name is enough.
    """
    closest = sorted(rules, key=lambda rule: -len(rule[1]))
    telling = 2 if len(rules) > 1 else 1
    return ", ".join(
        f"{name} ({reasons[-1]})" if len(reasons) >= telling else name for name, reasons in closest
    )


def _by_command(entries: Iterable[FeedEntry]) -> list[list[FeedEntry]]:
    commands: dict[int, list[FeedEntry]] = {}
    for entry in entries:
        if entry.command_id is not None and entry.kind not in NOT_STEPS:
            commands.setdefault(entry.command_id, []).append(entry)
    return list(commands.values())


def _command(steps: Sequence[FeedEntry]) -> str:
    """What became of one command, on one line; a step that only repeats the one before is said once."""
    data = steps[0].data
    said: list[str] = []
    for step in steps:
        words = _step(step)
        if words not in said[-1:]:
            said.append(words)
    number = "" if data.get("seq") is None else f" #{data['seq']}"
    name = f"/{data.get('slot', '?')} {data.get('command', '?')}{number}"
    shown = said if len(said) <= MOST_STEPS else ["…", *said[-MOST_STEPS:]]
    return f"• *{escape(name, LONGEST_NAME)}*: {' → '.join(shown)}"


def _step(step: FeedEntry) -> str:
    data = step.data
    match step.kind:
        case "queued":
            until = f" until {escape(data['deadline'], LONGEST_NAME)}" if data.get("deadline") else ""
            return f"queued{until}{_aside(data.get('args'))}"
        case "pending":
            until = f" until {escape(data['deadline'], LONGEST_NAME)}" if data.get("deadline") else ""
            return f"waits for your approval{until}{_aside(data.get('args'))}"
        case "approved":
            return f"approved by {escape(data.get('by', '?'), LONGEST_NAME)}"
        case "denied":
            return f"denied by {escape(data.get('by', '?'), LONGEST_NAME)}{_aside(data.get('reason'))}"
        case "claimed":
            return f"claimed by {escape(data.get('client', '?'), LONGEST_NAME)}"
        case "reported":
            return f"{escape(data.get('state', '?'), LONGEST_NAME)}{_aside(data.get('detail'))}"
        case _:
            return f"{escape(step.kind, LONGEST_NAME)}{_aside(data.get('reason'))}"


def _aside(value: object) -> str:
    """A detail of any JSON in brackets, as people write it; nothing for nothing."""
    if value is None or value in ("", {}, []):
        return ""
    if isinstance(value, Mapping) and all(isinstance(each, str | int | float) for each in value.values()):
        text = ", ".join(f"{name} {each}" for name, each in value.items())
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f" ({escape(text)})"


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _fitted(lines: Sequence[str]) -> Post:
    """The lines as sections within Slack's limits; what does not fit is counted, not cut in the middle."""
    kept: list[str] = []
    room = LONGEST_POST
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            kept.append(f"… and {len(lines) - len(kept)} lines more")
            break
        kept.append(line)
    sections = [""]
    for line in kept:
        longer = f"{sections[-1]}\n{line}" if sections[-1] else line
        if len(longer) <= LONGEST_SECTION:
            sections[-1] = longer
        else:
            sections.append(line)
    blocks = tuple(
        {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}} for text in sections
    )
    text = "\n".join(kept)
    if len(text) > LONGEST_TEXT:
        whole = text[:LONGEST_TEXT].rpartition("\n")[0]
        text = f"{whole}\n…"
    return Post(text, blocks)
