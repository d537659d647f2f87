#!/usr/bin/env bash
# Runs a real Kubernetes cluster on this machine, for tests and for a look: docs/KUBERNETES.md.
# Usage: scripts/cluster.sh start [--control-plane-only] [--ends-with-input] [DIR] [-- COMMAND [ARGUMENT...]]
#        scripts/cluster.sh stop DIR | load DIR IMAGE.tar | image --tag NAME:TAG --out IMAGE.tar FILE...
#        scripts/cluster.sh build   (only builds what the others need)
#        scripts/cluster.sh built   (exit code 0 if that is built)
#        scripts/cluster.sh which   (prints which Kubernetes it is: current or debian)
#        scripts/cluster.sh kubectl [ARGUMENT...]
# ELB_KUBERNETES says which: `current` is built from Kubernetes' published Go modules, `debian` is 1.20.2 from
# Debian's source package. Without it, it is the current one, or where that cannot be built, Debian's.
# To build takes minutes; the programs are kept in a cache folder outside the checkout, so that it happens once.
# Everything else is end2end/kubernetes/cluster.
set -euo pipefail

readonly VERSION=1.34.4
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly HERE
readonly SOURCES=$HERE/end2end/kubernetes
readonly CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/elb-dashboard/kubernetes
# A build that nobody used for so many days is removed.
readonly KEPT_DAYS=30
# That the current one cannot be built is believed for so many minutes.
readonly BELIEVED_MINUTES=1440

# No debugger will read this program, and to leave out what it would read saves an eighth of the time.
readonly COMPILER_FLAGS=all=-dwarf=false

# Clients ask for the version, and warn if it is v0.0.0.
linker_flags() {
    local package
    printf -- '-s -w'
    for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
        printf ' -X %s.gitVersion=v%s -X %s.gitMajor=1 -X %s.gitMinor=%s -X %s.gitTreeState=archive' \
            "$package" "$VERSION" "$package" "$package" "$(cut -d . -f 2 <<<"$VERSION")" "$package"
    done
}

# The folder of what is built from these files.
keyed() {
    local name=$1
    shift
    echo "$CACHE/$name-$(cat "$@" | sha256sum | cut -c 1-16)"
}

# Builds packages of a module into a folder: folder, module, what to call it, then go's own arguments.
build() {
    local folder=$1 module=$2 what=$3 began=$SECONDS go parts
    shift 3
    go=$("$HERE/scripts/go.sh" ${OLD_GO_WILL_DO:+--old}) || return
    parts=$folder.$$
    echo "  build    $what with $("$go" env GOVERSION) ..." >&2
    mkdir -p "$parts"
    # Nothing of who builds it is to change what is built. Only lines of -v are counted, others shown.
    if ! (cd "$module" && env -u GOROOT GO111MODULE=on GOFLAGS= GOWORK=off CGO_ENABLED=0 \
        "$go" build -v -trimpath -buildvcs=false -o "$parts/" "$@" 2>&1) | progress; then
        rm -rf "$parts"
        echo "cluster: $what cannot be built; the lines above say why" >&2
        return 1
    fi
    rm -rf "$folder"
    mv "$parts" "$folder"
    echo "  built    $what ($((SECONDS - began)) s, kept in $folder)" >&2
}

# Of the names of packages, which -v prints as it goes, only their number is shown.
progress() {
    local line compiled=0 downloaded=0
    while IFS= read -r line; do
        if [[ $line == 'go: downloading '* ]]; then
            ((++downloaded % 50)) || echo "           | $downloaded modules downloaded"
        elif [[ $line =~ ^[A-Za-z0-9_./-]+$ ]]; then
            ((++compiled % 100)) || echo "           | $compiled packages compiled"
        else
            echo "           | $line"
        fi
    done >&2
}

# Where they are, or will be.
CURRENT=$(keyed programs "$SOURCES"/{go.mod,go.sum,main.go} <(linker_flags) <(echo "$COMPILER_FLAGS"))
RUNNER=$(keyed runner "$SOURCES"/cluster/go.mod "$SOURCES"/cluster/*.go "$SOURCES"/cluster/pause/*.go)
DEBIAN=$(keyed debian <("$HERE/scripts/kubernetes-debian.sh" recipe))
readonly CURRENT RUNNER DEBIAN
# Is there once the current one could not be built.
readonly FAILED=$CURRENT.failed

# Which Kubernetes it is, as far as that is known before it is built.
which_one() {
    case ${ELB_KUBERNETES:-} in
        current | debian) echo "$ELB_KUBERNETES" ;;
        '')
            if [[ ! -d $CURRENT && -n $(find "$FAILED" -mmin "-$BELIEVED_MINUTES" 2>/dev/null) ]]; then
                echo debian
            else
                echo current
            fi
            ;;
        *)
            echo "cluster: ELB_KUBERNETES must be current, debian or nothing, not $ELB_KUBERNETES" >&2
            return 2
            ;;
    esac
}

use() {
    if [[ $1 == debian ]]; then PROGRAMS=$DEBIAN; else PROGRAMS=$CURRENT; fi
}

is_built() { [[ -d $PROGRAMS && -d $RUNNER ]]; }

build_current() {
    build "$CURRENT" "$SOURCES" "Kubernetes $VERSION (once; takes minutes)" \
        -gcflags "$COMPILER_FLAGS" -ldflags "$(linker_flags)" . || return
    rm -f "$FAILED"
}

build_debian() {
    local began=$SECONDS
    echo "  build    Kubernetes 1.20.2 from Debian's source package (once; takes minutes) ..." >&2
    if ! "$HERE/scripts/kubernetes-debian.sh" "$DEBIAN" 2>&1 | progress; then
        echo "cluster: Kubernetes 1.20.2 cannot be built; the lines above say why" >&2
        return 1
    fi
    echo "  built    Kubernetes 1.20.2 ($((SECONDS - began)) s, kept in $DEBIAN)" >&2
}

# Builds the one that is wanted, or the other one if nobody has said which and it cannot be built.
build_programs() {
    if [[ $PROGRAMS == "$DEBIAN" ]]; then
        build_debian
    elif ! build_current; then
        [[ -z ${ELB_KUBERNETES:-} ]] || return 1
        touch "$FAILED"
        echo "  build    1.20.2 from Debian's source package takes the place of $VERSION, which cannot be built here" >&2
        echo "           (ELB_KUBERNETES=current tries it again)" >&2
        use debian
        [[ -d $PROGRAMS ]] || build_debian
    fi
}

# Builds what is missing; one process at a time does.
ensure_built() {
    mkdir -p "$CACHE"
    if ! is_built; then
        exec {lock}>"$CACHE/lock"
        if ! flock --nonblock "$lock"; then
            echo "  build    waiting for another build" >&2
            flock "$lock"
        fi
        [[ -d $PROGRAMS ]] || build_programs
        [[ -d $RUNNER ]] || OLD_GO_WILL_DO=yes build "$RUNNER" "$SOURCES/cluster" "what runs it" -ldflags '-s -w' . ./pause
        exec {lock}>&-
        find "$CACHE" -mindepth 1 -maxdepth 1 -type d -mtime "+$KEPT_DAYS" -exec rm -rf {} +
        find "$CACHE" -maxdepth 1 -name '*.failed' -mmin "+$BELIEVED_MINUTES" -delete
    fi
    touch "$PROGRAMS" "$RUNNER"
}

which=$(which_one)
use "$which"
case ${1:-} in
    which) echo "$which" ;;
    built) is_built ;;
    build) ensure_built ;;
    kubectl)
        ensure_built
        exec "$PROGRAMS/kubernetes" "$@"
        ;;
    *)
        ensure_built
        ELB_KUBERNETES_PROGRAMS=$PROGRAMS/kubernetes exec "$RUNNER/cluster" "$@"
        ;;
esac
