"""Files of a participant's folder, and data sets."""

import shutil
from pathlib import Path

import numpy as np

from client.carried_rows import CARRIED_FILE, load_carried
from client.personalisation import Personal, load_personal, save_personal
from client.state import STATE_FILE, ClientState
from client.store import AVAILABILITY_FILE, DATA_FILE, PERSONAL_FILE, USER_VECTORS_FILE, ParticipantFolder
from client.user_vectors import UserVectors
from common.account import KEYSTORE_FILE, load_account
from common.data.amazon import load_amazon_appliances
from common.data.catalogue import Catalogue
from common.data.client_part import ClientPart
from common.data.filmtrust import load_filmtrust
from common.data.movielens_csv import load_movielens_csv
from common.data.named_csv import CsvColumns, load_named_csv
from common.data.probe import PROBE_FILE, load_probe_pool
from common.declaration import load_declaration
from contracts.deployment import Deployment
from launch.join_request import read_request, write_request
from launch.node_keys import NODE_KEY_FILE, load_node_key, load_or_create_node_key
from launch.participant_folder import PARTICIPANT_FILE, Participant
from tests.fuzz.corpora import RUN_ID, Corpora
from tests.fuzz.decoder import Decoder, file_decoder
from tests.fuzz.mutations import (
    mutated_arrays,
    mutated_bytes,
    mutated_csv,
    mutated_json,
    mutated_lines,
    mutated_toml,
)

_RATINGS = "userId,movieId,rating,timestamp\n" + "".join(
    f"{user},{item},{0.5 * (1 + item % 9)},{1_000_000 + item}\n" for user in range(1, 6) for item in range(user, 12)
)
_MOVIES = 'movieId,title,genres\n1,"One, The (1999)",Action|Drama\n' + "".join(
    f"{item},Title {item} (2000),(no genres listed)\n" for item in range(2, 12)
)

_UPDATE = {"row_ids": np.array([1, 5, 7], np.uint32), "residual": np.zeros((3, 4), np.float32)}


def participants_files(corpora: Corpora, scratch: Path) -> list[Decoder]:
    participant = corpora.participant
    folder = scratch / "participant"
    shutil.copytree(participant, folder)
    data, pool, catalogue = folder / DATA_FILE, folder / PROBE_FILE, folder / "catalogue.json"
    load_or_create_node_key(folder)
    Participant("carol", "cinema", "fed.example.org:9443", ("ab" * 32,)).save(folder)
    request, deployment = folder / "request.json", folder / "deployment.json"
    requests = []
    for name in ("carol", "dave"):
        write_request(request, "cinema", name, corpora.federation.accounts[0], load_node_key(folder))
        requests.append(request.read_bytes())
    addresses = [account.address for account in corpora.federation.accounts[:3]]
    Deployment(31337, *addresses, 5).save(deployment)
    reply_folder = _saved_reply(corpora, folder)
    vectors, availability = folder / USER_VECTORS_FILE, folder / AVAILABILITY_FILE
    UserVectors("ab" * 32, np.ones((3, 4), np.float32)).save(vectors)
    personal = folder / PERSONAL_FILE
    own = np.ones((3, 4), np.float32)
    save_personal(personal, "ab" * 32, Personal("all", 0.5, {"item_factors": own, "steps": np.ones(1, np.int64)}, own))
    keystore = folder / KEYSTORE_FILE
    return [
        file_decoder(
            data,
            (
                "common.data.client_part:ClientPart.load",
                "common.data.array_file:load_arrays",
                "common.data.user_items:UserItems.from_arrays",
            ),
            [(one / DATA_FILE).read_bytes() for one in corpora.federation.client_dirs[:2]],
            mutated_arrays,
            lambda: ClientPart.load(data),
        ),
        file_decoder(
            pool,
            ("common.data.probe:load_probe_pool",),
            [pool.read_bytes()],
            mutated_arrays,
            lambda: [shard.digest() for shard in load_probe_pool(pool)],
        ),
        file_decoder(
            catalogue,
            ("common.data.catalogue:Catalogue.load", "common.bounded_json:parse_json"),
            [catalogue.read_bytes(), b'{"item_ids":["a","b"],"titles":["A","B"]}'],
            mutated_json,
            lambda: Catalogue.load(catalogue).digest(),
        ),
        file_decoder(
            keystore,
            ("common.account:load_account",),
            [keystore.read_bytes()],
            mutated_json,
            lambda: load_account(folder),
            # what common/account.py allows: 512 MiB of scrypt
            most_seconds=30.0,
            base_bytes=600 << 20,
            share=0.2,
        ),
        file_decoder(
            folder / NODE_KEY_FILE,
            ("launch.node_keys:load_node_key", "launch.node_keys:load_or_create_node_key"),
            [(folder / NODE_KEY_FILE).read_bytes()],
            mutated_bytes,
            lambda: (load_node_key(folder), load_or_create_node_key(folder)),
        ),
        file_decoder(
            folder / PARTICIPANT_FILE,
            ("launch.participant_folder:Participant.load",),
            [(folder / PARTICIPANT_FILE).read_bytes()],
            mutated_toml,
            lambda: Participant.load(folder),
        ),
        file_decoder(
            folder / STATE_FILE,
            ("client.state:ClientState.load",),
            [(folder / STATE_FILE).read_bytes(), b'{"format": 0}'],
            mutated_json,
            lambda: ClientState.load(folder),
        ),
        file_decoder(
            vectors,
            ("client.user_vectors:UserVectors.load",),
            [vectors.read_bytes()],
            mutated_arrays,
            lambda: UserVectors.load(vectors, 3),
        ),
        file_decoder(
            personal,
            ("client.personalisation.saved:load_personal",),
            [personal.read_bytes()],
            mutated_arrays,
            lambda: load_personal(personal, 3),
        ),
        file_decoder(
            availability,
            ("common.declaration:load_declaration",),
            [b'hours = ["20:00-06:00", "12:30-13:15"]\nseconds = 60\n', b""],
            mutated_toml,
            lambda: load_declaration(availability),
        ),
        file_decoder(
            request,
            ("launch.join_request:read_request",),
            requests,
            mutated_json,
            lambda: read_request(request),
            base_bytes=8 << 20,
        ),
        file_decoder(
            deployment,
            ("contracts.deployment:Deployment.load",),
            [deployment.read_bytes()],
            mutated_json,
            lambda: Deployment.load(deployment),
        ),
        file_decoder(
            reply_folder / "reply.json",
            ("client.store:ParticipantFolder.saved_reply",),
            [(reply_folder / "reply.json").read_bytes()],
            mutated_json,
            lambda: ParticipantFolder(folder).saved_reply(RUN_ID, 1, corpora.round_task.model_bytes),
        ),
        file_decoder(
            reply_folder / CARRIED_FILE,
            ("client.carried_rows:load_carried",),
            [(reply_folder / CARRIED_FILE).read_bytes()],
            mutated_arrays,
            lambda: load_carried(reply_folder, _UPDATE),
        ),
    ]


def _saved_reply(corpora: Corpora, folder: Path) -> Path:
    unsent = {"residual": np.ones((3, 4), np.float32)}
    model_bytes, reply = corpora.round_task.model_bytes, corpora.train_reply
    ParticipantFolder(folder).save_reply(RUN_ID, 1, model_bytes, reply, _UPDATE, unsent)
    (path,) = (folder / "replies").glob("*/round-0001")
    return path


def data_files(scratch: Path) -> list[Decoder]:
    folder = scratch / "data"
    columns = CsvColumns.parse("user=userId,item=movieId,rating=rating,timestamp=timestamp")
    lines = "".join(f"{user} {item} {item % 4 + 0.5}\n" for user in range(1, 4) for item in range(1, 9)).encode()
    (folder / "movielens").mkdir(parents=True)
    (folder / "movielens" / "ratings.csv").write_text(_RATINGS)
    sources = tuple(
        f"common.data.{name}"
        for name in (
            "source_file:read_source",
            "source_file:read_optional_source",
            "source_file:read_exact_source",
            "named_csv:read_csv_ratings",
            "named_csv:read_csv_records",
        )
    )
    reviews = "".join(
        f'{{"overall": {item % 5 + 1}.0, "reviewerID": "A{user}", "asin": "B{item}", "unixReviewTime": {item}}}\n'
        for user in range(1, 4)
        for item in range(1, 5)
    )
    ratings_alone = "".join(f"B{item},A{user},4.0,{item}\n" for user in range(1, 4) for item in range(1, 5))
    return [
        file_decoder(
            folder / "amazon" / "Appliances_5.json",
            ("common.data.amazon:load_amazon_appliances", "common.data.amazon:read_review_lines"),
            [reviews.encode()],
            mutated_lines,
            lambda: load_amazon_appliances(folder / "amazon"),
            bytes_each=512,
        ),
        file_decoder(
            folder / "amazon-ratings" / "Appliances.csv",
            ("common.data.named_csv:read_headless_csv",),
            [ratings_alone.encode()],
            mutated_csv,
            lambda: load_amazon_appliances(folder / "amazon-ratings"),
            bytes_each=512,
        ),
        file_decoder(
            folder / "own.csv",
            ("common.data.named_csv:load_named_csv", *sources),
            [_RATINGS.encode()],
            mutated_csv,
            lambda: load_named_csv("own", folder / "own.csv", columns),
            bytes_each=512,
        ),
        file_decoder(
            folder / "movielens" / "movies.csv",
            ("common.data.movielens_csv:load_movielens_csv",),
            [_MOVIES.encode()],
            mutated_csv,
            lambda: load_movielens_csv("movielens", folder / "movielens"),
            bytes_each=512,
        ),
        file_decoder(
            folder / "filmtrust" / "ratings.txt",
            ("common.data.filmtrust:load_filmtrust", "common.data.rating_lines:read_rating_lines"),
            [lines],
            mutated_bytes,
            lambda: load_filmtrust(folder / "filmtrust"),
            bytes_each=512,
        ),
    ]
