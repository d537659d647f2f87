//! Small tools of every page: buttons that copy, and the question before something is deleted.

use leptos::{prelude::window, task::spawn_local};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Element, Event, HtmlDialogElement};

use super::{by_id, complain, document, on, say};

/// Listens for clicks on what is there now and on what is drawn later.
pub fn start() {
    on(&document(), "click", |event: Event| {
        let Some(target) = event
            .target()
            .and_then(|target| target.dyn_into::<Element>().ok())
        else {
            return;
        };
        if let Ok(Some(button)) = target.closest("[data-copy]") {
            copy(&button);
        }
        let link = target.closest("a[data-delete]").ok().flatten();
        if link.is_some_and(|link| ask(&link)) {
            event.prevent_default();
        }
        close_menus(&target);
    });
}

/// Menus other than the one that was clicked are closed, as people expect of menus.
fn close_menus(target: &Element) {
    let own = target.closest("details.menu").ok().flatten();
    for menu in super::everywhere("details.menu[open]") {
        if own.as_ref() != Some(&menu) {
            let _ = menu.remove_attribute("open");
        }
    }
}

fn copy(button: &Element) {
    let id = button.get_attribute("data-copy").unwrap_or_default();
    let Some(source) = by_id::<Element>(&id) else {
        return;
    };
    let text = source.text_content().unwrap_or_default();
    let button = button.clone();
    spawn_local(async move {
        let copied = JsFuture::from(window().navigator().clipboard().write_text(&text)).await;
        button.set_text_content(Some(if copied.is_ok() {
            "Copied"
        } else {
            "Select and copy by hand"
        }));
    });
}

/// Opens the dialog for a search; `false` if the page has none, so that the link leads to its page.
fn ask(link: &Element) -> bool {
    let (Some(dialog), Some(form)) = (
        by_id::<HtmlDialogElement>("delete-dialog"),
        by_id::<Element>("delete-form"),
    ) else {
        return false;
    };
    let (Some(id), Some(title)) = (
        link.get_attribute("data-delete"),
        link.get_attribute("data-title"),
    ) else {
        return false;
    };
    say("delete-title", &title);
    let active = link.get_attribute("data-active").is_some();
    if let Some(note) = by_id::<Element>("delete-active") {
        super::show(&note, active);
    }
    say(
        "delete-button",
        if active {
            "Cancel and delete"
        } else {
            "Delete"
        },
    );
    let _ = form.set_attribute("action", &format!("/jobs/{id}/delete"));
    match dialog.show_modal() {
        Ok(()) => true,
        Err(error) => {
            complain("the question cannot be asked here", &error);
            false
        }
    }
}
