#!/bin/sh
# Builds the images of docker-compose.yml and runs it for real, in a Docker daemon of its own in a network namespace of its
# own, without a registry: the base image is a Debian made here, with this machine's node and npm cache. Needs root,
# debootstrap, docker.io and docker-compose; takes about ten minutes (better-sqlite3 is compiled) and leaves nothing.
#   sh test/install/compose.sh
set -eu

main() {
  root=$(cd "$(dirname "$0")/../.." && pwd)
  for program in debootstrap dockerd docker-compose; do
    command -v "$program" >/dev/null || fail "$program is missing: apt-get install --no-install-recommends debootstrap docker.io docker-compose"
  done
  work=$(mktemp -d)
  netns=warren-compose-$$
  export DOCKER_HOST="unix://$work/docker.sock" BASE_IMAGE=warren-base:1 AGENT_BASE_IMAGE=warren-base:1
  trap clean_up EXIT
  trap 'exit 1' HUP INT TERM
  start_docker
  make_base
  mkdir "$work/context"
  git -C "$root" archive HEAD | tar -x -C "$work/context"
  cd "$work/context"
  say 'building the images'
  compose build >"$work/build.log" 2>&1 || fail "$(tail -n 20 "$work/build.log")"
  compose up -d
  check
  say 'passed'
}

say() { printf 'compose: %s\n' "$*"; }
fail() {
  printf 'compose: %s\n' "$*" >&2
  exit 1
}
compose() { docker-compose -p warren "$@"; }

start_docker() {
  ip netns add "$netns"
  ip -n "$netns" link set lo up
  mkdir -p "$work/run" /run/docker
  echo '{}' >"$work/daemon.json"
  # A mount namespace gives the daemon a /run/docker of its own.
  # shellcheck disable=SC2016 # the inner shell's $0
  nsenter --net="/run/netns/$netns" unshare -m --propagation private sh -c 'mount --bind "$0/run" /run/docker && exec dockerd \
    --data-root "$0/data" --exec-root "$0/exec" --host "unix://$0/docker.sock" --pidfile "$0/docker.pid" --bip 172.31.1.1/24 \
    --config-file "$0/daemon.json"' "$work" >"$work/dockerd.log" 2>&1 &
  docker_pid=$!
  wait_for 30 docker version >/dev/null
}

make_base() {
  say 'making the base image'
  base=$work/base
  # shellcheck disable=SC2016 # apt's own variables
  uri=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk '$2 == "bookworm" && $3 == "main" { print $1; exit }')
  debootstrap --variant=minbase \
    --include=wireguard-tools,nftables,iproute2,iputils-ping,python3,make,g++,binutils,ca-certificates \
    bookworm "$base" "$uri" >"$work/debootstrap.log" 2>&1 || fail "$(tail -n 5 "$work/debootstrap.log")"
  prefix=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
  mkdir -p "$base/usr/include" "$base/usr/lib/node_modules" "$base/usr/local/lib/warren"
  cp -a "$(readlink -f "$(command -v node)")" "$base/usr/bin/node"
  cp -a "$prefix/include/node" "$base/usr/include/"
  cp -aL "$prefix/lib/node_modules/npm" "$base/usr/lib/node_modules/"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$base/usr/bin/npm"
  cp -a "$(npm config get cache 2>/dev/null)" "$base/root/.npm"
  cp -a "$HOME/.npmrc" "$base/root/.npmrc" 2>/dev/null || true
  echo offline=true >>"$base/root/.npmrc"
  cp -a /usr/local/lib/warren/wireguard-go "$base/usr/local/lib/warren/" 2>/dev/null || cp -a "$(command -v wireguard-go)" "$base/usr/local/lib/warren/"
  tar -C "$base" -c . | docker import - "$BASE_IMAGE" >/dev/null
}

check() {
  wait_for 60 compose exec -T agent-1 warren status --check ready
  wait_for 60 compose exec -T agent-2 warren status --check ready
  gateway=$(compose exec -T agent-2 ip -4 -o addr show dev warren-br | awk '{ sub("/.*", "", $4); print $4 }')
  wait_for 20 compose exec -T agent-1 ping -c 1 -W 1 "$gateway"
  say "agent-1 reaches agent-2's container subnet at $gateway"
  compose exec -T server warren host ls
  compose restart agent-1
  wait_for 60 compose exec -T agent-1 ping -c 1 -W 1 "$gateway"
  say 'and again after a restart, without another token'
  compose up -d
  ! compose logs token | grep -q wrt1 || fail 'the token stands in the logs'
  ! compose exec -T server touch /there 2>/dev/null || fail "the server's file system is writable"
}

wait_for() {
  tries=$1
  shift
  until "$@" >"$work/try.log" 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fail "this never worked: $*: $(cat "$work/try.log")"
    sleep 1
  done
}

clean_up() {
  if [ -n "${docker_pid:-}" ]; then
    cd /
    if [ -d "$work/context" ]; then (cd "$work/context" && compose down -v >/dev/null 2>&1) || true; fi
    kill "$docker_pid" 2>/dev/null || true
    wait "$docker_pid" 2>/dev/null || true
  fi
  ip netns del "$netns" 2>/dev/null || true
  rmdir /sys/fs/cgroup/*/docker 2>/dev/null || true
  rm -rf "$work"
}

main "$@"
