"""What a defence is: settings of a run and, while it is on trial, a fusion rule that the system does not have yet."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from common.config import Settings
from server.robust_fusion import ROBUST_RULES, Rule

STAND_IN = "median"
"""The aggregation in whose place a rule on trial is called."""


@dataclass(frozen=True)
class Defence:
    """Against one attack as against another.

    Fields:
        aggregation: Of the run's settings.
        defence: Likewise.
        rule: On trial: fuses in place of `STAND_IN`, which `aggregation` must be then. A run by it is no other than a
            real one, but its evidence names the stand-in, so that `tfedrs verify` says that its models do not follow.
    """

    aggregation: str
    defence: str = "scores"
    rule: Rule | None = None

    def __post_init__(self) -> None:
        if self.rule is not None and self.aggregation != STAND_IN:
            raise ValueError(f"a rule on trial takes the place of {STAND_IN!r}, not of {self.aggregation!r}")

    def settings(self, base: Settings) -> Settings:
        """Return the settings of a run with this defence."""
        audit_share = base.audit_share if self.defence == "full" else 0.0  # the paper's peers are not audited
        return replace(base, aggregation=self.aggregation, defence=self.defence, audit_share=audit_share)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let a rule on trial fuse, in this process, as long as the `with` block lasts."""
        if self.rule is None:
            yield
            return
        before = ROBUST_RULES[STAND_IN]
        ROBUST_RULES[STAND_IN] = self.rule
        try:
            yield
        finally:
            ROBUST_RULES[STAND_IN] = before


def trial(rule: Rule) -> Defence:
    """Return a defence by a fusion rule of your own."""
    return Defence(STAND_IN, rule=rule)
