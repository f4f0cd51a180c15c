#!/bin/sh
# Installs what building, testing or benchmarking nextproxy needs, on Debian 12 or Alpine.
#
#     tools/install.sh build|test|bench     (test includes build; bench includes build)
#
# Asks for nothing, uses sudo when not root, and does nothing at all when everything is there.
set -eu

# One row per package. A row is satisfied when its command is there, whoever installed it; with no
# command (-) the package manager is asked.
#   purpose  Debian              Alpine              command           why
packages() {
    cat <<'TABLE'
    build    gcc                 build-base          gcc               the compiler
    build    libc6-dev           musl-dev            -                 C library headers
    build    make                make                make              runs the build
    build    pkg-config          pkgconf             pkg-config        finds the libraries
    build    -                   linux-headers       -                 kernel headers (libc6-dev has them)
    build    liburing-dev        liburing-dev        -                 io_uring
    build    libjansson-dev      jansson-dev         -                 reads the configuration
    build    libc-ares-dev       c-ares-dev          -                 resolves names
    test     clang               clang               clang             second compiler, fuzzer, sanitizers
    test     libclang-rt-dev     compiler-rt         -                 sanitizer and fuzzer runtimes
    test     clang-tidy          clang-extra-tools   clang-tidy        static analysis
    test     clang-format        clang-extra-tools   clang-format      layout
    test     cppcheck            cppcheck            cppcheck          static analysis
    test     llvm                llvm                llvm-symbolizer   names in sanitizer stack traces
    test     libcmocka-dev       cmocka-dev          -                 unit tests
    test     python3             python3             /usr/bin/python3  test runner
    test     python3-pytest      py3-pytest          -                 integration tests
    test     python3-pytest-xdist py3-pytest-xdist   -                 several tests at a time
    test     nginx               nginx               nginx             a real origin
    test     nodejs              nodejs              node              a real origin
    test     curl                curl                curl              a real client
    test     iproute2            iproute2            ip                cuts networks
    test     prometheus          prometheus          promtool          checks what /metrics says
    test     gcovr               gcovr               gcovr             coverage report
    test     musl-tools          -                   musl-gcc          checks the code against musl
    bench    haproxy             haproxy             haproxy           to compare with
    bench    nginx               nginx               nginx             to compare with
    bench    wrk                 wrk                 wrk               load generator
    bench    python3             python3             /usr/bin/python3  runs the rounds
    bench    python3-matplotlib  py3-matplotlib      -                 draws the plots
TABLE
}

fail() {
    echo "tools/install.sh: $*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        fail "must be root (or have sudo) to install packages"
    fi
}

installed() {
    case $manager in
    apt) dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'install ok installed' ;;
    apk) apk info -e "$1" >/dev/null 2>&1 ;;
    esac
}

# Reads rows from stdin, prints the packages that are missing for purposes $1 and $2.
missing_packages() {
    while read -r purpose debian alpine command _why; do
        case $purpose in "$1" | "$2") ;; *) continue ;; esac
        case $manager in apt) package=$debian ;; apk) package=$alpine ;; esac
        [ "$package" != - ] || continue
        if [ "$command" != - ] && command -v "$command" >/dev/null 2>&1; then
            continue
        fi
        installed "$package" || echo "$package"
    done | sort -u
}

# Debian starts a service as soon as it is installed. Tests run their own nginx on a free port, and
# port 80 belongs to the owner of the machine: a policy file forbids the start meanwhile.
POLICY=/usr/sbin/policy-rc.d
policy_forbid() {
    [ -e $POLICY ] && return
    trap policy_allow EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee $POLICY >/dev/null
    as_root chmod 755 $POLICY
    policy_ours=1
}

policy_allow() {
    [ -z "$policy_ours" ] || as_root rm -f $POLICY
    policy_ours=
}

# And what we brought must not start at the next boot either.
services_disable() {
    [ -d /run/systemd/system ] || return 0
    for service in nginx haproxy; do
        case " $* " in
        *" $service "*) as_root systemctl disable "$service" >/dev/null 2>&1 || true ;;
        esac
    done
}

# Runs a package manager quietly; what it said matters only when it failed.
quietly() {
    log=$(mktemp)
    if as_root "$@" >"$log" 2>&1; then
        rm -f "$log"
        return
    fi
    cat "$log" >&2
    rm -f "$log"
    fail "'$*' failed (see above)"
}

install_apt() {
    policy_ours=
    policy_forbid
    quietly apt-get -o DPkg::Lock::Timeout=600 update
    quietly env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y \
        --no-install-recommends "$@"
    services_disable "$@"
    policy_allow
}

install_apk() {
    quietly apk add --no-cache "$@"
}

purpose=${1:-build}
case $purpose in
build | test | bench) ;;
*) fail "unknown purpose '$purpose' (build, test or bench)" ;;
esac

if command -v apt-get >/dev/null 2>&1; then
    manager=apt
elif command -v apk >/dev/null 2>&1; then
    manager=apk
else
    fail "neither apt-get nor apk here; needed: $(packages | awk -v p="$purpose" \
        '$1 == "build" || $1 == p { printf "%s ", $2 }')"
fi

list=$(packages | missing_packages build "$purpose")
[ -n "$list" ] || exit 0
# shellcheck disable=SC2086  # a list of words, here and below
echo "installing for $purpose:" $list
# shellcheck disable=SC2086
install_$manager $list
