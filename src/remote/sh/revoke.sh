# The claim is made here, so that a launch still under way finds it.
hamn_revoke() {
    mkdir -p "$hamn_job" || { hamn_say trouble "cannot make $hamn_job"; return; }
    if mkdir "$hamn_job/run" 2>/dev/null; then
        echo revoked 0 0 0 >"$hamn_job/rc.new" && hamn_sync "$hamn_job/rc.new" && mv -f "$hamn_job/rc.new" "$hamn_job/rc"
        hamn_sync "$hamn_job" "$hamn_dir/jobs"
    fi
    hamn_look
    if [ "$hamn_state" = absent ]; then
        hamn_say trouble "the job could not be claimed in $hamn_job"
        return
    fi
    hamn_answer no
}
