# prepare.sh - installs what is missing and copies the sources to a place of their own.  To be sourced by tests/all and
# tests/demo with top_srcdir set.

# prepare_packages: installs what tests/packages lists, asking nothing.
prepare_packages() {
    packages=$(sed 's/#.*//' "$top_srcdir/tests/packages")
    if ! command -v apt-get >/dev/null; then
        echo "This is no Debian: please install what corresponds to these packages, then set PREPARED=1." >&2
        printf '%s\n' "$packages" >&2
        [ -n "${PREPARED:-}" ] || exit 1
        return
    fi
    missing=
    for package in $packages; do
        case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
        installed) ;;
        *) missing="$missing $package" ;;
        esac
    done
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        echo "Please run this as root, or install:$missing" >&2
        exit 1
    fi
    echo "Installing:$missing"
    # Services must not start: policy-rc.d forbids it while we install, unless the machine has one of its own.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod 755 /usr/sbin/policy-rc.d
        policy_is_ours=1
    fi
    {
        DEBIAN_FRONTEND=noninteractive apt-get update -q &&
            # shellcheck disable=SC2086 # a list
            DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
    } >"$T/apt.log" 2>&1 </dev/null
    prepared=$?
    [ -z "${policy_is_ours:-}" ] || rm -f /usr/sbin/policy-rc.d
    if [ "$prepared" -ne 0 ]; then
        tail -n 20 "$T/apt.log" >&2
        echo "The packages could not be installed." >&2
        exit 1
    fi
}

# prepare_debs PACKAGE...: downloads into DEBS what cannot be installed beside the rest, for tests that unpack it.
prepare_debs() {
    DEBS=$T/debs
    export DEBS
    mkdir "$DEBS" && (cd "$DEBS" && apt-get download -q "$@") >>"$T/apt.log" 2>&1 </dev/null || {
        tail -n 5 "$T/apt.log" >&2
        return 1
    }
}

# prepare_scratch: sets T, a directory that every user can pass through; gone when the script ends.
prepare_scratch() {
    T=$(mktemp -d /tmp/sasl-bearer.XXXXXX) && chmod 755 "$T"
    trap 'prepare_clean' EXIT
    trap 'exit 1' HUP INT TERM
}

prepare_clean() {
    chmod -R u+w "$T"
    rm -rf "$T"
}

# prepare_sources: copies the tree as git sees it to T/src, so that the checkout stays as it is, and makes configure.
prepare_sources() {
    mkdir "$T/src"
    if git -C "$top_srcdir" rev-parse --git-dir >/dev/null 2>&1; then
        # What git knows and what it does not ignore; files deleted but not yet committed are passed over.
        (cd "$top_srcdir" && git ls-files -z --cached --others --exclude-standard |
            tar -c --null --ignore-failed-read -T - -f - 2>/dev/null) | tar -x -C "$T/src" -f -
    else
        cp -a "$top_srcdir/." "$T/src"
    fi
    (cd "$T/src" && autoreconf -fi) >"$T/autoreconf.log" 2>&1 || { cat "$T/autoreconf.log" >&2; exit 1; }
}

# prepare_build NAME [CONFIGURE_ARGUMENT...]: builds in T/NAME for T/NAME-root, all below it, and installs there.
prepare_build() {
    build=$1
    shift
    mkdir "$T/$build"
    (
        cd "$T/$build" &&
            ../src/configure --prefix="$T/$build-root" --with-saslplugindir="$T/$build-root/lib/sasl2" "$@" &&
            make -j"$(nproc)" && make install
    ) >"$T/$build.log" 2>&1 || { tail -n 60 "$T/$build.log" >&2; echo "Building $build failed." >&2; return 1; }
}
