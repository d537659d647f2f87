#!/usr/bin/env bash
# Runs one step of a longer run under a heading, and says how long it took and whether it failed.
# Usage: scripts/section.sh TITLE COMMAND [ARGUMENT...]
set -euo pipefail

title=$1
shift
started=$SECONDS
echo "==> $title"
status=0
"$@" || status=$?
if ((status == 0)); then
    echo "<== $title: ok, $((SECONDS - started)) s"
else
    echo "<== $title: FAILED (exit code $status), $((SECONDS - started)) s" >&2
fi
exit "$status"
