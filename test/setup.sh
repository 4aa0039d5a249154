#!/bin/sh
# Makes a Debian machine with Node and apt able to build, test and show Warren: programs, wireguard-go, npm packages,
# build. Does nothing, quickly, when all is there. Must not start services, change apt's sources, or touch what runs.
#   sh test/setup.sh [none|kernel|bench|soak]     kernel: also QEMU and a kernel with WireGuard; bench: also tinc, nebula, fping; soak: fping
set -eu

WIREGUARD_GO=/usr/local/lib/warren/wireguard-go

main() {
  extra=${1:-none}
  case $extra in
    none | kernel | bench | soak) ;;
    *) fail "'$extra' is not a set-up; use none, kernel, bench or soak" ;;
  esac
  cd "$(dirname "$0")/.."
  check_node
  install_programs "$extra"
  install_wireguard_go
  install_packages
  build
  make_image
  fetch_later_engine
  fetch_compose
  fetch_platforms
  if [ "$extra" = kernel ]; then fetch_kernel; fi
}

say() { printf 'setup: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}

check_node() {
  command -v node >/dev/null 2>&1 || fail 'node is missing; install Node.js 20.19 or later'
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
    fail "node $(node -v) is too old; install Node.js 20.19 or later"
}

# Each program with the Debian package that brings it.
programs() {
  echo 'wg wireguard-tools
nft nftables
conntrack conntrack
ip iproute2
tcpdump tcpdump
iperf3 iperf3
ping iputils-ping
ps procps
sysctl procps
nsenter util-linux
python3 python3
dockerd docker.io
podman podman
/usr/lib/cni/portmap containernetworking-plugins
dig bind9-dnsutils
busybox busybox
busctl systemd
dbus-daemon dbus-daemon'
  # better-sqlite3 is compiled where no prebuilt one fits.
  if ! packages_are_fresh; then
    echo 'make make
g++ g++'
  fi
  case $1 in
    bench) echo 'tincd tinc
nebula nebula
fping fping' ;;
    soak) echo 'fping fping' ;;
    kernel) echo 'qemu-system-x86_64 qemu-system-x86
depmod kmod
cpio cpio' ;;
  esac
}

install_programs() {
  PATH=$PATH:/usr/sbin:/sbin
  missing=$(programs "$1" | while read -r program package; do
    command -v "$program" >/dev/null 2>&1 || printf '%s ' "$package"
  done)
  if [ -z "$missing" ]; then return; fi
  can_install || fail "missing: $missing- run as root: apt-get install --no-install-recommends $missing"
  say "installing $missing"
  refresh_apt
  # shellcheck disable=SC2086  # a list of package names
  quietly env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
}

can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }

refresh_apt() {
  if [ -n "${apt_is_fresh:-}" ]; then return; fi
  quietly apt-get update
  apt_is_fresh=yes
}

# Shows the end of a command's output only when it fails.
quietly() {
  log=$(mktemp)
  if "$@" >"$log" 2>&1 </dev/null; then
    rm -f "$log"
  else
    tail -n 60 "$log" >&2
    rm -f "$log"
    fail "this failed: $*"
  fi
}

# A wireguard-go before 2023 is 4-5 times slower: take a later one from Debian or its backports, else what there is.
install_wireguard_go() {
  if [ -x "$WIREGUARD_GO" ] || command -v wireguard-go >/dev/null 2>&1; then return; fi
  can_install || fail 'missing: wireguard-go - run as root, or: apt-get install wireguard-go'
  refresh_apt
  if is_recent "$(apt-cache policy wireguard-go | sed -n 's/^ *Candidate: //p')"; then
    unpack_wireguard_go
  elif use_suite "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")-backports" &&
    is_recent "$(apt-cache policy wireguard-go | sed -n 's/^ *Candidate: //p')"; then
    unpack_wireguard_go
  else
    leave_suite
    say 'no wireguard-go of 2023 or later found in Debian or its backports; taking an older one, which is 4-5 times slower'
    quietly env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends wireguard-go
  fi
  leave_suite
}

is_recent() { [ -n "$1" ] && [ "$1" != '(none)' ] && dpkg --compare-versions "$1" ge 0.0.20230101; }

# An apt configuration of its own, for one suite more, made from the machine's own source of Debian.
use_suite() {
  suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  source=$(debian_source "$suite" "$1")
  if [ -z "$suite" ] || [ -z "$source" ]; then return 1; fi
  private=$(mktemp -d)
  mkdir -p "$private/state/lists/partial" "$private/cache/archives/partial"
  echo "$source" >"$private/sources.list"
  cat >"$private/apt.conf" <<CONF
Dir::State "$private/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$private/cache";
Dir::Etc::sourcelist "$private/sources.list";
Dir::Etc::sourceparts "-";
APT::Sandbox::User "root";
CONF
  APT_CONFIG=$private/apt.conf
  export APT_CONFIG
  apt-get update >/dev/null 2>&1
}

leave_suite() {
  unset APT_CONFIG
  if [ -n "${private:-}" ]; then rm -rf "$private"; fi
  private=
}

# Prints "deb [options] URI WANTED main", from one-line sources or deb822 ones that have SUITE: debian_source SUITE WANTED
debian_source() {
  for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    if [ -r "$list" ]; then sed -n "s/^deb  *\(.*\)  *$1  *.*main.*/deb \1 $2 main/p" "$list"; fi
  done | head -n 1 | grep . && return
  for list in /etc/apt/sources.list.d/*.sources; do
    if [ -r "$list" ]; then
      awk -v suite="$1" -v wanted="$2" '
        function flush() { if (fits && uri != "") { printf "deb %s%s %s main\n", key == "" ? "" : "[signed-by=" key "] ", uri, wanted; exit }; fits = 0; uri = key = "" }
        /^$/ { flush() }
        /^URIs:/ { uri = $2 }
        /^Signed-By:/ { key = $2 }
        /^Suites:/ { for (i = 2; i <= NF; i++) if ($i == suite) fits = 1 }
        END { flush() }' "$list"
    fi
  done | head -n 1
}

unpack_wireguard_go() {
  say "installing wireguard-go to $WIREGUARD_GO"
  unpacked=$(mktemp -d)
  (cd "$unpacked" && quietly apt-get download wireguard-go && dpkg-deb -x ./*.deb root)
  mkdir -p "$(dirname "$WIREGUARD_GO")"
  install -m 755 "$unpacked/root/usr/bin/wireguard-go" "$WIREGUARD_GO"
  rm -rf "$unpacked"
}

packages_are_fresh() { [ -e node_modules/.package-lock.json ] && [ ! package-lock.json -nt node_modules/.package-lock.json ]; }

install_packages() {
  if packages_are_fresh; then return; fi
  prefix=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
  if [ -d "$prefix/include/node" ]; then export npm_config_nodedir="$prefix"; fi
  say 'installing npm packages (compiling better-sqlite3 takes a minute or two)'
  # Not `npm ci`: it refuses a lock file without oxlint's builds for other systems, which not every registry carries.
  quietly npm install --no-save
  touch node_modules/.package-lock.json
}

build() {
  if [ -e dist/cli/warren.js ] &&
    [ -z "$(find cli server agent shared test package.json tsconfig.json -newer dist/cli/warren.js -type f 2>/dev/null | head -n 1)" ]; then
    return
  fi
  say 'building'
  # As old as its beginning, so that what is edited meanwhile is built the next time.
  began=$(mktemp)
  quietly npm run build
  touch -r "$began" dist/cli/warren.js
  rm -f "$began"
}

# What the tests' containers are made of: busybox alone, because no image registry can be counted on.
make_image() {
  if [ -e .cache/docker/image.tar ]; then return; fi
  can_install || fail 'making the image of the tests needs root and apt-get, for busybox-static'
  refresh_apt
  work=$(mktemp -d)
  chmod 755 "$work"
  (cd "$work" && quietly apt-get download busybox-static && dpkg-deb -x ./*.deb deb)
  mkdir -p "$work/root/bin" "$work/root/etc" "$work/root/tmp" .cache/docker
  cp "$(find "$work/deb" -path '*bin/busybox' | head -n 1)" "$work/root/bin/busybox"
  for applet in $("$work/root/bin/busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$work/root/bin/$applet"
  done
  tar -C "$work/root" -cf .cache/docker/image.tar.new .
  mv .cache/docker/image.tar.new .cache/docker/image.tar
  rm -rf "$work"
}

# Docker 28 or later for the tests, beside Debian 12's own 20.10: from sid, unpacked here, nothing is installed. Its
# programs need no more than Debian 12's libc, but for runc, which is the machine's own.
fetch_later_engine() {
  if [ -x .cache/docker/28/bin/dockerd ]; then return; fi
  can_install || fail 'fetching a later Docker engine for the tests needs root and apt-get'
  work=.cache/docker/28.new
  rm -rf "$work"
  mkdir -p "$work/deb" "$work/bin"
  if use_suite sid && is_later_engine "$(apt-cache policy docker.io | sed -n 's/^ *Candidate: //p')" &&
    (cd "$work/deb" && apt-get download docker.io/sid docker-cli/sid containerd/sid tini-static/sid >/dev/null 2>&1); then
    say 'unpacking a later Docker engine'
    for deb in "$work"/deb/*.deb; do dpkg-deb -x "$deb" "$work/root"; done
    for program in sbin/dockerd sbin/docker-proxy bin/containerd bin/containerd-shim-runc-v2 bin/ctr bin/docker; do
      ln -s "../root/usr/$program" "$work/bin/${program#*/}"
    done
    ln -s ../root/usr/bin/tini-static "$work/bin/docker-init"
    ln -s "$(PATH=$PATH:/usr/sbin:/sbin command -v runc)" "$work/bin/runc"
    rm -rf "$work/deb" .cache/docker/28
    mv "$work" .cache/docker/28
  else
    say 'no Docker 28 or later can be had from Debian sid: the tests that need it are skipped'
    rm -rf "$work"
  fi
  leave_suite
}

# Docker Compose 2 for the tests, one program, from sid as well; it speaks to either engine.
fetch_compose() {
  if [ -x .cache/docker/docker-compose ]; then return; fi
  can_install || fail 'fetching Docker Compose for the tests needs root and apt-get'
  work=.cache/docker/compose.new
  rm -rf "$work"
  mkdir -p "$work"
  if use_suite sid && (cd "$work" && apt-get download docker-compose/sid >/dev/null 2>&1) &&
    dpkg-deb -x "$work"/*.deb "$work/root" &&
    "$work/root/usr/libexec/docker/cli-plugins/docker-compose" version >/dev/null 2>&1; then
    say 'unpacking Docker Compose'
    mv "$work/root/usr/libexec/docker/cli-plugins/docker-compose" .cache/docker/docker-compose
  else
    say 'no Docker Compose 2 can be had from Debian sid: the test that needs it is skipped'
  fi
  rm -rf "$work"
  leave_suite
}

# What some hosts have beside Warren, for the tests: systemd-resolved, firewalld, UFW. Unpacked here, nothing is installed:
# as packages they would change this machine's own resolv.conf and rules.
fetch_platforms() {
  if [ -d .cache/platforms ]; then return; fi
  can_install || fail 'fetching systemd-resolved, firewalld and ufw for the tests needs root and apt-get'
  refresh_apt
  work=.cache/platforms.new
  rm -rf "$work"
  mkdir -p "$work/deb"
  if (cd "$work/deb" && apt-get download systemd-resolved ufw firewalld python3-firewall python3-nftables python3-cap-ng \
    python3-gi python3-dbus gir1.2-glib-2.0 libgirepository-1.0-1 >/dev/null 2>&1); then
    say 'unpacking systemd-resolved, firewalld and ufw'
    for deb in "$work"/deb/*.deb; do dpkg-deb -x "$deb" "$work/root"; done
    rm -rf "$work/deb"
    mv "$work" .cache/platforms
  else
    say 'no systemd-resolved, firewalld and ufw can be had from apt: the tests that need them are skipped'
    rm -rf "$work"
  fi
}

is_later_engine() { [ -n "$1" ] && [ "$1" != '(none)' ] && dpkg --compare-versions "$1" ge 28; }

# A kernel that has WireGuard and 9p, and a static busybox for its initramfs; unpacked here, nothing is installed.
fetch_kernel() {
  if [ -e .cache/kernel/ready ]; then return; fi
  can_install || fail 'fetching a kernel for test:kernel needs root and apt-get'
  [ "$(dpkg --print-architecture)" = amd64 ] || fail 'test:kernel runs on amd64 only: its guest is an amd64 Debian kernel'
  refresh_apt
  image=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*-amd64\)$/\1/p' | head -n 1)
  [ -n "$image" ] || fail 'apt knows no linux-image-amd64; check the sources'
  say "fetching $image for the guest (about 71 MB)"
  rm -rf .cache/kernel
  mkdir -p .cache/kernel/deb
  chmod 777 .cache/kernel/deb
  (cd .cache/kernel/deb && quietly apt-get download "$image" busybox-static)
  for deb in .cache/kernel/deb/*.deb; do dpkg-deb -x "$deb" .cache/kernel/root; done
  depmod -b "$PWD/.cache/kernel/root" "${image#linux-image-}"
  echo "${image#linux-image-}" >.cache/kernel/version
  rm -rf .cache/kernel/deb
  touch .cache/kernel/ready
}

main "$@"
