//! Times in the reader's zone, and durations that tick.
//!
//! One timer for the whole page, at rest while the tab is hidden.

use elb_core::{text, time::Timestamp};
use wasm_bindgen::JsValue;

use super::{everywhere, now, timer::while_shown};
use crate::components::time::left;

/// Rewrites the page's times now, and lasting durations once a second.
pub fn start() {
    if let Some(root) = super::document().document_element() {
        // The last island of every page: from here on the page is alive.
        let _ = root.set_attribute("data-alive", "");
    }
    super::mind_forms();
    tick();
    while_shown(1_000, tick);
}

/// Brings all times of the page up to date; for what was just drawn.
pub fn tick() {
    for element in everywhere("time[data-local]") {
        let at = element
            .get_attribute("datetime")
            .and_then(|text| Timestamp::parse(&text));
        if let Some(at) = at {
            element.set_text_content(Some(&local(at)));
            // Rewritten once: what is drawn later has the mark again.
            let _ = element.remove_attribute("data-local");
        }
    }
    let now = now();
    for element in everywhere("[data-since]") {
        let since = element
            .get_attribute("data-since")
            .and_then(|text| text.parse().ok());
        if let Some(since) = since {
            element.set_text_content(Some(&text::duration(now.since(Timestamp(since)))));
        }
    }
    for element in everywhere("[data-until]") {
        let until = element
            .get_attribute("data-until")
            .and_then(|text| text.parse().ok());
        if let Some(until) = until {
            element.set_text_content(Some(&left(Timestamp(until), now)));
        }
    }
}

/// A time in the reader's zone: `2026-11-25 17:31:05 UTC+1`.
pub fn local(at: Timestamp) -> String {
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds are far below 2^53"
    )]
    let date = js_sys::Date::new(&JsValue::from_f64(at.0 as f64));
    #[expect(
        clippy::cast_possible_truncation,
        reason = "an offset is at most some hundred minutes"
    )]
    let east = -date.get_timezone_offset() as i64;
    at.in_zone(east)
}
