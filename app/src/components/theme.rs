//! The switch of colours.

use leptos::prelude::*;

use crate::islands::theme::Theme;

/// A switch that works with scripts only, so that it is hidden without.
#[component]
pub fn ThemeSwitch() -> impl IntoView {
    view! {
        <button type="button" id="theme" class="needs-js quiet-button" title="Colours: as the system says">
            <span aria-hidden="true">"◐"</span>
            <span class="hidden-text">"Colours"</span>
        </button>
        <Theme/>
    }
}
