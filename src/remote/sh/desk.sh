LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
umask 077
cd /
hamn_say() {
    echo "@@hamn $hamn_nonce answer $*"
}
hamn_done() {
    echo "
@@hamn $hamn_nonce done"
    echo "
@@hamn $hamn_nonce done" >&2
}
# Everything where sync knows no names.
hamn_sync() {
    sync "$@" 2>/dev/null || sync
}
# A twentieth of a second, or a whole one where sleep is not known to take fractions.
hamn_pause() {
    if [ -r /proc/uptime ]; then
        sleep 0.05 2>/dev/null || sleep 1
    else
        sleep 1
    fi
}
hamn_clock() {
    if [ -r /proc/uptime ]; then
        read -r hamn_now hamn_rest </proc/uptime
    else
        hamn_now=${SECONDS:-$(date +%s)}
    fi
    hamn_now=${hamn_now%%.*}
}
# Differs after a reboot: $hamn_boot.
hamn_booted() {
    hamn_boot=
    if [ -r /proc/sys/kernel/random/boot_id ]; then
        read -r hamn_boot </proc/sys/kernel/random/boot_id
    else
        hamn_boot=$(echo $(who -b))
    fi
}
# Whether a process of the job is alive: its command line names the script. What the job's own shell started still counts when that
# shell was killed.
hamn_alive() {
    if [ -d /proc/self ] && [ -r /proc/self/cmdline ]; then
        grep -l "$hamn_script_pattern" "/proc/$hamn_pid/cmdline" >/dev/null 2>&1 && return
        grep -l "$hamn_script_pattern" /proc/[0-9]*/cmdline 2>/dev/null | grep . >/dev/null
    else
        ps -e -o args= | grep "$hamn_script_pattern" >/dev/null
    fi
}
# $hamn_state: absent, running, ended, killed or rebooted.
hamn_look() {
    if [ -f "$hamn_job/rc" ]; then hamn_state=ended; return; fi
    if [ ! -d "$hamn_job/run" ]; then hamn_state=absent; return; fi
    hamn_pid=0
    hamn_then=
    # Between the claim and the pid lies one rename.
    hamn_i=0
    while [ ! -f "$hamn_job/pid" ] && [ ! -f "$hamn_job/rc" ] && [ "$hamn_i" -lt 20 ]; do
        hamn_pause
        hamn_i=$((hamn_i + 1))
    done
    [ ! -f "$hamn_job/pid" ] || read -r hamn_pid hamn_then <"$hamn_job/pid"
    hamn_booted
    if [ -n "$hamn_then" ] && [ "$hamn_then" != "$hamn_boot" ]; then hamn_state=rebooted; return; fi
    hamn_state=running
    hamn_alive || hamn_state=killed
    # It may have ended between the two looks.
    [ ! -f "$hamn_job/rc" ] || hamn_state=ended
}
# hamn_await SECONDS: until the job is no longer running. Looks for its exit code all the time and for its process now and then.
hamn_await() {
    hamn_look
    [ "$1" -gt 0 ] || return 0
    hamn_clock
    hamn_until=$((hamn_now + $1))
    hamn_turn=0
    while [ "$hamn_state" = running ]; do
        hamn_clock
        [ "$hamn_now" -lt "$hamn_until" ] || return 0
        hamn_pause
        hamn_turn=$((hamn_turn + 1))
        if [ -f "$hamn_job/rc" ] || [ $((hamn_turn % 20)) -eq 0 ]; then hamn_look; fi
    done
}
# hamn_part FILE BYTES
hamn_part() {
    [ "$2" -eq 0 ] || head -c "$2" "$1"
}
# hamn_answer FRESH: the state, then the two outputs, each with its number of bytes, so that a cut is seen.
hamn_answer() {
    case $hamn_state in
    absent | running) hamn_say "$hamn_state" ;;
    killed | rebooted) hamn_say lost "$hamn_state" ;;
    ended)
        read -r hamn_rc hamn_count hamn_out hamn_err <"$hamn_job/rc"
        if [ "$hamn_rc" = revoked ]; then
            hamn_say revoked
            return
        fi
        [ "$hamn_out" -le "$hamn_most" ] || hamn_out=$hamn_most
        [ "$hamn_err" -le "$hamn_most" ] || hamn_err=$hamn_most
        hamn_say finished "$hamn_rc" "$hamn_count" "$hamn_out" "$hamn_err" "$1"
        hamn_part "$hamn_job/out" "$hamn_out"
        hamn_part "$hamn_job/err" "$hamn_err"
        ;;
    esac
}
