"""What a policy may say and seldom means."""

from collections import Counter
from collections.abc import Iterator

from ovro_alert.policy.language import WORDS
from ovro_alert.policy.rules import Policy, Rule

OF_ANY_ALERT = WORDS | {"after"}  # what is the same for every alert that comes at one moment


def doubts(policy: Policy) -> Iterator[tuple[Rule, str]]:
    """Each rule of which something is to be doubted, and what."""
    for rule in policy.rules:
        for doubt in _doubts(rule):
            yield rule, doubt


def _doubts(rule: Rule) -> Iterator[str]:
    if rule.tests:
        yield "acts on tests, too"
    if not any(condition.uses - OF_ANY_ALERT for condition in rule.when):
        yield "its conditions ask nothing of the alert: it acts on every one"
    for then in rule.then:
        if not then.deadline.uses - OF_ANY_ALERT:
            yield f"/{then.slot} {then.command} is never too late: its deadline goes by nothing of the alert"
    for (slot, command), times in Counter((then.slot, then.command) for then in rule.then).items():
        if times > 1:
            yield f"asks /{slot} {command} {times} times: an update replaces all of them by each"
