# hamn_as USER SECONDS BODY: the body travels in the environment, so that whatever login shell the user has (csh and fish among
# them) reads nothing but one fixed line. From / because the user may not be allowed to enter where we are.
hamn_as() {
    if [ "$(id -un)" = "$1" ]; then
        eval "$3"
        return
    fi
    HAMN_BODY="unset HAMN_BODY
$hamn_library
$3"
    export HAMN_BODY
    case $(uname -s) in
    Linux) hamn_limit "$2" su -s /bin/sh -c 'eval "$HAMN_BODY"' "$1" ;;
    *) hamn_limit "$2" su "$1" -c "exec /bin/sh -c 'eval \"\$HAMN_BODY\"'" ;;
    esac
}
