"""What an attack is, and what its clients see.

An attack is one object for all malicious clients of a run. They collude: what one knows, all know. It never breaks a
rule of the protocol, because what breaks one is refused and harms nobody (docs/hostile-clients.md): its updates come
signed, in time and in form, and `within_bounds` keeps them where an honest client's could be.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from common.config import Settings
from common.data.probe import ProbeShard
from common.data.user_items import UserItems
from common.metrics import IntArray
from common.models import Arrays, FloatArray, Ials
from common.models.ncf import Ncf
from common.probe_scoring import ShardMetrics
from common.seeding import generator

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class View:
    """What one malicious client sees in one round. Of a fused model an attack sees one branch after the other.

    Attributes:
        settings: Of the run.
        server_round: Counts from 1.
        account: Its own.
        model: The model, or the branch of it.
        state: What the round starts from.
        colluders: The training items of every malicious client, by account, its own among them.
        targets: Items to be pushed, all together. Shape (targets,).
        earlier: The states that the colluders were sent in earlier rounds, oldest first. Public.
        probe: The shards that peers score by. Public.
        peers: The updates that a colluder was asked to score as a peer in the round before, by account.
        memo: What was computed already for all colluders of this round: `together` fills it.
        kept: What was computed already by this client in this run: `once` fills it.
    """

    settings: Settings
    server_round: int
    account: str
    model: Ials | Ncf
    state: Arrays
    colluders: Mapping[str, UserItems]
    targets: IntArray
    earlier: Sequence[Arrays] = ()
    probe: tuple[ProbeShard, ...] = ()
    peers: Mapping[str, Arrays] = field(default_factory=dict)
    memo: dict[Hashable, Any] = field(default_factory=dict)
    kept: dict[Hashable, Any] = field(default_factory=dict)

    @property
    def train(self) -> UserItems:
        """The client's own users."""
        return self.colluders[self.account]

    @property
    def number(self) -> int:
        """Which of the colluders this is, counted from 0."""
        return sorted(self.colluders).index(self.account)

    @property
    def honest(self) -> Arrays:
        """What the honest client would send."""
        return self.honest_of(self.account)

    def honest_of(self, account: str) -> Arrays:
        """Return what a colluder would send if it were honest."""
        return self._step_of(account)[0]

    def vectors_of(self, account: str) -> FloatArray:
        """Return the vectors of a colluder's users. Shape (users, factors)."""
        return self._step_of(account)[1]

    def counts(self) -> NDArray[np.int64]:
        """Return how many of the colluders' users have each item: what they know of its popularity. Shape (items,)."""

        def total() -> NDArray[np.int64]:
            items = np.concatenate([train.items for train in self.colluders.values()])
            return np.bincount(items, minlength=self.train.item_count)

        return self.together("counts", total)

    def rng(self) -> np.random.Generator:
        """Return this client's random numbers of this round, from their beginning."""
        return generator(self.settings.seed, f"attack/{self.account.lower()}", self.server_round)

    def shared_rng(self) -> np.random.Generator:
        """Return random numbers of this round that all colluders share, from their beginning."""
        return generator(self.settings.seed, "attack", self.server_round)

    def together(self, name: Hashable, compute: Callable[[], T]) -> T:
        """Compute something once for all colluders of a round."""
        if name not in self.memo:
            self.memo[name] = compute()
        return cast(T, self.memo[name])

    def once(self, name: Hashable, compute: Callable[[np.random.Generator], T]) -> T:
        """Compute something once in a run for this client, such as made-up data; the numbers do not see the round."""
        if name not in self.kept:
            self.kept[name] = compute(generator(self.settings.seed, f"attack/{self.account.lower()}/{name}"))
        return cast(T, self.kept[name])

    def _step_of(self, account: str) -> tuple[Arrays, FloatArray]:
        return self.together(("step", account), lambda: self.model.local_step(self.state, self.colluders[account]))


@dataclass(frozen=True, eq=False)
class Judging:
    """What a malicious client sees when it is asked to score an update as a peer.

    Attributes:
        server_round: Counts from 1.
        evaluator: Its own account.
        subject: The account whose update it is to score.
        colluders: Accounts of the malicious clients.
        measured: Measures the gain as an honest peer does.
        published: The consolidated gains of the round before, by account, from the public evidence.
    """

    server_round: int
    evaluator: str
    subject: str
    colluders: frozenset[str]
    measured: Callable[[], ShardMetrics]
    published: Mapping[str, float]


class Attack(Protocol):
    """What malicious clients do. The defaults are what an honest client does.

    Attributes:
        name: One word or several with hyphens.
        knowledge: What it has to know beyond its own data and the model that everybody is sent.
        budget: What it allows itself.
        source: The paper it follows, and how it differs.
        targeted: Whether it pushes `View.targets`; otherwise it harms the model, or earns without work.
    """

    name: ClassVar[str]
    knowledge: ClassVar[str]
    budget: ClassVar[str]
    source: ClassVar[str]
    targeted: ClassVar[bool]

    def update(self, view: View) -> Arrays:
        """Return the update that is sent; where it breaks a bound, it is shortened before it leaves."""
        return view.honest

    def gain(self, judging: Judging) -> ShardMetrics:
        """Return the gain that is signed for another client's update.

        Raises:
            Rejected: the update gets no score.
        """
        return judging.measured()
