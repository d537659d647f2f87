//! Databases on the nodes of a place: which node has which, what is on its way, and the buttons that bring and
//! remove them.

use std::collections::BTreeMap;

use elb_core::{
    cluster::{CopyState, CopyView},
    database::shard_of,
    text,
};
use leptos::prelude::*;

use crate::components::time::When;

/// The most nodes of a database that are shown (ours); the API has them all.
const MOST_NODES: usize = 20;

/// A database that can be brought, as its line begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offered {
    pub name: String,
    pub version: String,
    pub bytes: u64,
}

/// What can be asked for here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Warmup {
    /// Nothing: searches do not run here.
    None,
    /// Nothing, for this reason.
    Hindered(String),
    /// These databases.
    Offered(Vec<Offered>),
}

/// The section; nothing if there is nothing to tell.
#[component]
pub(super) fn Copies(
    number: usize,
    cluster: String,
    namespace: String,
    copies: Vec<CopyView>,
    warmup: Warmup,
    /// Whether the place can be seen: nothing is asked of one that cannot.
    current: bool,
) -> impl IntoView {
    let mut by_database: BTreeMap<String, (Option<Offered>, Vec<CopyView>)> = BTreeMap::new();
    let (hindered, offered) = match warmup {
        Warmup::None => (None, Vec::new()),
        Warmup::Hindered(reason) => (Some(reason), Vec::new()),
        Warmup::Offered(offered) => (None, offered),
    };
    let may_ask = !offered.is_empty() && current;
    for one in offered {
        let line = by_database.entry(one.name.clone()).or_default();
        line.0 = Some(one);
    }
    for copy in copies {
        let line = by_database.entry(copy.database.clone()).or_default();
        line.1.push(copy);
    }
    if by_database.is_empty() && hindered.is_none() {
        return ().into_any();
    }
    let heading = format!("copies-{number}");
    let rows: Vec<_> = by_database
        .into_iter()
        .map(|(name, (offered, copies))| {
            let place = (cluster.clone(), namespace.clone());
            view! { <Row place=place name=name offered=offered copies=copies may_ask=may_ask/> }
        })
        .collect();
    let table = (!rows.is_empty()).then(|| {
        view! {
            <table class="copies cards">
                <thead>
                    <tr>
                        <th scope="col">"Database"</th>
                        <th scope="col">"On the nodes"</th>
                        <th scope="col"><span class="hidden-text">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        }
    });
    view! {
        <section aria-labelledby=heading.clone()>
            <h3 id=heading.clone()>"Databases on its nodes"</h3>
            {match hindered {
                Some(reason) => view! { <p class="quiet">{format!("There are none: {reason}.")}</p> }.into_any(),
                None => view! {
                    <p class="quiet">
                        "A search that finds its database on the node begins at once; otherwise its first pod there brings it."
                    </p>
                }
                .into_any(),
            }}
            {table}
        </section>
    }
    .into_any()
}

#[component]
fn Row(
    place: (String, String),
    name: String,
    offered: Option<Offered>,
    copies: Vec<CopyView>,
    may_ask: bool,
) -> impl IntoView {
    let version = offered.as_ref().map(|offered| offered.version.clone());
    let size = offered
        .as_ref()
        .map(|offered| view! { <div class="sub">{text::bytes(offered.bytes)}</div> });
    let removable = copies.iter().any(|copy| copy.state != CopyState::Releasing);
    let more = copies.len().saturating_sub(MOST_NODES);
    let more = (more > 0).then(|| {
        let line = format!("and {} more", text::count(more as u64));
        view! { <li class="quiet">{line}</li> }
    });
    let nodes = if copies.is_empty() {
        view! { <span class="quiet">"none that is known to have it"</span> }.into_any()
    } else {
        let lines: Vec<_> = copies
            .into_iter()
            .take(MOST_NODES)
            .map(|copy| view! { <Node copy=copy wanted=version.clone()/> })
            .collect();
        view! { <ul class="nodes">{lines} {more}</ul> }.into_any()
    };
    let button = |action: &'static str, word: &'static str| {
        let (cluster, namespace) = place.clone();
        let label = format!("{word} {name}");
        view! {
            <form method="post" action=action>
                <input type="hidden" name="cluster" value=cluster/>
                <input type="hidden" name="namespace" value=namespace/>
                <input type="hidden" name="database" value=name.clone()/>
                <button type="submit" class="small" aria-label=label>{word}</button>
            </form>
        }
    };
    let warm = (may_ask && offered.is_some()).then(|| button("/clusters/warm-up", "Warm up"));
    let release = (may_ask && removable).then(|| button("/clusters/release", "Release"));
    view! {
        <tr>
            <td class="c-title"><strong>{name.clone()}</strong> {size}</td>
            <td data-label="On the nodes">{nodes}</td>
            <td class="c-menu"><div class="actions">{warm} {release}</div></td>
        </tr>
    }
}

#[component]
fn Node(
    copy: CopyView,
    /// The version that a search would want.
    wanted: Option<String>,
) -> impl IntoView {
    let bytes = copy.bytes.map(text::bytes).unwrap_or_default();
    let (version, shard) = shard_of(&copy.version);
    let old = wanted.is_some_and(|wanted| wanted != version);
    let part = shard.map_or_else(String::new, |shard| format!("{}, ", shard.label()));
    let line = match copy.state {
        CopyState::Waiting => "was asked for".to_owned(),
        CopyState::Bringing => match copy.bytes_total {
            Some(total) => format!("on its way: {bytes} of {}", text::bytes(total)),
            None => "on its way".to_owned(),
        },
        CopyState::Ready if old => format!("has an older version, {part}{bytes}"),
        CopyState::Ready => format!("ready, {part}{bytes}"),
        CopyState::Releasing => "is being removed, once no search there reads it".to_owned(),
        CopyState::Failed => "could not be brought".to_owned(),
    };
    let bar = copy.bytes.zip(copy.bytes_total).map(|(done, total)| {
        view! { <progress value=done.to_string() max=total.to_string() aria-label="Brought so far"></progress> }
    });
    let class = match copy.state {
        CopyState::Ready if !old => "done",
        CopyState::Failed => "failed",
        _ => "",
    };
    let reason = copy
        .reason
        .map(|reason| view! { <div class="sub">{reason}</div> });
    view! {
        <li class=class>
            <span class="id">{copy.node}</span> ": " <span class="state">{line}</span> " "
            <span class="quiet"><When at=copy.since/></span> {bar} {reason}
        </li>
    }
}
