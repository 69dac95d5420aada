"""Cells of the benchmark with figures chosen by hand."""

from common.config import Settings
from common.metrics import CUTOFFS
from experiments.accuracy_cells import METRICS


def made_up(attack, defence, beta, seed=1, *, ndcg=0.5, exposure=0.0, targeted=False, **changed):
    """A cell of two rounds, two clients and two targets; `exposure` is every ER@K."""
    malicious = ["0xb"] if beta else []
    return {
        "dataset": "ml-100k",
        "attack": attack,
        "defence": defence,
        "beta": beta,
        "seed": seed,
        "targeted": targeted,
        "targets": [3, 7],
        "final": dict.fromkeys(METRICS, ndcg),
        "exposure": {str(k): [exposure, exposure] for k in CUTOFFS},
        "curves": {
            "ndcg_at_10": [ndcg / 2, ndcg],
            "full_ndcg_at_10": [ndcg / 4, ndcg / 2],
            "exposure_rounds": [2],
            "exposure": {str(k): [exposure] for k in CUTOFFS},
        },
        "malicious": len(malicious),
        "clients": 2,
        "malicious_accounts": malicious,
        "auc": [0.5, 1.0] if beta else [None, None],
        "detected_in": 2 if beta else None,
        "false_penalties": 0.0,
        "reward_share": 0.1 if beta else None,
        "bound": {"left": 0.01, "honest_sum": 0.2, "attackers_r": 0.1, "honest_r": 0.5, "right": 0.04}
        if beta
        else None,
        "reputation": {"0xa": [0.5, 0.75], "0xb": [0.5, 0.75]},
        "wall_seconds": 1.0,
        "cpu_seconds": 1.0,
        **changed,
    }


def made_up_record(cells):
    """The record with these cells of one data set."""
    entry = {
        "refusal": None,
        "about": "943 users",
        "reason": "",
        "settings": Settings().to_run_config(),
        "commits": ["0123456789"],
        "cells": list(cells),
        "refused": [],
    }
    return {"ml-100k": entry}
