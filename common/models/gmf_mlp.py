"""GMF and MLP trained side by side, and what NeuMF starts from when it is joined from them.

He et al. (2017), 3.4.1: GMF and MLP are trained first, each by itself and until it converges; NeuMF takes over their
item vectors and the MLP's layers, and its output layer is

    h  <-  (alpha h_GMF, (1 - alpha) h_MLP)                                                         [Eq. 13]

so that for the users' vectors of both branches NeuMF scores alpha s_GMF + (1 - alpha) s_MLP. That is what this model
scores in all rounds before. Here GMF's output weights are not kept, because p_u absorbs them (`common.models.ncf`), and
p_u is fitted anew in each round: what alpha can act on is the other factor of p_u . q_i, so it multiplies the items'
vectors, and 1 - alpha the MLP's output weights. Biases are part of the scores and averaged like them.

Users' vectors are then fitted to both branches at once, under a penalty on their lengths: alpha decides how dear a
branch's scores are, and not, as with users' vectors that are carried over, how large they are.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from common.errors import WrongUse
from common.models.model import Arrays
from common.models.ncf import Ncf
from common.models.ncf_layout import TowerLayout
from common.models.ncf_sampled import SampledNcf
from common.models.side_by_side import Branch, SideBySide, part_of

GMF, MLP = "gmf/", "mlp/"
"""The branches' prefixes."""


@dataclass(frozen=True)
class GmfMlp(SideBySide):
    """A user vector is the GMF vector before the MLP vector, as in NeuMF."""

    sends_sums: ClassVar[bool] = False

    gmf: Ncf | SampledNcf
    mlp: Ncf | SampledNcf
    alpha: float = 0.5
    """Of a GMF score; 1 - alpha is that of an MLP score. The paper's."""

    def __post_init__(self) -> None:
        if (self.gmf.variant, self.mlp.variant) != ("gmf", "mlp"):
            raise WrongUse(f"the branches must be gmf and mlp, not {self.gmf.variant} and {self.mlp.variant}")
        if not 0 < self.alpha < 1:
            raise WrongUse(f"alpha must lie between 0 and 1, not {self.alpha}")

    @property
    def branches(self) -> tuple[Branch, ...]:
        """Return GMF and MLP."""
        return (
            Branch(GMF, self.gmf, self.gmf.gmf_length, self.alpha),
            Branch(MLP, self.mlp, tower_of(self.mlp).vector_length, 1 - self.alpha),
        )

    def joined(self, state: Arrays) -> Arrays:
        """Return NeuMF's "item_factors", "item_bias" and "network" [Eq. 13]."""
        gmf, mlp = part_of(state, GMF), part_of(state, MLP)
        alpha, rest = np.float32(self.alpha), np.float32(1 - self.alpha)
        network = mlp["network"].copy()
        tower_of(self.mlp).split(network)[1][:] *= rest
        return {
            "item_factors": np.concatenate((alpha * gmf["item_factors"], mlp["item_factors"]), axis=1),
            "item_bias": alpha * gmf["item_bias"] + rest * mlp["item_bias"],
            "network": network,
        }


def tower_of(model: Ncf | SampledNcf) -> TowerLayout:
    """Return how the network of a model lies in its array."""
    return model.ncf.layout if isinstance(model, SampledNcf) else model.layout
