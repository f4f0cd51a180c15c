#!/bin/sh
# Starts three sample backends and the proxy on config.json, prints what to try, stops both on Ctrl-C.
set -eu

bin=${NEXTPROXY_BIN:-build/nextproxy}
config=${CONFIG:-config.json}
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
    # shellcheck disable=SC2086  # none, one or two words, here and below
    trap 'kill -TERM $proxy_pid $demo_pid 2>/dev/null || true' INT TERM HUP
    for pid in $proxy_pid $demo_pid; do
        kill -TERM "$pid" 2>/dev/null || true
    done
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

proxy_port=$(sed -n 's/.*"port"[[:space:]]*:[[:space:]]*\([0-9][0-9]*\).*/\1/p' "$config" | head -n 1)
proxy_port=${proxy_port:-3000}

for port in $proxy_port 3001 3002 3003; do
    port_listening "$port" &&
        fail "port $port is taken by another program: stop it, or change the port in $config"
done

trap stop EXIT
trap 'exit 0' INT TERM HUP
# In sessions of their own: Ctrl-C must reach them once, through stop(), not from the terminal too.
setsid "$bin" --demo &
demo_pid=$!
wait_listening 3003 "$demo_pid" || fail "the sample backends did not start"
setsid "$bin" --config "$config" &
proxy_pid=$!
wait_listening "$proxy_port" "$proxy_pid" || fail "the proxy did not start (see above)"

cat <<TEXT

nextproxy listens on http://127.0.0.1:$proxy_port
sample backends:    http://127.0.0.1:3001  http://127.0.0.1:3002  http://127.0.0.1:3003

try:   curl -i http://127.0.0.1:$proxy_port/
stop:  Ctrl-C

TEXT
wait "$proxy_pid"
