#!/bin/sh
# Starts three sample backends and the proxy on config.json, prints what to try, stops both on Ctrl-C.
#
# From the environment: CONFIG (another file), DEMO_PORT (the first of the backends' three ports),
# and what nextproxy itself takes from it, such as NEXTPROXY_PROXY_PORT.
set -eu

bin=${NEXTPROXY_BIN:-build/nextproxy}
config=${CONFIG:-config.json}
first=${DEMO_PORT:-3001}
demo_pid=
proxy_pid=

# A port is taken when something listens on it: state 0A in the kernel's tables.
port_listening() {
    hex=$(printf ':%04X' "$1")
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
        awk -v port="$hex" '$4 == "0A" && substr($2, length($2) - 4) == port { found = 1 }
                            END { exit !found }'
}

wait_listening() {
    tries=50
    until port_listening "$1"; do
        kill -0 "$2" 2>/dev/null || return 1
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.1
    done
}

# The first signal lets running exchanges finish, a second one stops at once.
stop() {
    trap - EXIT
    for pid in $proxy_pid $demo_pid; do
        kill -TERM "$pid" 2>/dev/null || true
    done
    # shellcheck disable=SC2086  # none, one or two words
    trap 'kill -TERM $proxy_pid $demo_pid 2>/dev/null || true' INT TERM HUP
    for pid in $proxy_pid $demo_pid; do
        while kill -0 "$pid" 2>/dev/null; do
            wait "$pid" || true
        done
    done
}

fail() {
    echo "make run: $*" >&2
    exit 1
}

case $first in
'' | *[!0-9]* | ??????*) fail "DEMO_PORT is \"$first\", but must be a number from 1 to 65533" ;;
esac
second=$((first + 1)) third=$((first + 2))
# Backends that moved must be told to the proxy, unless the caller names others.
[ "$first" = 3001 ] || export BACKENDS="${BACKENDS:-http://127.0.0.1:$first,http://127.0.0.1:$second,http://127.0.0.1:$third}"

# What is in effect, overrides included. When the configuration is wrong, this says so.
effective=$("$bin" --config "$config" --print-config) || fail "$config cannot be used (see above)"
proxy_port=$(printf '%s\n' "$effective" | sed -n '/^    "proxy": {/,/^    }/s/^ *"port": \([0-9]*\).*/\1/p')

port_listening "$proxy_port" &&
    fail "port $proxy_port is taken by another program: stop it, or choose another with NEXTPROXY_PROXY_PORT=N make run"
for port in $first $second $third; do
    port_listening "$port" &&
        fail "port $port is taken by another program: stop it, or choose others with DEMO_PORT=N make run"
done

trap stop EXIT
# Until stop() listens again, an impatient second signal must not interrupt the way there.
trap "trap '' INT TERM HUP; exit 0" INT TERM HUP
# In sessions of their own: Ctrl-C must reach them once, through stop(), not from the terminal too.
setsid "$bin" --demo --port "$first" &
demo_pid=$!
wait_listening "$third" "$demo_pid" || fail "the sample backends did not start"
setsid "$bin" --config "$config" &
proxy_pid=$!
wait_listening "$proxy_port" "$proxy_pid" || fail "the proxy did not start (see above)"

cat <<TEXT

nextproxy listens on http://127.0.0.1:$proxy_port
sample backends:    http://127.0.0.1:$first  http://127.0.0.1:$second  http://127.0.0.1:$third

try:   curl -i http://127.0.0.1:$proxy_port/
stop:  Ctrl-C

TEXT
status=0
wait "$proxy_pid" || status=$?
fail "the proxy ended with status $status (see above, and its error log)"
