#!/bin/sh
# The failover of the practice cluster as a careful person would write it down: the commands of `hamn plan failover --target mn2`
# in their order, each answer looked at, one after the other, a step a session over one multiplexed ssh connection. It has no
# journal: whoever is interrupted here looks for himself how far it came. The measure for hamn in benches/failover.rs.
#
#   by-hand.sh VERSION      VERSION of PostgreSQL; run on the admin host
set -eu

version=$1
old=mn1
new=mn2
old_addresses='10.77.0.11 10.78.0.11'
service=10.77.0.10
bmc=10.78.0.111
secret=/etc/hamn/bmc1.password
by="by hand, $(hostname)"

stop() {
    echo "stopped: $*" >&2
    exit 1
}

work=$(mktemp -d)
ssh="ssh -n -o BatchMode=yes -o ConnectTimeout=3 -o ControlMaster=auto -o ControlPersist=60 -o ControlPath=$work/%C"
trap '$ssh -O exit "$new" 2>/dev/null || :; rm -rf "$work"' EXIT

# What every step on the machine begins with.
common=$(
    cat <<EOF
set -eu
service=$service old_addresses='$old_addresses' by='$by'
bin=/usr/lib/postgresql/$version/bin data=/var/lib/postgresql/$version/main config=/etc/postgresql/$version/main
cluster='$version main'
EOF
    cat <<'EOF'
export LC_ALL=C PGCONNECT_TIMEOUT=5
stop() { echo "stopped: $*" >&2; exit 1; }
postgres() { runuser -u postgres -- env -C / "$@"; }
sql() { postgres "$bin/psql" -X -A -t -q -v ON_ERROR_STOP=1 -p 5432 -d "$1" -c "$2" </dev/null; }
role() { sql postgres "SELECT CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE 'primary' END, (SELECT system_identifier FROM pg_control_system())"; }
position() { sql postgres "SELECT pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0')::bigint, pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint, pg_last_xact_replay_timestamp(), (SELECT status FROM pg_stat_wal_receiver), clock_timestamp()"; }
nodes() { sql xcatdb 'SELECT count(*) FROM nodelist'; }
xcat() { name=$1; shift; env XCATROOT=/opt/xcat PATH=/opt/xcat/bin:/opt/xcat/sbin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root timeout 30 "/opt/xcat/sbin/$name" "$@"; }
crontabs() { for f in /etc/crontab /etc/cron.d/* /var/spool/cron/crontabs/* /var/spool/cron/*; do [ -f "$f" ] && awk '{ print FILENAME ":" $0 }' "$f"; done; echo :end; }
carrier() { ip -o link show dev eth0 | grep -q LOWER_UP || stop 'no carrier'; }
free() { arping -D -c 3 -w 2 -I eth0 "$service" || stop "somebody answers for $service"; }
is_primary() { role | grep -q '^primary|' || stop 'not a primary'; }
is_standby() { role | grep -q '^standby|' || stop 'not a standby'; }
restores() { ps -e -o args= | grep -v grep | grep -c -E '(^|/)(pg_restore|restorexCATdb)' || :; }
harmless() { ! crontabs | grep -v -E '^[^:]*:[[:space:]]*#' | grep -E 'pg_restore|restorexCATdb' || stop 'a scheduled job writes to the database'; }
holds_address() { ip -o -4 addr show | grep -q " $service/" || stop "$service is not here"; }
EOF
)

# step TITLE <<EOF: runs its text on the new primary.
step() {
    echo "== $1"
    $ssh "$new" "$common
$(cat)"
}

# fence ACTION: what the fence agent says.
fence() {
    {
        printf 'action=%s\nip=%s\nusername=admin\nlanplus=1\ncipher=3\npower_wait=0\npassword=' "$1" "$bmc"
        head -n 1 "$secret"
    } | fence_ipmilan
}

is_off() {
    case $(fence status || :) in
    *'Status: OFF'*) ;;
    *) stop "$old is not seen to be off" ;;
    esac
}

guid() {
    ipmitool -I lanplus -H "$bmc" -U admin -C 3 -f "$secret" mc guid
}

step "look at $new" <<'EOF'
date +%s%N; cat /etc/machine-id /proc/sys/kernel/random/boot_id; hostname; ip -o -4 addr show
role; position; nodes; sql postgres 'SHOW listen_addresses'; crontabs
cat /var/lib/hamn/epoch /var/lib/hamn/claim/text 2>/dev/null || :
ps -e -o args= | grep -c '^xcatd: ' || :
ls /etc/rc[2345].d/S[0-9][0-9]xcatd 2>/dev/null || :
ps -e -o args= | grep -v grep | grep -c -E '^([^ ]*/)?(dhcpd|kea-dhcp4)( |$)' || :
sed -n 's/|.*//p' /etc/xcat/cfgloc
date +%s%N
EOF

echo "== look at $old"
for address in $old_addresses; do
    ! $ssh "$address" true || stop "$old answers at $address: a switchover loses nothing"
done

step "does $old answer on the wire" <<'EOF'
carrier
set -- $old_addresses
! arping -f -c 2 -w 2 -I eth0 "$1" || echo "answers ARP"
for address in $old_addresses; do
    ! "$bin/pg_isready" -q -t 2 -h "$address" -p 5432 || stop "the database answers at $address"
done
EOF

step "who answers for the service address" <<'EOF'
carrier
! arping -f -c 2 -w 2 -I eth0 "$service" || echo "answers ARP"
EOF

echo "== ask the fence device of $old"
fence status || :
guid

step "may $new take over" <<'EOF'
is_standby; position
! cat /var/lib/hamn/claim/text 2>/dev/null || stop 'claimed'
EOF

step "claim $new" <<'EOF'
mkdir -p /var/lib/hamn && mkdir /var/lib/hamn/claim && echo "$by" >/var/lib/hamn/claim/text && sync /var/lib/hamn/claim/text
cat /var/lib/hamn/claim/text
EOF

echo "== power $old off, and see it off twice"
guid
fence off
is_off
is_off

step "disarm scheduled jobs" <<'EOF'
for f in /etc/crontab /etc/cron.d/* /var/spool/cron/crontabs/* /var/spool/cron/*; do
    [ ! -f "$f" ] || sed -i -E '/^[[:space:]]*#/!{/pg_restore|restorexCATdb/s/^/#by hand: /}' "$f"
done
harmless
EOF

echo "== $old is still off"
is_off

step "nobody answers for the service address" <<'EOF'
carrier; free
EOF

step "the database runs" <<'EOF'
is_standby
EOF

step "the right machine, and nothing restores into it" <<'EOF'
cat /etc/machine-id
is_standby
[ "$(restores)" = 0 ] || stop 'a restore is running'
harmless
EOF

step "promote" <<'EOF'
[ "$(sql postgres 'SELECT pg_promote(true, 60)')" = t ] || stop 'not promoted'
is_primary
EOF

step "raise the epoch" <<'EOF'
echo 1 >/var/lib/hamn/epoch.new && sync /var/lib/hamn/epoch.new && mv /var/lib/hamn/epoch.new /var/lib/hamn/epoch
cat /var/lib/hamn/epoch
EOF

step "take the address" <<'EOF'
carrier; free
ip addr add "$service/24" dev eth0
holds_address
EOF

step "take the name" <<'EOF'
hostname mn
[ "$(hostname)" = mn ]
EOF

step "announce once" <<'EOF'
arping -U -c 1 -I eth0 "$service" || :
EOF

step "readdress the database" <<'EOF'
line='host    all    all    10.77.0.0/24    md5'
grep -q -x -F "$line" "$config/pg_hba.conf" || echo "$line" >>"$config/pg_hba.conf"
postgres "$bin/postgres" -D "$data" -c config_file="$config/postgresql.conf" -C listen_addresses | grep -q -x -F '*' || stop 'listen_addresses'
sql postgres 'SELECT pg_reload_conf()'
cat "$config/pg_hba.conf"
[ "$(sql postgres 'SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL')" = 0 ] || stop 'pg_hba.conf has errors'
"$bin/pg_isready" -q -t 2 -h "$service" -p 5432
EOF

step "readdress cfgloc" <<'EOF'
sed -i -E "/^Pg:/s/host=[^|]*\|/host=$service|/" /etc/xcat/cfgloc
sed -n 's/|.*//p' /etc/xcat/cfgloc | grep "host=$service"
EOF

step "the database is the cluster's" <<'EOF'
is_primary
[ "$(nodes)" -ge 1 ] || stop 'no nodes'
EOF

step "restart xcatd and have it show the site table" <<'EOF'
service xcatd restart </dev/null
tries=0
until xcat tabdump site 2>/dev/null | grep -q '^"master",'; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || stop 'xcatd does not show the site table'
    sleep 0.3
done
xcat tabdump site
EOF

step "name service" <<'EOF'
xcat makedns -n
EOF

step "DHCP" <<'EOF'
xcat makedhcp -n
xcat makedhcp -a
EOF

step "consoles" <<'EOF'
xcat makeconservercf
EOF

step "announce 5 times" <<'EOF'
arping -U -c 5 -I eth0 "$service" || :
EOF

step "announce 5 times, as a reply" <<'EOF'
arping -A -c 5 -I eth0 "$service" || :
EOF

step "in service" <<'EOF'
is_primary; holds_address
[ "$(hostname)" = mn ]
cat /var/lib/hamn/epoch
harmless
nodes
"$bin/pg_isready" -q -t 2 -h "$service" -p 5432
xcat tabdump site
EOF

echo "== $old is still off"
is_off

step "release the claim" <<'EOF'
rm /var/lib/hamn/claim/text && rmdir /var/lib/hamn/claim
EOF

step "a last look" <<'EOF'
is_primary; holds_address; hostname
ps -e -o args= | grep -c '^xcatd: '
EOF
