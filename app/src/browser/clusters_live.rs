//! The page of clusters, kept as the server sees them.
//!
//! Asks for the mark of what is seen, which the server has in memory. When it is another one the page is
//! fetched once more and its list takes the place of the one that is shown.

use std::{cell::Cell, rc::Rc};

use elb_core::poll;
use leptos::{prelude::window, task::spawn_local};
use wasm_bindgen_futures::JsFuture;
use web_sys::{DomParser, Element, SupportedType};

use super::{Kept, ask, by_id, clock, is_hidden, millis, reload, say, timer::while_shown};

/// The list, in the page that is shown and in the one that is fetched.
const LIST: &str = "clusters";

/// Looks every few seconds while the page can be seen, and when it is shown again.
pub fn start() {
    // As often as a list with searches under way.
    let asking: Rc<Cell<bool>> = Rc::default();
    while_shown(millis(poll::LIST_ACTIVE), move || look(&asking));
}

fn look(asking: &Rc<Cell<bool>>) {
    if is_hidden() || asking.replace(true) {
        return;
    }
    let asking = Rc::clone(asking);
    spawn_local(async move {
        let told = bring_up_to_date().await;
        let line = told.unwrap_or("The server does not answer; this page may be old.");
        say("live", line);
        if let Some(list) = by_id::<Element>(LIST) {
            // An attribute of this name is always allowed.
            let _ = list.toggle_attribute_with_force("data-away", told.is_none());
        }
        asking.set(false);
    });
}

/// What to tell of it; `None` if the server does not answer.
async fn bring_up_to_date() -> Option<&'static str> {
    const LIVE: &str = "Live: changes show by themselves";
    let list: Element = by_id(LIST)?;
    let mark = ask::json("/api/ui/clusters").await?.0.as_string();
    if mark.is_some() && mark == list.get_attribute("data-mark") {
        return Some(LIVE);
    }
    if is_selecting() {
        return Some("Changes wait while text is selected");
    }
    let text = ask::fetch("/clusters").await?.text().ok()?;
    let text = JsFuture::from(text).await.ok()?.as_string()?;
    let page = DomParser::new().ok()?;
    let page = page
        .parse_from_string(&text, SupportedType::TextHtml)
        .ok()?;
    let Some(fresh) = page.get_element_by_id(LIST) else {
        // No cluster is watched any more: the page has a sight of its own for that.
        reload();
        return Some(LIVE);
    };
    let kept = Kept::of(&list);
    list.replace_with_with_node_1(&fresh).ok()?;
    kept.restore(&fresh);
    clock::tick();
    Some(LIVE)
}

/// Whether the reader has marked text, for example to copy it.
fn is_selecting() -> bool {
    let selection = window().get_selection().ok().flatten();
    selection.is_some_and(|selection| !selection.is_collapsed())
}
