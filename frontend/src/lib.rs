//! The WASM entry point: wakes the islands, nothing else.

/// Called by the page's script once the module is loaded.
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    // Names the islands' crate: without a use of it the linker would leave its exports out.
    elb_app::islands::register();
    leptos::mount::hydrate_islands();
}
