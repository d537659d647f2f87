//! Whether a search may be handed to a cluster now.
//!
//! Owns the slot that all submitters of a namespace share, a `Lease` of the cluster whose name and life
//! ElasticBLAST's dashboard and its external plane know, and the look at quotas and nodes.

use elb_core::{poll, text, time::Timestamp};
use k8s_openapi::{
    api::{
        coordination::v1::{Lease, LeaseSpec},
        core::v1::{Node, ResourceQuota},
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::MicroTime},
    jiff,
};
use kube::{
    Api,
    api::{ListParams, PostParams},
};
use serde_json::json;

use super::{
    super::place::Place,
    hand_over::{Refusal, Writer},
    pods::PodSettings,
    quantity,
    template::MANAGER,
};
use crate::executor::Door;

/// How far clocks of submitters may be apart (ELASTICBLAST §2.5).
const SKEW_MS: u64 = 30_000;
/// The most nodes that are looked at.
const NODES: u32 = 500;

/// The slot of a namespace.
pub(super) struct Slot<'a> {
    pub writer: &'a Writer,
    /// Whose it is to be.
    pub holder: String,
    pub now: Timestamp,
}

impl Slot<'_> {
    fn name(&self) -> String {
        format!("elb-blast-submit-{}", self.writer.namespace)
    }

    /// Takes it, or says who has it.
    pub async fn take(&self) -> Result<Door, Refusal> {
        let leases: Api<Lease> = self.writer.api();
        let name = self.name();
        let how = PostParams {
            dry_run: false,
            field_manager: Some(MANAGER.to_owned()),
        };
        let Some(mut lease) = self.writer.asked("get leases", leases.get(&name)).await? else {
            let lease = json!({ "metadata": { "name": name } });
            let mut lease: Lease = serde_json::from_value(lease).unwrap_or_default();
            lease.spec = Some(self.ours(None));
            let made = self
                .writer
                .asked("create leases", leases.create(&how, &lease))
                .await?;
            return Ok(match made {
                Some(_) => Door::Open,
                None => Door::Held(self.somebody("somebody who has just taken it")),
            });
        };
        let known = lease.spec.clone().unwrap_or_default();
        if let Some(other) = self.held_by_other(&known) {
            return Ok(Door::Held(other));
        }
        lease.spec = Some(self.ours(Some(&known)));
        // With the version that was read: if somebody was quicker it is refused.
        let replaced = leases.replace(&name, &how, &lease);
        Ok(match self.writer.asked("update leases", replaced).await? {
            Some(_) => Door::Open,
            None => Door::Held(self.somebody("somebody who was quicker")),
        })
    }

    /// Gives it back, if it is ours.
    pub async fn leave(&self) -> Result<(), Refusal> {
        let leases: Api<Lease> = self.writer.api();
        let name = self.name();
        let Some(mut lease) = self.writer.asked("get leases", leases.get(&name)).await? else {
            return Ok(());
        };
        let mut spec = lease.spec.clone().unwrap_or_default();
        if spec.holder_identity.as_deref() != Some(self.holder.as_str()) {
            return Ok(());
        }
        spec.holder_identity = None;
        lease.spec = Some(spec);
        let how = PostParams::default();
        // Refused if somebody has changed it: then it is not ours any more.
        let replaced = leases.replace(&name, &how, &lease);
        self.writer
            .asked("update leases", replaced)
            .await
            .map(|_| ())
    }

    fn ours(&self, known: Option<&LeaseSpec>) -> LeaseSpec {
        let now = jiff::Timestamp::from_millisecond(self.now.0)
            .ok()
            .map(MicroTime);
        let same = known.filter(|known| known.holder_identity.as_ref() == Some(&self.holder));
        let moved = known.and_then(|known| known.lease_transitions).unwrap_or(0);
        LeaseSpec {
            holder_identity: Some(self.holder.clone()),
            lease_duration_seconds: i32::try_from(poll::SLOT_LIFE.as_secs()).ok(),
            acquire_time: same
                .and_then(|same| same.acquire_time.clone())
                .or_else(|| now.clone()),
            renew_time: now,
            lease_transitions: Some(if same.is_some() {
                moved
            } else {
                moved.saturating_add(1)
            }),
            ..LeaseSpec::default()
        }
    }

    /// Who else has it, in words.
    fn held_by_other(&self, known: &LeaseSpec) -> Option<String> {
        let holder = known
            .holder_identity
            .as_ref()
            .filter(|holder| !holder.is_empty())?;
        if *holder == self.holder {
            return None;
        }
        let at =
            |time: &Option<MicroTime>| time.as_ref().map(|time| Timestamp(time.0.as_millisecond()));
        let renewed = at(&known.renew_time).or_else(|| at(&known.acquire_time))?;
        let life = known
            .lease_duration_seconds
            .map_or(poll::SLOT_LIFE.as_secs(), |life| {
                u64::try_from(life).unwrap_or(0)
            });
        let silent = self.now.since(renewed);
        if silent > life.saturating_mul(1_000).saturating_add(SKEW_MS) {
            return None;
        }
        let since = at(&known.acquire_time).unwrap_or(renewed);
        Some(format!(
            "{} since {}",
            self.somebody(holder),
            since.on_screen()
        ))
    }

    fn somebody(&self, who: &str) -> String {
        format!(
            "the submit slot of namespace {} on the cluster is held by {who}",
            self.writer.namespace
        )
    }
}

/// Whether a pod of a search has room, as far as this program may look.
pub(super) async fn room(
    writer: &Writer,
    place: &Place,
    pods: &PodSettings,
) -> Result<Door, Refusal> {
    let quotas: Api<ResourceQuota> = writer.api();
    let all = ListParams::default();
    let quotas = writer.asked("list resourcequotas", quotas.list(&all));
    // Who may not look is told by the cluster later: pods that find no room wait with its own words.
    if let Ok(Some(quotas)) = quotas.await
        && let Some(reason) = quotas.items.iter().find_map(|quota| full(quota, pods))
    {
        return Ok(Door::NoRoom(reason));
    }
    let nodes: Api<Node> = Api::all(writer.client.clone());
    let mut these = ListParams::default().limit(NODES);
    if let Some((key, value)) = &pods.nodes {
        these = these.labels(&format!("{key}={value}"));
    }
    if let Ok(Some(nodes)) = writer.asked("list nodes", nodes.list(&these)).await {
        let more = nodes.metadata.continue_.filter(|token| !token.is_empty());
        if more.is_none() {
            let names = nodes
                .items
                .iter()
                .filter_map(|node| node.metadata.name.clone());
            place.nodes_are(&names.collect());
        }
        if let Some(reason) = too_small(&nodes.items, pods) {
            return Ok(Door::NoRoom(reason));
        }
    }
    Ok(Door::Open)
}

/// Why a quota lets no further pod in.
fn full(quota: &ResourceQuota, pods: &PodSettings) -> Option<String> {
    let name = quota.metadata.name.as_deref().unwrap_or("without a name");
    let status = quota.status.as_ref()?;
    let (hard, used) = (status.hard.as_ref()?, status.used.as_ref());
    hard.iter().find_map(|(what, hard)| {
        let (read, needed): (fn(&str) -> Option<u64>, u64) = match what.as_str() {
            "requests.cpu" | "cpu" => (quantity::milli, quantity::milli(&pods.cpu)?),
            "requests.memory" | "memory" | "limits.memory" => {
                (quantity::bytes, quantity::bytes(&pods.memory)?)
            }
            "pods" | "count/pods" | "count/jobs.batch" => (quantity::bytes, 1),
            _ => return None,
        };
        let amount = |quantity: &Quantity| read(&quantity.0);
        let used = used.and_then(|used| used.get(what));
        let (limit, taken) = (amount(hard)?, used.map_or(Some(0), amount)?);
        (taken.saturating_add(needed) > limit).then(|| {
            format!(
                "the quota {name} of the namespace is used up: {} of {} {what} are taken, and a pod of this search needs {}",
                used.map_or("0", |used| used.0.as_str()),
                hard.0,
                pods.needs()
            )
        })
    })
}

/// Why none of the nodes that are there can ever take a pod; `None` if there is none yet.
fn too_small(nodes: &[Node], pods: &PodSettings) -> Option<String> {
    let (cpu, memory) = (quantity::milli(&pods.cpu)?, quantity::bytes(&pods.memory)?);
    let mut largest = (0, 0);
    for node in nodes {
        let amounts = node.status.as_ref()?.allocatable.as_ref()?;
        let cpus = quantity::milli(&amounts.get("cpu")?.0)?;
        let bytes = quantity::bytes(&amounts.get("memory")?.0)?;
        if cpus >= cpu && bytes >= memory {
            return None;
        }
        largest = largest.max((cpus, bytes));
    }
    (!nodes.is_empty()).then(|| {
        format!(
            "no node of the cluster is large enough: a pod of this search needs {}, and the largest of {} has {} thousandths of a processor and {}; ask for less (ELB_POD_CPU, ELB_POD_MEMORY) or add larger nodes",
            pods.needs(),
            text::counted(nodes.len() as u64, "node", "nodes"),
            largest.0,
            text::bytes(largest.1)
        )
    })
}
