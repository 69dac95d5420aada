"""What others report, with where they do: not measured here, and comparable as far as the protocol is the same."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One method of one publication on MovieLens-1M, leave-one-out, 1 + 99 sampled candidates.

    Attributes:
        method: As its authors call it.
        hit_ratio_at_10: None where it is not given.
        ndcg_at_10: The same.
        source: Where the figures stand.
    """

    method: str
    hit_ratio_at_10: float | None
    ndcg_at_10: float | None
    source: str


_DACREMA = "Dacrema et al. (2019), arXiv:1907.06902"
_RENDLE = "Rendle et al. (2020), arXiv:2005.09683"

ML_1M_NCF = (
    Published("popularity", 0.453, 0.254, _DACREMA),
    Published("NeuMF, tuned anew", 0.673, 0.401, _DACREMA),
    Published("PureSVD", 0.690, 0.429, _DACREMA),
    Published("NeuMF, pre-trained, 64 factors", 0.730, 0.447, "He et al. (2017), the NCF paper"),
    Published("iALS", 0.711, 0.438, _RENDLE),
    Published("SLIM", 0.716, 0.447, _RENDLE),
    Published("matrix factorization, tuned", 0.729, 0.452, _RENDLE),
    Published("T-FedRS, federated, no attackers", None, 0.447, "the paper that this system builds on, its text"),
    Published("T-FedRS, federated, 40 % attackers", None, 0.429, "the same"),
)
"""The split and the candidates that came with the NCF paper: the data set `ml-1m-ncf` here."""
