#!/usr/bin/env bash
# Makes an image of BLAST+ and the runner, and puts it on the node of a cluster of scripts/cluster.sh.
# Usage: scripts/runner-image.sh RUNNER [CLUSTER]   (CLUSTER: the cluster's folder; without it, only the archive is
#        made, beside RUNNER). Prints the image's name; it changes with what is in it.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly HERE
# Programs of Debian's package that pods run.
readonly PROGRAMS=(blastn blastp blastx tblastn tblastx blast_formatter blastdbcmd)
# Who is who in TLS, which the runner asks for whatever it asks.
readonly AUTHORITIES=/etc/ssl/certs/ca-certificates.crt

runner=${1:?the runner is to be named: target/debug/elb-runner}
cluster=${2:-}
if [[ ! -x $runner ]]; then
    echo "runner-image: $runner is not there; build it: cargo build --package elb-runner" >&2
    exit 1
fi
files=("$AUTHORITIES=$AUTHORITIES" "$runner=/usr/bin/elb-runner")
for program in "${PROGRAMS[@]}"; do
    files+=("$(command -v "$program")=/usr/bin/$program")
done
tag=elb-dashboard.test/runner:$(cat "$runner" "$(command -v blastn)" | sha256sum | cut -c 1-12)
archive=$(dirname "$runner")/runner-image-${tag##*:}.tar
if [[ ! -f $archive ]]; then
    # What was made of older ones is of no use any more.
    rm -f "$(dirname "$runner")"/runner-image-*.tar
    "$HERE/scripts/cluster.sh" image --tag "$tag" --out "$archive.part" "${files[@]}" >&2
    mv "$archive.part" "$archive"
fi
if [[ -n $cluster ]]; then
    "$HERE/scripts/cluster.sh" load "$cluster" "$archive" >&2
fi
echo "$tag"
