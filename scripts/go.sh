#!/usr/bin/env bash
# Prints the path of a Go compiler that is new enough for end2end/kubernetes, and gets one if there is none.
# Usage: scripts/go.sh [--find]   (--find: gets nothing; exit code 1 if there is none)
#        scripts/go.sh --old      (one that is new enough for what runs the cluster: Debian's is)
# What is got is the compiler that Go itself would download as the module `golang.org/toolchain`. Any
# older Go can fetch it, Debian's (package golang-1.19-go) for one; its checksum is verified on the way.
set -euo pipefail

readonly MINIMUM=1.24
readonly OLD_MINIMUM=1.19
readonly VERSION=1.24.13
readonly DEBIAN=/usr/lib/go-1.19/bin/go
readonly CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/elb-dashboard/go-$VERSION

# True if the Go compiler $1 is new enough.
is_new_enough() {
    local version
    [[ -n $1 ]] || return
    version=$("$1" env GOVERSION 2>/dev/null) || return 1
    [[ $(printf '%s\n' "$minimum" "${version#go}" | sort -V | head -n 1) == "$minimum" ]]
}

minimum=$MINIMUM
if [[ ${1:-} == --old ]]; then minimum=$OLD_MINIMUM; fi
for go in "$(command -v go || true)" "$CACHE/bin/go" "$DEBIAN"; do
    if is_new_enough "$go"; then
        echo "$go"
        exit
    fi
done
[[ ${1:-} != --find ]] || exit 1

go=$(command -v go || true)
if [[ -z $go ]]; then go=$DEBIAN; fi
[[ -x $go ]] || {
    echo "no Go compiler is on PATH: \`scripts/setup.sh cluster\` installs one, or install Go $MINIMUM or later" >&2
    exit 1
}
case $(uname -m) in
    x86_64) architecture=amd64 ;;
    aarch64) architecture=arm64 ;;
    *) echo "no Go compiler is known for $(uname -m): install Go $MINIMUM or later" >&2 && exit 1 ;;
esac
module=golang.org/toolchain@v0.0.1-go$VERSION.linux-$architecture
echo "downloading Go $VERSION with $("$go" version)" >&2
modules=$(mktemp -d)
trap 'chmod -R u+w "$modules" 2>/dev/null; rm -rf "$modules"' EXIT
# In a folder that has no go.mod, and with no setting that would change what is downloaded.
(cd "$modules" && GO111MODULE=on GOFLAGS= GOPATH=$modules GOMODCACHE=$modules GOTOOLCHAIN=local "$go" mod download "$module" >&2)
chmod -R u+w "$modules"
# A module is an archive that does not say which of its files are programs.
chmod +x "$modules/$module"/bin/* "$modules/$module"/pkg/tool/*/*
mkdir -p "${CACHE%/*}"
rm -rf "$CACHE"
mv "$modules/$module" "$CACHE"
echo "$CACHE/bin/go"
