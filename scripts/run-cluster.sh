#!/usr/bin/env bash
# A demonstration: the dashboard, with its searches in the pods of a cluster, which is started by
#   scripts/cluster.sh start FOLDER -- scripts/run-cluster.sh FOLDER PROGRAM RUNNER [COMMAND…]
# (`make run-cluster`). With a command it lasts as long as that, which finds E2E_CLUSTER_URL and E2E_CLUSTER_DATABASES
# set (`make test-cluster`). Databases and objects are in an emulator of Azure Blob Storage, which keeps them in memory:
# everything is gone with the end of it.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly HERE
readonly GENES=/usr/share/microbiomeutil-data/RESOURCES/rRNA16S.gold.fasta
readonly PROTEINS=/usr/share/doc/mmseqs2/example-data/DB.fasta.gz
# How long the emulator may take to listen, in tenths of a second.
readonly PATIENCE=600

cluster=${1:?the folder of the cluster} program=${2:?the dashboard} runner=${3:?the runner}
shift 3
: "${KUBECONFIG:?it is run by scripts/cluster.sh start FOLDER -- ...}"
host=${ELB_CLUSTER_HOST:?the cluster runs no pods; standard error says what is missing}
kubectl=$cluster/kubectl
demo=$(mktemp -d)
azurite='' dashboard=''
finish() {
    local one
    for one in $dashboard $azurite; do
        kill "$one" 2>/dev/null || true
        wait "$one" 2>/dev/null || true
    done
    rm -rf "$demo"
}
trap finish EXIT

# Where a program listens, once its log says so; what it is, its process, its log, and what sed finds the address with.
listening() {
    local what=$1 process=$2 log=$3 find=$4 tenth address
    for ((tenth = 0; tenth < PATIENCE; tenth++)); do
        address=$(sed -n "$find" "$log")
        if [[ -n $address ]]; then
            echo "$address"
            return
        fi
        kill -0 "$process" 2>/dev/null || break
        sleep 0.1
    done
    echo "run-cluster: $what did not come up:" >&2
    cat "$log" >&2
    return 1
}

echo "==> the image of the pods" >&2
image=$("$HERE/scripts/image.sh" "$runner" "$cluster")
"$kubectl" --kubeconfig "$KUBECONFIG" create namespace blast >&2

echo "==> databases" >&2
mkdir -p "$demo/16S_rRNA" "$demo/proteins"
tr '\t' ' ' <"$GENES" | makeblastdb -in - -dbtype nucl -title "16S ribosomal RNA" -out "$demo/16S_rRNA/16S_rRNA" >/dev/null
zcat "$PROTEINS" | makeblastdb -in - -dbtype prot -title "UniProt proteins" -out "$demo/proteins/proteins" >/dev/null

echo "==> the emulator of the object store" >&2
# At the machine's address on the cluster's bridge, where pods reach it and no network does.
"$HERE/scripts/tools/node_modules/.bin/azurite" --blobHost "$host" --blobPort 0 --queuePort 0 --tablePort 0 \
    --inMemoryPersistence --silent --skipApiVersionCheck --disableProductStyleUrl --disableTelemetry >"$demo/azurite.log" &
azurite=$!
store=$(listening "the emulator" "$azurite" "$demo/azurite.log" 's/^Azurite Blob service is successfully listening at //p')
store=$store/devstoreaccount1
node "$HERE/scripts/put-blobs.mjs" "$store" data blast-db "$demo/16S_rRNA" "$demo/proteins"

context=$("$kubectl" --kubeconfig "$KUBECONFIG" config current-context)
export ELB_DATA_DIR=$demo/data ELB_EXECUTOR=kubernetes ELB_CLUSTERS=$context#blast ELB_KUBECONFIG=$KUBECONFIG \
    ELB_OBJECTS=az://devstoreaccount1/objects ELB_DATABASES_BLOB=az://devstoreaccount1/data/blast-db \
    ELB_AZURE_BLOB_ENDPOINT=$store ELB_AZURE_AUTH=auto \
    ELB_RUNNER_IMAGE=$image ELB_POD_CPU=${ELB_POD_CPU:-500m} ELB_POD_MEMORY=${ELB_POD_MEMORY:-1Gi} \
    ELB_POD_PARALLEL=${ELB_POD_PARALLEL:-4}
if (($# == 0)); then
    echo "==> elb-dashboard on http://${ELB_LISTEN:-127.0.0.1:3000}; kubectl: $kubectl --kubeconfig $KUBECONFIG -n blast (Ctrl-C ends all)" >&2
    # In the background, so that whatever ends this script ends it too.
    "$program" &
    dashboard=$!
    wait "$dashboard"
    exit
fi

# The command has an environment of its own: a server that it starts must know nothing of the cluster.
settings=(ELB_DATA_DIR ELB_EXECUTOR ELB_CLUSTERS ELB_KUBECONFIG ELB_OBJECTS ELB_DATABASES_BLOB ELB_AZURE_BLOB_ENDPOINT
    ELB_AZURE_AUTH ELB_RUNNER_IMAGE ELB_POD_CPU ELB_POD_MEMORY ELB_POD_PARALLEL)
ELB_LISTEN=127.0.0.1:0 "$program" >"$demo/dashboard.log" &
dashboard=$!
url=$(listening "the dashboard" "$dashboard" "$demo/dashboard.log" 's/^listening on \(http:[^ ]*\).*/\1/p')
unset "${settings[@]}"
E2E_CLUSTER_URL=$url E2E_CLUSTER_DATABASES=$demo/16S_rRNA:$demo/proteins "$@"
