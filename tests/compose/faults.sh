# Sourced by run.sh: what is done to the services, and what must be true afterwards.

# Every process in a service's container ends at once, as when the machine's memory runs out; Docker is not told, so
# that its restart policy, and nothing else, brings the container back.
kill_inside() {
  compose exec -T --index "${2:-1}" "$1" sh -c 'kill -KILL -1' >/dev/null 2>&1 || true
}

restarts() { docker inspect --format '{{.RestartCount}}' "$COMPOSE_PROJECT_NAME-$1-${2:-1}"; }

# Service, replica, restart count before.
came_back() {
  local began=$SECONDS container=$COMPOSE_PROJECT_NAME-$1-$2
  until [ "$(restarts "$1" "$2")" -gt "$3" ] &&
    [ "$(docker inspect --format '{{.State.Health.Status}}' "$container")" = healthy ]; do
    [ $((SECONDS - began)) -lt 240 ] || fail "$1 does not come back"
    sleep 1
  done
  say "    it is healthy again after $((SECONDS - began)) s"
}

# Run number: of how many clients each settled round heard. Read where the report lies, so that a coordinator that is
# down just now does not matter.
heard() {
  docker cp "$COMPOSE_PROJECT_NAME-coordinator-1:/srv/tfedrs/record/runs/$1/report.json" - 2>/dev/null | tar -xO 2>/dev/null |
    "$PYTHON" -c 'import json, sys; print(*(row["participants"] for row in json.load(sys.stdin)["rounds"]))' 2>/dev/null ||
    true
}

rounds_of() { heard "$1" | wc -w; }

begin_run() {  # run number, rounds
  RUN=$1 ROUNDS_OF_RUN=$2
  train --rounds "$2" &
  TRAINING=$!
}

training() { kill -0 "$TRAINING" 2>/dev/null; }

# Whatever was done to the run: it goes on, or it has ended with a sentence and is taken up again as the sentence says.
resume_if_ended() {
  training && return 0
  wait "$TRAINING" && return 0
  local sentence
  sentence=$(tail -n 1 "$WORK/train.log")
  [[ $sentence == tfedrs:*"--resume $RUN"* ]] || { tail "$WORK/train.log"; fail "run $RUN ends without a sentence"; }
  say "    ${sentence:8:100}..."
  compose up --detach --wait >>"$WORK/up.log" 2>&1 || fail "the services do not become healthy"
  train --resume "$RUN" &
  TRAINING=$!
}

more_rounds_than() {  # number
  local began=$SECONDS
  until [ "$(rounds_of "$RUN")" -gt "$1" ]; do
    resume_if_ended
    [ $((SECONDS - began)) -lt 400 ] || fail "run $RUN does not settle round $(($1 + 1))"
    sleep 1
  done
}

# A settlement has just been seen, so the round after it is young; a round takes more than the seconds that are waited.
# Leaves in SETTLED how many rounds came before it.
middle_of_a_round() {
  more_rounds_than "$(rounds_of "$RUN")"
  sleep 2
  SETTLED=$(rounds_of "$RUN")
  training && [ "$SETTLED" -lt "$ROUNDS_OF_RUN" ] || fail "run $RUN is over before it could be hit"
}

until_heard() {  # by how many clients a round was heard, the rounds before it, what that means
  local began=$SECONDS
  until heard "$RUN" | tr ' ' '\n' | tail -n +$(($2 + 1)) | grep -qx "$1"; do
    training || fail "run $RUN is over before $3: $(heard "$RUN")"
    [ $((SECONDS - began)) -lt 400 ] || fail "not within 400 s: $3: $(heard "$RUN")"
    sleep 1
  done
  say "    after $((SECONDS - began)) s $3"
}

run_ends() {
  wait "$TRAINING" || { tail -n 5 "$WORK/train.log"; fail "run $RUN does not end well"; }
  verified "$RUN" "$ROUNDS_OF_RUN"
}

claimed_folders() {
  compose logs --no-color --no-log-prefix client | grep -o 'This replica is client-[0-9]*' | sort -u | wc -l
}

check_hardening() {
  local container published
  for container in $(compose ps --quiet); do
    [ "$(docker exec "$container" id -u)" -ne 0 ] || fail "a service runs as root"
    docker exec "$container" sh -c 'touch /opt/tfedrs/x' 2>/dev/null && fail "a service can write to its image"
  done
  published=$(compose ps --format '{{.Ports}}' | grep -o '[0-9.:]*->' | grep -v '^127\.0\.0\.1:' || true)
  [ -z "$published" ] || fail "a port is published beyond this machine: $published"
  compose exec -T client sh -c 'ls /srv/tfedrs/coordinator/account.json' >/dev/null 2>&1 &&
    fail "a client sees the coordinator's key"
  say "no root, read-only images, ports on 127.0.0.1 only"
}

check_claimed_folders() {
  [ "$(claimed_folders)" -eq "$CLIENTS" ] || fail "$CLIENTS replicas hold $(claimed_folders) folders"
  say "$CLIENTS replicas hold $CLIENTS different folders"
}

check_logs() {
  compose logs --no-color 2>&1 | sed 's/\x1b\[2K//' >"$WORK/logs"  # Compose itself clears lines
  grep -q 'Run 1: round 3 is settled' "$WORK/logs" || fail "the coordinator's log does not tell how run 1 went"
  ! grep -q $'\x1b\[[0-9;]*m' "$WORK/logs" || fail "there are colours in the log"
  say "the log of run 1 has $(wc -l <"$WORK/logs") lines: $(cut -d '|' -f 1 "$WORK/logs" | sort | uniq -c | tr -s ' \n' ' ')"
}

# The clients, one after the other; a quorum of two is left each time.
fault_clients() {
  local before network=${COMPOSE_PROJECT_NAME}_federation
  begin_run 2 12
  middle_of_a_round
  docker network disconnect "$network" "$COMPOSE_PROJECT_NAME-client-2"
  say "client-2 is cut off in the middle of round $((SETTLED + 1))"
  until_heard 2 "$SETTLED" "a round is settled without it"
  docker network connect "$network" "$COMPOSE_PROJECT_NAME-client-2"
  say "client-2 is let back"
  until_heard 3 "$(rounds_of 2)" "a round with it is settled"
  middle_of_a_round
  say "client-1 is killed in the middle of round $((SETTLED + 1))"
  before=$(restarts client 1)
  kill_inside client 1
  came_back client 1 "$before"
  until_heard 3 "$((SETTLED + 1))" "a later round with it is settled"
  run_ends
  say "clients heard in each round: $(heard 2)"
}

# Each of the others in the middle of a round of one run, which must have all of its rounds in the end.
fault_services() {
  local service before killed
  begin_run 3 9
  for service in chain superlink coordinator; do
    middle_of_a_round
    say "$service is killed in the middle of round $((SETTLED + 1)) of run 3"
    killed=$SECONDS
    before=$(restarts "$service")
    kill_inside "$service"
    came_back "$service" 1 "$before"
    more_rounds_than "$SETTLED"
    say "    the round is settled $((SECONDS - killed)) s after the kill"
  done
  run_ends
}

fault_other_settings_are_refused() {
  local code=0
  compose run --rm -T --no-deps prepare prepare --clients=4 >"$WORK/refused.log" 2>&1 || code=$?
  [ "$code" -eq 2 ] && grep -q '^tfedrs: ' "$WORK/refused.log" || fail "another number of clients is not refused"
  say "$(grep '^tfedrs: ' "$WORK/refused.log")"
}

# The federation is what its volumes hold: chain, contracts, accounts, runs. Another model's run goes on from there.
down_and_up() {
  cp -r "$WORK/record" "$WORK/before"
  compose down --timeout 20 >>"$WORK/up.log" 2>&1
  [ -z "$(docker ps --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME")" ] ||
    fail "containers are left after down"
  say "docker compose down"
  compose up --detach --wait >>"$WORK/up.log" 2>&1 || fail "the services do not come up again"
  say "docker compose up: all services are healthy again"
  verified 1 3
  train --rounds 1 --model ncf --warm-start-rounds 0 || { tail -n 5 "$WORK/train.log"; fail "run 4 does not end well"; }
  verified 4 1
  "$PYTHON" tests/cumulated.py "$WORK/before" 3 "$WORK/record" 4 || fail "rewards do not add up"
  say "rewards of run 4, of another model, add up with those of run 3"
}

# A participant collects what it earned in all runs, once, when the challenge window of an hour is over.
check_claim() {
  local code=0 claim=(compose run --rm -T claim --run record/runs/5 --account clients/client-01 --json)
  "${claim[@]}" >"$WORK/claim.json" 2>"$WORK/claim.log" || code=$?
  [ "$code" -eq 1 ] && grep -q '^tfedrs: .*NotYetClaimable' "$WORK/claim.log" ||
    { cat "$WORK/claim.log"; fail "a claim in the challenge window ends with $code"; }
  "$PYTHON" - "http://127.0.0.1:$CHAIN_PORT" <<'END'
import sys
from launch.json_rpc import request
request(sys.argv[1], "evm_increaseTime", 3660)
request(sys.argv[1], "evm_mine")
END
  "${claim[@]}" >"$WORK/claim.json" 2>"$WORK/claim.log" || { tail -n 3 "$WORK/claim.log"; fail "client-01 cannot claim"; }
  "${claim[@]}" >"$WORK/again.json" 2>"$WORK/claim.log" || { tail -n 3 "$WORK/claim.log"; fail "a second claim ends badly"; }
  "$PYTHON" - "$WORK/claim.json" "$WORK/again.json" <<'END' || fail "other amounts are claimed than were earned"
import json, sys
first, again = (json.load(open(path)) for path in sys.argv[1:])
sys.exit(not int(first["claimed_wei"]) == int(first["cumulative_wei"]) == int(again["balance_wei"]) > 0 == int(again["claimed_wei"]))
END
  say "client-01 has collected what it earned in five runs, once"
}
