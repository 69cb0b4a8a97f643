BEGIN { ORS = ""; text = ENVIRON["hamn_contains"]; mark = ENVIRON["hamn_mark"] }
{
    if (NR > 1) print "\n"
    if ((text == "" || index($0, text)) && substr($0, 1, length(mark)) != mark) print mark
    print $0
}
END { if (NR && ENVIRON["hamn_open"] == "") print "\n" }
