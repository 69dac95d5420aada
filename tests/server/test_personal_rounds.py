"""A federation whose clients personalise: the same public record, and more figures in the report."""

from pathlib import Path

from server.report_page.page import render_report
from tests.small_federation import PlayedRun, SmallFederation, with_settings

FIGURES = ("personal_hit_ratio_at_10", "personal_ndcg_at_10", "personal_full_ndcg_at_10")


def public_files(played: PlayedRun) -> dict[str, bytes]:
    return {
        str(path.relative_to(played.folder)): path.read_bytes()
        for path in sorted(played.folder.rglob("*"))
        if path.is_file() and path.name not in ("report.json", "report.html", "status.json")
    }


def test_models_are_the_same_and_the_report_says_what_people_see(small: SmallFederation, tmp_path: Path) -> None:
    plain = small.play(tmp_path / "plain")
    personal = small.play(tmp_path / "personal", settings=with_settings(small, personalisation="all"))
    assert [row["model"] for row in personal.report["rounds"]] == [row["model"] for row in plain.report["rounds"]]
    for row in personal.report["rounds"]:
        assert all(0 <= row[key] <= 1 for key in (*FIGURES, "validation_personal_ndcg_at_10"))
    for final in ("final", "final_validation"):
        told, known = personal.report[final], plain.report[final]
        assert {name: told[name] for name in known} == known
        assert {name.removeprefix("personal_") for name in told if name.startswith("personal_")} == set(known)
    assert not any(name.startswith("personal_") for row in plain.report["rounds"] for name in row)


def test_what_people_see_is_in_the_page_where_it_was_measured(small: SmallFederation, tmp_path: Path) -> None:
    personal = small.play(tmp_path / "personal", settings=with_settings(small, personalisation="adapters", rounds=1))
    said = "NDCG@10, whole catalogue, as its own users see it"
    assert said in render_report(personal.report)
    plain = small.play(tmp_path / "plain", settings=with_settings(small, rounds=1))
    assert said not in render_report(plain.report)


def test_the_public_record_holds_nothing_of_it(small: SmallFederation, tmp_path: Path) -> None:
    settings = with_settings(small, personalisation="gate", rounds=1, withhold_metrics=True)
    played = small.play(tmp_path / "personal", settings=settings)
    assert not any(name.startswith("personal_") for name in (*played.report["rounds"][0], *played.report["final"]))
    evidence = (played.folder / "evidence" / "round-0001.json").read_text()
    assert "alpha" not in evidence.replace("alpha0", "").replace("partition-alpha", "")
    assert not list(played.folder.rglob("personal*"))
