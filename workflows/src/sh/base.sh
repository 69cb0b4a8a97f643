LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
umask 022
cd /
hamn_begin() {
    hamn_index=$1
    echo "@@hamn $hamn_nonce begin $1"
    echo "@@hamn $hamn_nonce begin $1" >&2
}
hamn_end() {
    echo "
@@hamn $hamn_nonce end $1 $2"
    echo "
@@hamn $hamn_nonce end $1 $2" >&2
    [ "$2" -eq 0 ]
}
hamn_done() {
    echo "@@hamn $hamn_nonce done"
    echo "@@hamn $hamn_nonce done" >&2
}
