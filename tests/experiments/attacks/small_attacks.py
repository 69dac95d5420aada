"""A federation small enough to attack in a second: 80 users of three tastes, 150 items, 10 clients, 4 of them bad.

By `aggregation="fedavg"` it defends itself against nothing.
"""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from common.config import Settings
from experiments.attacks.attack import Attack
from experiments.attacks.play import Played, play
from experiments.attacks.suite import ATTACKS

USERS, ITEMS, TASTES = 80, 150, 3
SHARE = 0.4
COLUMNS = "user=user,item=item"
MODELS = {"ials": {"model": "ials"}, "gmf": {"model": "ncf", "variant": "gmf"}}


@cache
def csv_file() -> Path:
    """Everybody likes 20 items of one third of the catalogue, some of them more often liked, and 4 of the rest."""
    path = Path(tempfile.mkdtemp(prefix="tfedrs-attacks-")) / "small.csv"
    rng = np.random.default_rng(1)
    per_taste = ITEMS // TASTES
    popularity = 1 / np.arange(1, per_taste + 1)
    lines = ["user,item"]
    for user in range(USERS):
        own = rng.choice(per_taste, 20, replace=False, p=popularity / popularity.sum()) + per_taste * (user % TASTES)
        liked = np.union1d(own, rng.choice(ITEMS, 4, replace=False))
        lines += [f"u{user},i{item}" for item in liked]
    path.write_text("\n".join(lines) + "\n")
    return path


def settings_of(model: str, rounds: int, aggregation: str = "fedavg") -> Settings:
    return Settings(
        dataset=f"csv:{csv_file()}",
        csv_columns=COLUMNS,
        clients=10,
        rounds=rounds,
        factors=8,
        committee_size=3,
        volunteer_share=0.5,
        probe_pairs=60,
        phase_timeout=5.0,
        aggregation=aggregation,
        **MODELS[model],
    )


def played(attack: Attack | None, settings: Settings, share: float = SHARE) -> Played:
    folder = Path(tempfile.mkdtemp(prefix="tfedrs-attack-")) / "run"
    return play(settings, attack, share, None, folder, targets_each=2)


@cache
def clean(model: str, rounds: int) -> Played:
    return played(None, settings_of(model, rounds))


@cache
def attacked(name: str, model: str, rounds: int) -> Played:
    """Play one attack of the suite, and see that nothing that it sent was refused."""
    run = played(ATTACKS[name](), settings_of(model, rounds))
    sent = [set(row["took_part"]) for row in run.report["rounds"]]
    assert all(run.malicious <= accounts for accounts in sent)
    return run


def exposure(run: Played, cutoff: int = 10) -> float:
    """Mean over the targets of the share of users, of those without the target, to whom it is recommended."""
    state, train = run.states[-1], run.data.split.train
    scores = run.model.scores(state, run.model.fold_in(state, run.data.train))
    scores[train.users, train.items] = -np.inf
    top = np.argsort(-scores, axis=1)[:, :cutoff]
    shares = []
    for target in run.targets:
        unseen = np.setdiff1d(np.arange(train.user_count), train.users[train.items == target])
        shares.append((top[unseen] == target).any(axis=1).mean())
    return float(np.mean(shares))


def ndcg(run: Played) -> float:
    """NDCG@10 on the full catalogue."""
    return float(run.report["final"]["full_ndcg_at_10"])
