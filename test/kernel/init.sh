#!/bin/sh
# The initramfs' /init: loads what reaches the host's file system over 9p, puts a tmpfs over it, and goes there.
/bin/busybox mkdir -p /proc /sys /dev /lower /upper /root
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs devtmpfs /dev
for round in 1 2 3; do
  for module in /modules/*.ko; do /bin/busybox insmod "$module" 2>/dev/null; done
done
/bin/busybox mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576,cache=loose,ro hostroot /lower || exec /bin/busybox sh
/bin/busybox mount -t tmpfs -o size=75% tmpfs /upper
/bin/busybox mkdir -p /upper/data /upper/work
/bin/busybox mount -t overlay -o lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work overlay /root
run=$(/bin/busybox sed -n 's/.*run=\([^ ]*\).*/\1/p' /proc/cmdline)
modules=$(/bin/busybox sed -n 's/.*modules=\([^ ]*\).*/\1/p' /proc/cmdline)
/bin/busybox mkdir -p /root/lib/modules
/bin/busybox mkdir -p "/root/lib/modules/$(/bin/busybox uname -r)"
/bin/busybox mount -o bind "/root$modules" "/root/lib/modules/$(/bin/busybox uname -r)"
/bin/busybox umount /proc
exec /bin/busybox switch_root /root /bin/sh "$run"
