import csv
import json

import numpy as np
import pytest

from common.config import Settings
from common.errors import WrongUse
from experiments import accuracy
from experiments.accuracy import main
from experiments.accuracy_cells import ALL_METHODS, METRICS
from experiments.accuracy_page import markdown

METHODS = ["popularity", "Robust-FedAvg, median", "T-FedRS, iALS"]
FLAGS = ["--datasets", "ml-latest-small-2016", "--methods", *METHODS, "--seeds", "1"]
SMALL = ["--rounds", "1", "--factors", "4", "--clients", "2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("accuracy")
    main([*FLAGS, *SMALL, "--out", str(out)])
    return out


def figures_of(folder, method):
    lines = csv.DictReader((folder / "accuracy.csv").read_text().splitlines())
    return {line["figure"]: float(line["value"]) for line in lines if line["method"] == method}


def test_every_method_has_every_figure(folder):
    for method in METHODS:
        figures = figures_of(folder, method)
        assert set(METRICS) <= set(figures)
        assert figures["ndcg_at_5"] < figures["ndcg_at_20"] < 1
        assert figures["full_hit_ratio_at_20"] < figures["hit_ratio_at_20"]
        assert ("bytes_up" in figures) is (method != "popularity")
        assert figures["cpu_seconds"] > 0


def test_what_is_not_compressed_is_longer_than_the_same_update_as_a_message(folder):
    plain, sent = figures_of(folder, "Robust-FedAvg, median"), figures_of(folder, "T-FedRS, iALS")
    assert sent["bytes_up"] < plain["bytes_up"] < 10 * sent["bytes_up"]


def test_the_page_has_a_short_table_all_the_rest_below_it_and_the_picture(folder):
    page = (folder / "accuracy.md").read_text()
    short, folded = page.split("<details>")
    assert "| method | HR@10 | NDCG@10 | full NDCG@10 | CPU s | kB up |" in short
    assert "MAP@20" not in short
    for text in ("Among 99 sampled candidates", "Among the whole catalogue", "MAP@20", "wall s", "kB down"):
        assert text in folded
    assert "671 users, 9,066 items, 100,004 interactions, all users evaluated." in short
    assert (
        "clients 2, rounds 1, factors 4, keep last, train-on-validation true. Settings given on the command line."
        in short
    )
    assert (folder / "accuracy.png").read_bytes().startswith(b"\x89PNG")


def test_published_figures_are_said_to_be_by_others():
    cells = {"popularity": {"1": dict.fromkeys(METRICS, 0.5)}}
    settings = Settings().to_run_config()
    entry = {"refusal": None, "about": "", "reason": "", "settings": settings, "commits": [], "cells": cells}
    page = markdown({"ml-1m-ncf": entry, "ml-100k": entry})
    before, after = page.split("## ml-100k")
    assert "**not measured here**" in before
    assert "| SLIM | 0.716 | 0.447 | Rendle et al. (2020), arXiv:2005.09683 |" in before
    assert "Rendle" not in after


def test_a_method_with_fewer_seeds_than_others_names_them():
    cells = {
        "popularity": {seed: dict.fromkeys(METRICS, 0.5) for seed in ("1", "2")},
        "EASE": {"1": dict.fromkeys(METRICS, 0.25)},
    }
    settings = Settings().to_run_config()
    entry = {"refusal": None, "about": "", "reason": "", "settings": settings, "commits": [], "cells": cells}
    page = markdown({"ml-100k": entry})
    assert "| popularity | 0.5000 ± 0.0000 |" in page
    assert "| EASE (seed 1) | 0.2500 |" in page


def test_what_was_measured_is_not_measured_again(folder, monkeypatch):
    asked = []

    def no_more(method, settings, root):
        asked.append((method, settings.seed))
        return dict.fromkeys(METRICS, 0.5)

    monkeypatch.setattr(accuracy, "cell", no_more)
    before = json.loads((folder / "accuracy.json").read_text())
    main([*FLAGS, *SMALL, "--out", str(folder)])
    assert asked == []
    assert json.loads((folder / "accuracy.json").read_text()) == before
    main([*FLAGS[:-1], "1", "2", *SMALL, "--out", str(folder)])
    assert asked == [(method, 2) for method in METHODS]


def test_a_record_from_before_a_setting_came_goes_on(folder, tmp_path, capsys):
    record = json.loads((folder / "accuracy.json").read_text())
    del record["datasets"]["ml-latest-small-2016"]["settings"]["top-rows"]
    (tmp_path / "accuracy.json").write_text(json.dumps(record))
    main([*FLAGS, *SMALL, "--out", str(tmp_path)])
    assert "## ml-latest-small-2016" in capsys.readouterr().out


def test_other_settings_of_a_data_set_need_another_folder(folder, monkeypatch):
    with pytest.raises(WrongUse, match=r"ml-latest-small-2016 measured with other settings \(rounds\)"):
        main([*FLAGS, *SMALL, "--rounds", "2", "--out", str(folder)])
    monkeypatch.setenv("TFEDRS_DATA", str(folder / "nothing"))
    main(["--datasets", "filmtrust", "--rounds", "2", "--out", str(folder)])
    assert "## ml-latest-small-2016" in (folder / "accuracy.md").read_text()


def test_a_data_set_that_is_missing_has_its_reason_in_place_of_rows(tmp_path, monkeypatch):
    monkeypatch.setenv("TFEDRS_DATA", str(tmp_path / "nothing"))
    main(["--datasets", "filmtrust", "--methods", "popularity", "--out", str(tmp_path / "out")])
    page = (tmp_path / "out" / "accuracy.md").read_text()
    assert "No row: " in page
    assert "tfedrs data fetch filmtrust" in page


def test_a_data_set_that_has_come_since_is_looked_at_again(tmp_path, monkeypatch):
    flags = [
        "--methods",
        "popularity",
        "--seeds",
        "1",
        "--clients",
        "2",
        "--datasets",
        "filmtrust",
        "--out",
        str(tmp_path),
    ]
    monkeypatch.setenv("TFEDRS_DATA", str(tmp_path / "data"))
    main(flags)
    rng = np.random.default_rng(1)
    rated = [(user, item) for user in range(60) for item in rng.permutation(150)[: 1 if user == 0 else 20]]
    (tmp_path / "data" / "filmtrust").mkdir(parents=True)
    (tmp_path / "data" / "filmtrust" / "ratings.txt").write_text("".join(f"{u + 1} {i + 1} 3.5\n" for u, i in rated))
    main(flags)
    page = (tmp_path / "accuracy.md").read_text()
    assert "59 users evaluated: the others have fewer than 3 interactions" in page
    assert "No row" not in page


def test_the_reason_says_what_is_wrong_with_the_file(tmp_path, monkeypatch):
    reviews = [{"asin": f"i{k}", "reviewerID": f"u{k % 4}", "overall": 5.0, "unixReviewTime": k} for k in range(16)]
    (tmp_path / "amazon-appliances").mkdir()
    (tmp_path / "amazon-appliances" / "Appliances_5.json").write_text("\n".join(map(json.dumps, reviews)))
    monkeypatch.setenv("TFEDRS_DATA", str(tmp_path))
    main(["--datasets", "amazon-appliances", "--clients", "2", "--out", str(tmp_path / "out")])
    page = (tmp_path / "out" / "accuracy.md").read_text()
    assert "No row: a user has interacted with all but 12 of the 16 items" in page
    assert "The 5-core file is no benchmark" in page


def test_a_data_set_that_there_is_not_is_wrong_use(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--datasets", "nosuch", "--out", str(tmp_path / "out")])
    assert ended.value.code == 2
    assert "invalid choice: 'nosuch'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_methods_are_named_once():
    assert len(set(ALL_METHODS)) == len(ALL_METHODS)
    assert {"EASE", "central, iALS", "T-FedRS, NCF (NeuMF)"} <= set(ALL_METHODS)
