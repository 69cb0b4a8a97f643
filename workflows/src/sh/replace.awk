BEGIN {
    ORS = ""
    prefix = ENVIRON["hamn_prefix"]; after = ENVIRON["hamn_after"]; end = ENVIRON["hamn_until"]; value = ENVIRON["hamn_value"]
}
{
    if (NR > 1) print "\n"
    line = $0
    head = line
    sub(/^[ \t]+/, "", head)
    at = after == "" ? 1 : index(line, after)
    if (at && (substr(head, 1, length(prefix)) "") == (prefix "")) {
        found = 1
        at += length(after)
        rest = substr(line, at)
        stop = end == "" ? 0 : index(rest, end)
        line = substr(line, 1, at - 1) value (stop ? substr(rest, stop) : "")
    }
    print line
}
END {
    if (NR && ENVIRON["hamn_open"] == "") print "\n"
    if (!found) exit 3
}
