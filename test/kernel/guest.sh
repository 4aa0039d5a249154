#!/bin/sh
# Runs inside the QEMU guest as its first process, on a copy-on-write view of the host's own file system: sets up what
# an init would, runs the command line given as `run=` (a file with one argument a line), leaves its exit code in /mnt/out.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 CI=true
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
# Not over /tmp: the repository may lie there.
mkdir -p /run/tmp
export TMPDIR=/run/tmp
ip link set lo up
for module in wireguard veth bridge nf_tables nft_masq nft_ct tun br_netfilter; do modprobe "$module" 2>/dev/null; done
echo 0 >/proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null
mkdir -p /mnt/out
mount -t 9p -o trans=virtio,version=9p2000.L out /mnt/out
cd "$(cat /mnt/out/directory)" || exit 1
# One argument a line, so that nothing is parsed twice.
set --
while read -r argument; do set -- "$@" "$argument"; done </mnt/out/arguments
echo "guest: kernel $(uname -r), $(node -v)"
if ip link add wgprobe type wireguard && ip link del wgprobe; then
  "$@"
else
  echo "guest: this kernel has no WireGuard: nothing fits it below /lib/modules/$(uname -r)"
  false
fi
echo $? >/mnt/out/exit-code
sync
echo o >/proc/sysrq-trigger
# The first process must not end, nor load a program any more.
while :; do :; done
