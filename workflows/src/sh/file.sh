# A file or directory on disk; everything where sync knows no names.
hamn_sync() {
    sync "${1:-/}" 2>/dev/null || sync
}
# hamn_prepare PATH: makes its parents and an empty private file beside it, with the owner of the file that is there: $hamn_new.
hamn_prepare() {
    hamn_parent=${1%/*}
    [ -z "$hamn_parent" ] || [ -d "$hamn_parent" ] || (umask 077; mkdir -p "$hamn_parent") || return 74
    hamn_new=$hamn_parent/.hamn.$hamn_nonce.$hamn_index
    rm -f "$hamn_new"
    if [ -f "$1" ] && [ ! -h "$1" ]; then
        cp -p "$1" "$hamn_new" && chmod 600 "$hamn_new" || return 74
    fi
    (umask 077; : >"$hamn_new") || return 74
}
# hamn_check BYTES: a full disk is not always an exit code.
hamn_check() {
    [ "$(wc -c <"$hamn_new")" -eq "$1" ] && return
    rm -f "$hamn_new"
    echo "hamn: not all bytes could be written" >&2
    return 74
}
# hamn_install PATH: the prepared file takes its place.
hamn_install() {
    if [ -d "$1" ]; then
        rm -f "$hamn_new"
        echo "hamn: $1: is a directory" >&2
        return 73
    fi
    hamn_sync "$hamn_new" && mv -f "$hamn_new" "$1" && hamn_sync "${1%/*}" && return
    rm -f "$hamn_new"
    return 74
}
