"""iALS and GMF side by side: two opinions of the same items, trained in the same rounds and added up.

    s_ui = weight * p_u . q_i  +  p'_u . q'_i + b_i

The first term is that of `Ials`, the second that of `Ncf` with its GMF branch alone, under any loss. He et al. (2017),
3.4.1, join pre-trained branches by weighting their outputs in the same way. We differ: each branch keeps its own loss,
because training either one on from the other's result has never beaten where it began (docs/measurements.md); the two
err differently enough that their sum is better than both. `weight` brings iALS scores, which lie near 0 and 1, to the
scale of logarithms of probabilities, and was chosen on validation items, under the softmax.
"""

from dataclasses import dataclass
from typing import ClassVar

from common.errors import WrongUse
from common.models.ials import Ials
from common.models.ncf import Ncf
from common.models.ncf_sampled import SampledNcf
from common.models.side_by_side import Branch, SideBySide

IALS, GMF = "ials/", "gmf/"
"""The branches' prefixes."""


@dataclass(frozen=True)
class Fused(SideBySide):
    """A user vector is the iALS vector before the GMF vector."""

    sends_sums: ClassVar[bool] = True  # of both branches' rows; by fedavg every client's network counts the same: none

    ials: Ials
    gmf: Ncf | SampledNcf
    weight: float = 16.0
    """Of an iALS score against a GMF score."""

    def __post_init__(self) -> None:
        if self.gmf.variant != "gmf":
            raise WrongUse(f"iALS is fused with the variant gmf, not {self.gmf.variant}")
        if not 0 < self.weight < float("inf"):
            raise WrongUse(f"weight must be positive and finite, not {self.weight}")

    @property
    def branches(self) -> tuple[Branch, ...]:
        """Return iALS and GMF."""
        return (
            Branch(IALS, self.ials, self.ials.factors, self.weight),
            Branch(GMF, self.gmf, self.gmf.gmf_length, 1.0),
        )
