//! The page of clusters, kept as the server sees them.
//!
//! The event stream tells the mark of what is seen. When it is another one than that of the page, the page is
//! fetched once more and its list takes the place of the one that is shown. Where there is no stream, the mark is
//! asked for every few seconds.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use elb_core::poll;
use leptos::prelude::window;
use wasm_bindgen_futures::JsFuture;
use web_sys::{DomParser, Element, Event, SupportedType};

use super::{
    Kept, ask, by_id, clock, document,
    follow::{Answer, Follower, Heard, follow},
    number, on, reload,
};

/// The list, in the page that is shown and in the one that is fetched.
const LIST: &str = "clusters";

/// What the stream has told.
#[derive(Default)]
struct Told {
    /// The mark that it told last.
    mark: RefCell<String>,
    /// How many it told: what an answer reaches.
    marks: Cell<u64>,
    /// The last one is not that of the page, and was not asked for yet.
    other: Cell<bool>,
}

/// Follows what the page shows, from the revision of the stream that it is of.
pub fn start() {
    let Some(list) = by_id::<Element>(LIST) else {
        return;
    };
    let told: Rc<Told> = Rc::default();
    let asked = Rc::clone(&told);
    let following = follow(
        number(&list, "data-revision"),
        Follower {
            changed: Box::new(move |heard| wanted(&told, heard)),
            question: Box::new(move || Box::pin(answer(Rc::clone(&asked)))),
            // As often as a list with searches under way.
            interval: Box::new(|context| poll::list_interval(true, context)),
            apart: poll::CLUSTERS_APART,
        },
    );
    on(&document(), "selectionchange", move |_: Event| {
        if !is_selecting() {
            following.go_on();
        }
    });
}

/// Rows are of no concern here: what of them shows on this page moves its mark.
fn wanted(told: &Told, heard: Heard) -> Option<u64> {
    let Heard::Clusters(mark) = heard else {
        return None;
    };
    let marks = told.marks.get() + 1;
    told.marks.set(marks);
    told.other.set(mark != shown());
    told.mark.replace(mark);
    told.other.get().then_some(marks)
}

/// The mark of what is shown.
fn shown() -> String {
    let list = by_id::<Element>(LIST);
    let mark = list.and_then(|list| list.get_attribute("data-mark"));
    mark.unwrap_or_default()
}

async fn answer(told: Rc<Told>) -> Answer {
    let before = told.marks.get();
    let sight = bring_up_to_date(&told).await;
    if let Some(list) = by_id::<Element>(LIST) {
        // An attribute of this name is always allowed.
        let _ = list.toggle_attribute_with_force("data-away", sight.is_none());
    }
    // What was told meanwhile may be in it.
    let all = *told.mark.borrow() == shown();
    let reached = if all { told.marks.get() } else { before };
    match sight {
        None => Answer::Missing,
        Some(Sight::Same) => Answer::Same(reached),
        Some(Sight::Newer) => Answer::Newer(reached),
        Some(Sight::Held) => Answer::Held,
    }
}

/// What the page shows, against what it showed.
enum Sight {
    Same,
    Newer,
    /// There is something else, but the reader has text selected.
    Held,
}

/// `None` if the server does not answer.
async fn bring_up_to_date(told: &Told) -> Option<Sight> {
    if !told.other.take() {
        let mark = ask::json("/api/ui/clusters").await?.0.as_string();
        if mark.is_some_and(|mark| mark == shown()) {
            return Some(Sight::Same);
        }
    }
    if is_selecting() {
        return Some(Sight::Held);
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
        return Some(Sight::Newer);
    };
    let list: Element = by_id(LIST)?;
    let kept = Kept::of(&list);
    list.replace_with_with_node_1(&fresh).ok()?;
    kept.restore(&fresh);
    clock::tick();
    Some(Sight::Newer)
}

/// Whether the reader has marked text, for example to copy it.
fn is_selecting() -> bool {
    let selection = window().get_selection().ok().flatten();
    selection.is_some_and(|selection| !selection.is_collapsed())
}
