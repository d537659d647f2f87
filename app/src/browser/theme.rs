//! Light, dark, or as the system says: chosen by a switch, remembered by the browser.

use web_sys::{Element, Event};

use super::{by_id, document, on, storage};

const KEY: &str = "theme";

/// Brings the switch to life.
pub fn start() {
    if let Some(button) = by_id::<Element>("theme") {
        tell(&button);
        on(&button, "click", |_: Event| turn());
    }
}

/// Goes on to the next: system, light, dark.
pub fn turn() {
    let (Some(root), Some(button)) = (document().document_element(), by_id::<Element>("theme"))
    else {
        return;
    };
    let next = match root.get_attribute("data-theme").as_deref() {
        None => Some("light"),
        Some("light") => Some("dark"),
        Some(_) => None,
    };
    // Where the browser stores nothing the choice holds for this page.
    let _ = match next {
        Some(theme) => {
            let _ = root.set_attribute("data-theme", theme);
            storage().map(|storage| storage.set_item(KEY, theme))
        }
        None => {
            let _ = root.remove_attribute("data-theme");
            storage().map(|storage| storage.remove_item(KEY))
        }
    };
    tell(&button);
}

fn tell(button: &Element) {
    let root = document().document_element();
    let theme = root.and_then(|root| root.get_attribute("data-theme"));
    let title = match theme.as_deref() {
        Some("light") => "Colours: light",
        Some("dark") => "Colours: dark",
        _ => "Colours: as the system says",
    };
    let _ = button.set_attribute("title", title);
    if let Ok(Some(name)) = button.query_selector(".hidden-text") {
        name.set_text_content(Some(title));
    }
}
