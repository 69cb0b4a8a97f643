#!/bin/sh
# Process 1 of a practice host, in fresh mount, UTS, IPC and PID namespaces and in the host's network namespace.
# $1: the host's folder. Becomes sshd, which reaps what the services leave behind.
set -eu
# What an AIX host has hidden is first: `hostname` and its like are stand-ins there.
PATH=/usr/lib/hamn-lab/usr/sbin:/usr/lib/hamn-lab/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
here=$1

# /proc is still the machine's: this is our number there, which only the machine can know.
read -r line < /proc/self/stat
printf '%s\n' "$line" > "$here/init.new"
mv "$here/init.new" "$here/init"

# The root of the former boot is let go a moment after its last process; index=on refuses it until then.
tries=0
until mount -t overlay hamn-lab -o "lowerdir=/,upperdir=$here/upper,workdir=$here/work,index=on" "$here/root" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || { echo "no root file system"; exit 1; }
    sleep 0.05
done
cd "$here/root"
[ ! -d usr/lib/hamn-lab/usr ] || mount --bind /usr usr/lib/hamn-lab/usr
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm run/lock run/sshd run/postgresql run/boot run/old
chmod 1777 run/lock
chmod 2775 run/postgresql
chown postgres:postgres run/postgresql
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/full c 1 7
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9
mknod -m 666 dev/tty c 5 0
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
cat /proc/sys/kernel/random/uuid > run/boot_id
chmod 444 run/boot_id
mount --bind run/boot_id proc/sys/kernel/random/boot_id

pivot_root . run/old
cd /
umount -l /run/old
rmdir /run/old

[ ! -x /usr/lib/hamn-lab/boot ] || exec /usr/lib/hamn-lab/boot

hostname "$(cat /etc/hostname)"
echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 2>/dev/null || :
ip link set lo up
# Only what the boot configuration gives; whatever the namespace held before is gone.
while read -r nic address; do
    ip link set "$nic" up
    [ -z "$address" ] || ip addr add "$address" brd + dev "$nic" 2>/dev/null || :
done < /etc/network/boot-addresses

(
    exec < /dev/null > /run/boot/log 2>&1
    for script in /etc/rc2.d/S*; do
        [ -x "$script" ] || continue
        "$script" start || :
        : > "/run/boot/${script##*/}"
    done
    : > /run/boot/done
) &

# The machine's clock and modules are not ours to change.
exec setpriv --bounding-set=-sys_time,-sys_module,-sys_rawio /usr/sbin/sshd -D -e
