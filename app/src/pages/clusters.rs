//! Clusters: whether each can be seen, and the searches on it.
//!
//! Rendered from memory, so that no cluster can hold the page up. Never shows what cannot be seen as empty:
//! what was seen last stays, with its age.

use leptos::prelude::*;
use leptos_meta::Title;

use self::{place::Place, plane::Plane};
use crate::{
    components::time::When,
    data::{clusters_mark, page_context},
    islands::live::ClustersLive,
};

mod lanes;
mod place;
mod plane;
mod runs;
#[cfg(test)]
mod tests;

/// The page.
#[component]
pub fn ClustersPage() -> impl IntoView {
    let service = page_context().service;
    let now = service.now();
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
            let places = places.map(|(number, place)| {
                view! { <Place number=number place=place now=now/> }
            });
            let plane = service.external();
            let plane = plane.map(|plane| view! { <Plane plane=plane now=now/> });
            view! {
                <div id="clusters" data-mark=mark>
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
                <span id="live" role="status">"As of " <When at=now/></span> " · "
                <a href="/api/monitor/clusters">"As JSON"</a>
            </p>
        </div>
        {body}
    }
}
