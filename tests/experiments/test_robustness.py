import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import numpy as np
import pytest

from common.config import Settings
from common.errors import WrongUse
from experiments import robustness, robustness_workers
from experiments.defences.defence import Defence, trial
from experiments.robustness import main
from experiments.robustness_cells import Key, key_of
from experiments.robustness_workers import Job, processes, run
from server.robust_fusion import ROBUST_RULES, coordinate_median
from server.run_folder import RunFolder
from tests.experiments.made_up_cells import made_up

SMALL = ["--datasets", "ml-latest-small-2016", "--clients", "4", "--rounds", "2", "--factors", "4", "--seeds", "1"]
CELLS = ["--attacks", "label-flip", "push-boost-10", "--defences", "none", "ours", "--betas", "0", "0.5"]
FLAGS = [*SMALL, *CELLS, "--curve-every", "1"]


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """One cell after the other, so that a test can change what a cell is."""
    monkeypatch.setattr(robustness, "processes", lambda workers: ThreadPoolExecutor(1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("robustness")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(robustness, "processes", lambda workers: ThreadPoolExecutor(1))
        main([*FLAGS, "--keep-runs", "--out", str(out)])
    return out


def record_of(folder):
    return json.loads((folder / "robustness.json").read_text())["datasets"]


def cells_of(folder):
    return {key_of(cell): cell for cell in record_of(folder)["ml-latest-small-2016"]["cells"]}


def key(attack, defence, beta, seed=1):
    return Key("ml-latest-small-2016", attack, defence, beta, seed)


def made_up_for(asked):
    """A cell that takes no time, and that remembers for which it was asked."""

    def cell(wanted, settings, root, folder, curve_every):
        asked.append(wanted)
        return made_up(wanted.attack, wanted.defence, wanted.beta) | asdict(wanted)

    return cell


def test_every_cell_is_there_with_its_figures(folder):
    cells = cells_of(folder)
    assert set(cells) == {
        key("clean", defence, 0.0) if attack is None else key(attack, defence, 0.5)
        for attack in (None, "label-flip", "push-boost-10")
        for defence in ("none", "ours")
    }
    for one, cell in cells.items():
        assert cell["clients"] == 4
        assert cell["malicious"] == len(cell["malicious_accounts"]) == (2 if one.beta else 0)
        assert len(cell["auc"]) == len(cell["curves"]["ndcg_at_10"]) == 2
        assert cell["curves"]["exposure_rounds"] == [1, 2]
        assert cell["final"]["ndcg_at_5"] < cell["final"]["ndcg_at_20"] < 1
        assert cell["curves"]["ndcg_at_10"][-1] == pytest.approx(cell["final"]["ndcg_at_10"])
        assert cell["curves"]["exposure"]["10"][-1] == pytest.approx(np.mean(cell["exposure"]["10"]), abs=1e-6)
        assert (cell["bound"] is None) is (one.beta == 0)
        assert cell["targeted"] is (one.attack == "push-boost-10")
        assert cell["targets"] == cells[key("clean", "none", 0.0)]["targets"]


def test_an_undefended_federation_shows_what_is_pushed(folder):
    cells = cells_of(folder)
    pushed, clean = cells[key("push-boost-10", "none", 0.5)], cells[key("clean", "none", 0.0)]
    assert np.mean(pushed["exposure"]["10"]) > np.mean(clean["exposure"]["10"]) + 0.2


def test_page_csv_and_pictures_are_written(folder):
    assert "### Where ours loses" in (folder / "robustness.md").read_text()
    assert (folder / "robustness.csv").read_text().startswith("dataset,attack,defence,beta,seed,figure,value\n")
    for name in ("share", "rounds"):
        assert (folder / f"robustness-ml-latest-small-2016-{name}.png").read_bytes().startswith(b"\x89PNG")


def test_runs_that_are_kept_can_be_looked_at(folder):
    for one, cell in cells_of(folder).items():
        run_folder = RunFolder(folder / "runs" / one.folder)
        settings = json.loads(run_folder.get_evidence(2))["settings"]
        assert settings["aggregation"] == ("fedavg" if one.defence == "none" else "reputation")
        assert settings["defence"] == ("full" if one.defence == "ours" else "scores")
        assert set(cell["reputation"]) == set(json.loads(run_folder.get_evidence(2))["cohort"])


def test_what_was_measured_is_not_measured_again(folder, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(robustness_workers, "cell", made_up_for(asked))
    before = (folder / "robustness.json").read_bytes()
    main([*FLAGS, "--out", str(folder)])
    assert asked == []
    assert (folder / "robustness.json").read_bytes() == before
    assert capsys.readouterr().out.splitlines()[-1].startswith("At beta 0.5 on ml-latest-small-2016, ours keeps")


def test_what_is_missing_is_measured_and_the_order_is_that_of_the_tables(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(robustness_workers, "cell", made_up_for(asked))
    main([*SMALL, "--attacks", "label-flip", "--defences", "ours", "--betas", "0.5", "--out", str(tmp_path)])
    assert asked == [key("label-flip", "ours", 0.5)]
    main([*FLAGS, "--out", str(tmp_path)])
    assert len(asked) == len(set(asked)) == 6
    assert [key_of(cell).attack for cell in record_of(tmp_path)["ml-latest-small-2016"]["cells"]] == [
        *["clean"] * 2,
        *["push-boost-10"] * 2,
        *["label-flip"] * 2,
    ]


def test_a_cell_that_fails_leaves_the_others_and_is_measured_by_the_next_call(tmp_path, monkeypatch):
    asked = []
    good = made_up_for(asked)

    def cell(wanted, *rest):
        if wanted.attack == "label-flip":
            raise ArithmeticError("no luck")
        return good(wanted, *rest)

    monkeypatch.setattr(robustness_workers, "cell", cell)
    with pytest.raises(ArithmeticError) as raised:
        main([*FLAGS, "--out", str(tmp_path)])
    assert any("attack='label-flip'" in note for note in raised.value.__notes__)
    assert len(cells_of(tmp_path)) == 4
    monkeypatch.setattr(robustness_workers, "cell", good)
    main([*FLAGS, "--out", str(tmp_path)])
    assert len(asked) == len(set(asked)) == len(cells_of(tmp_path)) == 6


def test_an_attack_that_makes_no_sense_for_a_model_has_its_sentence(tmp_path, monkeypatch):
    def cell(wanted, *rest):
        if wanted.attack == "label-flip":
            raise WrongUse("Labels cannot be flipped here.")
        return made_up_for([])(wanted, *rest)

    monkeypatch.setattr(robustness_workers, "cell", cell)
    main([*FLAGS, "--out", str(tmp_path)])
    page = (tmp_path / "robustness.md").read_text()
    assert page.count("Not measured: label-flip: Labels cannot be flipped here.") == 1
    assert "| push-boost-10 |" in page


def test_other_settings_need_another_folder(folder):
    with pytest.raises(WrongUse, match=r"ml-latest-small-2016 measured with other settings \(rounds\)"):
        main([*FLAGS, "--rounds", "3", "--out", str(folder)])


def test_a_data_set_that_is_missing_has_its_reason_in_place_of_rows(tmp_path, monkeypatch):
    monkeypatch.setenv("TFEDRS_DATA", str(tmp_path / "nothing"))
    main(["--datasets", "filmtrust", "--out", str(tmp_path / "out")])
    page = (tmp_path / "out" / "robustness.md").read_text()
    assert "No row: " in page
    assert "tfedrs data fetch filmtrust" in page


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--betas", "1.0"], "--betas are shares of the clients, from 0 to below 1, not 1."),
        (["--betas", "-0.1"], "not -0.1"),
        (["--workers", "0"], "--workers must be at least 1, not 0."),
        (["--curve-every", "0"], "--curve-every must be at least 1, not 0."),
    ],
)
def test_flags_out_of_their_range_are_wrong_use(flags, sentence, tmp_path):
    with pytest.raises(WrongUse) as refused:
        main([*flags, "--out", str(tmp_path / "out")])
    assert sentence in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_quick_is_small_and_other_flags_go_before_it(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(robustness_workers, "cell", made_up_for(asked))
    main(["--quick", "--seeds", "7", "--out", str(tmp_path)])
    assert {one.dataset for one in asked} == {"ml-latest-small-2016"}
    assert {one.seed for one in asked} == {7}
    assert {one.defence for one in asked} == {"none", "ours"}
    assert record_of(tmp_path)["ml-latest-small-2016"]["settings"]["clients"] == 20


def test_a_cell_runs_in_a_process_of_its_own_and_leaves_no_run_behind(tmp_path, folder):
    settings = Settings(**{name.replace("-", "_"): value for name, value in settings_of(folder).items()})
    job = Job(key("label-flip", "none", 0.5), settings, None, tmp_path / "run", 1, keep=False)
    with processes(1) as pool:
        cell = pool.submit(run, job).result()
    assert not job.folder.exists()
    before = cells_of(folder)[job.key]
    assert cell["reputation"] == before["reputation"]
    assert cell["exposure"] == before["exposure"]
    assert cell["final"] == pytest.approx(before["final"])


def settings_of(folder):
    return record_of(folder)["ml-latest-small-2016"]["settings"]


def test_progress_is_the_rounds_that_have_evidence(tmp_path, folder):
    job = Job(
        key("label-flip", "none", 0.5), Settings(), None, folder / "runs" / key("clean", "none", 0.0).folder, 1, True
    )
    assert job.rounds_played == 2
    assert Job(job.key, job.settings, None, tmp_path / "nothing", 1, True).rounds_played == 0


def test_a_rule_on_trial_fuses_and_is_gone_afterwards():
    calls = []

    def rule(stacked, compared):
        calls.append(compared)
        return coordinate_median(stacked, compared)

    with trial(rule).in_place():
        ROBUST_RULES["median"]({"x": np.zeros((2, 1))}, ["x"])
        assert calls == [["x"]]
    assert ROBUST_RULES["median"] is coordinate_median
    with pytest.raises(ValueError, match="takes the place of 'median'"):
        Defence("fedavg", rule=rule)
