import csv

import pytest

from experiments.attacks.suite import ATTACKS
from experiments.defences.table import DEFENCES
from experiments.robustness_cells import wanted
from experiments.robustness_figures import Figures, reward_ratio
from experiments.robustness_losses import losses, missed_aims
from experiments.robustness_page import markdown, pictures_of, table_csv
from experiments.robustness_summary import summary
from experiments.robustness_tables import bound_table, exposure_table, leaderboard, table_3, trust_table
from tests.experiments.made_up_cells import made_up, made_up_record

CLEAN = [made_up("clean", "none", 0.0, ndcg=0.50, exposure=0.01), made_up("clean", "ours", 0.0, ndcg=0.50)]
FLIP = [made_up("label-flip", "none", 0.4, ndcg=0.25), made_up("label-flip", "ours", 0.4, ndcg=0.49)]
PUSH = [
    made_up("push-boost-10", "none", 0.4, ndcg=0.45, exposure=0.81, targeted=True),
    made_up("push-boost-10", "ours", 0.4, ndcg=0.49, exposure=0.015, targeted=True),
]
GOOD = [*CLEAN, *FLIP, *PUSH]


def figures_of(*cells):
    return Figures("ml-100k", cells)


def test_the_leaderboard_is_measured_by_the_clean_undefended_federation():
    board = leaderboard(figures_of(*GOOD), 0.4).splitlines()
    assert board[0] == "| attack | none (FedNCF) | ours |"
    assert board[2] == "| label-flip | 50.0% | 98.0% |"
    assert board[3] == "| push-boost-10 | 90.0%, ER +80.0 | 98.0%, ER +0.5 |"


def test_without_the_clean_federation_nothing_is_said_to_be_kept():
    board = leaderboard(figures_of(*FLIP, *PUSH), 0.4).splitlines()
    assert board[2] == "| label-flip |  |  |"
    assert losses(figures_of(*FLIP, *PUSH)) == []


def test_a_ratio_is_of_the_same_seed():
    cells = [
        made_up("clean", "none", 0.0, 1, ndcg=0.5),
        made_up("clean", "none", 0.0, 2, ndcg=0.4),
        made_up("label-flip", "ours", 0.4, 1, ndcg=0.5),
        made_up("label-flip", "ours", 0.4, 2, ndcg=0.2),
    ]
    figures = figures_of(*cells)
    assert figures.values("label-flip", "ours", 0.4, figures.kept) == [1.0, 0.5]
    assert figures.mean("label-flip", "ours", 0.4, figures.kept) == 0.75


def test_other_targets_have_no_rise():
    moved = made_up("push-boost-10", "ours", 0.4, exposure=0.5, targeted=True, targets=[4, 7])
    figures = figures_of(*CLEAN, moved)
    assert figures.exposure_rise(moved) is None
    assert figures.exposure_rise(PUSH[0]) == pytest.approx(0.8)


def test_a_target_that_everybody_has_is_left_out_of_the_mean():
    cell = made_up("push-boost-10", "ours", 0.4, targeted=True, exposure=0.4)
    cell["exposure"]["10"][0] = None
    assert figures_of(*CLEAN).exposure_rise(cell) == pytest.approx(0.39)


def test_good_figures_lose_nowhere():
    assert losses(figures_of(*GOOD)) == []
    assert missed_aims(figures_of(*GOOD)) == []
    page = markdown(made_up_record(GOOD))
    assert "To no other defence by half a point or more." in page
    assert "To none of its aims." in page


def test_another_defence_that_is_better_is_named_with_both_figures():
    cells = [
        *GOOD,
        made_up("label-flip", "krum", 0.4, ndcg=0.495),
        made_up("push-boost-10", "krum", 0.4, ndcg=0.49, exposure=0.005, targeted=True),
        made_up("clean", "krum", 0.0, ndcg=0.52),
    ]
    assert losses(figures_of(*cells)) == [
        "nobody attacks: krum keeps 104.0% of the clean NDCG@10, ours 100.0%.",
        "label-flip, beta 0.4: krum keeps 99.0% of the clean NDCG@10, ours 98.0%.",
        *(
            f"push-boost-10, beta 0.4: under krum the targets' ER@{k} is -0.5 points above clean, "
            "under ours 0.5 points."
            for k in (5, 10, 20)
        ),
    ]


def test_less_than_half_a_point_is_a_tie():
    assert losses(figures_of(*GOOD, made_up("label-flip", "krum", 0.4, ndcg=0.492))) == []


def test_every_aim_that_is_missed_is_named():
    cells = [
        CLEAN[0],
        made_up("clean", "ours", 0.0, ndcg=0.49, false_penalties=0.02),
        made_up("label-flip", "ours", 0.4, ndcg=0.47, auc=[1.0, 0.9], reward_share=0.2),
        made_up("push-boost-10", "ours", 0.4, ndcg=0.1, exposure=0.03, targeted=True),
        made_up("adaptive", "ours", 0.4, exposure=0.05, targeted=True, auc=[0.5, 0.7]),
        made_up("evaluators-promote", "ours", 0.4, reputation={"0xa": [0.6, 0.5], "0xb": [0.0, 0.0]}),
    ]
    assert missed_aims(figures_of(*cells)) == [
        "nobody attacks: ours has 98.0% of plain FedAvg's NDCG@10, the aim is 99%.",
        "nobody attacks: 2.0% of the honest client-rounds are penalised, the aim is at most 1%.",
        "label-flip, beta 0.4: 94.0% of the clean NDCG@10 is kept, the aim is 96%.",
        "label-flip, beta 0.4: the reputation AUC ends at 0.90, the aim is 0.95.",
        "label-flip, beta 0.4: attackers earn 20.0% of the rewards, the aim is at most 15%.",
        "push-boost-10, beta 0.4: the targets' ER@10 is 2.0 points above clean, the aim is at most 1.0 points.",
        "adaptive, beta 0.4: the reputation AUC ends at 0.70, the aim is 0.75.",
        "evaluators-promote, beta 0.4: an honest reputation moves by 0.100 in the first round, the aim is at most "
        "0.05.",
    ]


def test_table_3_has_the_clean_figures_at_beta_0_and_the_spread_over_seeds():
    cells = [
        *CLEAN,
        *FLIP,
        made_up("clean", "none", 0.0, 2, ndcg=0.52),
        made_up("label-flip", "none", 0.4, 2, ndcg=0.25),
    ]
    lines = table_3(figures_of(*cells), "label-flip", "ndcg").splitlines()
    assert lines[0] == "| K | defence | beta 0 | beta 0.4 |"
    assert lines[2] == "| 5 | none (FedNCF) | 0.5100 ± 0.0141 | 0.2500 ± 0.0000 |"
    assert lines[3] == "| 5 | ours | 0.5000 | 0.4900 |"
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| 5", "| 5", "| 10", "| 10", "| 20", "| 20"]


def test_exposure_is_of_targeted_attacks_and_of_the_clean_federation():
    table = exposure_table(figures_of(*GOOD), [0.0, 0.4])
    assert "| clean | 0 | none (FedNCF) | 0.0100 | 0.0100 | 0.0100 | 0.0100 | 0.5000 |" in table
    assert "| push-boost-10 | 0.4 | ours | 0.0150 |" in table
    assert "label-flip" not in table


def test_trust_says_never_where_nobody_was_found_out():
    cells = [*CLEAN, made_up("label-flip", "ours", 0.4), made_up("label-flip", "ours", 0.4, 2, detected_in=None)]
    table = trust_table(figures_of(*cells), [0.0, 0.4])
    assert "| label-flip | 0.4 | ours | 0.50 | 1.00 | 2, never | 0.0% | 10.0% | 0.20 | 0.000 | 0.000 |" in table
    assert "| clean | 0 | ours |  |  |  | 0.0% |  |  |  |  |" in table


def test_reputation_is_compared_with_the_clean_federation_of_the_same_seed_and_defence():
    cell = made_up("label-flip", "ours", 0.4, reputation={"0xa": [0.6, 0.5], "0xb": [0.0, 0.0]})
    figures = figures_of(*CLEAN, cell)
    assert figures.reputation_moved(cell, rounds=1) == pytest.approx(0.1)
    assert figures.reputation_moved(cell) == pytest.approx(0.25)
    assert figures.reputation_moved(cell | {"seed": 2}) is None


def test_the_ratio_of_rewards_is_to_the_share_of_clients_that_there_was():
    cell = made_up("label-flip", "ours", 0.4, reward_share=0.1, clients=20, malicious=8)
    assert reward_ratio(cell) == pytest.approx(0.25)


def test_the_bound_stands_beside_what_was_measured():
    broken = {"left": 0.05, "honest_sum": 0.2, "attackers_r": 0.1, "honest_r": 0.5, "right": 0.04}
    none = {"left": 0.05, "honest_sum": 0.2, "attackers_r": 0.1, "honest_r": 0.0, "right": None}
    cells = [*FLIP, made_up("label-flip", "ours", 0.4, 2, bound=broken), made_up("label-flip", "krum", 0.4, bound=none)]
    table = bound_table(figures_of(*cells), [0.4])
    assert "| label-flip | 0.4 | ours | 0.0300 | 0.0400 | 0.100 | 0.500 | 1 of 2 |" in table
    assert "| label-flip | 0.4 | krum | 0.0500 | no bound | 0.100 | 0.000 | 1 of 1 |" in table


def test_the_summary_is_one_sentence_with_the_worst_of_each():
    said = summary(made_up_record(GOOD))
    assert said == (
        "At beta 0.4 on ml-100k, ours keeps at least 98.0% of the clean NDCG@10 (label-flip; undefended 50.0%, "
        "label-flip); lets ER@10 of pushed items rise by at most 0.5 points (push-boost-10; undefended 80.0, "
        "push-boost-10); has a reputation AUC of at least 1.00 (label-flip; undefended 1.00, label-flip); pays "
        "attackers at most 10.0% of the rewards (label-flip; undefended 10.0%, label-flip); penalises 0.0% of the "
        "client-rounds where nobody attacks (6 cells)."
    )
    assert summary(made_up_record(CLEAN)) == "2 cells are measured, none of them with attackers."


def test_the_csv_has_every_figure_of_every_cell():
    lines = list(csv.DictReader(table_csv(made_up_record(GOOD)).splitlines()))
    found = {
        line["figure"]: float(line["value"])
        for line in lines
        if (line["attack"], line["defence"]) == ("push-boost-10", "ours")
    }
    assert found["final/ndcg_at_10"] == 0.49
    assert found["exposure/10/2"] == 0.015
    assert found["auc/2"] == 1.0
    assert not any(name.startswith("reputation/") for name in found)
    assert found["bound/right"] == 0.04
    assert found["curves/ndcg_at_10/2"] == 0.49


def test_each_data_set_with_attacks_has_two_pictures_and_the_page_shows_them():
    pictures = pictures_of(made_up_record(GOOD))
    assert len(pictures) == 2
    page = markdown(made_up_record(GOOD))
    for name, picture in pictures.items():
        assert picture.startswith(b"\x89PNG")
        assert f"]({name})" in page
    assert pictures_of(made_up_record(CLEAN)) == {}


def test_the_page_says_why_an_attack_was_not_measured():
    record = made_up_record(GOOD)
    record["ml-100k"]["refused"] = ["label-flip: it makes no sense for mf."]
    assert "Not measured: label-flip: it makes no sense for mf." in markdown(record)
    assert (
        "Settings: model ials, clients 5, rounds 5, factors 64, partition even. Seeds 1, commits 0123456."
        in markdown(record)
    )


def test_shares_between_nobody_and_the_most_are_folded():
    page = markdown(made_up_record([*GOOD, made_up("label-flip", "ours", 0.2)]))
    _, trust, bound = page.split("<details><summary>The shares between")[1:]
    assert "| label-flip | 0.2 | ours |" in trust
    assert "| label-flip | 0.2 | ours |" in bound
    assert "The shares between" not in markdown(made_up_record(GOOD))


def test_the_page_says_what_every_attack_knows():
    page = markdown(made_up_record(GOOD))
    for name, make in ATTACKS.items():
        assert f"| {name} | {make().knowledge} | {make().budget} |" in page


def test_clean_cells_are_shared_by_all_attacks():
    keys = list(wanted(["ml-100k"], ["label-flip", "push-boost-10"], ["none", "ours"], [0.4, 0.0], [1, 2]))
    assert len(keys) == len(set(keys)) == 2 * (2 + 4)
    assert [(key.attack, key.seed) for key in keys[:2]] == [("clean", 1), ("clean", 1)]
    assert all((key.attack == "clean") is (key.beta == 0) for key in keys)


def test_aims_are_those_of_attacks_that_there_are():
    from fnmatch import filter as matching

    from experiments.robustness_losses import AUCS, LIARS, PATIENT

    for pattern in (*PATIENT, *LIARS, *(pattern for pattern, _ in AUCS)):
        assert matching(ATTACKS, pattern), pattern
    assert {"none", "ours"} <= set(DEFENCES)
