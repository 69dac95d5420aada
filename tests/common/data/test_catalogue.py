import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.data.catalogue import Catalogue
from common.data.movielens_csv import load_bundled
from common.errors import WrongUse

TEXT = st.text(st.characters(exclude_categories=["Cs"]))  # no lone surrogates: they are no text


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, unique_by=lambda pair: pair[0]), st.booleans())
def test_a_catalogue_survives_its_file(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[str, str]], titled: bool
) -> None:
    titles = tuple(title for _, title in entries) if titled else None
    catalogue = Catalogue(tuple(item_id for item_id, _ in entries), titles)
    path = tmp_path_factory.mktemp("catalogue") / "catalogue.json"
    catalogue.save(path)
    assert Catalogue.load(path) == catalogue
    assert path.read_bytes() == catalogue.canonical()


def test_the_digest_follows_ids_titles_and_order() -> None:
    catalogues = [
        Catalogue(("1", "2"), None),
        Catalogue(("2", "1"), None),
        Catalogue(("1", "2"), ("a", "b")),
        Catalogue(("1", "2"), ("a", "c")),
    ]
    assert len({catalogue.digest() for catalogue in catalogues}) == 4
    assert len(catalogues[0].digest()) == 32


def test_the_bundled_catalogue_never_changes() -> None:
    assert (
        Catalogue.of(load_bundled()).digest().hex()
        == "49c74309d5d251d04ab24b8be1984b58066b49ecc6d2b7da9c5a12109557081e"
    )


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "{}",
        json.dumps({"item_ids": ["1"]}),
        json.dumps({"item_ids": "12", "titles": None}),
        json.dumps({"item_ids": [1], "titles": None}),
        json.dumps({"item_ids": [], "titles": None}),
        json.dumps({"item_ids": ["1", "1"], "titles": None}),
        json.dumps({"item_ids": ["1"], "titles": ["a", "b"]}),
    ],
)
def test_a_bad_catalogue_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "catalogue.json"
    path.write_text(content)
    with pytest.raises(WrongUse, match="is not a catalogue"):
        Catalogue.load(path)


def test_a_missing_catalogue_is_named(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match=r"catalogue\.json cannot be read \(No such file"):
        Catalogue.load(tmp_path / "catalogue.json")
