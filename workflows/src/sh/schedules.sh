# Every scheduled job as HOLDER:LINE, then :end, without which the listing is cut short. A line is followed by `:runs TEXT` for each
# telling line of a script that it names: what a job does is mostly not in its crontab.
telling='(^|[^A-Za-z0-9_])(restorexCATdb|pg_restore|tabrestore|pg_basebackup|pg_rewind|dropdb|initdb|psql|mysql|sqlite3|db2|rsync|scp|gcp|rcp|sftp|unison|lsyncd|csync2|drsync)([^A-Za-z0-9_]|$)'
export telling
# read_script FILE PREFIX: its telling lines. A program is not read further than its first line.
read_script() {
    [ -f "$1" ] && [ -r "$1" ] || return 0
    prefix=$2 awk '
        NR == 1 && !/^#!/ { exit }
        NR > 5000 { exit }
        !/^[ \t]*#/ && $0 ~ ENVIRON["telling"] { print ENVIRON["prefix"] $0 }' <"$1"
}
# read_named LINE: the scripts that a line names by their whole path.
read_named() {
    set -f
    IFS=' 	;|&()<>"=`'"'"
    for word in $1; do
        case $word in [-@:+!]*) word=${word#?} ;; esac
        case $word in
        /dev/* | /proc/* | /sys/*) ;;
        /*) read_script "$word" ':runs ' ;;
        esac
    done
    unset IFS
    set +f
}
# read_lines HOLDER: of the lines on standard input.
read_lines() {
    while IFS= read -r line || [ -n "$line" ]; do
        printf '%s:%s\n' "$1" "$line"
        case $line in
        '#'*) ;;
        */*) read_named "$line" ;;
        esac
    done
}
for file in /etc/crontab /etc/anacrontab /etc/cron.d/* /var/spool/cron/crontabs/* /var/spool/cron/tabs/* /var/spool/cron/*; do
    [ ! -f "$file" ] || read_lines "$file" <"$file"
done
# Who is not executable is not run.
for file in /etc/cron.hourly/* /etc/cron.daily/* /etc/cron.weekly/* /etc/cron.monthly/*; do
    [ ! -f "$file" ] || [ ! -x "$file" ] || read_script "$file" "$file:"
done
whole=yes
state=$(systemctl is-system-running 2>/dev/null)
case $state in
'' | offline) ;;
*)
    timers=$(systemctl list-unit-files --type=timer --no-legend --no-pager 2>/dev/null) || whole=no
    more=$(systemctl list-units --type=timer --all --no-legend --no-pager 2>/dev/null) || whole=no
    timers=$(printf '%s\n' "$timers" "$more" | awk '
        { for (i = 1; i <= NF; i++) if ($i ~ /[.]timer$/) { if ($i !~ /@[.]timer$/ && !seen[$i]++) print $i; break } }')
    for timer in $timers; do
        facts=$(systemctl show -p Unit -p ActiveState -p UnitFileState "$timer" 2>/dev/null)
        case $facts in *ActiveState=active* | *UnitFileState=enabled*) ;; *) continue ;; esac
        unit=$(printf '%s\n' "$facts" | sed -n 's/^Unit=//p')
        text=$(systemctl cat "$unit" 2>/dev/null) || continue
        # What hamn disarmed cannot fire, and is shown by the mark alone.
        mark=$(printf '%s\n' "$text" | grep '^#hamn:')
        if [ -n "$mark" ]; then
            printf '%s:%s\n' "$unit" "$mark"
            continue
        fi
        printf '%s\n' "$text" | awk '
            /^[ \t]*[#;]/ { next }
            { line = line $0 }
            /\\$/ { sub(/\\$/, " ", line); next }
            { if (line ~ /^[ \t]*Exec[A-Za-z]*[ \t]*=/) print line; line = "" }' | read_lines "$unit"
    done
    ;;
esac
[ "$whole" = no ] || echo :end
