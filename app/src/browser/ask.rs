//! Asking the server functions, by address.

use leptos::prelude::window;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::Response;

use super::json::Json;

/// The answer of a server function with one argument; `None` if it did not come or says no.
pub async fn ask(function: &str, argument: &str, value: &str) -> Option<Json> {
    let mut address = format!("/api/ui/{function}?{argument}=");
    elb_core::list::percent_encode(value, &mut address);
    let answer = JsFuture::from(window().fetch_with_str(&address))
        .await
        .ok()?;
    let answer: Response = answer.dyn_into::<Response>().ok().filter(Response::ok)?;
    let json: JsValue = JsFuture::from(answer.json().ok()?).await.ok()?;
    Some(Json(json))
}
