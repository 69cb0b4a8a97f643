BEGIN { ORS = ""; mark = ENVIRON["hamn_mark"] }
{
    if (NR > 1) print "\n"
    print substr($0, 1, length(mark)) == mark ? substr($0, length(mark) + 1) : $0
}
END { if (NR && ENVIRON["hamn_open"] == "") print "\n" }
