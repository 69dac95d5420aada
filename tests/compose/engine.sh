# Sourced by run.sh: a Docker engine with Compose v2, the running one or one that is brought up for the test alone.
#
#   bring_up_engine WORK   leaves DOCKER_HOST and DOCKER_CONFIG set as needed; 1 with a sentence in ENGINE_MISSING
#   take_down_engine       ends what bring_up_engine started, and what the kernel still has of it
#
# Bringing one up needs root and Debian's packages. What this machine had before, packages included, stays.

ENGINE_MISSING=""
ENGINE_FOLDER=""

bring_up_engine() {
  local work=$1
  if ! docker info >/dev/null 2>&1; then
    [ "$(id -u)" -eq 0 ] || { ENGINE_MISSING="no Docker engine answers, and only root can start one"; return 1; }
    if ! command -v dockerd >/dev/null || ! command -v iptables >/dev/null; then
      { apt-get update && apt-get install -y --no-install-recommends docker.io iptables; } >"$work/apt.log" 2>&1 ||
        { ENGINE_MISSING="no Docker engine answers, and apt-get cannot install one"; return 1; }
    fi
    start_engine "$work" || return 1
  fi
  docker compose version >/dev/null 2>&1 || fetch_compose "$work" ||
    { ENGINE_MISSING="the Docker engine is here, but Compose v2 is not and cannot be fetched"; return 1; }
}

start_engine() {
  local work=$1
  FORWARDED_BEFORE=$(cat /proc/sys/net/ipv4/ip_forward)
  ENGINE_FOLDER=$work/engine
  mkdir -p "$ENGINE_FOLDER"
  export DOCKER_HOST=unix://$ENGINE_FOLDER/docker.sock
  dockerd --data-root="$ENGINE_FOLDER/data" --exec-root="$ENGINE_FOLDER/exec" --pidfile="$ENGINE_FOLDER/dockerd.pid" \
    -H "$DOCKER_HOST" >"$ENGINE_FOLDER/dockerd.log" 2>&1 &
  ENGINE_PROCESS=$!
  for _ in $(seq 60); do
    docker info >/dev/null 2>&1 && return 0
    kill -0 "$ENGINE_PROCESS" 2>/dev/null || break
    sleep 0.5
  done
  ENGINE_MISSING="no Docker engine answers, and dockerd does not start here ($(tail -n 1 "$ENGINE_FOLDER/dockerd.log"))"
  return 1
}

# Debian 12 has Compose v1 only; the plugins of Debian 13 are static programs, and are unpacked rather than installed.
fetch_compose() {
  local work=$1 apt=$1/apt
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$work/docker-config/cli-plugins"
  local mirror=http://deb.debian.org/debian
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$apt/sources.list"
  local options=(-o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o APT::Get::List-Cleanup=0)
  (
    cd "$apt" &&
      apt-get "${options[@]}" update && apt-get "${options[@]}" download docker-compose docker-buildx &&
      for package in ./*.deb; do dpkg -x "$package" unpacked; done &&
      cp unpacked/usr/libexec/docker/cli-plugins/* "$work/docker-config/cli-plugins/"
  ) >"$work/compose.log" 2>&1 || return 1
  export DOCKER_CONFIG=$work/docker-config
  docker compose version >/dev/null 2>&1
}

take_down_engine() {
  [ -n "$ENGINE_FOLDER" ] || return 0
  kill "$ENGINE_PROCESS" 2>/dev/null || true
  for _ in $(seq 60); do
    kill -0 "$ENGINE_PROCESS" 2>/dev/null || break
    sleep 0.5
  done
  kill -KILL "$ENGINE_PROCESS" 2>/dev/null || true
  ip link delete docker0 2>/dev/null || true
  remove_engine_rules
  echo "$FORWARDED_BEFORE" >/proc/sys/net/ipv4/ip_forward || true
  umount -l "$ENGINE_FOLDER"/exec/netns/* "$ENGINE_FOLDER"/data/overlay2/*/merged 2>/dev/null || true
}

# The engine was not running before, so every chain and rule that carries its name is its own.
remove_engine_rules() {
  local table rule chain
  for table in filter nat; do
    iptables -w -t "$table" -S 2>/dev/null | grep -E '^-A .*(DOCKER|docker0)' | sed 's/^-A/-D/' |
      while read -r rule; do eval "iptables -w -t $table $rule" 2>/dev/null || true; done
    iptables -w -t "$table" -S 2>/dev/null | awk '$1 == "-N" && $2 ~ /^DOCKER/ {print $2}' |
      while read -r chain; do iptables -w -t "$table" -F "$chain"; done
    iptables -w -t "$table" -S 2>/dev/null | awk '$1 == "-N" && $2 ~ /^DOCKER/ {print $2}' |
      while read -r chain; do iptables -w -t "$table" -X "$chain"; done
  done
  iptables -w -P FORWARD ACCEPT 2>/dev/null || true
}
