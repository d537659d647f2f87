//! A form's fields, read and written as pairs of name and value.

use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlFormElement, HtmlInputElement, HtmlSelectElement, HtmlTextAreaElement};

/// Every field that would be sent, files left out.
pub fn read(form: &HtmlFormElement) -> Vec<(String, String)> {
    let elements = form.elements();
    (0..elements.length())
        .filter_map(|index| pair(&elements.item(index)?))
        .collect()
}

fn pair(element: &Element) -> Option<(String, String)> {
    if element.has_attribute("disabled") {
        return None;
    }
    let name = element
        .get_attribute("name")
        .filter(|name| !name.is_empty())?;
    if let Some(input) = element.dyn_ref::<HtmlInputElement>() {
        let sent = match input.type_().as_str() {
            "radio" | "checkbox" => input.checked(),
            "file" | "submit" | "button" => false,
            _ => true,
        };
        return sent.then(|| (name, input.value()));
    }
    if let Some(select) = element.dyn_ref::<HtmlSelectElement>() {
        return Some((name, select.value()));
    }
    let text = element.dyn_ref::<HtmlTextAreaElement>()?;
    Some((name, text.value()))
}

/// The value of a field among pairs; the last one counts.
pub fn value<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    let found = pairs.iter().rev().find(|(key, _)| key == name);
    found.map_or("", |(_, value)| value)
}

/// Sets the field of that name, if the form has it.
pub fn set(form: &HtmlFormElement, name: &str, value: &str) {
    let elements = form.elements();
    for element in (0..elements.length()).filter_map(|index| elements.item(index)) {
        if element.get_attribute("name").as_deref() != Some(name) {
            continue;
        }
        if let Some(input) = element.dyn_ref::<HtmlInputElement>() {
            match input.type_().as_str() {
                "radio" | "checkbox" => input.set_checked(input.value() == value),
                "file" => {}
                _ => input.set_value(value),
            }
        } else if let Some(select) = element.dyn_ref::<HtmlSelectElement>() {
            select.set_value(value);
        } else if let Some(text) = element.dyn_ref::<HtmlTextAreaElement>() {
            text.set_value(value);
        }
    }
}
