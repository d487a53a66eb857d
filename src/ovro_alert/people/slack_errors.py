"""Who can mend what Slack's chat.postMessage says no with. Pure.

The codes are those of https://docs.slack.dev/reference/methods/chat.postMessage, read in 2026.
"""

from enum import Enum, auto

_MESSAGE = """
invalid_blocks invalid_blocks_format msg_too_long msg_blocks_too_long no_text invalid_arguments
invalid_arg_name invalid_array_arg invalid_charset invalid_form_data invalid_post_type json_not_object
markdown_text_conflict metadata_too_large attachment_payload_limit_exceeded
"""
_THREAD = """
thread_not_found invalid_thread_ts message_not_found cannot_reply_to_message restricted_action_thread_locked
"""
_TIME = """
not_authed invalid_auth account_inactive token_revoked token_expired no_permission missing_scope access_denied
not_allowed_token_type org_login_required ekm_access_denied accesslimited two_factor_setup_required
enterprise_is_restricted team_access_not_granted team_not_found channel_not_found not_in_channel is_archived
restricted_action restricted_action_read_only_channel restricted_action_thread_only_channel
restricted_action_non_threadable_channel
ratelimited rate_limited message_limit_exceeded
internal_error fatal_error service_unavailable request_timeout team_added_to_org
"""


class Mends(Enum):
    """What would make the same message acceptable."""

    NEVER = auto()  # nothing: Slack finds fault with the message itself
    ELSEWHERE = auto()  # another thread, or none
    IN_TIME = auto()  # an operator (token, scope, channel), or Slack itself
    UNKNOWN = auto()


_KNOWN = {
    code: mends
    for codes, mends in ((_MESSAGE, Mends.NEVER), (_THREAD, Mends.ELSEWHERE), (_TIME, Mends.IN_TIME))
    for code in codes.split()
}


def mends(status: int, body: object) -> tuple[Mends, str]:
    """What would mend an answer that is not ok, by HTTP status and JSON body; and its error in words."""
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, str) and error in _KNOWN:
        return _KNOWN[error], error
    if status == 200 and isinstance(error, str) and error.replace("_", "").isalnum():
        return Mends.UNKNOWN, error
    # A gateway's page, a proxy's word: not Slack's answer about this message.
    return Mends.IN_TIME, f"HTTP {status}, {str(error)[:200]}"
