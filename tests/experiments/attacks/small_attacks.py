"""A federation small enough to attack in a second: 80 users of three tastes, 150 items, 10 clients, 4 of them bad.

By `aggregation="fedavg"` and `defence="scores"` it defends itself against nothing.
"""

import tempfile
from collections.abc import Hashable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from common.config import Settings
from common.models import model_of
from common.seeding import generator
from experiments.attacks.attack import Attack, View
from experiments.attacks.colluders import parts_of
from experiments.attacks.play import Played, play
from experiments.attacks.suite import ATTACKS
from experiments.attacks.targets import draw_targets
from launch.preparation import prepare_data

USERS, ITEMS, TASTES = 80, 150, 3
SHARE = 0.4
COLUMNS = "user=user,item=item"
MODELS = ("ials", "gmf")
CHOSEN: dict[str, dict[str, Any]] = {
    "ials": {"model": "ials"},
    "gmf": {"model": "ncf", "variant": "gmf"},
    "fused": {"model": "ncf", "variant": "fused"},
    "neumf": {"model": "ncf", "variant": "neumf"},
}


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
        factors=4,
        committee_size=3,
        volunteer_share=0.5,
        probe_pairs=60,
        phase_timeout=5.0,
        aggregation=aggregation,
        defence="scores",
        audit_share=0.0,
        **CHOSEN[model],
    )


def bundled_settings(model: str, rounds: int) -> Settings:
    """The bundled data, where there is more to spoil: 671 users, 9066 items."""
    return Settings(
        clients=10, rounds=rounds, factors=16, aggregation="fedavg", defence="scores", audit_share=0.0, **CHOSEN[model]
    )


def played(attack: Attack | None, settings: Settings, share: float = SHARE) -> Played:
    folder = Path(tempfile.mkdtemp(prefix="tfedrs-attack-")) / "run"
    return play(settings, attack, share, None, folder, targets_each=2)


@cache
def clean(settings: Settings) -> Played:
    return played(None, settings)


@cache
def attacked(name: str, settings: Settings) -> Played:
    """Play one attack of the suite, and see that nothing that it sent was refused."""
    run = played(ATTACKS[name](), settings)
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
    """NDCG@10 among 1 + 99 sampled items."""
    return float(run.report["final"]["ndcg_at_10"])


def views(model: str) -> list[View]:
    """What four colluders see in round 2, the first round having been honest; they have scored two other clients."""
    settings = settings_of(model, 2)
    data = prepare_data(settings, None)
    ((_, part),) = parts_of(settings, model_of(settings))
    before = part.initial_state(ITEMS, generator(1, "initial-model"))
    clients = {f"0x{number:02x}": data.train.take(users) for number, users in enumerate(data.parts)}
    sent = {account: part.local_step(before, train)[0] for account, train in clients.items()}
    state = part.apply(before, part.fuse(list(sent.values()), [1.0] * len(sent)))
    colluders = dict(list(clients.items())[:4])
    memo: dict[Hashable, Any] = {}
    return [
        View(
            settings=settings,
            server_round=2,
            account=account,
            model=part,
            state=state,
            colluders=colluders,
            targets=draw_targets(data.train, 2, settings.seed),
            earlier=(before,),
            probe=data.probe,
            peers={"0x07": sent["0x07"], "0x08": sent["0x08"], "0x01": sent["0x01"]},
            memo=memo,
        )
        for account in colluders
    ]
