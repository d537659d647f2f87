//! The list of keyboard shortcuts.

use leptos::prelude::*;

use crate::islands::keys::Keys;

/// What the keys do: key, meaning.
const KEYS: [(&str, &str); 11] = [
    ("?", "this list"),
    ("n", "new search"),
    ("g then s", "searches"),
    ("g then d", "databases"),
    ("/", "go to the filter"),
    ("j, k", "next, previous row"),
    ("Enter", "open the row"),
    ("x", "choose the row"),
    ("Delete", "delete the search (asks first)"),
    ("t", "change the colours"),
    ("Esc", "close"),
];

/// The list of shortcuts, opened by `?` or its button.
#[component]
pub fn Shortcuts() -> impl IntoView {
    let keys = KEYS.map(|(key, meaning)| {
        view! {
            <dt>
                <kbd>{key}</kbd>
            </dt>
            <dd>{meaning}</dd>
        }
    });
    view! {
        <button type="button" id="show-keys" class="needs-js quiet-button">
            "Keyboard"
        </button>
        <dialog id="keys" aria-labelledby="keys-title">
            <h2 id="keys-title">"Keyboard"</h2>
            <dl class="keys">{keys.collect_view()}</dl>
            <form method="dialog">
                <button type="submit">"Close"</button>
            </form>
        </dialog>
        <Keys/>
    }
}
