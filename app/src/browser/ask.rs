//! Asking the server by address: its API, functions and pages.

use leptos::prelude::window;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::Response;

use super::json::Json;

/// The answer from an address of this server; `None` if it did not come or says no.
pub async fn fetch(address: &str) -> Option<Response> {
    let answer = JsFuture::from(window().fetch_with_str(address))
        .await
        .ok()?;
    answer.dyn_into::<Response>().ok().filter(Response::ok)
}

/// The same as JSON.
pub async fn json(address: &str) -> Option<Json> {
    let answer = fetch(address).await?;
    let json: JsValue = JsFuture::from(answer.json().ok()?).await.ok()?;
    Some(Json(json))
}
