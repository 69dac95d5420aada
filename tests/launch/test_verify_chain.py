"""A node that alters one of its answers: verification finds it, or it says nothing that is verified."""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.account import development_account
from common.errors import EnvironmentFailure, TfedrsError, WrongUse
from contracts.deployment import Deployment
from launch.chain_choice import open_chain
from launch.federation_on_chain import open_ledger
from server.chain import ChainLedger
from server.federation import DEPLOYMENT_FILE
from server.replay.mismatch import Mismatch
from server.replay.run import Verified
from tests.launch.altering_proxy import AlteringProxy, altering_proxy
from tests.server.replay.recorded_run import RecordedRun
from tests.small_federation import prepare

OPENING, EARNED, ROUND_1, ROUND_2, ROUND_3 = range(5)  # the requests for events, in order
OPENED, COMMITTED, SETTLED = range(3)  # the events of a round
_WORD = 64  # hex digits


@dataclass(frozen=True)
class OnChain:
    """A run on an embedded chain, seen through a proxy."""

    run: RecordedRun
    url: str
    proxy: AlteringProxy
    deployment: Deployment

    def verify(self) -> Verified:
        """Verify the public part, from the connection to the chain on."""
        return replace(self.run, ledger=ChainLedger(self.url, self.deployment)).verify(restricted=False)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnChain]:
    folder = tmp_path_factory.mktemp("on-chain")
    small = prepare(folder / "participants")
    coordinator = folder / "run" / "coordinator"
    payer = development_account(small.settings.seed, 0)
    with open_chain("embedded", folder / "run" / "chain") as endpoint:
        ledger = open_ledger(endpoint, small.settings, payer, small.accounts, None, coordinator)
        run = RecordedRun.of(small, small.play(folder / "run", ledger))
        with altering_proxy(endpoint.url) as (url, proxy):
            yield OnChain(run, url, proxy, Deployment.load(coordinator / DEPLOYMENT_FILE))


def other_digit(text: str, place: int) -> str:
    digit = "0" if text[place] != "0" else "1"
    return text[:place] + digit + text[place + 1 :]


def in_event(number: int, change: Callable[[dict[str, Any]], object]) -> Callable[[Any], Any]:
    def alter(events: Any) -> Any:
        altered = copy.deepcopy(events)
        change(altered[number])
        return altered

    return alter


def in_data(number: int, word: int) -> Callable[[Any], Any]:
    """Alter a digit in one word of an event's data."""
    place = len("0x") + _WORD * (word + 1) - 1
    return in_event(number, lambda event: event.update(data=other_digit(event["data"], place)))


def without(number: int) -> Callable[[Any], Any]:
    return lambda events: events[:number] + events[number + 1 :]


def block_moved(by: int) -> Callable[[Any], Any]:
    return lambda receipt: receipt | {"blockNumber": hex(int(receipt["blockNumber"], 16) + by)}


HONEST = Verified(
    rounds=2,
    signatures=2 * (5 + 5 * 3),
    on_ledger=2,
    unchecked=["scores, gates and models, because only the public part was asked for"],
)


def test_an_unaltered_chain_verifies(chain: OnChain) -> None:
    chain.proxy.let_pass()
    assert chain.verify() == HONEST


_HASHES = "do not hash to what the contract stores"
_UNASKED = "an event that it was not asked for"


@pytest.mark.parametrize(
    ("request_number", "alter", "server_round", "words"),
    [
        *((OPENING, in_data(0, word), None, "does not hash to what the contract stores") for word in range(4)),
        (OPENING, without(0), None, "does not show the events of round 0"),
        (ROUND_1, in_data(OPENED, 0), 1, _HASHES),  # the model
        (ROUND_1, in_data(COMMITTED, 0), 1, _HASHES),
        (ROUND_1, in_data(SETTLED, 0), 1, "settlement 0 promises other rewards"),  # the number
        *((ROUND_1, in_data(SETTLED, word), 1, _HASHES) for word in range(1, 6)),
        *((ROUND_2, in_data(SETTLED, word), 2, _HASHES) for word in range(1, 6)),
        (ROUND_2, in_data(SETTLED, 0), 2, "settlement 0 promises other rewards"),
        *((ROUND_2, without(step), 2, _HASHES) for step in (COMMITTED, SETTLED)),
        (ROUND_2, without(OPENED), 2, "does not show the events of round 2"),
        (ROUND_2, lambda events: [], 2, "does not show the events of round 2"),
        (ROUND_1, in_event(OPENED, lambda event: event.update(address="0x" + "11" * 20)), 1, _UNASKED),
        (ROUND_1, in_event(OPENED, lambda event: event.update(topics=[])), 1, _UNASKED),
        *(
            (
                ROUND_1,
                in_event(SETTLED, lambda event, topic=topic: event["topics"].__setitem__(topic, "0x" + "11" * 32)),
                1,
                _UNASKED,
            )
            for topic in range(3)
        ),
        (ROUND_1, in_event(SETTLED, lambda event: event.update(blockNumber="0xff")), 1, "two places for transaction"),
    ],
)
def test_altered_events_are_found(
    chain: OnChain, request_number: int, alter: Callable[[Any], Any], server_round: int | None, words: str
) -> None:
    chain.proxy.alter_answer("eth_getLogs", request_number, alter)
    with pytest.raises(Mismatch, match=words) as found:
        chain.verify()
    assert chain.proxy.altered
    assert found.value.server_round == server_round
    assert "ledger" in found.value.field


def test_a_hash_of_the_contract_that_is_altered_is_found(chain: OnChain) -> None:
    chain.proxy.alter_answer("eth_call", 10**6, lambda result: result)
    chain.verify()
    calls = chain.proxy.count
    assert calls == 1 + 2 + 2 * 3 + 1  # opening; what was earned before; per round two hashes and a root; the end
    for number in range(calls):  # a digit of the first word: rewardsOf also tells when claims open
        chain.proxy.alter_answer("eth_call", number, lambda result: other_digit(result, 10))
        with pytest.raises(Mismatch, match=r"ledger: ") as found:
            chain.verify()
        assert chain.proxy.altered
        assert found.value.server_round in (None, 1, 2, 3)


def test_a_receipt_of_another_block_is_found(chain: OnChain) -> None:
    for number in range(1 + 3 + 2 * 3):  # the run's opening; round 1 is asked for twice
        chain.proxy.alter_answer("eth_getTransactionReceipt", number, block_moved((-1, 1)[number % 2]))
        with pytest.raises(Mismatch, match="two places for transaction"):
            chain.verify()


def test_the_gas_of_a_receipt_is_nothing_that_is_verified(chain: OnChain) -> None:
    chain.proxy.alter_answer("eth_getTransactionReceipt", 2, lambda receipt: receipt | {"gasUsed": "0x1"})
    assert chain.verify().on_ledger == 2
    assert chain.proxy.altered


def test_a_transaction_that_the_node_does_not_know_is_found(chain: OnChain) -> None:
    chain.proxy.alter_answer("eth_getTransactionReceipt", 1, lambda receipt: None)
    with pytest.raises(EnvironmentFailure, match=r"rejected eth_getTransactionReceipt .* not found"):
        chain.verify()


def test_another_chain_id_is_found(chain: OnChain) -> None:
    chain.proxy.alter_answer("eth_chainId", 0, lambda result: "0x1")
    with pytest.raises(WrongUse, match="has id 1, but the contracts were deployed on chain 31337"):
        chain.verify()
    chain.proxy.alter_answer("eth_chainId", 1, lambda result: "0x1")
    with pytest.raises(Mismatch, match=r"^Round 1, domain\.chain_id: it is 31337 and must be 1\."):
        chain.verify()


@pytest.mark.parametrize("number", range(3))
def test_contracts_that_are_not_there_are_missed(chain: OnChain, number: int) -> None:
    chain.proxy.alter_answer("eth_getCode", number, lambda result: "0x")
    with pytest.raises(EnvironmentFailure, match="has no "):
        chain.verify()


def _digits(result: Any) -> list[int]:
    """The places of hexadecimal digits in the JSON of a result."""
    text = json.dumps(result)
    return [
        place
        for start in range(len(text))
        if text.startswith('"0x', start)
        for place in range(start + 3, text.index('"', start + 1))
    ]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(request_number=st.integers(0, 45), where=st.floats(0, 1, exclude_max=True))
def test_a_random_digit_of_a_random_answer_is_found_or_says_nothing(
    chain: OnChain, request_number: int, where: float
) -> None:
    """Whatever is altered, the outcome is that of the honest chain or an error in one sentence."""

    def alter(result: Any) -> Any:
        places = _digits(result)
        if not places:
            return result
        altered: Any = json.loads(other_digit(json.dumps(result), places[int(where * len(places))]))
        return altered

    chain.proxy.alter_answer("", request_number, alter)
    try:
        assert chain.verify() == HONEST
    except TfedrsError as error:
        assert chain.proxy.altered
        assert str(error).endswith(".")
