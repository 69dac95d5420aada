"""What the server does with a mean gradient: one step of the optimisers of federated optimisation.

With g the mean gradient, which is minus what Reddi et al. call the mean of the clients' moves, t the steps taken before
and l the learning rate [Reddi et al. (2021), "Adaptive federated optimization", Algorithm 2]:

    avg     w' = w - l g
    avgm    m' = m + (1 - beta_1) (g - m),                   w' = w - l m'
    adam    v' = v + (1 - beta_2) (g^2 - v),                 w' = w - l m_hat / (sqrt(v_hat) + epsilon)
    yogi    v' = v + (1 - beta_2) g^2 sign(g^2 - v),         w' = w - l m_hat / (sqrt(v_hat) + epsilon)

We differ from the paper in what follows the start at zero: m_hat = m' / (1 - beta_1^(t + 1)) and likewise v_hat, as in
Adam [Kingma and Ba (2015), Algorithm 1], where the paper starts v above zero and corrects nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from common.errors import WrongUse
from common.models.model import Arrays, FloatArray

Kind = Literal["adam", "yogi", "avg", "avgm"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Rate = float | np.floating | NDArray[np.float32]
"""A learning rate: one for all parameters of a group, or one for each column."""

EPSILON = 1e-8  # gradients are means per exposure or interaction, far larger wherever anything is learned


@dataclass(frozen=True)
class Step:
    """Where a group of parameters goes, and its moments afterwards: "mean", "square", those that the optimiser has."""

    parameters: FloatArray
    moments: Mapping[str, FloatArray]


@dataclass(frozen=True)
class ServerOptimizer:
    """One optimiser and its memory; all else is in the arguments.

    Raises:
        WrongUse: there is no such optimiser, or a beta lies outside [0, 1).
    """

    kind: Kind = "adam"
    beta_mean: float = 0.9
    """beta_1: memory of the mean of gradients."""
    beta_square: float = 0.99
    """beta_2: memory of the mean of squared gradients."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise WrongUse(f"a server optimiser must be {', '.join(KINDS)}, not {self.kind!r}")
        for label in ("beta_mean", "beta_square"):
            if not 0 <= getattr(self, label) < 1:
                raise WrongUse(f"{label} must lie in [0, 1), not {getattr(self, label)}")

    @property
    def moments(self) -> tuple[str, ...]:
        """Names of the arrays that it keeps, each of the shape of the parameters, zeros at first."""
        return {"avg": (), "avgm": ("mean",), "adam": ("mean", "square"), "yogi": ("mean", "square")}[self.kind]

    def named(self, group: str) -> dict[str, str]:
        """Return the name in a model's state of each moment of one group of parameters."""
        return {moment: f"{moment}_of_{group}" for moment in self.moments}

    def start(self, state: Arrays, group: str) -> Arrays:
        """Return the moments of a group before the first step, under their names in the state."""
        return {name: np.zeros_like(state[group]) for name in self.named(group).values()}

    def step(
        self,
        parameters: FloatArray,
        gradient: FloatArray,
        moments: Mapping[str, FloatArray],
        rate: Rate,
        taken: int,
    ) -> Step:
        """Take one step.

        Args:
            parameters: Of any shape.
            gradient: Mean gradient, of that shape.
            moments: As `moments` names them, each of that shape.
            rate: l.
            taken: t, the steps that the model took before this one.
        """
        length = np.asarray(rate, dtype=np.float32)
        if self.kind == "avg":
            return Step(parameters - length * gradient, {})
        mean = moments["mean"] + np.float32(1 - self.beta_mean) * (gradient - moments["mean"])
        if self.kind == "avgm":
            return Step(parameters - length * mean, {"mean": mean})
        square = _square(self, gradient, moments["square"])
        mean_hat = mean / np.float32(1 - self.beta_mean ** (taken + 1))
        square_hat = square / np.float32(1 - self.beta_square ** (taken + 1))
        moved = parameters - length * mean_hat / (np.sqrt(square_hat) + np.float32(EPSILON))
        return Step(moved, {"mean": mean, "square": square})

    def stepped(
        self,
        state: Arrays,
        group: str,
        gradient: FloatArray,
        rate: Rate,
        taken: int,
        rows: NDArray[np.integer] | slice = slice(None),
    ) -> Arrays:
        """Return the arrays of a model's state that one step of a group changes: the group itself, and its moments.

        Args:
            state: Not changed.
            group: Name of the parameters.
            gradient: Of `rows` alone.
            rate: See `step`.
            taken: See `step`.
            rows: Those that step; all others keep their moments and stay where they are.
        """
        names = self.named(group)
        moments = {moment: state[name][rows] for moment, name in names.items()}
        step = self.step(state[group][rows], gradient, moments, rate, taken)
        changed = {group: state[group].copy()} | {name: state[name].copy() for name in names.values()}
        changed[group][rows] = step.parameters
        for moment, name in names.items():
            changed[name][rows] = step.moments[moment]
        return changed


def _square(optimizer: ServerOptimizer, gradient: FloatArray, square: FloatArray) -> FloatArray:
    """Return v': adam moves by a share of how far v is off, yogi by one of g^2, whatever v is."""
    share, latest = np.float32(1 - optimizer.beta_square), gradient * gradient
    change = latest * np.sign(latest - square) if optimizer.kind == "yogi" else latest - square
    moved: FloatArray = square + share * change
    return moved
