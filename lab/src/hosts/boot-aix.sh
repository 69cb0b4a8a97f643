#!/usr/lib/hamn-lab/usr/bin/dash
# The second half of the boot of a practice host that plays AIX. Its own programs are first in PATH here, and nowhere else.
set -eu
tools=/usr/lib/hamn-lab
PATH=$tools/usr/sbin:$tools/usr/bin:/usr/lib/postgresql/bin
export PATH

mount --move /proc $tools/proc
for link in fd:fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do
    ln -sfn "$tools/proc/self/${link#*:}" "/dev/${link%%:*}"
done
echo 1 > $tools/proc/sys/net/ipv6/conf/all/disable_ipv6 2>/dev/null || :
for nic in eth0 eth1; do
    echo 1 > $tools/proc/sys/net/ipv4/conf/$nic/promote_secondaries
done
ip link set lo up
LC_ALL=C date -u '+%b %d %H:%M' > /run/boot/time
$tools/standin standin rc.net

(
    exec < /dev/null > /run/boot/log 2>&1
    . $tools/services
    PATH=/usr/bin:/etc:/usr/sbin:/usr/ucb:/usr/bin/X11:/sbin
    while IFS=: read -r id level action command; do
        case $action in
        once | wait | respawn | boot) [ -z "$id" ] || /usr/bin/sh -c "$command" || : ;;
        esac
    done < /etc/inittab
    : > /run/boot/done
) &

exec setpriv --bounding-set=-sys_time,-sys_module,-sys_rawio /usr/sbin/sshd -D -e
