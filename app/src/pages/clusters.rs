//! Clusters: whether each can be seen, and the searches on it.
//!
//! Rendered from memory, so that no cluster can hold the page up. Never shows what cannot be seen as empty:
//! what was seen last stays, with its age.

use leptos::prelude::*;
use leptos_meta::Title;

use elb_engine::JobService;

use self::{
    copies::{Offered, Warmup},
    place::Place,
    plane::Plane,
};
use super::parts::{Age, Problems};
use crate::{
    components::time::When,
    data::{PageContext, clusters_mark, page_context},
    islands::live::ClustersLive,
};

mod copies;
mod lanes;
mod place;
mod plane;
mod runs;
#[cfg(test)]
mod tests;

/// The page.
#[component]
pub fn ClustersPage() -> impl IntoView {
    let PageContext {
        service, returned, ..
    } = page_context();
    let returned = returned.unwrap_or_default();
    let now = service.now();
    // Before anything is looked at: what changes meanwhile is then told once too often, and not missed.
    let revision = service.revision();
    let body = match clusters_mark(&service) {
        None => view! {
            <div class="sight" id="no-clusters">
                <h2>"No cluster is watched"</h2>
                <p>
                    "Name the contexts of your kubeconfig in ELB_CLUSTERS, for example "
                    <code>"ELB_CLUSTERS=lab,lab#blast"</code>
                    ", and start the server again. Behind the # is a namespace; the kubeconfig is that of kubectl, or the file of ELB_KUBECONFIG."
                </p>
            </div>
        }
        .into_any(),
        Some(mark) => {
            let places = service.places().into_iter().enumerate();
            let warmup = warmup(&service);
            let places = places.map(|(number, place)| {
                view! { <Place number=number place=place warmup=warmup.clone() now=now/> }
            });
            let plane = service.external();
            let plane = plane.map(|plane| view! { <Plane plane=plane now=now/> });
            view! {
                <div id="clusters" data-mark=mark data-revision=revision.to_string()>
                    {plane} {places.collect_view()}
                </div>
                <ClustersLive/>
            }
            .into_any()
        }
    };
    view! {
        <Title text="Clusters"/>
        <div class="page-head">
            <h1>"Clusters"</h1>
            <p class="fresh">
                <span id="live" role="status">"As of " <When at=now/></span> " " <Age/> " · "
                <a href="/api/monitor/clusters">"As JSON"</a>
            </p>
        </div>
        {(!returned.problems.is_empty()).then(|| {
            let problems = returned.problems.clone();
            view! { <Problems summary="This was not done.".to_owned() problems=problems/> }
        })}
        {body}
    }
}

/// What can be asked for on the nodes of clusters.
fn warmup(service: &JobService) -> Warmup {
    match service.warmup() {
        None => Warmup::None,
        Some(Err(reason)) => Warmup::Hindered(reason),
        Some(Ok(())) => {
            let databases = service.catalogue().list().into_iter();
            let usable = databases.filter(|database| database.problem.is_none());
            let offered = usable.map(|database| Offered {
                name: database.name,
                version: database.version,
                bytes: database.bytes,
            });
            Warmup::Offered(offered.collect())
        }
    }
}
