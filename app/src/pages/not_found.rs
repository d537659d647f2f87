//! What is shown for an address that leads nowhere.

use leptos::prelude::*;
use leptos_meta::Title;

use crate::data::set_status;

/// No such page.
#[component]
pub fn NotFound() -> impl IntoView {
    set_status(404);
    view! {
        <Title text="Not found"/>
        <h1>"There is no such page"</h1>
        <p>"The address may be mistyped, or what it led to has been deleted."</p>
        <p>
            <a class="button" href="/jobs">"To the searches"</a>
        </p>
    }
}
