#!/usr/bin/env bash
# Builds Kubernetes 1.20.2 from Debian's source package, for scripts/cluster.sh, where the current one cannot be built.
# Usage: scripts/kubernetes-debian.sh FOLDER   (FOLDER: what is built goes there; FOLDER.parts, in which it is built, is
#        removed at the end, and if a build is broken off its successor goes on with what it had compiled)
#        scripts/kubernetes-debian.sh recipe   (prints what the result depends on)
# Needs what `ELB_KUBERNETES=debian scripts/setup.sh cluster` installs.
set -euo pipefail

readonly VERSION=1.20.2
# Debian calls it 1.20.5+really1.20.2, and mends it under further numbers.
readonly SOURCE_VERSION="1.20.5+really$VERSION-"
# What it is compiled with; no later one was tried.
readonly GO_ROOT=/usr/lib/go-1.19
# A library of Kubernetes that crashes with Go 1.18 and later, in a version that does not.
readonly REFLECT=github.com/modern-go/reflect2
readonly REFLECT_SOURCES=/usr/share/gocode/src/$REFLECT
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly HERE
readonly MAIN=$HERE/end2end/kubernetes/debian/main.go
# No debugger will read this program.
readonly COMPILER_FLAGS=all=-dwarf=false

fail() {
    echo "kubernetes-debian: $1" >&2
    exit 1
}

# Runs a command on package lists of our own, with the source packages of what this machine has configured.
# The machine's own lists and settings stay as they are, and nobody needs to be root.
with_sources() {
    APT_CONFIG=$parts/apt.conf "$@"
}

# Derives where source packages are from where packages are: the same places under another type.
derive_sources() {
    local file name
    mkdir -p "$parts"/apt/{sources,lists/partial,archives/partial}
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
        name=$parts/apt/sources/${file##*/}
        case $file in
            *.sources) sed 's/^Types:.*/Types: deb-src/' "$file" >"$name" ;;
            *.list) [[ ! -f $file ]] || sed -n 's/^[[:space:]]*deb[[:space:]]/deb-src /p' "$file" >"$name" ;;
        esac
    done
    cat >"$parts/apt.conf" <<END
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "$parts/apt/sources";
Dir::State::Lists "$parts/apt/lists";
Dir::Cache "$parts/apt";
// The folder may be one that only its owner can read.
APT::Sandbox::User "root";
END
}

# Gets the source package, whose checksums apt verifies, and unpacks it.
get_sources() {
    local version
    echo "getting the source package"
    derive_sources
    # A place that has no source packages does no harm as long as another one has this.
    with_sources apt-get update -q || true
    version=$(with_sources apt-cache showsrc kubernetes | sed -n "s/^Version: //p" | grep -F "$SOURCE_VERSION" | sort -V | tail -n 1) ||
        fail "the package sources of this machine have no kubernetes $SOURCE_VERSION"
    (cd "$parts/apt" && with_sources apt-get source -q --download-only "kubernetes=$version")
    rm -rf "$sources"
    mkdir -p "${sources%/*}"
    dpkg-source --no-check -x "$parts"/apt/kubernetes_*.dsc "$sources"
    rm "$sources/vendor/$REFLECT"/*.{go,s}
    cp "$REFLECT_SOURCES"/* "$sources/vendor/$REFLECT/"
    rm -f "$sources/vendor/$REFLECT"/*_test.go
    mkdir "$sources/cmd/elb-kubernetes"
    cp "$MAIN" "$sources/cmd/elb-kubernetes/"
}

# Writes the only generated file that the source package does not have: what the API server tells of its types.
generate() {
    local packages
    echo "generating the description of the API"
    go build -v -gcflags "$COMPILER_FLAGS" -o "$parts/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
    packages=$(
        {
            described staging/src/k8s.io | grep -vE '/(code-generator|sample-apiserver)/' | sed 's#^staging/src/#k8s.io/kubernetes/vendor/#'
            described pkg | sed 's#^#k8s.io/kubernetes/#'
        } | paste -sd ,
    )
    "$parts/openapi-gen" --logtostderr -i "$packages" -p k8s.io/kubernetes/pkg/generated/openapi -O zz_generated.openapi \
        -h vendor/k8s.io/code-generator/hack/boilerplate.go.txt -r "$parts/violations"
}

# Folders of packages below a folder that say they are to be described.
described() {
    grep -rl --include='*.go' --exclude='zz_generated*' '+k8s:openapi-gen=true' "$1" | xargs -n 1 dirname | sort -u
}

# Clients ask for the version, and warn if it is v0.0.0.
linker_flags() {
    local package
    printf -- '-s -w'
    for package in component-base/version client-go/pkg/version; do
        package=k8s.io/kubernetes/vendor/k8s.io/$package
        printf ' -X %s.gitVersion=v%s -X %s.gitMajor=1 -X %s.gitMinor=20 -X %s.gitTreeState=archive' \
            "$package" "$VERSION" "$package" "$package" "$package"
    done
}

if [[ ${1:-} == recipe ]]; then
    cat "${BASH_SOURCE[0]}" "$MAIN"
    exit
fi
folder=${1:?a folder is to be named}
readonly folder parts=$folder.parts
readonly sources=$parts/go/src/k8s.io/kubernetes
for needed in "$GO_ROOT/bin/go" "$GO_ROOT/src/runtime" "$REFLECT_SOURCES/reflect2.go" /usr/bin/dpkg-source /usr/bin/etcd; do
    [[ -e $needed ]] || fail "$needed is not there: \`ELB_KUBERNETES=debian scripts/setup.sh cluster\` installs it"
done
# Compiled as it was before there were modules: what it needs is in its own tree, and nothing is downloaded.
export GOROOT=$GO_ROOT GOPATH=$parts/go GOCACHE=$parts/compiled GO111MODULE=off GOPROXY=off GOFLAGS='' CGO_ENABLED=0
export PATH=$GO_ROOT/bin:$PATH
mkdir -p "$parts"
get_sources
cd "$sources"
generate
echo "compiling"
mkdir -p "$parts/programs"
go build -v -trimpath -tags debian -gcflags "$COMPILER_FLAGS" -ldflags "$(linker_flags)" -o "$parts/programs/kubernetes" ./cmd/elb-kubernetes
cd "$HERE"
rm -rf "$folder"
mv "$parts/programs" "$folder"
rm -rf "$parts"
