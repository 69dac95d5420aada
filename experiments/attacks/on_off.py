"""On-off: earn a reputation first, then spend it."""

from dataclasses import dataclass, field
from typing import ClassVar

from common.models import Arrays
from experiments.attacks.attack import Attack, View
from experiments.attacks.push_boost import PushBoost


@dataclass(frozen=True)
class OnOff(Attack):
    """Be honest for `honest_rounds`, or half of a run that is shorter than twice that, and then push."""

    name: ClassVar[str] = "on-off"
    knowledge: ClassVar[str] = "the colluders' data, and how many rounds the run has"
    budget: ClassVar[str] = "push-boost with gamma 3, from round 21 on or in the second half"
    source: ClassVar[str] = "Sun et al. (2006), Information theoretic framework of trust modeling: on-off attacks"
    targeted: ClassVar[bool] = True

    honest_rounds: int = 20
    then: Attack = field(default_factory=lambda: PushBoost(gamma=3.0))

    def update(self, view: View) -> Arrays:
        """Return the honest update in the first rounds, the attack's afterwards."""
        honest = min(self.honest_rounds, view.settings.rounds // 2)
        return view.honest if view.server_round <= honest else self.then.update(view)
