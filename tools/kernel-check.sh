#!/bin/sh
# `make kernel-check`: the doctor's report, and its exit status in words, because make turns every
# failure into its own status 2. Arguments go to the doctor (--json).
set -u

bin=${NEXTPROXY_BIN:-build/nextproxy}

"$bin" doctor "$@"
status=$?
case $status in
0) verdict="all there" ;;
1) verdict="degraded: it runs, with less" ;;
*) verdict="nextproxy cannot run here" ;;
esac
# On stderr, so that --json stays JSON.
echo "kernel-check: exit status $status of \`$bin doctor\` ($verdict)" >&2
[ $status -eq 0 ] || echo "kernel-check: make itself says 2 for both 1 and 2; for scripts: \`$bin doctor --json\`" >&2
exit $status
