# Sourced by run.sh: a provisioned federation, each participant started by the compose.yml that lies in its folder.
#
# The coordinator runs here, on the address of the bridge that containers reach. test-carol makes its keys and cuts its
# own data in its container, so nothing but the image is on its machine.

COORDINATING=""
PARTICIPANTS=(test-alice test-bob test-carol)

# As it is typed in a participant's folder, without what this script sets for docker-compose.yml.
at() {
  local name=$1
  shift
  (cd "$WORK/machines/$name" && env -u COMPOSE_PROJECT_NAME -u COMPOSE_ENV_FILES docker compose --file compose.yml "$@")
}

end_participants() {
  local name
  for name in "${PARTICIPANTS[@]}"; do
    [ ! -e "$WORK/machines/$name/compose.yml" ] || at "$name" down --timeout 5 >/dev/null 2>&1 || true
  done
  [ -z "$COORDINATING" ] || { kill "$COORDINATING" 2>/dev/null && wait "$COORDINATING" 2>/dev/null; } || true
  COORDINATING=""
}

appears() {  # a text, a command that prints, seconds
  local began=$SECONDS
  until "${@:3}" 2>/dev/null | grep -qF -- "$1"; do
    [ $((SECONDS - began)) -lt "$2" ] || { "${@:3}" | tail -n 5; fail "not within $2 s: $1"; }
    sleep 0.5
  done
}

# This machine's address as containers reach it; an engine does not always tell the one of its bridge.
gateway() {
  docker run --rm --entrypoint python "$TFEDRS_IMAGE" -c '
import socket
for line in open("/proc/net/route").readlines()[1:]:
    destination, address = line.split()[1:3]
    if destination == "00000000":
        print(socket.inet_ntoa(bytes.fromhex(address)[::-1]))'
}

provision_participants() {
  local home=$1 address port
  address=$(gateway) && [ -n "$address" ] || fail "containers have no way to this machine"
  port=$("$PYTHON" -c 'from launch.processes import free_ports; print(*free_ports(1))')
  "$PYTHON" - "$WORK" <<'END_OF_DATA'
import sys
from pathlib import Path
from tests.launch.small_data import USERS, write_small_csv
work = Path(sys.argv[1])
write_small_csv(work / "ratings.csv")
header, *lines = write_small_csv(work / "own.csv", 2 * USERS).read_text().splitlines()
own = [line for line in lines if int(line.split(",")[0][1:]) >= USERS]  # users whom the plan's data set does not have
(work / "own.csv").write_text("\n".join([header, *own, "u99,unheard-of,5,1"]) + "\n")
END_OF_DATA
  cat >"$WORK/federation.toml" <<END_OF_PLAN
name = "cinema"
address = "$address"
listen = "$address"
port = $port
participants = ["test-alice", "test-bob"]
own_keys = ["test-carol"]
own_data = ["test-carol"]
[settings]
dataset = "csv:$WORK/ratings.csv"
csv-columns = "user=user,item=item,rating=stars,timestamp=when"
rounds = 2
factors = 4
probe-pairs = 20
phase-timeout = 90.0
END_OF_PLAN
  "$PYTHON" -m launch.cli provision "$WORK/federation.toml" --out "$home" >"$WORK/provision.log" 2>&1 ||
    { tail -n 3 "$WORK/provision.log"; fail "the participants' federation cannot be provisioned"; }
  mkdir "$WORK/machines"
  mv "$home"/participants/* "$WORK/machines/"
}

# Each folder belongs to whoever has that machine: root has the first, ordinary users the others, where root can say so.
hand_over() {
  local name owner=20000
  for name in "${PARTICIPANTS[@]:1}"; do
    [ "$(id -u)" -ne 0 ] || chown -R $((owner += 1)):$owner "$WORK/machines/$name"
  done
  at test-alice up --detach >"$WORK/participants.log" 2>&1 && fail "a participant starts without knowing as whom"
  grep -q 'write TFEDRS_USER=' "$WORK/participants.log" || { cat "$WORK/participants.log"; fail "compose does not ask as whom"; }
  for name in "${PARTICIPANTS[@]}"; do
    (cd "$WORK/machines/$name" && echo "TFEDRS_USER=$(stat -c %u:%g .)" >.env)
  done
}

carol_prepares() {
  local carol=$WORK/machines/test-carol
  cp "$WORK/own.csv" "$carol/ratings.csv"
  chown --reference="$carol" "$carol/ratings.csv"
  at test-carol run --rm -T participant join . >"$WORK/participants.log" 2>&1 ||
    { cat "$WORK/participants.log"; fail "test-carol cannot make its keys in its container"; }
  at test-carol run --rm -T participant participate . >"$WORK/participants.log" 2>&1 && fail "test-carol starts without data"
  grep -q '^tfedrs: .*prepare-data' "$WORK/participants.log" ||
    { cat "$WORK/participants.log"; fail "a participant without data is not told how to bring them"; }
  at test-carol run --rm -T participant prepare-data . --csv ratings.csv \
    --csv-columns user=user,item=item,rating=stars,timestamp=when >"$WORK/participants.log" 2>&1 ||
    { cat "$WORK/participants.log"; fail "test-carol cannot cut its data in its container"; }
  [ "$(stat -c %a:%u "$carol/data.npz")" = "600:$(stat -c %u "$carol")" ] || fail "test-carol's data are not its own alone"
  "$PYTHON" -m launch.cli admit "$1/coordinator" "$carol/request.json" >/dev/null 2>&1 || fail "test-carol is not admitted"
}

train_participants() {
  local home=$1 bin status=""
  bin=$(cd "$(dirname "$PYTHON")" && pwd)
  export FLWR_HOME=$home/served/flower/cli FLWR_TELEMETRY_ENABLED=0 FLWR_DISABLE_UPDATE_CHECK=1
  "$bin/flwr" run . local >"$WORK/flwr.log" 2>&1 || { tail -n 5 "$WORK/flwr.log"; fail "the run is not taken"; }
  for _ in $(seq 120); do
    status=$("$bin/flwr" list local --format json |
      "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["runs"][0]["status"])')
    case $status in finished*) break ;; esac
    sleep 1
  done
  [ "$status" = finished:completed ] || { tail -n 5 "$home/served/logs/superlink.log"; fail "the run ended as $status"; }
  unset FLWR_HOME
  "$PYTHON" -m launch.cli verify "$home/runs/1" >"$WORK/verify.log" 2>&1 || { cat "$WORK/verify.log"; fail "it does not verify"; }
  "$PYTHON" - "$home/runs/1/report.json" <<'END_OF_CHECK' || fail "not every participant was heard and settled in each round"
import json, sys
report = json.load(open(sys.argv[1]))
heard = [row["participants"] for row in report["rounds"]]
sys.exit(heard != [3, 3] or report["ledger"]["settled_rounds"] != 2)
END_OF_CHECK
}

participants_take_part() {
  local home=$WORK/cinema name container
  command -v nginx >/dev/null || { say "the participants' compose.yml is not started: the coordinator's nginx is not here"; return 0; }
  provision_participants "$home"
  "$PYTHON" -m launch.cli coordinate "$home/coordinator" >"$WORK/coordinator.log" 2>&1 &
  COORDINATING=$!
  hand_over
  appears "The federation is up and waits" 60 cat "$WORK/coordinator.log"
  carol_prepares "$home"
  appears "test-carol is let in as node" 30 cat "$WORK/coordinator.log"
  say "test-carol made its keys and cut its own data in its container"
  at test-alice run --rm -T participant doctor . >"$WORK/participants.log" 2>&1 ||
    { cat "$WORK/participants.log"; fail "doctor finds something in test-alice's container"; }
  for name in "${PARTICIPANTS[@]}"; do
    at "$name" up --detach >"$WORK/participants.log" 2>&1 || { cat "$WORK/participants.log"; fail "$name does not start"; }
  done
  for name in "${PARTICIPANTS[@]}"; do
    appears "takes part in cinema" 60 at "$name" logs --no-log-prefix
    appears "SuperNode ID" 60 cat "$WORK/machines/$name/work/logs/supernode.log"
  done
  say "three participants run as $(for name in "${PARTICIPANTS[@]}"; do at "$name" exec -T participant id -u; done | tr '\n' ' ')"
  train_participants "$home"
  say "each of them was heard in both rounds, and both were settled: $(head -n 1 "$WORK/verify.log")"
  for name in "${PARTICIPANTS[@]}"; do
    container=$(at "$name" ps --quiet participant)
    at "$name" stop >/dev/null 2>&1
    [ "$(docker inspect --format '{{.State.ExitCode}}' "$container")" -ne 137 ] || fail "$name had to be killed"
  done
  end_participants
  say "they ended by themselves when told to"
}
