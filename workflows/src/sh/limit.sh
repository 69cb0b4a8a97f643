hamn_timeout=$(command -v timeout)
# Seconds of a clock that nobody sets, where there is one; only differences mean something.
hamn_clock() {
    if [ -r /proc/uptime ]; then
        read -r hamn_now hamn_rest </proc/uptime
    else
        hamn_now=${SECONDS:-$(date +%s)}
    fi
    hamn_now=${hamn_now%%.*}
}
# hamn_limit SECONDS PROGRAM ARGUMENT...: 124 when the time limit ended it, also where it had to be killed.
hamn_limit() {
    hamn_n=$1
    shift
    if [ -z "$hamn_timeout" ]; then
        hamn_watched "$@"
        return
    fi
    hamn_clock
    hamn_t0=$hamn_now
    "$hamn_timeout" -k 5 "$hamn_n" "$@"
    hamn_rc=$?
    # ksh93 gives 256 + n for signal n, the others 128 + n; of return it keeps the lower eight bits.
    [ "$hamn_rc" -lt 256 ] || hamn_rc=$((hamn_rc - 128))
    if [ "$hamn_rc" -eq 137 ]; then
        hamn_clock
        [ $((hamn_now - hamn_t0)) -lt "$hamn_n" ] || hamn_rc=124
    fi
    return "$hamn_rc"
}
# The process and all below it.
hamn_tree() {
    ps -e -o pid= -o ppid= | awk '
        { parent[$1] = $2 }
        END {
            found[ENVIRON["hamn_pid"]] = 1
            do {
                more = 0
                for (p in parent) if (!(p in found) && (parent[p] in found)) { found[p] = 1; more = 1 }
            } while (more)
            for (p in found) print p
        }'
}
# Where there is no timeout (AIX). The watcher lets go of all descriptors first, so that nobody waits for the end of its output;
# it is told by its exit code from a program that ended by itself.
hamn_watched() {
    hamn_clock
    hamn_t0=$hamn_now
    exec 7<&0
    "$@" <&7 7<&- &
    hamn_pid=$!
    export hamn_pid
    exec 7<&-
    (
        exec </dev/null >/dev/null 2>&1
        hamn_i=0
        while [ "$hamn_i" -lt "$hamn_n" ]; do
            sleep 1
            hamn_i=$((hamn_i + 1))
        done
        trap '' TERM
        hamn_pids=$(hamn_tree)
        kill -TERM $hamn_pids
        for hamn_i in 1 2 3 4 5; do
            hamn_left=
            for hamn_p in $hamn_pids; do
                kill -0 "$hamn_p" && hamn_left=1
            done
            [ -n "$hamn_left" ] || exit 9
            sleep 1
        done
        kill -KILL $hamn_pids
        exit 9
    ) &
    hamn_watcher=$!
    wait "$hamn_pid" 2>/dev/null
    hamn_rc=$?
    # A watcher that has begun to end the program finishes that first. One that cannot have begun is killed: mksh loses a TERM that
    # comes right after the fork.
    hamn_clock
    hamn_signal=TERM
    [ $((hamn_now - hamn_t0)) -ge "$hamn_n" ] || hamn_signal=KILL
    kill -"$hamn_signal" "$hamn_watcher" 2>/dev/null
    wait "$hamn_watcher" 2>/dev/null
    [ $? -ne 9 ] || hamn_rc=124
    [ "$hamn_rc" -lt 256 ] || hamn_rc=$((hamn_rc - 128))
    return "$hamn_rc"
}
