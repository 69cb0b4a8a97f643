hamn_found=
[ ! -r /etc/machine-id ] || read -r hamn_found </etc/machine-id
if [ "$hamn_found" != "$hamn_pinned" ]; then
    echo "@@hamn $hamn_nonce answer wrong ${hamn_found:-none}"
    echo "
@@hamn $hamn_nonce done"
    echo "
@@hamn $hamn_nonce done" >&2
    exit 0
fi
