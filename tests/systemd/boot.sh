#!/usr/bin/env bash
# Boots Debian's own systemd as PID 1 in throw-away namespaces, over an overlay of this machine's
# root, and runs a script in it as root. Nothing on the machine is changed: besides its files, its
# network, its devices and its kernel's settings are out of reach (only loopback; a /dev of its
# own; /sys and /proc/sys read-only, as in a container).
#
#   tests/systemd/boot.sh TREE SCRIPT OUT [SECONDS]
#   tests/systemd/boot.sh --can       ends with 0 or 77, and does nothing else
#
# TREE is copied over the root first, modes included; steps.sh, from beside SCRIPT, is in /opt. OUT is
# /var/collect inside; what SCRIPT says comes to OUT/output. Ends with its exit code; 124: it took
# longer than SECONDS (300); 77, with the reason: this machine cannot do it.
set -u

leave_out() {
    echo "$1" >&2
    exit 77
}

[ $# -ge 3 ] || [ "${1-}" = --can ] || {
    echo "usage: tests/systemd/boot.sh TREE SCRIPT OUT [SECONDS]" >&2
    exit 2
}
tree=$(readlink -f -- "$1") script=$(readlink -f -- "${2-}") out=${3-} seconds=${4:-300}

[ "$(id -u)" = 0 ] || leave_out "needs root"
for tool in unshare mount pivot_root setpriv timeout; do
    command -v "$tool" >/dev/null || leave_out "needs $tool"
done
place=$(mktemp -d)
finish() {
    umount -l "$place/root" 2>/dev/null
    umount -l "$place" 2>/dev/null
    rmdir "$place" 2>/dev/null
}
trap finish EXIT
mount -t tmpfs -o size=2g,mode=755 tmpfs "$place" 2>/dev/null || leave_out "may not mount"
mkdir "$place/upper" "$place/work" "$place/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$place/upper,workdir=$place/work" "$place/root" \
    2>/dev/null || leave_out "needs overlayfs"
unshare --mount --pid --fork --uts --ipc --cgroup --net true 2>/dev/null || leave_out "may not unshare"
[ -x /lib/systemd/systemd ] || [ -e /etc/debian_version ] || leave_out "needs Debian's systemd"
[ "$1" != --can ] || exit 0
root=$place/root

# A container of Debian has no systemd: it is installed into the overlay.
if [ ! -x "$root/lib/systemd/systemd" ]; then
    mount --bind /dev "$root/dev" && mount -t proc proc "$root/proc"
    install='DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends systemd'
    chroot "$root" sh -c "$install || { apt-get update -qq && $install; }" >"$place/log" 2>&1 ||
        leave_out "cannot install systemd into the overlay: $(tail -n 1 "$place/log")"
    umount "$root/proc" "$root/dev"
fi

cp -a "$tree/." "$root/"
chmod 755 "$root"
mkdir -p "$root/etc/systemd/system" "$root/var/collect" "$root/opt" "$root/oldroot" "$out"
cp "$script" "$root/opt/in-systemd.sh"
cp "$(dirname "$script")/steps.sh" "$root/opt/"
cat >"$root/etc/systemd/system/in-systemd.target" <<U
[Unit]
Wants=in-systemd.service systemd-journald.service
AllowIsolate=yes
U
cat >"$root/etc/systemd/system/in-systemd.service" <<U
[Unit]
DefaultDependencies=no
After=systemd-journald.service
[Service]
Type=oneshot
Environment=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
ExecStart=/bin/bash -c "/bin/bash /opt/in-systemd.sh >/var/collect/output 2>&1; echo \$? >/var/collect/code"
ExecStopPost=/bin/systemctl --force --force poweroff
TimeoutStartSec=infinity
U
cat >"$place/inner.sh" <<'I'
root=$1 out=$2
mount --make-rprivate /
mount --bind "$out" "$root/var/collect"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 none "$root/sys/fs/cgroup"
else
    mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
    mkdir -p "$root/sys/fs/cgroup/systemd" "$root/sys/fs/cgroup/unified"
    mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
    mount -t cgroup2 none "$root/sys/fs/cgroup/unified"
fi
dev=$root/dev
mount -t tmpfs -o mode=755 tmpfs "$dev"
mkdir "$dev/pts" "$dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$dev/pts"
mount -t tmpfs tmpfs "$dev/shm"
for node in "null 3" "zero 5" "full 7" "random 8" "urandom 9"; do
    mknod -m 666 "$dev/${node% *}" c 1 "${node#* }"
done
mknod -m 666 "$dev/tty" c 5 0
ln -s pts/ptmx "$dev/ptmx"
ln -s /proc/self/fd "$dev/fd"
cd "$root" && pivot_root . oldroot || exit 1
exec env -i container=docker PATH=/usr/bin:/bin:/usr/sbin:/sbin /bin/bash -c "
    umount -l /oldroot
    mount --make-rshared /
    exec setpriv --bounding-set=-sys_module,-sys_time,-sys_rawio /lib/systemd/systemd --system --unit=in-systemd.target --log-level=info --log-target=journal --show-status=no"
I
timeout -k 2 "$seconds" \
    unshare --mount --pid --fork --uts --ipc --cgroup --net --kill-child \
    bash "$place/inner.sh" "$root" "$(readlink -f "$out")" >"$place/log" 2>&1 </dev/null
[ -e "$out/code" ] || cat "$place/log" >&2
exit "$(cat "$out/code" 2>/dev/null || echo 124)"
