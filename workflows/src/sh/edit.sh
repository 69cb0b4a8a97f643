# hamn_real PATH: follows symbolic links: $hamn_file.
hamn_real() {
    hamn_file=$1
    hamn_hops=0
    while [ -h "$hamn_file" ]; do
        hamn_hops=$((hamn_hops + 1))
        [ "$hamn_hops" -le 16 ] || return 74
        hamn_to=$(QUOTING_STYLE=literal ls -ld "$hamn_file"; echo .)
        hamn_to=${hamn_to%??}
        hamn_to=${hamn_to#*"$hamn_file -> "}
        case $hamn_to in
        /*) hamn_file=$hamn_to ;;
        *) hamn_file=${hamn_file%/*}/$hamn_to ;;
        esac
    done
}
# hamn_edit PATH KEEP ABSENT PROGRAM: the awk program writes the file anew; KEEP: the former file stays as PATH.hamn-before;
# ABSENT: exit code when there is no such file. cp -p gives the new file the owner and mode of the old one.
hamn_edit() {
    hamn_real "$1" || return
    if [ ! -f "$hamn_file" ]; then
        [ "$3" -eq 0 ] || echo "hamn: $1: no such file" >&2
        return "$3"
    fi
    hamn_new=${hamn_file%/*}/.hamn.$hamn_nonce.$hamn_index
    rm -f "$hamn_new"
    cp -p "$hamn_file" "$hamn_new" || { rm -f "$hamn_new"; return 74; }
    # cron under SELinux reads no crontab of another type than it had.
    [ ! -d /sys/fs/selinux ] || chcon --reference="$hamn_file" "$hamn_new" 2>/dev/null
    # The last line may lack its end; awk would add it.
    hamn_open=$(tail -c 1 "$hamn_file")
    export hamn_open
    awk "$4" <"$hamn_file" >"$hamn_new"
    hamn_rc=$?
    if [ "$hamn_rc" -ne 0 ]; then
        rm -f "$hamn_new"
        [ "$hamn_rc" -ne 3 ] || echo "hamn: $1: no such line" >&2
        return "$hamn_rc"
    fi
    if cmp -s "$hamn_file" "$hamn_new"; then
        rm -f "$hamn_new"
        return 0
    fi
    if [ "$2" -eq 1 ] && [ ! -e "$1.hamn-before" ]; then
        hamn_copy=${1%/*}/.hamn.$hamn_nonce.$hamn_index.before
        cp -p "$hamn_file" "$hamn_copy" && hamn_sync "$hamn_copy" && mv -f "$hamn_copy" "$1.hamn-before" || {
            rm -f "$hamn_copy" "$hamn_new"
            return 74
        }
    fi
    hamn_install "$hamn_file"
}
