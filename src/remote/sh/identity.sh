hamn_found=
if [ -r /etc/machine-id ]; then
    read -r hamn_found </etc/machine-id
elif [ "$(uname -s)" = AIX ]; then
    hamn_found=$(uname -f)
fi
if [ "$hamn_found" != "$hamn_pinned" ]; then
    echo "@@hamn $hamn_nonce answer wrong ${hamn_found:-none}"
    echo "
@@hamn $hamn_nonce done"
    echo "
@@hamn $hamn_nonce done" >&2
    exit 0
fi
