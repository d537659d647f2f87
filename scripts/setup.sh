#!/usr/bin/env bash
# Installs what is missing to build, run or test elb-dashboard on Debian, and nothing else.
# Usage: scripts/setup.sh [build|run|test|cluster]   (default: run; each includes the one before)
# Safe to repeat: what is there is left alone, and a second call takes well under a second.
# Never installs or updates a Rust toolchain: which compiler a machine has is its owner's choice.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly CARGO_LEPTOS_VERSION=0.3.10
readonly NODE_MAJOR_MIN=20
readonly WASM_TARGET=wasm32-unknown-unknown
# What the runner of the pods is built for: linked statically, it runs in an image of any distribution.
RUNNER_TARGET=$(uname -m)-unknown-linux-musl
readonly RUNNER_TARGET
# Tools that would replace another version of the same name under ~/.cargo go here instead.
readonly LOCAL_TOOLS=$PWD/.tools

readonly EXAMPLE_DATA=/usr/share/doc/mmseqs2

# Debian package and a file that it brings. The file is what is checked: a slim image, which leaves
# out documentation files, can have the package but not the example data in it.
readonly BUILD_PACKAGES=(
    'gcc /usr/bin/cc'
    'libc6-dev /usr/include/stdio.h'
    'make /usr/bin/make'
)
readonly RUN_PACKAGES=(
    'ncbi-blast+ /usr/bin/blastn'
    'microbiomeutil-data /usr/share/microbiomeutil-data/RESOURCES/rRNA16S.gold.fasta'
    "mmseqs2-examples $EXAMPLE_DATA/example-data/DB.fasta.gz"
)
readonly TEST_PACKAGES=(
    'chromium /usr/bin/chromium'
)
# What a node of the test cluster is made of (docs/KUBERNETES.md).
readonly CLUSTER_PACKAGES=(
    'containerd /usr/bin/containerd'
    'runc /usr/bin/runc'
    'containernetworking-plugins /usr/lib/cni/bridge'
    'iproute2 /usr/sbin/ip'
    'busybox-static /usr/bin/busybox'
    'musl-tools /usr/bin/musl-gcc'
)
# Only where there is no Go that is new enough: it downloads one that is.
readonly GO_PACKAGE='golang-1.19-go /usr/lib/go-1.19/bin/go'
# Only where the test cluster is Kubernetes 1.20.2 from Debian's source package (scripts/kubernetes-debian.sh).
readonly DEBIAN_KUBERNETES_PACKAGES=(
    "$GO_PACKAGE"
    'golang-1.19-src /usr/lib/go-1.19/src/runtime'
    'golang-github-modern-go-reflect2-dev /usr/share/gocode/src/github.com/modern-go/reflect2/reflect2.go'
    'dpkg-dev /usr/bin/dpkg-source'
    'etcd-server /usr/bin/etcd'
)

installed=0

# --- messages -------------------------------------------------------------------------------------

have() { echo "  ok       $1"; }

# Runs an installation step: its name, then the command. Its output is shown, indented.
install_step() {
    local what=$1
    try_step "$@" || fail "$what could not be installed" "the lines above say why; the command was: ${*:2}"
}

# The same of one that may fail.
try_step() {
    local what=$1 began=$SECONDS
    shift
    echo "  install  $what ..."
    "$@" 2>&1 </dev/null | sed -u 's/^/           | /' || return
    installed=$((installed + 1))
    echo "  done     $what ($((SECONDS - began)) s)"
}

# Ends the script: what is wrong, then each further argument a line on what to do.
fail() {
    echo "setup: $1" >&2
    shift
    printf '       %s\n' "$@" >&2
    exit 1
}

# True if each of these commands is there.
on_path() {
    local command
    for command in "$@"; do
        command -v "$command" >/dev/null || return 1
    done
}

# --- Debian packages ------------------------------------------------------------------------------

apt() {
    local as_root=()
    if ((EUID != 0)); then
        # Without a terminal nobody can type a password: fail instead of hanging.
        if [[ -t 2 && -z ${CI:-} ]]; then as_root=(sudo); else as_root=(sudo -n); fi
    fi
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@"
}

apt_install() {
    # Example sequences count as documentation, which slim images are set up to leave out.
    local arguments=(install -y -q --no-install-recommends --reinstall
        -o "DPkg::Options::=--path-include=$EXAMPLE_DATA/*" "$@")
    # The package lists are fetched only if the ones at hand do not do.
    apt "${arguments[@]}" && return
    echo "apt-get install failed; once more with fresh package lists"
    apt update -q && apt "${arguments[@]}"
}

debian_packages() {
    local entry missing=()
    for entry in "$@"; do
        if [[ -e ${entry#* } ]]; then have "${entry%% *}"; else missing+=("${entry%% *}"); fi
    done
    ((${#missing[@]} == 0)) && return

    on_path apt-get || fail "missing: ${missing[*]}" \
        "This is not Debian (no apt-get), so nothing was installed." \
        "Install what corresponds to these Debian packages yourself."
    if ((EUID != 0)) && ! on_path sudo; then
        fail "missing: ${missing[*]}" \
            "You are not root and there is no sudo. Run this as root, then try again:" \
            "  apt-get update && apt-get install --no-install-recommends ${missing[*]}"
    fi
    install_step "Debian packages: ${missing[*]}" apt_install "${missing[@]}"

    for entry in "$@"; do
        [[ -e ${entry#* } ]] || fail "${entry%% *} was installed, but ${entry#* } is not there" \
            "See which files it brings: dpkg -L ${entry%% *}"
    done
}

# --- Rust -----------------------------------------------------------------------------------------

# True if version $1 is $2 or later.
at_least() { [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

rust() {
    local wanted active
    wanted=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' Cargo.toml | head -n 1)
    on_path cargo rustc || fail "there is no Rust compiler on PATH" \
        "Install Rust $wanted or later with rustup (https://rustup.rs), open a new shell, try again."
    active=$(rustc --version | cut -d ' ' -f 2) || fail "rustc does not run" \
        "See what \`rustup show\` says; \`rustup default stable\` chooses the stable toolchain."
    at_least "$active" "$wanted" || fail "Rust $active is too old, $wanted or later is needed" \
        "Run \`rustup update stable\`, and \`rustup default stable\` if another one is chosen."
    have "Rust $active"

    for component in rustfmt clippy-driver; do
        [[ $1 != test ]] || "$component" --version >/dev/null 2>&1 || fail "$component does not run" \
            "Run \`rustup component add rustfmt clippy\`."
    done

    rust_target "$WASM_TARGET"
    [[ $1 != cluster ]] || rust_target "$RUNNER_TARGET"
}

# The standard library for a target.
rust_target() {
    if [[ -d $(rustc --print sysroot)/lib/rustlib/$1/lib ]]; then
        have "$1"
    else
        on_path rustup || fail "the compiler has no standard library for $1" \
            "There is no rustup to add it. Install your distribution's package for it."
        install_step "$1" rustup target add "$1"
    fi
}

# A tool from crates.io in one exact version: its command, crate, version, and arguments of cargo install.
cargo_tool() {
    local command=$1 crate=$2 version=$3 where=()
    shift 3
    if [[ $("$command" --version 2>/dev/null) == "$command $version"* ]]; then
        have "$command $version"
        return
    fi
    if on_path "$command"; then where=(--root "$LOCAL_TOOLS" --force); fi
    # A quick build of the tool is worth more than a fast tool; CARGO_TARGET_DIR is ours, not the tool's.
    install_step "$command $version (compiled, takes minutes)" \
        env -u CARGO_TARGET_DIR CARGO_PROFILE_DEV_DEBUG=0 \
        cargo install --quiet --profile dev --version "=$version" "$@" "${where[@]}" "$crate"
    hash -r
    [[ $("$command" --version 2>/dev/null) == "$command $version"* ]] ||
        fail "$command $version was installed but is not found" \
            "Put cargo's folder of programs on PATH: export PATH=\"\$HOME/.cargo/bin:\$PATH\""
}

rust_tools() {
    local bindgen
    bindgen=$(sed -n '/^name = "wasm-bindgen"$/{n;s/^version = "\(.*\)"/\1/p}' Cargo.lock)
    [[ -n $bindgen ]] || fail "Cargo.lock names no version of wasm-bindgen" \
        "Restore it: git checkout Cargo.lock"
    # Without the feature that lets it download programs by itself.
    cargo_tool cargo-leptos cargo-leptos "$CARGO_LEPTOS_VERSION" --locked --no-default-features --features no_downloads
    # The program and the library it reads the output of must be of the very same version.
    cargo_tool wasm-bindgen wasm-bindgen-cli "$bindgen"
}

# --- Node -----------------------------------------------------------------------------------------

node_itself() {
    local version
    on_path node npm || fail "node or npm is missing" \
        "Install Node.js $NODE_MAJOR_MIN or later with npm (https://nodejs.org)."
    version=$(node --version)
    at_least "${version#v}" "$NODE_MAJOR_MIN" || fail "Node.js $version is too old" \
        "Install Node.js $NODE_MAJOR_MIN or later (https://nodejs.org)."
    have "Node.js ${version#v}"
}

# The npm packages of a folder, exactly as its lock file says; with a second argument also those that
# only tests need. A copy of the lock file that was installed from is kept beside them, and tells
# whether there is anything to do.
npm_packages() {
    local folder=$1 for_tests=${2:-} what="npm packages of $1" more=()
    local stamp=$folder/node_modules/.installed-lock.json
    local tests_stamp=$folder/node_modules/.installed-tests-lock.json
    if [[ -n $for_tests ]]; then
        what+=" with those for tests"
        stamp=$tests_stamp
    else
        more=(--omit=dev)
    fi
    # Whoever has those for tests has the others too.
    if cmp -s "$folder/package-lock.json" "$stamp" || cmp -s "$folder/package-lock.json" "$tests_stamp"; then
        have "$what"
        return
    fi
    # No package of ours needs an install script.
    install_step "$what" npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error "${more[@]}"
    cp "$folder/package-lock.json" "$stamp"
}

# --- the test cluster -----------------------------------------------------------------------------

go_compiler() {
    local go
    if [[ $(scripts/cluster.sh which) == debian ]]; then
        debian_packages "$GO_PACKAGE"
        return
    fi
    if ! scripts/go.sh --find >/dev/null; then
        # An older Go that is there already will do to download it.
        on_path go || debian_packages "$GO_PACKAGE"
        # If it cannot be had there is another Kubernetes, which the older one compiles.
        try_step "a Go compiler" scripts/go.sh || return 0
    fi
    go=$(scripts/go.sh --find)
    have "Go $("$go" env GOVERSION | sed 's/^go//')"
}

# Built here rather than when a test asks for it, so that it is seen where the minutes go.
cluster_programs() {
    local what="programs of the test cluster"
    if [[ -n ${KUBECONFIG:-} ]]; then
        have "test cluster: the one of KUBECONFIG"
    elif scripts/cluster.sh built; then
        have "$what ($(scripts/cluster.sh which))"
    else
        what+=" (compiled once, takes minutes)"
        if [[ $(scripts/cluster.sh which) == current ]]; then
            try_step "$what" scripts/cluster.sh build && return
            # Nobody has asked for the current one, and it cannot be built: Debian's takes its place.
            [[ $(scripts/cluster.sh which) == debian ]] || fail "$what could not be installed" "the lines above say why"
        fi
        debian_packages "${DEBIAN_KUBERNETES_PACKAGES[@]}"
        install_step "$what" scripts/cluster.sh build
    fi
}

# --- what belongs to what -------------------------------------------------------------------------

main() {
    local stage=${1:-run}
    case $stage in
        build | run | test | cluster) ;;
        *) fail "unknown stage '$stage'" "usage: scripts/setup.sh [build|run|test|cluster]" ;;
    esac
    export PATH="$LOCAL_TOOLS/bin:$PATH:$HOME/.cargo/bin"
    echo "==> setup ($stage)"

    local packages=("${BUILD_PACKAGES[@]}")
    [[ $stage == build ]] || packages+=("${RUN_PACKAGES[@]}")
    [[ $stage != test && $stage != cluster ]] || packages+=("${TEST_PACKAGES[@]}")
    [[ $stage != cluster ]] || packages+=("${CLUSTER_PACKAGES[@]}")
    debian_packages "${packages[@]}"
    rust "$stage"
    rust_tools
    node_itself
    if [[ $stage != test && $stage != cluster ]]; then
        npm_packages scripts/tools
    else
        npm_packages scripts/tools for-tests
        npm_packages end2end for-tests
    fi
    if [[ $stage == cluster ]]; then
        go_compiler
        cluster_programs
    fi
    echo "<== setup ($stage): ok, $installed installed, $SECONDS s"
}

main "$@"
