# hamn_launch SECONDS: the job's shell is our child, so its end is known at once and without looking for it. First it lets go of all
# three descriptors: in bash and mksh anything else would keep the session open as long as the job lives (trap 72).
hamn_launch() {
    mkdir -p "$hamn_job" || { hamn_say trouble "cannot make $hamn_job"; return; }
    hamn_fresh=no
    if [ ! -d "$hamn_job/run" ]; then
        hamn_new=$hamn_job/script.$hamn_nonce
        hamn_print >"$hamn_new"
        if [ "$(wc -c <"$hamn_new")" -ne "$hamn_bytes" ] || ! mv -f "$hamn_new" "$hamn_job/script"; then
            rm -f "$hamn_new"
            hamn_say trouble "cannot write $hamn_job/script"
            return
        fi
        (
            trap '' HUP
            exec </dev/null >/dev/null 2>&1
            exec "$hamn_shell" "$hamn_job/script"
        ) &
        wait $! 2>/dev/null
        case $? in
        0) hamn_fresh=yes ;;
        77) hamn_say trouble "$hamn_dir/epoch holds no number"; return ;;
        79)
            read -r hamn_epoch <"$hamn_dir/epoch"
            hamn_say stale "$hamn_epoch"
            return
            ;;
        esac
    fi
    hamn_await "$1"
    if [ "$hamn_state" = absent ]; then
        hamn_say trouble "the job could not be claimed in $hamn_job"
        return
    fi
    hamn_answer "$hamn_fresh"
}
