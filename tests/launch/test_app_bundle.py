import hashlib
import shutil
from pathlib import Path

import pytest
from flwr.cli.build import build_fab_from_disk

from common.errors import WrongUse
from launch.app_bundle import build_app_bundle

PROBE_APP = Path(__file__).parent / "probe_app"


def test_the_bundle_is_the_one_that_flower_builds(tmp_path):
    app_dir = shutil.copytree(PROBE_APP, tmp_path / "probe")
    bundle = build_app_bundle(app_dir)
    assert bundle.content == build_fab_from_disk(app_dir)
    assert bundle.sha256 == hashlib.sha256(bundle.content).hexdigest()
    assert bundle.settings == {"mode", "nodes", "phases", "answers"}


def test_a_folder_without_an_app_is_refused(tmp_path):
    with pytest.raises(WrongUse, match="holds no Flower app"):
        build_app_bundle(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    with pytest.raises(WrongUse, match="holds no Flower app"):
        build_app_bundle(tmp_path)
