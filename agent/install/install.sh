#!/bin/sh
# Makes this machine a host of a Warren mesh, upgrades it, or takes it out again:
#
#   curl ... https://SERVER/install.sh | WARREN_TOKEN=... sh          install and enroll (the server prints this line)
#   curl ... https://SERVER/install.sh | sh                           upgrade; tunnels go on
#   curl ... https://SERVER/install.sh | sh -s -- --uninstall         leave the mesh and remove everything of Warren
#   curl ... https://SERVER/install.sh | sh -s -- --help              all options
#
# The server filled in its address, its pinned key and the checksums below; nothing is trusted that does not match them.
# Tried on Debian. On other systems with apt, and on those with dnf or apk, packages are installed as well as is known.
set -eu
umask 077
# A plain `su` may leave these out.
PATH=$PATH:/usr/local/bin:/usr/sbin:/sbin

server_url='@SERVER_URL@'
server_pin='@SERVER_PIN@'
version='@VERSION@'
# One line for each build: machine, packed file, its SHA-256, the SHA-256 of the executable.
builds='@BUILDS@'

bin=/usr/local/bin/warren
lib=/usr/local/lib/warren
state=/var/lib/warren
runtime=/run/warren
config=/etc/warren
units=/etc/systemd/system

main() {
  token=${WARREN_TOKEN:-}
  # From here on no program but `warren join` gets to see it.
  unset WARREN_TOKEN
  action=install
  is_dry=no
  join_options=
  read_options "$@"
  check_machine
  if [ "$action" = uninstall ]; then
    uninstall
    return
  fi
  [ "$action" = packages ] || check_order
  work=$(mktemp -d)
  trap 'rm -rf "$work" "$bin.new"' EXIT
  trap 'exit 1' HUP INT TERM
  install_packages
  install_backend
  [ "$action" = install ] || return 0
  is_changed=no
  install_executable
  install_units
  enroll
  start_agent
}

# Before anything is changed: is there an executable for this machine, and a token where one is needed?
check_order() {
  choose_build
  if [ -z "$token" ] && ! is_enrolled; then
    fail "this machine is not enrolled yet: run it with WARREN_TOKEN=... as 'warren token create' prints it, or with --token-file FILE"
  fi
}

say() { printf 'warren: %s\n' "$*"; }
warn() { printf 'warren: warning: %s\n' "$*" >&2; }
fail() {
  printf 'warren: %s\n' "$*" >&2
  exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }

# Runs a command that changes the machine, or says what it would be.
change() {
  if [ "$is_dry" = yes ]; then
    say "would run: $*"
  else
    "$@"
  fi
}

usage() {
  cat <<'TEXT'
Options, after `sh -s --`:
  --name NAME              the host's name in the mesh; by default the machine's
  --advertise CIDR[#W]     another prefix this host routes for; may be given several times
  --endpoint IP:PORT       where other hosts reach this one; may be given several times
  --listen-port N          WireGuard's UDP port
  --token-file FILE        file with the enrollment token, in place of WARREN_TOKEN
  --packages               install what an agent needs, but no agent; for building images
  --uninstall              leave the mesh and remove everything of Warren
  --dry-run                say what would be done, change nothing
  --help                   this text
TEXT
}

# What goes on to `warren join` is checked by warren; here it must only survive `eval` in enroll().
read_options() {
  while [ $# -gt 0 ]; do
    case $1 in
      --name | --advertise | --endpoint | --listen-port)
        [ $# -ge 2 ] || fail "$1 needs a value; see --help"
        join_options="$join_options $1 $(quote "$2")"
        shift
        ;;
      --token-file)
        [ $# -ge 2 ] || fail "$1 needs a value; see --help"
        token=$(cat -- "$2") || fail "cannot read the token file $2"
        shift
        ;;
      --uninstall) action=uninstall ;;
      --packages) action=packages ;;
      --dry-run) is_dry=yes ;;
      --help)
        usage
        exit 0
        ;;
      *) fail "unknown option $1; see --help" ;;
    esac
    shift
  done
}

quote() {
  printf "'"
  printf '%s' "$1" | sed "s/'/'\\\\''/g"
  printf "'"
}

check_machine() {
  [ "$(uname -s)" = Linux ] || fail "this machine runs $(uname -s); a Warren host runs Linux"
  [ "$(id -u)" = 0 ] && return
  fail "this needs root: become root first (sudo -i, doas -s or su -), then run the same line again"
}

has_systemd() { [ -d /run/systemd/system ] && has systemctl; }
is_enrolled() { [ -s "$state/default/identity.crt" ]; }

choose_build() {
  machine=$(uname -m)
  case $machine in
    arm64) machine=aarch64 ;;
    amd64) machine=x86_64 ;;
  esac
  build=$(printf '%s\n' "$builds" | awk -v machine="$machine" '$1 == machine')
  if [ -z "$build" ]; then
    made=$(printf '%s\n' "$builds" | awk '{ printf " %s", $1 }')
    fail "$server_url has no executable for $machine (it has:${made:- none}); make one with 'npm run build:agent' on a $machine machine and put it into the server's distDir"
  fi
  packed_file=$(printf '%s' "$build" | awk '{ print $2 }')
  packed_sum=$(printf '%s' "$build" | awk '{ print $3 }')
  executable_sum=$(printf '%s' "$build" | awk '{ print $4 }')
}

# Only what is missing; a machine that has it all is left alone.
install_packages() {
  missing=
  has wg || missing="$missing wireguard-tools"
  has nft || missing="$missing nftables"
  has ip || missing="$missing iproute2"
  has ping || missing="$missing ping"
  [ "$action" = packages ] || has curl || missing="$missing curl"
  [ -n "$missing" ] || return 0
  say "installing:$missing"
  if has apt-get; then
    apt_install "$(printf '%s' "$missing" | sed 's/ping/iputils-ping/')"
  elif has dnf; then
    # shellcheck disable=SC2046 # words
    change dnf install -y -q $(printf '%s' "$missing" | sed 's/iproute2/iproute/; s/ping/iputils/')
  elif has apk; then
    # shellcheck disable=SC2046 # words
    change apk add -q $(printf '%s' "$missing" | sed 's/ping/iputils/')
  else
    fail "no apt-get, dnf or apk here; install$missing by hand and run this again"
  fi
}

apt_install() {
  # shellcheck disable=SC2086 # words
  change env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $1 >/dev/null 2>&1 && return
  change apt-get update -qq
  # shellcheck disable=SC2086 # words
  change env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $1 >/dev/null ||
    fail "apt-get could not install$1"
}

# WireGuard in the kernel, or else a wireguard-go. Builds before 2023 reach a quarter of the throughput of later ones.
install_backend() {
  if has_kernel_wireguard; then return; fi
  if [ "$action" = install ] && [ ! -c /dev/net/tun ] && ! modprobe tun 2>/dev/null; then
    warn "neither WireGuard nor /dev/net/tun is in this kernel; no tunnel can come up until one of them is"
  fi
  for found in "$lib/wireguard-go" "$(command -v wireguard-go || true)"; do
    if is_fast "$found"; then
      say "the kernel has no WireGuard; using $found"
      return
    fi
  done
  say 'the kernel has no WireGuard; getting wireguard-go'
  if has apt-get; then
    apt_backend
  elif has dnf; then
    change dnf install -y -q wireguard-go || true
  elif has apk; then
    change apk add -q wireguard-go || true
  fi
  [ "$is_dry" = yes ] && return
  if [ ! -x "$lib/wireguard-go" ] && ! has wireguard-go; then
    fail 'no wireguard-go could be installed; put one of 2023 or later at /usr/local/lib/warren/wireguard-go and run this again'
  fi
}

has_kernel_wireguard() {
  if ! ip link add wrn-probe type wireguard 2>/dev/null; then
    modprobe wireguard 2>/dev/null || return 1
    ip link add wrn-probe type wireguard 2>/dev/null || return 1
  fi
  ip link del wrn-probe
}

is_fast() {
  [ -n "$1" ] && [ -x "$1" ] || return 1
  year=$("$1" --version 2>/dev/null | sed -n 's/.*v0\.0\.\(20[0-9][0-9]\).*/\1/p' | head -n 1)
  [ "${year:-0}" -ge 2023 ]
}

apt_backend() {
  [ "$is_dry" = yes ] || apt-get update -qq || warn 'apt-get update failed; going on with the package lists that are here'
  candidate=$(apt-cache policy wireguard-go | sed -n 's/.*Candidate: //p')
  case $candidate in
    0.0.202[3-9]* | 0.0.20[3-9]*)
      apt_install ' wireguard-go'
      return
      ;;
  esac
  if backport_wireguard_go; then return; fi
  warn "no wireguard-go of 2023 or later was found; this distribution's own (${candidate:-none}) is four to five times slower"
  apt_install ' wireguard-go'
}

# From Debian's backports, by an apt configuration of its own, made of the machine's own sources: nothing of the
# system's apt changes, and no other package can come from there.
backport_wireguard_go() {
  suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  grep -q '^ID=debian$' /etc/os-release && [ -n "$suite" ] || return 1
  # shellcheck disable=SC2016 # apt's own variables
  uri=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk -v suite="$suite" '$2 == suite && $3 == "main" { print $1; exit }')
  [ -n "$uri" ] || return 1
  if [ "$is_dry" = yes ]; then
    say "would take wireguard-go from $suite-backports to $lib/wireguard-go"
    return
  fi
  apt="$work/apt"
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  for keyring in /usr/share/keyrings/debian-archive-keyring.gpg /usr/share/keyrings/debian-archive-keyring.pgp; do
    if [ -r "$keyring" ]; then signed="[signed-by=$keyring] "; fi
  done
  printf 'deb %s%s %s-backports main\n' "${signed:-}" "$uri" "$suite" >"$apt/sources.list"
  cat >"$apt/apt.conf" <<TEXT
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "-";
Dir::State "$apt";
Dir::Cache "$apt/cache";
Dir::State::status "/var/lib/dpkg/status";
APT::Sandbox::User "root";
TEXT
  (
    cd "$apt"
    export APT_CONFIG="$apt/apt.conf"
    apt-get update -qq && apt-get download -qq wireguard-go && dpkg-deb -x wireguard-go_*.deb tree
  ) >/dev/null 2>&1 || return 1
  is_fast "$apt/tree/usr/bin/wireguard-go" || return 1
  mkdir -p "$lib"
  chmod 755 "$lib"
  install -m 755 "$apt/tree/usr/bin/wireguard-go" "$lib/wireguard-go.new"
  mv -f "$lib/wireguard-go.new" "$lib/wireguard-go"
  say "wireguard-go from $suite-backports is at $lib/wireguard-go"
}

install_executable() {
  [ ! -L "$bin" ] || fail "$bin is a link that something else made (npm?); remove it there, then run this again"
  if [ -x "$bin" ] && sum_is "$executable_sum" "$bin"; then
    say "warren $version is here already"
    return
  fi
  if [ "$is_dry" = yes ]; then
    say "would download $server_url/dist/$packed_file and install it as $bin"
    return
  fi
  say "downloading warren $version"
  curl -fsS --proto '=https' -k --pinnedpubkey "sha256//$server_pin" -o "$work/packed" "$server_url/dist/$packed_file" ||
    fail "the download from $server_url failed; is its key still the one in the line you ran? make a new one with 'warren token create'"
  sum_is "$packed_sum" "$work/packed" || fail "what $server_url sent does not have the checksum it announced; run this again"
  mkdir -p "$(dirname "$bin")"
  gzip -dc <"$work/packed" >"$bin.new"
  sum_is "$executable_sum" "$bin.new" || fail 'the unpacked executable does not have the checksum it should'
  chmod 755 "$bin.new"
  "$bin.new" version >/dev/null || fail "the executable does not run here; it needs glibc 2.28 or later and libstdc++ (musl systems, such as Alpine, have neither)"
  # A rename: a running agent keeps the file it was started from.
  mv -f "$bin.new" "$bin"
  is_changed=yes
}

sum_is() { [ "$(sha256sum <"$2" | cut -d ' ' -f 1)" = "$1" ]; }

install_units() {
  has_systemd || return 0
  if [ "$is_dry" = yes ]; then
    say "would write $units/warren-agent.service and warren-agent@.service"
    return
  fi
  unit_text >"$work/warren-agent.service"
  sed 's/^Description=.*/& (instance %i)/; s/^ExecStart=.*/& --instance %i/' "$work/warren-agent.service" >"$work/warren-agent@.service"
  for unit in warren-agent.service warren-agent@.service; do
    if cmp -s "$work/$unit" "$units/$unit"; then continue; fi
    install -m 644 "$work/$unit" "$units/$unit.new"
    mv -f "$units/$unit.new" "$units/$unit"
    is_changed=yes
  done
  systemctl daemon-reload
}

unit_text() {
  cat <<'UNIT'
@UNIT@
UNIT
}

enroll() {
  if is_enrolled; then
    [ -z "$token" ] || say 'this machine is enrolled already; the token is not used'
    return
  fi
  if [ "$is_dry" = yes ]; then
    say "would run: warren join$join_options (with the token in its environment)"
    return
  fi
  eval "WARREN_TOKEN=\$token \"\$bin\" join $join_options" || fail 'enrolling failed; mend what is said above and run the same line again'
}

start_agent() {
  if ! has_systemd; then
    say "no systemd here: run '$bin agent' under your own supervisor, as root; after an upgrade, restart it (tunnels go on)"
    return
  fi
  if [ "$is_changed" = no ] && systemctl is-active -q warren-agent.service; then
    say 'nothing changed; the agent runs on'
    return
  fi
  change systemctl enable -q warren-agent.service
  change systemctl restart warren-agent.service
  for instance in $(running_instances); do change systemctl restart "$instance"; done
  [ "$is_dry" = yes ] && return
  wait_for_agent
}

running_instances() {
  systemctl list-units --plain --no-legend --state=active 'warren-agent@*.service' | awk '{ print $1 }'
}

wait_for_agent() {
  tries=40
  until "$bin" status --check live >/dev/null 2>&1; do
    tries=$((tries - 1))
    if [ "$tries" = 0 ]; then
      fail "the agent was started but does not answer; see 'journalctl -u warren-agent'"
    fi
    sleep 0.25
  done
  say "warren $version runs; see 'warren status'"
}

uninstall() {
  if [ "$is_dry" = yes ]; then
    say "would stop the agent, run: warren leave --purge, and remove $bin, $lib, $state, $runtime and its units"
    return
  fi
  if has_systemd; then
    # shellcheck disable=SC2046 # words
    systemctl disable -q --now warren-agent.service $(systemctl list-units --all --plain --no-legend 'warren-agent@*.service' | awk '{ print $1 }') 2>/dev/null || true
  fi
  leave_all
  rm -f "$units/warren-agent.service" "$units/warren-agent@.service" "$units"/*.wants/warren-agent.service "$units"/*.wants/warren-agent@*.service
  if has_systemd; then
    systemctl daemon-reload
    systemctl reset-failed 'warren-agent*' 2>/dev/null || true
  fi
  rm -f "$bin" "$bin.new"
  rm -rf "$lib" "$state" "$runtime"
  rmdir /run/wireguard 2>/dev/null || true
  rmdir /run/docker/plugins /run/docker 2>/dev/null || true
  rmdir "$config" 2>/dev/null || true
  [ ! -d "$config" ] || say "your own files in $config stay"
  say 'removed; packages of the distribution (wireguard-tools, nftables, iproute2, ...) stay'
}

# Once for each instance that has state here.
leave_all() {
  [ -x "$bin" ] || return 0
  for directory in "$state"/*/; do
    [ -d "$directory" ] || continue
    "$bin" leave --purge --instance "$(basename "$directory")" ||
      fail "'warren leave' failed for instance $(basename "$directory"); mend what is said above and run this again"
  done
}

# Programs must not read what follows in the pipe this script may come from.
main "$@" </dev/null
