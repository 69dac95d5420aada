import pytest
from flwr.app import Context, Message, RecordDict

from client.app import CLIENT_DIR, build_app
from common.errors import WrongUse
from common.wire import RoundTask, read_metrics, train_content
from launch.in_process_grid import InProcessGrid
from tests.small_federation import SmallFederation


def context_of(node_config: dict[str, str | float]) -> Context:
    return Context(run_id=1, node_id=2, node_config=node_config, state=RecordDict(), run_config={})


@pytest.fixture
def message(small: SmallFederation, task: RoundTask) -> Message:
    InProcessGrid(build_app(), small.client_dirs, on_reply=lambda: None)  # messages can be made only beside a grid
    return Message(train_content(task), dst_node_id=2, message_type="evaluate")


@pytest.mark.parametrize("node_config", [{}, {CLIENT_DIR: 1.0}])
def test_a_node_without_a_folder_says_how_to_name_it(message: Message, node_config: dict[str, str | float]) -> None:
    with pytest.raises(WrongUse, match="Start the SuperNode with --node-config 'client-dir="):
        build_app()(message, context_of(node_config))


def test_a_node_answers_from_the_folder_that_its_config_names(message: Message, small: SmallFederation) -> None:
    reply = build_app()(message, context_of({CLIENT_DIR: str(small.client_dirs[1])}))
    assert read_metrics(reply.content)["test_users"] == 10


def test_a_folder_that_is_not_there_is_one_sentence(message: Message, small: SmallFederation) -> None:
    missing = str(small.client_dirs[1] / "nowhere")
    with pytest.raises(WrongUse, match="nowhere"):
        build_app()(message, context_of({CLIENT_DIR: missing}))
