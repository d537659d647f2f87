#!/usr/bin/env bash
# Makes an image of BLAST+ and one of our programs, and puts it on the node of a cluster of scripts/cluster.sh.
# Usage: scripts/image.sh PROGRAM [CLUSTER]   (PROGRAM: elb-runner or elb-dashboard, built; CLUSTER: the cluster's
#        folder; without it, only the archive is made, beside PROGRAM). Prints the image's name, which changes with
#        what is in it.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly HERE
# Programs of Debian's package that searches and downloads need.
readonly PROGRAMS=(blastn blastp blastx tblastn tblastx blast_formatter blastdbcmd makeblastdb)
# Who is who in TLS, which both ask for whatever they ask.
readonly AUTHORITIES=/etc/ssl/certs/ca-certificates.crt

program=${1:?a program is to be named: target/debug/elb-dashboard}
cluster=${2:-}
name=$(basename "$program")
if [[ ! -x $program ]]; then
    echo "image: $program is not there; build it: cargo build" >&2
    exit 1
fi
files=("$AUTHORITIES=$AUTHORITIES")
for tool in "${PROGRAMS[@]}"; do
    files+=("$(command -v "$tool")=/usr/bin/$tool")
done
tag=elb-dashboard.test/$name:$(cat "$program" "$(command -v blastn)" "$0" | sha256sum | cut -c 1-12)
archive=$(dirname "$program")/$name-image-${tag##*:}.tar
# Two clusters that are started at once need the same image: one makes it, until its end.
exec {lock}>"$(dirname "$program")/$name-image.lock"
flock "$lock"
if [[ ! -f $archive ]]; then
    # What was made of older ones is of no use any more.
    rm -f "$(dirname "$program")/$name"-image-*.tar
    # What only debuggers read is most of a program that was built for tests.
    stripped=$(mktemp)
    trap 'rm -f "$stripped"' EXIT
    strip --strip-debug -o "$stripped" "$program"
    chmod 755 "$stripped"
    "$HERE/scripts/cluster.sh" image --tag "$tag" --out "$archive.part" "${files[@]}" "$stripped=/usr/bin/$name" >&2
    mv "$archive.part" "$archive"
fi
if [[ -n $cluster ]]; then
    "$HERE/scripts/cluster.sh" load "$cluster" "$archive" >&2
fi
echo "$tag"
