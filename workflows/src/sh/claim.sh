# hamn_text PATH: waits for the text of a claim that somebody is just making: between mkdir and mv.
hamn_text() {
    hamn_i=0
    while [ -d "$1" ] && [ ! -f "$1/text" ] && [ "$hamn_i" -lt 3 ]; do
        sleep 1
        hamn_i=$((hamn_i + 1))
    done
    [ -f "$1/text" ]
}
# hamn_claim PATH: with the prepared text. mkdir decides who has it.
hamn_claim() {
    if mkdir -m 700 "$1" 2>/dev/null; then
        hamn_sync "$hamn_new" && mv -f "$hamn_new" "$1/text" && hamn_sync "$1" && hamn_sync "${1%/*}" && return
        rm -f "$hamn_new"
        return 74
    fi
    if [ ! -d "$1" ]; then
        rm -f "$hamn_new"
        echo "hamn: $1: cannot be made" >&2
        return 74
    fi
    hamn_text "$1" || echo "hamn: $1: a claim without text, left by an interrupted program" >&2
    cmp -s "$hamn_new" "$1/text"
    hamn_rc=$?
    rm -f "$hamn_new"
    [ "$hamn_rc" -ne 0 ] || return 0
    [ ! -f "$1/text" ] || cat "$1/text"
    return 17
}
# hamn_unclaim PATH: the rename takes it away in one piece.
hamn_unclaim() {
    if [ ! -d "$1" ]; then
        rm -f "$hamn_new"
        return 0
    fi
    hamn_text "$1"
    cmp -s "$hamn_new" "$1/text"
    hamn_rc=$?
    rm -f "$hamn_new"
    if [ "$hamn_rc" -ne 0 ]; then
        [ -d "$1" ] || return 0
        [ ! -f "$1/text" ] || cat "$1/text"
        return 17
    fi
    mv "$1" "$hamn_new.gone" && hamn_sync "${1%/*}" || return 74
    rm -f "$hamn_new.gone/text"
    rmdir "$hamn_new.gone"
}
