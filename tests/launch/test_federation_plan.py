from pathlib import Path

import pytest

from common.errors import WrongUse
from launch.federation_plan import EXAMPLE, load_plan

GOOD = 'name = "cinema"\naddress = "fed.example.org"\nparticipants = ["alice", "bob"]\n'


def plan_of(tmp_path: Path, text: str):
    path = tmp_path / "federation.toml"
    path.write_text(text)
    return load_plan(path)


def test_the_example_of_the_help_is_a_plan(tmp_path):
    plan = plan_of(tmp_path, EXAMPLE)
    assert plan.everybody == ("alice", "bob", "carol")
    assert (plan.settings.clients, plan.settings.rounds) == (3, 5)
    assert plan.public_address == "fed.example.org:9443"


def test_what_is_left_out_has_a_default(tmp_path):
    plan = plan_of(tmp_path, GOOD)
    assert (plan.port, plan.chain, plan.own_keys) == (9443, "embedded", ())


def test_an_ipv6_address_is_written_in_brackets(tmp_path):
    assert plan_of(tmp_path, GOOD.replace("fed.example.org", "fd00::1")).public_address == "[fd00::1]:9443"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ('color = "red"', "'color' is no key"),
        ("port = 0", "port = 0 must be a number from 1 to 65535"),
        ('port = "9443"', "port = '9443' must be"),
        ('listen = "eth0"', "listen = 'eth0' is no IP address"),
        ('chain = "memory"', "chain = 'memory' must be embedded, anvil or a URL"),
        ('own_keys = ["alice"]', "nobody twice"),
        ('own_keys = ["../x"]', r"the name '\.\./x' must be of small letters"),
        ('own_keys = "alice"', "own_keys must be a list"),
        ("[settings]\nclients = 3", "'clients' is no key of"),
        ("[settings]\nrounds = 0", "rounds"),
        ("name =", "cannot be read"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path, change, sentence):
    with pytest.raises(WrongUse, match=sentence):
        plan_of(tmp_path, GOOD + change)


def test_an_address_that_is_none_and_a_lone_participant_are_refused(tmp_path):
    with pytest.raises(WrongUse, match="neither a host name nor an IP address"):
        plan_of(tmp_path, GOOD.replace("fed.example.org", "fed.example.org:9443/x"))
    with pytest.raises(WrongUse, match="at least two"):
        plan_of(tmp_path, GOOD.replace(', "bob"', ""))
