"""Requests that hold, and every entry of one changed."""

import json
from pathlib import Path

import pytest

from common.account import random_account
from common.errors import WrongUse
from launch.join_request import read_request, write_request
from launch.node_keys import load_node_key, load_or_create_node_key


def write(folder: Path, name: str = "carol") -> Path:
    load_or_create_node_key(folder)
    path = folder / "request.json"
    write_request(path, "cinema", name, random_account(), load_node_key(folder))
    return path


def test_a_request_that_is_written_is_read_and_holds_no_secret(tmp_path):
    path = write(tmp_path)
    request = read_request(path)
    assert (request.federation, request.node.name) == ("cinema", "carol")
    assert request.node.node_public_key.encode() == load_or_create_node_key(tmp_path)
    assert "PRIVATE" not in path.read_text()


@pytest.mark.parametrize(
    "entry", ["federation", "name", "account", "node_public_key", "account_signature", "node_signature"]
)
def test_an_entry_of_another_request_is_noticed(tmp_path, entry):
    path = write(tmp_path / "a")
    record, other = json.loads(path.read_text()), json.loads(write(tmp_path / "b", "bob").read_text())
    other["federation"] = "theatre"
    path.write_text(json.dumps(record | {entry: other[entry]}))
    with pytest.raises(WrongUse, match=r"has not signed it|is no request of"):
        read_request(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": 1}', "x" * 20_000])
def test_what_is_no_request_is_refused_in_a_sentence(tmp_path, text):
    path = tmp_path / "request.json"
    path.write_text(text)
    with pytest.raises(WrongUse, match=r"is no request of `tfedrs join`"):
        read_request(path)
