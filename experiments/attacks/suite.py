"""The attacks of the benchmark, by the names that its flags and tables use. A new one is one file and one line here."""

from collections.abc import Callable, Mapping

from experiments.attacks.attack import Attack
from experiments.attacks.label_flip import LabelFlip
from experiments.attacks.push_boost import PushBoost

ATTACKS: Mapping[str, Callable[[], Attack]] = {
    "push-boost-1": lambda: PushBoost(gamma=1.0),
    "push-boost-3": lambda: PushBoost(gamma=3.0),
    "push-boost-10": lambda: PushBoost(gamma=10.0),
    "label-flip": LabelFlip,
}
