hamn_append() {
    mkdir -p "${hamn_file%/*}" || { hamn_say trouble "cannot make ${hamn_file%/*}"; return; }
    hamn_before=0
    [ ! -f "$hamn_file" ] || hamn_before=$(wc -c <"$hamn_file")
    hamn_print >>"$hamn_file"
    if [ "$(wc -c <"$hamn_file")" -ne $((hamn_before + hamn_bytes)) ]; then
        hamn_say trouble "$hamn_file did not grow by as much as was sent"
        return
    fi
    hamn_sync "$hamn_file"
    [ "$hamn_before" -gt 0 ] || hamn_sync "${hamn_file%/*}"
    hamn_say other
}
