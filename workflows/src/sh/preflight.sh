# What the steps of a run stand on, as lines `WORD VALUE`, then :end. Only what a judgement needs is said.
# Arguments: interface, service address, service name, folder of hamn, then files to be edited, then --, then programs.
interface=$1 address=$2 name=$3 folder=$4
shift 4
echo "uid $(id -u)"
ip -o link | awk -F': ' '{ sub(/@.*/, "", $2); print "link " $2 }'
if ip -o link show dev "$interface" 2>/dev/null | grep LOWER_UP >/dev/null; then echo "carrier $interface"; fi
ip -o -4 addr show dev "$interface" 2>/dev/null | awk '{ for (i = 1; i < NF; i++) if ($i == "inet") print "inet " $(i + 1) }'
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    if [ ! -f "$1" ]; then echo "absent $1"; elif [ ! -w "$1" ]; then echo "unwritable $1"; fi
    df -Pk "${1%/*}" 2>/dev/null | awk -v of="${1%/*}" 'NR == 2 { print "free " $4 " " of }'
    shift
done
while [ -n "$folder" ] && [ ! -d "$folder" ]; do folder=${folder%/*}; done
folder=${folder:-/}
[ -w "$folder" ] || echo "unwritable $folder"
df -Pk "$folder" 2>/dev/null | awk -v of="$folder" 'NR == 2 { print "free " $4 " " of }'
[ $# -eq 0 ] || shift
# Of NAME|NAME one is enough.
for program in "$@"; do
    found=no
    IFS='|'
    for one in $program; do command -v "$one" >/dev/null 2>&1 && found=yes; done
    unset IFS
    [ $found = yes ] || echo "missing $program"
done
case $(arping -V 2>&1) in
*iputils*) ;;
*) command -v arping >/dev/null 2>&1 && echo "foreign arping" ;;
esac
getent ahostsv4 "$name" 2>/dev/null | awk 'NR == 1 { print "name " $1 }'
# Where the service address is configured for the next boot: as an address of an interface, not as somebody's server.
dots=$(printf '%s' "$address" | sed 's/[.]/[.]/g')
for file in /etc/network/interfaces /etc/network/interfaces.d/* /etc/netplan/* /etc/sysconfig/network-scripts/ifcfg-* \
    /etc/sysconfig/network/ifcfg-* /etc/NetworkManager/system-connections/* /etc/systemd/network/*; do
    [ -f "$file" ] || continue
    if grep -v '^[ \t]*#' "$file" 2>/dev/null | grep -E -i \
        "(^|[^0-9.])$dots/[0-9]|^[[:space:]]*IPADDR[A-Za-z0-9_]*=[\"']?$dots([\"']|\$)|^[[:space:]]*address[[:space:]]+$dots([[:space:]]|\$)" >/dev/null; then
        echo "persistent $file"
    fi
done
echo :end
