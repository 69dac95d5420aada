import csv
import json

import pytest

from common.errors import WrongUse
from experiments import accuracy
from experiments.accuracy import main
from experiments.accuracy_cells import ALL_METHODS, METRICS

FLAGS = ["--datasets", "ml-latest-small-2016", "--methods", "popularity", "T-FedRS, iALS", "--seeds", "1"]
SMALL = ["--rounds", "1", "--factors", "4", "--clients", "2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("accuracy")
    main([*FLAGS, *SMALL, "--out", str(out)])
    return out


def test_every_method_has_every_figure(folder):
    lines = list(csv.DictReader((folder / "accuracy.csv").read_text().splitlines()))
    for method in ("popularity", "T-FedRS, iALS"):
        figures = {line["figure"]: float(line["value"]) for line in lines if line["method"] == method}
        assert set(METRICS) <= set(figures)
        assert figures["ndcg_at_5"] < figures["ndcg_at_20"] < 1
        assert figures["full_hit_ratio_at_20"] < figures["hit_ratio_at_20"]
        assert ("bytes_up" in figures) is (method != "popularity")
        assert figures["cpu_seconds"] > 0


def test_the_page_has_a_table_for_each_ranking_and_the_picture(folder):
    page = (folder / "accuracy.md").read_text()
    for text in ("among 99 sampled candidates", "on the full catalogue", "bytes for one client and round", "MAP@20"):
        assert text in page
    assert "tfedrs experiment accuracy --datasets ml-latest-small-2016" in page
    assert (folder / "accuracy.png").read_bytes().startswith(b"\x89PNG")


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
    assert asked == [("popularity", 2), ("T-FedRS, iALS", 2)]


def test_other_settings_need_another_folder(folder):
    with pytest.raises(WrongUse, match="other settings"):
        main([*FLAGS, "--rounds", "2", "--out", str(folder)])


def test_a_data_set_that_is_missing_has_its_reason_in_place_of_rows(tmp_path, monkeypatch):
    monkeypatch.setenv("TFEDRS_DATA", str(tmp_path / "nothing"))
    main(["--datasets", "filmtrust", "--methods", "popularity", "--out", str(tmp_path / "out")])
    page = (tmp_path / "out" / "accuracy.md").read_text()
    assert "No row: " in page
    assert "tfedrs data fetch filmtrust" in page


def test_a_data_set_that_there_is_not_is_wrong_use(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--datasets", "nosuch", "--out", str(tmp_path / "out")])
    assert ended.value.code == 2
    assert "invalid choice: 'nosuch'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_methods_are_named_once():
    assert len(set(ALL_METHODS)) == len(ALL_METHODS)
    assert {"EASE", "central, iALS", "T-FedRS, NCF (NeuMF)"} <= set(ALL_METHODS)
