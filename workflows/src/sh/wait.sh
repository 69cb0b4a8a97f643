# hamn_pause WHOLE FRACTION: fractions only where sleep is known to take them.
hamn_pause() {
    if [ -r /proc/uptime ]; then
        sleep "$2" 2>/dev/null || sleep "$1"
    else
        sleep "$1"
    fi
}
# hamn_until SECONDS WHOLE FRACTION: runs hamn_once until its output is $hamn_expect. Into files, because a program that leaves a
# child behind would keep a pipe open for ever (trap 72).
hamn_until() {
    hamn_scratch=${HAMN_SCRATCH:-/tmp}/.hamn.$hamn_nonce.$hamn_index
    mkdir -m 700 "$hamn_scratch" || return 73
    export hamn_expect
    hamn_clock
    hamn_end_s=$((hamn_now + $1))
    while :; do
        (hamn_once) >"$hamn_scratch/out" 2>"$hamn_scratch/err"
        hamn_last=$?
        if [ "$hamn_last" -eq 0 ] && awk '
            { s = s (NR > 1 ? "\n" : "") $0 }
            END {
                sub(/^[ \t\r\n\f\v]+/, "", s)
                sub(/[ \t\r\n\f\v]+$/, "", s)
                exit !((s "") == (ENVIRON["hamn_expect"] ""))
            }' <"$hamn_scratch/out"; then
            break
        fi
        hamn_clock
        if [ "$hamn_now" -ge "$hamn_end_s" ]; then
            hamn_last=124
            break
        fi
        hamn_pause "$2" "$3"
    done
    cat "$hamn_scratch/out"
    cat "$hamn_scratch/err" >&2
    rm -f "$hamn_scratch/out" "$hamn_scratch/err"
    rmdir "$hamn_scratch"
    return "$hamn_last"
}
