# Sourced by run.sh: what is done to the services, and what must be true afterwards.

# Every process in a service's container ends at once, as when the machine's memory runs out; Docker is not told, so
# that its restart policy, and nothing else, brings the container back.
kill_inside() {
  local index=${2:-1}
  compose exec -T --index "$index" "$1" sh -c 'kill -KILL -1' >/dev/null 2>&1 || true
}

restarts() { docker inspect --format '{{.RestartCount}}' "$COMPOSE_PROJECT_NAME-$1-${2:-1}"; }

# Service, replica, restart count before.
came_back() {
  local began=$SECONDS container=$COMPOSE_PROJECT_NAME-$1-$2
  until [ "$(restarts "$1" "$2")" -gt "$3" ] &&
    [ "$(docker inspect --format '{{.State.Health.Status}}' "$container")" = healthy ]; do
    [ $((SECONDS - began)) -lt 120 ] || fail "$1 does not come back"
    sleep 1
  done
  say "$1 was killed and is healthy again after $((SECONDS - began)) s"
}

# Run number, of which `verified` has just copied the record.
heard() {
  "$PYTHON" -c 'import json, sys; print(*(row["participants"] for row in json.load(open(sys.argv[1]))["rounds"]))' \
    "$WORK/record/runs/$1/report.json"
}

# Run number, round. The coordinator's own log says so.
settled() {
  local began=$SECONDS
  until compose logs --no-color --no-log-prefix coordinator 2>/dev/null | grep -q "Run $1: round $2 is settled"; do
    [ $((SECONDS - began)) -lt 240 ] || fail "run $1 does not settle round $2"
    sleep 1
  done
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

check_claims() {
  [ "$(claimed_folders)" -eq "$CLIENTS" ] || fail "$CLIENTS replicas hold $(claimed_folders) folders"
  say "$CLIENTS replicas hold $CLIENTS different folders"
}

# One after the other. TODO: that the cut-off client is heard again is printed at the end, not required.
fault_client_cut_off_and_killed() {
  local before training network=${COMPOSE_PROJECT_NAME}_federation
  train &
  training=$!
  settled 2 1
  docker network disconnect "$network" "$COMPOSE_PROJECT_NAME-client-2"
  say "client-2 is cut off the network during a run"
  settled 2 2
  docker network connect "$network" "$COMPOSE_PROJECT_NAME-client-2"
  say "round 2 is settled without it; client-2 is back on the network"
  before=$(restarts client 1)
  kill_inside client 1
  came_back client 1 "$before"
  wait "$training" || { tail -n 5 "$WORK/train.log"; fail "the run with a cut-off and a killed client does not end"; }
  verified 2 3
  say "clients heard in each round: $(heard 2)"
}

# Every service ends once. A run that ends with it goes on from its checkpoint, and all of its rounds are on the ledger.
# TODO: a run that survives one kill is waited for to its end, so the services killed after that one are killed idle.
fault_services_killed() {
  local service before training round=0
  train --rounds 4 &
  training=$!
  for service in chain superlink coordinator; do
    round=$((round + 1))
    settled 3 "$round"
    before=$(restarts "$service")
    kill_inside "$service"
    came_back "$service" 1 "$before"
    if ! wait "$training"; then
      say "$(grep '^tfedrs: ' "$WORK/train.log" | tail -n 1 | cut -c 1-120)..."
      compose up --detach --wait >>"$WORK/up.log" 2>&1 || fail "the services are not healthy after the end of $service"
      train --resume 3 &
      training=$!
    fi
  done
  wait "$training" || { tail -n 5 "$WORK/train.log"; fail "run 3 does not end"; }
  verified 3 4
}

fault_other_settings_are_refused() {
  local code=0
  compose run --rm -T --no-deps prepare prepare --clients=4 >"$WORK/refused.log" 2>&1 || code=$?
  [ "$code" -eq 2 ] && grep -q '^tfedrs: ' "$WORK/refused.log" || fail "another number of clients is not refused"
  say "$(grep '^tfedrs: ' "$WORK/refused.log")"
}
