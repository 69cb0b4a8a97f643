BEGIN { ORS = ""; line = ENVIRON["hamn_line"] }
{
    if (NR > 1) print "\n"
    if (($0 "") == (line "")) found = 1
    print $0
}
END {
    if (NR && (!found || ENVIRON["hamn_open"] == "")) print "\n"
    if (!found) print line "\n"
}
