# The job itself. Exit codes, for the launch that waits: 0 it ran, 75 claimed by another, 77 and 79 refused by the epoch.
umask 077
hamn_sync_job() {
    sync "$@" 2>/dev/null || sync
}
[ ! -d "$hamn_job/run" ] || exit 75
if [ -f "$hamn_dir/epoch" ]; then
    hamn_epoch=
    read -r hamn_epoch <"$hamn_dir/epoch"
    case $hamn_epoch in
    '' | *[!0-9]*) exit 77 ;;
    esac
    [ "$hamn_epoch" -le "$hamn_job_epoch" ] || exit 79
fi
hamn_boot=
if [ -r /proc/sys/kernel/random/boot_id ]; then
    read -r hamn_boot </proc/sys/kernel/random/boot_id
else
    hamn_boot=$(echo $(who -b))
fi
echo "$$ $hamn_boot" >"$hamn_job/pid.$$"
if ! mkdir "$hamn_job/run" 2>/dev/null; then
    rm -f "$hamn_job/pid.$$"
    exit 75
fi
mv -f "$hamn_job/pid.$$" "$hamn_job/pid"
# On disk before the effect: a claim that a power cut took away would let the job run a second time.
hamn_sync_job "$hamn_job/pid" "$hamn_job/run" "$hamn_job" "$hamn_dir/jobs"
# Not exported: a server that the script starts need not know of it.
HAMN_SCRATCH=$hamn_job
# A process of its own, which ksh93 makes of nothing else: while it lives, the job does, even if this shell is killed.
hamn_body </dev/null >"$hamn_job/out" 2>"$hamn_job/err" &
wait $!
hamn_rc=$?
echo "$hamn_rc $hamn_count $(wc -c <"$hamn_job/out") $(wc -c <"$hamn_job/err")" >"$hamn_job/rc.new" || exit 74
hamn_sync_job "$hamn_job/out" "$hamn_job/err" "$hamn_job/rc.new"
mv -f "$hamn_job/rc.new" "$hamn_job/rc"
hamn_sync_job "$hamn_job"
exit 0
