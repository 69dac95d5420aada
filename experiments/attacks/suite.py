"""The attacks of the benchmark, by the names that its flags and tables use. A new one is one file and one line here."""

from collections.abc import Callable, Mapping

from experiments.attacks.a_ra import ARa
from experiments.attacks.adaptive import Adaptive
from experiments.attacks.alie import Alie
from experiments.attacks.attack import Attack
from experiments.attacks.free_riders import CopyingRider, NoiseRider, ReplayRider, ZeroRider
from experiments.attacks.gaussian import Gaussian
from experiments.attacks.label_flip import LabelFlip
from experiments.attacks.lying_evaluators import AbstainingEvaluators, Bribed, CopyingEvaluators, Promoting
from experiments.attacks.on_off import OnOff
from experiments.attacks.pip_attack import PipAttack
from experiments.attacks.push_boost import PushBoost
from experiments.attacks.shilling import Shilling
from experiments.attacks.sign_flip import SignFlip
from experiments.attacks.spattack import Spattack
from experiments.attacks.sybil import Sybil

ATTACKS: Mapping[str, Callable[[], Attack]] = {
    "push-boost-1": lambda: PushBoost(gamma=1.0),
    "push-boost-3": lambda: PushBoost(gamma=3.0),
    "push-boost-10": lambda: PushBoost(gamma=10.0),
    "shilling-random": lambda: Shilling(fillers="random"),
    "shilling-bandwagon": lambda: Shilling(fillers="bandwagon"),
    "a-ra": ARa,
    "pip-attack": PipAttack,
    "label-flip": LabelFlip,
    "gaussian": Gaussian,
    "sign-flip-1": lambda: SignFlip(scale=1.0),
    "sign-flip-5": lambda: SignFlip(scale=5.0),
    "alie": Alie,
    "free-rider-zero": ZeroRider,
    "free-rider-replay": ReplayRider,
    "free-rider-copy": CopyingRider,
    "free-rider-noise": NoiseRider,
    "sybil": Sybil,
    "evaluators-promote": Promoting,
    "evaluators-bribed": Bribed,
    "evaluators-copy": CopyingEvaluators,
    "evaluators-abstain": AbstainingEvaluators,
    "adaptive": Adaptive,
    "on-off": OnOff,
    "spattack": Spattack,
}
