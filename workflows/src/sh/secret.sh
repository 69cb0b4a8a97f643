# Secrets go from the file through awk into a pipe: never into an argument, never into a shell variable that a trace could show.
hamn_has_secret() {
    [ -f "$1" ] && [ -r "$1" ] && awk 'NR == 1 { ok = length($0) > 0; exit } END { exit !ok }' <"$1" && return
    echo "hamn: $1: no secret on the first line, or not readable" >&2
    return 1
}
hamn_secret() {
    awk 'NR == 1 { printf "%s", $0; exit }' <"$1"
}
