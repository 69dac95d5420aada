"""The settings of a run: one table for the command line, Flower's run config and the public record.

Each field is a flag (``--reward-per-round``), a key of Flower's run config (``reward-per-round``) and a part of the
canonical settings whose hash opens the run on chain.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

import rfc8785

from common.errors import WrongUse

MODELS = ("ials", "ncf", "mf")
VARIANTS = ("fused", "neumf", "gmf", "mlp")
LOSSES = ("softmax", "bce", "bpr")
OPTIMIZERS = ("adam", "yogi", "avg", "avgm")
NOISES = ("none", "gaussian", "dp-sgd")
KEPT = ("auto", "last", "best")
WARM_STARTS = ("ials", "gmf-mlp")
PARTITIONS = ("even", "amount", "taste", "single-user")
COMPRESSIONS = ("none", "float16", "int8", "top-rows")
AGGREGATIONS = ("reputation", "fedavg", "median", "trimmed-mean", "norm-clipping", "krum", "multi-krum")
DEFENCES = ("full", "scores")
PERSONALISATIONS = ("none", "fine-tune", "adapters", "gate", "all")
GATES = ("learnt", "scheduled")
CONSOLIDATIONS = ("median", "trimmed-mean")
DEFAULT_DATASET = "ml-latest-small-2016"
MOST_CHARACTERS = 4096
"""Of a setting that is text, such as a path."""
_MOST_SHOWN = 100  # of a wrong value, in the sentence about it
LEAST_NOISE_MULTIPLIER, MOST_NOISE_MULTIPLIER = 1e-3, 1e6
"""Below, one release has an epsilon of half a million; above, nothing of the update is left."""


def _setting(default: Any, description: str, **limits: Any) -> Any:
    return field(default=default, metadata={"description": description, **limits})


@dataclass(frozen=True)
class Settings:
    """Everything that decides the result of a run. Limits stand beside each default and are checked on creation.

    Raises:
        WrongUse: a value is outside its limits; the sentence names the flag.
    """

    dataset: str = _setting(
        DEFAULT_DATASET,
        "ml-latest-small-2016 (bundled), ml-latest-small, ml-1m, ml-1m-ncf, ml-100k, filmtrust, amazon-appliances "
        "(`tfedrs data fetch` brings them), or csv:FILE",
    )
    csv_columns: str = _setting("", "for csv:FILE, the columns: user=...,item=...,rating=...,timestamp=...")
    model: str = _setting("ials", "what the clients train", choices=MODELS)
    clients: int = _setting(5, "number of clients", least=2, most=100_000)
    rounds: int = _setting(5, "number of rounds", least=1, most=100_000)
    patience: int = _setting(
        0, "end after this many rounds without a better model on validation; 0: play all rounds", least=0, most=100_000
    )
    target: float = _setting(
        0.0, "end once a model reaches this validation NDCG@10 (mf: RMSE); 0: none", least=0.0, most=1e4
    )
    keep: str = _setting(
        "auto",
        "the model that the run ends with: its last, or its best on validation; auto: the best after a warm start",
        choices=KEPT,
    )
    pretraining_rounds: int = _setting(
        0,
        "rounds on the volunteers' public histories that the first model is made by; 0: it is random",
        least=0,
        most=1000,
    )
    seed: int = _setting(1, "decides initialisation, splits, partitions and volunteers", least=0, most=2**53 - 1)
    partition: str = _setting("even", "how users are spread over clients", choices=PARTITIONS)
    partition_alpha: float = _setting(
        0.5, "Dirichlet concentration of the partition 'amount'; smaller is more uneven", above=0.0, most=1e6
    )
    train_on_validation: bool = _setting(
        False, "train on the validation items too (no validation metrics), for final numbers"
    )
    factors: int = _setting(64, "length of user and item vectors", least=1, most=1024)
    alpha0: float = _setting(0.25, "ials: weight of the pairs that were never seen", above=0.0, most=1e3)
    regularisation: float = _setting(0.006, "ials: lambda", above=0.0, most=1e3)
    kappa: float = _setting(2.0, "ials: damping of the server step", above=0.0, most=1e3)
    momentum: float = _setting(0.3, "ials: momentum of the server step", least=0.0, most=0.99)
    variant: Literal["fused", "neumf", "gmf", "mlp"] = _setting(
        "fused", "ncf: GMF beside iALS, both branches of NeuMF, or one of them", choices=VARIANTS
    )
    warm_start: Literal["ials", "gmf-mlp"] = _setting(
        "ials",
        "ncf: what neumf and gmf start from: federated iALS, or (neumf) GMF and MLP trained side by side",
        choices=WARM_STARTS,
    )
    warm_start_rounds: int = _setting(
        0, "ncf: rounds of the warm start; 0: neumf and gmf start from nothing", least=0, most=100_000
    )
    loss: Literal["softmax", "bce", "bpr"] = _setting(
        "softmax",
        "ncf: softmax over the catalogue, or against drawn items binary cross-entropy or Bayesian personalised ranking",
        choices=LOSSES,
    )
    negatives: int = _setting(4, "ncf, bce and bpr: items drawn against each interaction", least=1, most=1024)
    row_floor: float = _setting(
        10.0,
        "ncf, bce and bpr: an item row counts as if so many positives and drawn items had touched it, at least",
        above=0.0,
        most=1e9,
    )
    item_optimizer: Literal["adam", "yogi", "avg", "avgm"] = _setting(
        "adam", "ncf: what the server moves item vectors by (Reddi et al. 2021)", choices=OPTIMIZERS
    )
    network_optimizer: Literal["adam", "yogi", "avg", "avgm"] = _setting(
        "adam", "ncf: what the server moves the network by", choices=OPTIMIZERS
    )
    item_learning_rate: float = _setting(
        0.0, "ncf: first step of item vectors; 0: what was chosen for loss and optimizer", least=0.0, most=1e6
    )
    network_learning_rate: float = _setting(
        0.0, "ncf: first step of the network; 0: what was chosen for the optimizer", least=0.0, most=1e6
    )
    learning_rate_decay: float = _setting(
        0.15, "ncf: steps are divided by 1 + this times the steps taken; less suits more rounds", least=0.0, most=1e6
    )
    item_regularisation: float = _setting(
        0.0, "ncf: strength of the penalty on item vectors; 0: what was chosen for the loss", least=0.0, most=1e6
    )
    mf_regularisation: float = _setting(0.012, "mf: lambda, where the rating range has length 1", above=0.0, most=1e3)
    mf_learning_rate: float = _setting(
        30.0, "mf: step of the item factors, where the rating range has length 1", above=0.0, most=1e6
    )
    least_rating: float = _setting(
        0.5, "mf: the lowest rating, which everybody knows; predictions are cut to the range", least=-1e4, most=1e4
    )
    greatest_rating: float = _setting(5.0, "mf: the highest rating", least=-1e4, most=1e4)
    noise: str = _setting(
        "none", "gaussian: on a client's whole update; dp-sgd: in each step of ncf's local training", choices=NOISES
    )
    clipping_norm: float = _setting(
        1.25, "noise: L2 bound C on what one client (gaussian) or interaction (dp-sgd) contributes", above=0.0, most=1e9
    )
    noise_multiplier: float = _setting(
        3.3,
        "noise: its standard deviation in units of C",
        least=LEAST_NOISE_MULTIPLIER,
        most=MOST_NOISE_MULTIPLIER,
    )
    local_steps: int = _setting(6, "dp-sgd: noisy steps of a client in a round", least=1, most=100_000)
    sample_rate: float = _setting(1.0, "dp-sgd: chance that an interaction is in a step's sample", above=0.0, most=1.0)
    batch_size: float = _setting(
        20_000.0,
        "dp-sgd: what a step's noisy sum is divided by, about a sample's size, by public knowledge",
        above=0.0,
        most=1e12,
    )
    delta: float = _setting(1e-5, "noise: the delta that an epsilon is stated for", least=1e-12, most=0.1)
    withhold_metrics: bool = _setting(
        False, "clients keep their accuracy to themselves, without which no epsilon can be stated"
    )
    insecure_deterministic_noise: bool = _setting(
        False, "for tests: noise that repeats with the seed and so protects nothing; every epsilon is null"
    )
    compression: str = _setting(
        "int8", "how updates travel: rows as float32, float16, int8, or some of them as int8", choices=COMPRESSIONS
    )
    top_rows: float = _setting(
        0.25, "top-rows: share of an update's rows, the longest, that travel in a round", above=0.0, most=1.0
    )
    personalisation: str = _setting(
        "none", "what a client adds to the global model for its own users and never sends", choices=PERSONALISATIONS
    )
    personal_steps: int = _setting(2, "fine-tune, adapters: steps on the client's own users", least=1, most=1000)
    personal_rate: float = _setting(
        0.05, "fine-tune: how far a step goes, of the way to the client's own model", above=0.0, most=1.0
    )
    personal_prior: float = _setting(
        100.0, "adapters: interactions of an item at a client that let it go half the way", above=0.0, most=1e9
    )
    personal_gate: str = _setting(
        "learnt", "gate: alpha from training items held out, or t/(t+1) after t rounds", choices=GATES
    )
    personal_rounds: int = _setting(8, "gate: rounds of the client's own iALS", least=1, most=1000)
    aggregation: str = _setting(
        "reputation",
        "weights by earned reputation, plain n_k/n, or a robust rule without weights",
        choices=AGGREGATIONS,
    )
    consolidation: str = _setting(
        "median", "how a committee's scores become one (T-FedRS eq. 2)", choices=CONSOLIDATIONS
    )
    defence: str = _setting(
        "full",
        "full: gates, row caps and exposure budgets beside the peers' scores; scores: these alone, as in the paper",
        choices=DEFENCES,
    )
    smoothing: float = _setting(
        0.5, "gamma of T-FedRS eq. 4: the share of the past in a reputation", least=0.0, most=0.999
    )
    falling_smoothing: float = _setting(0.25, "full defence: gamma where a reputation falls", least=0.0, most=0.999)
    reputation_floor: float = _setting(
        0.03, "full defence: the reputation below which a client has no weight", least=0.0, most=0.99
    )
    reward_cap: float = _setting(
        2.0, "full defence: the most that one client is paid, in equal shares of the pool", least=1.0, most=1e6
    )
    committee_size: int = _setting(7, "most peers that score one update", least=1, most=64)
    audit_share: float = _setting(
        0.05,
        "share of the scores that the coordinator draws and computes again, beside those that disagree; 0: none",
        least=0.0,
        most=1.0,
    )
    volunteer_share: float = _setting(0.1, "share of users whose histories are public for scoring", above=0.0, most=1.0)
    probe_pairs: int = _setting(200, "held-out pairs in each shard of the probe set", least=1, most=100_000)
    probe_shards: int = _setting(
        0,
        "shards of the probe set, of which a round draws one for each seat of a committee; 0: as many as seats",
        least=0,
        most=4096,
    )
    reward_per_round: int = _setting(1000, "tokens shared by the accepted clients of a round", least=0, most=10**9)
    unsafe_single_user: bool = _setting(
        False, "allow clients that hold one user, whose updates show that user's items to everybody who sees them"
    )
    participation: float = _setting(
        1.0, "share of the clients that a round asks, drawn anew for each round", above=0.0, most=1.0
    )
    quorum: float = _setting(
        0.5, "share of the clients asked whose updates a round needs, two at least", above=0.0, most=1.0
    )
    phase_timeout: float = _setting(180.0, "seconds that a phase waits for its replies", above=0.0, most=86_400.0)

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            _check_type(entry.name, value, type(entry.default))
            _check_limits(entry.name, value, entry.metadata)
        if self.noise == "dp-sgd" and (self.model != "ncf" or self.variant == "fused" or self.warm_start_rounds):
            raise WrongUse(
                "--noise dp-sgd trains one network from scratch: add --model ncf --variant gmf --warm-start-rounds 0."
            )
        if self.noise == "gaussian" and self.model == "ncf" and self.variant == "fused":
            raise WrongUse("--noise gaussian clips one branch: choose --variant gmf, neumf or mlp, or --model ials.")
        if self.warm_start == "gmf-mlp" and (self.model != "ncf" or self.variant != "neumf"):
            raise WrongUse("--warm-start gmf-mlp joins the branches of NeuMF: add --model ncf --variant neumf.")
        if self.warm_start == "gmf-mlp" and not self.warm_started:
            raise WrongUse("--warm-start gmf-mlp takes rounds: add, say, --warm-start-rounds 5.")
        if self.warm_start == "gmf-mlp" and self.noise == "gaussian":
            raise WrongUse("--noise gaussian clips one branch: with --warm-start gmf-mlp choose --noise none, or ials.")
        if self.noise == "dp-sgd" and self.loss != "softmax":
            raise WrongUse("--noise dp-sgd has a loss of its own: leave out --loss.")
        if self.loss != "softmax" and self.compression == "top-rows":
            raise WrongUse(
                "--compression top-rows keeps rows for later rounds, and a sampled loss touches other rows in each: "
                "with --loss choose none, float16 or int8."
            )
        if self.noise != "none" and self.compression == "top-rows":
            raise WrongUse(
                "--compression top-rows keeps noise back for later rounds; with --noise choose none, float16 or int8."
            )
        if self.model == "mf" and self.personalisation != "none":
            raise WrongUse("--personalisation is for models that rank, ials and ncf; with --model mf choose none.")
        if self.least_rating >= self.greatest_rating:
            raise WrongUse(
                f"--least-rating must be below --greatest-rating, not {self.least_rating} of {self.greatest_rating}."
            )

    @property
    def warm_started(self) -> bool:
        """Whether the run changes its model on the way, from that of the warm start to NCF."""
        return self.model == "ncf" and self.variant in ("neumf", "gmf") and self.warm_start_rounds > 0

    @classmethod
    def from_run_config(cls, run_config: Mapping[str, object]) -> Self:
        """Read the settings among the keys of a Flower run config; other keys are not looked at."""
        names = {flag_of(entry.name): entry.name for entry in fields(cls)}
        chosen: dict[str, Any] = {names[key]: value for key, value in run_config.items() if key in names}
        for entry in fields(cls):  # TOML and people write 60 where 60.0 is meant
            value = chosen.get(entry.name)
            if isinstance(entry.default, float) and type(value) is int and abs(value) <= 2**53:
                chosen[entry.name] = float(value)
        return cls(**chosen)

    def to_run_config(self) -> dict[str, bool | int | float | str]:
        """Return the settings under Flower's run-config keys."""
        return {flag_of(name): value for name, value in asdict(self).items()}

    def canonical(self) -> bytes:
        """Return the settings as canonical JSON, the same bytes for the same settings."""
        return rfc8785.dumps(self.to_run_config())


def flag_of(name: str) -> str:
    """Return a field's name as a flag or run-config key: words joined by hyphens."""
    return name.replace("_", "-")


def _check_type(name: str, value: object, expected: type) -> None:
    good = isinstance(value, expected) and not (expected is int and isinstance(value, bool))
    if not good:
        raise WrongUse(f"--{flag_of(name)} must be {_kind(expected)}, not {_shown(value)}.")
    if isinstance(value, str) and (len(value) > MOST_CHARACTERS or not _is_text(value)):
        raise WrongUse(f"--{flag_of(name)} must be text of at most {MOST_CHARACTERS} characters, not {_shown(value)}.")


def _is_text(value: str) -> bool:
    """Say whether the text has bytes in UTF-8; a command line in another encoding gives some that has none."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(value: object) -> str:
    """Return a value as it stands in a sentence, however long it is; Python refuses to write out huge integers."""
    if isinstance(value, str | bytes):
        return repr(value[:_MOST_SHOWN]) + ("..." if len(value) > _MOST_SHOWN else "")
    if isinstance(value, int) and value.bit_length() > 256:
        return "a number of that many digits"
    return repr(value) if isinstance(value, int | float | None) else f"a {type(value).__name__}"


def _kind(expected: type) -> str:
    return {int: "a whole number", float: "a number with a point", bool: "true or false", str: "text"}[expected]


def _check_limits(name: str, value: Any, limits: Mapping[str, Any]) -> None:
    flag = f"--{flag_of(name)}"
    if isinstance(value, float) and not math.isfinite(value):
        raise WrongUse(f"{flag} must be finite, not {value}.")
    if "choices" in limits and value not in limits["choices"]:
        raise WrongUse(f"{flag} must be one of {', '.join(limits['choices'])}, not {_shown(value)}.")
    if "least" in limits and value < limits["least"]:
        raise WrongUse(f"{flag} must be at least {limits['least']}, not {_shown(value)}.")
    if "above" in limits and value <= limits["above"]:
        raise WrongUse(f"{flag} must be above {limits['above']}, not {_shown(value)}.")
    if "most" in limits and value > limits["most"]:
        raise WrongUse(f"{flag} must be at most {limits['most']}, not {_shown(value)}.")
