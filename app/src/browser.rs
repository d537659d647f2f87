//! What runs in the browser alone: helpers around the document.
//!
//! Owns listeners, look-ups and the way in which a shared component is put into a page that was
//! rendered on the server. Never builds HTML from text but that of a page which the server sent.

use std::{cell::Cell, time::Duration};

use elb_core::{poll::Freshness, time::Timestamp};
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{
    Document, Element, Event, EventTarget, FocusOptions, HtmlDetailsElement, HtmlElement,
    HtmlInputElement, Storage,
};

pub mod ask;
pub mod builds_live;
pub mod chosen;
pub mod clock;
pub mod clusters_live;
pub mod database_form;
pub mod fields;
pub mod follow;
pub mod hub;
pub mod job_live;
pub mod jobs_live;
pub mod json;
pub mod keys;
pub mod log_live;
pub mod query_check;
pub mod search_form;
pub mod send;
pub mod stream;
pub mod theme;
pub mod timer;
pub mod tools;
pub mod turn;

/// The current time.
pub fn now() -> Timestamp {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "milliseconds are whole and far below 2^53"
    )]
    let ms = js_sys::Date::now() as i64;
    Timestamp(ms)
}

/// A random number, for pauses that are to differ.
pub fn chance() -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to below 2^53"
    )]
    let chance = (js_sys::Math::random() * 9e15) as u64;
    chance
}

/// A duration as timers of the browser take it.
pub fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

/// Calls `handler` on each event for as long as the page lives.
pub fn on(target: &EventTarget, name: &str, handler: impl FnMut(Event) + 'static) {
    listen(target, name, Box::new(handler));
}

/// Apart from `on`, since that is made once for each handler.
fn listen(target: &EventTarget, name: &str, handler: Box<dyn FnMut(Event)>) {
    let closure = Closure::wrap(handler);
    // It can only fail on a target that is none; nothing could be done about it then.
    let _ = target.add_event_listener_with_callback(name, closure.as_ref().unchecked_ref());
    closure.forget();
}

/// The element of an id, in the type that it is.
pub fn by_id<T: JsCast>(id: &str) -> Option<T> {
    document().get_element_by_id(id)?.dyn_into().ok()
}

/// All elements that a selector finds under `root`.
pub fn all(root: &Element, selector: &str) -> Vec<Element> {
    let Ok(found) = root.query_selector_all(selector) else {
        return Vec::new();
    };
    (0..found.length())
        .filter_map(|index| found.get(index)?.dyn_into().ok())
        .collect()
}

/// All elements of the page that a selector finds.
pub fn everywhere(selector: &str) -> Vec<Element> {
    document()
        .document_element()
        .map_or_else(Vec::new, |root| all(&root, selector))
}

/// A number in an attribute.
pub fn number(element: &Element, name: &str) -> u64 {
    element
        .get_attribute(name)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

/// Writes text into the element of an id, if it is there.
pub fn say(id: &str, text: &str) {
    let element = document().get_element_by_id(id);
    // A text that is written again would be read out again.
    let other = element.filter(|element| element.text_content().as_deref() != Some(text));
    if let Some(element) = other {
        element.set_text_content(Some(text));
    }
}

/// Says how fresh the page is, in words and by its key.
pub fn say_fresh(freshness: Freshness, line: &str) {
    if let Some(live) = by_id::<Element>("live") {
        // An attribute of this name is always allowed.
        let _ = live.set_attribute("data-state", freshness.as_str());
    }
    say("live", line);
}

/// Shows or hides an element.
pub fn show(element: &Element, shown: bool) {
    // An attribute of this name is always allowed.
    let _ = element.toggle_attribute_with_force("hidden", !shown);
}

thread_local! {
    /// When a form of the page was sent last.
    static SENT: Cell<Option<Timestamp>> = const { Cell::new(None) };
}

/// How long a sent form may take to lead elsewhere, in milliseconds.
const LEAVING_MS: u64 = 30_000;

/// Remembers when a form is sent: what comes of it is on the page that it leads to.
pub fn mind_forms() {
    on(&document(), "submit", |event: Event| {
        let form = event
            .target()
            .and_then(|target| target.dyn_into::<Element>().ok());
        let stays =
            form.is_some_and(|form| form.get_attribute("method").as_deref() == Some("dialog"));
        if !stays && !event.default_prevented() {
            SENT.set(Some(now()));
        }
    });
    // On the way back the form counts no more.
    on(&window(), "pageshow", |_: Event| SENT.set(None));
}

/// Loads the page anew, unless a form is about to lead elsewhere: that way would be broken off.
pub fn reload() {
    let leaving = SENT.get().is_some_and(|at| now().since(at) < LEAVING_MS);
    if !leaving && let Err(error) = window().location().reload() {
        complain("the page cannot be loaded anew", &error);
    }
}

/// Whether the tab is hidden.
pub fn is_hidden() -> bool {
    document().hidden()
}

/// The browser's store, where it is allowed.
pub fn storage() -> Option<Storage> {
    window().local_storage().ok().flatten()
}

/// Tells of something that should not happen.
pub fn complain(what: &str, error: &JsValue) {
    web_sys::console::warn_2(&JsValue::from_str(what), error);
}

/// What a reader had opened, chosen and focused in a part of the page that is about to be drawn anew.
pub struct Kept {
    open: Vec<String>,
    closed: Vec<String>,
    chosen: Vec<String>,
    focus: Option<(usize, String)>,
}

fn checkboxes(root: &Element) -> impl Iterator<Item = HtmlInputElement> {
    let found = all(root, "input[type=checkbox]").into_iter();
    found.filter_map(|element| element.dyn_into().ok())
}

const FOCUSABLE: &str = "a[href],button,summary,input,select,textarea";

impl Kept {
    /// Looks at a part of the page.
    pub fn of(root: &Element) -> Self {
        let (mut open, mut closed) = (Vec::new(), Vec::new());
        for details in all(root, "details[data-keep]") {
            let key = details.get_attribute("data-keep").unwrap_or_default();
            if details.has_attribute("open") {
                open.push(key)
            } else {
                closed.push(key)
            }
        }
        let chosen = checkboxes(root).filter(HtmlInputElement::checked);
        let chosen = chosen.map(|chosen| chosen.value()).collect();
        let active = document().active_element();
        let focus = active.and_then(|active| {
            let place = all(root, FOCUSABLE)
                .iter()
                .position(|element| *element == active)?;
            Some((place, active.id()))
        });
        Self {
            open,
            closed,
            chosen,
            focus,
        }
    }

    /// Puts it back.
    pub fn restore(&self, root: &Element) {
        for details in all(root, "details[data-keep]") {
            let key = details.get_attribute("data-keep").unwrap_or_default();
            if let Some(details) = details.dyn_ref::<HtmlDetailsElement>() {
                if self.open.contains(&key) {
                    details.set_open(true);
                } else if self.closed.contains(&key) {
                    details.set_open(false);
                }
            }
        }
        for row in checkboxes(root) {
            if self.chosen.contains(&row.value()) {
                row.set_checked(true);
            }
        }
        // What has an id is found wherever it is now; the rest where it was.
        let focused = self.focus.as_ref().and_then(|(place, id)| {
            if id.is_empty() {
                all(root, FOCUSABLE).get(*place).cloned()
            } else {
                by_id(id)
            }
        });
        if let Some(element) = focused.and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
            // The reader may have scrolled on since.
            let still = FocusOptions::new();
            still.set_prevent_scroll(true);
            // An element that cannot be focused any more keeps nothing.
            let _ = element.focus_with_options(&still);
        }
    }
}

/// Draws a view into a new element of that name, and gives its first child. What is drawn stays as it is:
/// nothing in it changes by itself.
pub fn draw(parent: &str, view: impl IntoView) -> Option<Element> {
    let holder = document().create_element(parent).ok()?;
    let mut drawn = view.into_view().build();
    drawn.mount(&holder, None);
    // Its elements belong to the page from now on.
    std::mem::forget(drawn);
    holder.first_element_child()
}

/// Adds an item with that text to a list.
pub fn add_item(list: &Element, class: &str, text: &str) {
    let Ok(item) = document().create_element("li") else {
        return;
    };
    item.set_class_name(class);
    item.set_text_content(Some(text));
    // The list is in the page for as long as the page lives.
    let _ = list.append_child(&item);
}

/// The document.
pub fn document() -> Document {
    leptos::prelude::document()
}
