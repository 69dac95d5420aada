"""Whom a round asked: the draw again, from what was public before the round began."""

from server.participation import asks_some, clients_asked, draw_order
from server.replay.mismatch import Mismatch, expect
from server.replay.public_round import PublicRound


def check_invitation(public: PublicRound, seed_link_before: bytes) -> None:
    """Compare a round's invitation with its draw.

    Why an account was passed over is the coordinator's word; that it was passed over stands in the evidence.

    Args:
        public: The evidence, as read.
        seed_link_before: s_(t-1).

    Raises:
        Mismatch: somebody was asked, passed over or let in out of turn.
    """
    t, asked = public.server_round, public.invitation.asked
    passed_over = [account for account, _ in public.invitation.passed_over]
    if not asks_some(public.settings):
        expect(t, None, "asked", list(asked), [])
        expect(t, None, "passed_over", passed_over, [])
        return
    seen = set(asked) | set(passed_over)
    if len(seen) != len(asked) + len(passed_over):
        raise Mismatch(t, None, "asked", "an account stands there twice, or was passed over too")
    order = draw_order(seed_link_before, public.cohort)
    drawn = order[: len(seen)]
    for account in order:
        if (account in seen) != (account in drawn):
            raise Mismatch(t, account, "asked", "this is not who the draw says")
    expect(t, None, "asked", list(asked), [account for account in drawn if account in asked])
    expect(t, None, "passed_over", passed_over, [account for account in drawn if account in passed_over])
    wanted = clients_asked(public.settings)
    if len(asked) > wanted or (len(asked) < wanted and len(seen) < len(order)):
        raise Mismatch(t, None, "asked", f"it has {len(asked)} accounts, and the round was to ask {wanted}")
    if drawn and len(asked) == wanted and drawn[-1] not in asked:
        raise Mismatch(t, drawn[-1], "passed_over", "enough had been asked before it")
    for account in public.commitments:
        if account not in asked:
            raise Mismatch(t, account, "commitments.account", "the round did not ask it")
