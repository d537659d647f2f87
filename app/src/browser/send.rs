//! Sending a form with its files, with progress: the answer is read as JSON.
//!
//! Owns the one request that is under way. Whatever goes wrong leaves the form as it is.

use std::rc::Rc;

use elb_core::{search::OptionProblem, text};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    Event, FormData, HtmlFormElement, HtmlProgressElement, ProgressEvent, XmlHttpRequest,
};

use super::{
    by_id,
    json::{self, Json},
    on, say, show,
};

/// What the server answered.
pub enum Answer {
    /// Carried out; go there.
    Done(String),
    /// Not acceptable: a summary and each problem at its field.
    Refused(String, Vec<OptionProblem>),
    /// Not carried out, or not known whether: what to do.
    Failed(String),
}

/// Sends the form to its own address; `#sending` and `#sent-progress` show how far it is.
///
/// # Errors
/// If the browser cannot send at all.
pub fn send(form: &HtmlFormElement, done: impl Fn(Answer) + 'static) -> Result<(), JsValue> {
    let request = XmlHttpRequest::new()?;
    request.open("POST", &form.get_attribute("action").unwrap_or_default())?;
    request.set_request_header("Accept", "application/json")?;
    let bar = by_id::<HtmlProgressElement>("sent-progress");
    if let Some(bar) = &bar {
        show(bar, true);
        bar.set_value(0.0);
    }
    say("sending", "Sending…");
    let upload = request.upload()?;
    on(&upload, "progress", move |event: Event| {
        let Some(event) = event
            .dyn_ref::<ProgressEvent>()
            .filter(|event| event.length_computable())
        else {
            return;
        };
        if let Some(bar) = by_id::<HtmlProgressElement>("sent-progress") {
            bar.set_max(event.total());
            bar.set_value(event.loaded());
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counts of bytes"
        )]
        let (loaded, total) = (event.loaded() as u64, event.total() as u64);
        let line = if loaded < total {
            format!("Sent {} of {}", text::bytes(loaded), text::bytes(total))
        } else {
            "Sent; the server is checking it…".to_owned()
        };
        say("sending", &line);
    });
    let done = Rc::new(done);
    let finished = Rc::clone(&done);
    let answered = request.clone();
    on(&request, "load", move |_: Event| {
        quiet();
        finished(read(&answered));
    });
    for event in ["error", "abort", "timeout"] {
        let done = Rc::clone(&done);
        on(&request, event, move |_: Event| {
            quiet();
            let message = "The server cannot be reached. Everything is still here; send it again \
                           when the connection is back: it is carried out once, whatever arrived.";
            done(Answer::Failed(message.to_owned()));
        });
    }
    request.send_with_opt_form_data(Some(&FormData::new_with_form(form)?))
}

fn quiet() {
    say("sending", "");
    if let Some(bar) = by_id::<HtmlProgressElement>("sent-progress") {
        show(&bar, false);
    }
}

fn read(request: &XmlHttpRequest) -> Answer {
    let status = request.status().unwrap_or(0);
    let body = request.response_text().ok().flatten().unwrap_or_default();
    let answer = Json::parse(&body);
    if (200..300).contains(&status) {
        return match answer.as_ref().and_then(|answer| answer.text("location")) {
            Some(location) => Answer::Done(location),
            None => Answer::Failed(
                "The server's answer is not understood. Load this page anew.".to_owned(),
            ),
        };
    }
    let message = answer.as_ref().and_then(|answer| answer.text("message"));
    match (answer, message) {
        (Some(answer), Some(message)) => Answer::Refused(message, json::problems(&answer)),
        _ => Answer::Failed(format!(
            "The server answered with status {status}. Try again."
        )),
    }
}
