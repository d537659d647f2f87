//! The search form: checked as one types, with the exact command, a draft, and one sending.
//!
//! Every rule comes from the shared core; the server applies the same ones again. A draft is kept in
//! this browser and put back into a form that was asked for as it is.

use std::{cell::Cell, cell::RefCell, rc::Rc};

use elb_core::{
    molecule::Molecule,
    search::{
        DatabaseTraits, OPTIONS, OptionProblem, Program, RunPaths, SearchSpec, argv,
        display_command, from_form, scores::gap_pairs,
    },
    text,
};
use gloo_timers::callback::Timeout;
use js_sys::Array;
use leptos::prelude::window;
use wasm_bindgen::JsCast;
use web_sys::{
    DragEvent, Element, Event, HtmlFormElement, HtmlInputElement, HtmlOptionElement,
    HtmlSelectElement, HtmlTextAreaElement, KeyboardEvent,
};

use super::{
    add_item, all, by_id, complain, everywhere, fields,
    json::Json,
    on,
    query_check::QueryCheck,
    say,
    send::{Answer, send},
    show, storage,
    timer::after,
};

/// How long typing may pause before the form is looked at, in milliseconds.
const TYPING_MS: u32 = 150;
/// Where the draft is kept.
const DRAFT: &str = "search-draft";
/// The longest query that a draft keeps, in bytes: browsers give a page some megabytes in all.
const DRAFT_QUERY: usize = 1_000_000;
/// Fields that belong to one showing of the form and not to a draft.
const NOT_KEPT: [&str; 2] = ["key", "action"];

struct Form {
    element: HtmlFormElement,
    max_query: u64,
    query: QueryCheck,
    /// What was checked last: the query and what it was taken for.
    checked: RefCell<(String, Option<Molecule>)>,
    pause: RefCell<Option<Timeout>>,
    /// Whether something was typed since the draft was kept.
    unkept: Cell<bool>,
    sending: Cell<bool>,
}

/// Brings the form to life; a pristine one takes the draft.
pub fn start() {
    let Some(element) = by_id::<HtmlFormElement>("search-form") else {
        return;
    };
    let max_query = element
        .get_attribute("data-max-query")
        .and_then(|text| text.parse().ok());
    let form = Rc::new(Form {
        element,
        max_query: max_query.unwrap_or(u64::MAX),
        query: QueryCheck::default(),
        checked: RefCell::default(),
        pause: RefCell::default(),
        unkept: Cell::new(false),
        sending: Cell::new(false),
    });
    if form.element.has_attribute("data-pristine") {
        restore(&form);
    }
    for event in ["input", "change"] {
        let this = Rc::clone(&form);
        on(&form.element, event, move |_: Event| later(&this));
    }
    let this = Rc::clone(&form);
    on(&form.element, "submit", move |event: Event| {
        event.prevent_default();
        submit(&this);
    });
    let this = Rc::clone(&form);
    on(&form.element, "keydown", move |event: Event| {
        let run = event
            .dyn_ref::<KeyboardEvent>()
            .is_some_and(|event| event.key() == "Enter" && (event.ctrl_key() || event.meta_key()));
        if run {
            event.prevent_default();
            submit(&this);
        }
    });
    take_drops(&form);
    if let Some(button) = by_id::<Element>("discard-draft") {
        let this = Rc::clone(&form);
        on(&button, "click", move |_: Event| {
            forget_draft(&this);
            let _ = window().location().assign("/search");
        });
    }
    // Who leaves in the pause after typing would lose what was typed last.
    let this = Rc::clone(&form);
    on(&window(), "pagehide", move |_: Event| keep_draft(&this));
    update(&form);
}

fn later(form: &Rc<Form>) {
    form.unkept.set(true);
    let this = Rc::clone(form);
    form.pause.replace(Some(after(TYPING_MS, move || {
        update(&this);
        keep_draft(&this);
    })));
}

/// Looks at the whole form: which fields there are, what is wrong, which command it makes.
fn update(form: &Form) -> Vec<OptionProblem> {
    let mut pairs = fields::read(&form.element);
    let (spec, _) = from_form(&pairs);
    arrange(&spec);
    // What the program does not have is hidden now, and is not sent.
    pairs = fields::read(&form.element);
    let (spec, mut problems) = from_form(&pairs);
    let database = chosen_database();
    let traits = database.as_ref().and_then(traits_of);
    if let Err(more) = spec.check(traits.as_ref()) {
        problems.extend(more);
    }
    problems.dedup();
    hint(&spec);
    let path = database
        .as_ref()
        .and_then(|option| option.get_attribute("data-path"));
    match path.filter(|_| problems.is_empty()) {
        Some(path) => {
            let paths = RunPaths {
                database: &path,
                query: "batch_NNN.fa",
                out: "batch_NNN.asn",
            };
            say("command", &display_command(&argv(&spec, &paths)));
        }
        None => say(
            "command",
            "The command is shown once database and options fit together.",
        ),
    }
    check_query(form, spec.program.query_molecule());
    // A field that is still empty is no mistake while somebody fills the form in.
    let shown: Vec<OptionProblem> = problems
        .iter()
        .filter(|problem| !fields::value(&pairs, &problem.field).is_empty())
        .cloned()
        .collect();
    at_fields(&shown);
    problems
}

/// Checks the query if it, or what it is taken for, is another than the last time.
fn check_query(form: &Form, molecule: Molecule) {
    let file = chosen_file();
    let query = match &file {
        // A file is known by its description: reading it is what is to be saved.
        Some(file) => {
            let (name, modified) = (file.name(), file.last_modified() as u64);
            format!("{name}\n{}\n{modified}", size(file))
        }
        None => query_text(),
    };
    let asked = (query, Some(molecule));
    if *form.checked.borrow() == asked {
        return;
    }
    match file {
        Some(file) => form.query.file(file, molecule, form.max_query),
        None => {
            form.query.text(&asked.0, molecule, form.max_query);
        }
    }
    form.checked.replace(asked);
}

fn query_text() -> String {
    by_id::<HtmlTextAreaElement>("query").map_or_else(String::new, |area| area.value())
}

fn chosen_file() -> Option<web_sys::File> {
    by_id::<HtmlInputElement>("query_file")?.files()?.get(0)
}

fn chosen_database() -> Option<Element> {
    let select = by_id::<HtmlSelectElement>("database")?;
    let index = u32::try_from(select.selected_index()).ok()?;
    let options = all(&select, "option");
    options
        .get(index as usize)
        .filter(|option| option.has_attribute("data-path"))
        .cloned()
}

fn traits_of(option: &Element) -> Option<DatabaseTraits> {
    Some(DatabaseTraits {
        molecule: Molecule::parse(&option.get_attribute("data-molecule")?)?,
        has_taxids: option.has_attribute("data-taxids"),
    })
}

/// Shows what the chosen program has and hides the rest, tasks and databases too.
fn arrange(spec: &SearchSpec) {
    let program = spec.program.as_str();
    let taxids = chosen_database().is_some_and(|option| option.has_attribute("data-taxids"));
    for field in everywhere(".field[data-programs]") {
        let programs = field.get_attribute("data-programs").unwrap_or_default();
        let needs_taxids = field.has_attribute("data-needs-taxids");
        let there = programs.split(' ').any(|known| known == program) && (taxids || !needs_taxids);
        show(&field, there);
        for control in all(&field, "input,select") {
            let _ = control.toggle_attribute_with_force("disabled", !there);
        }
    }
    let molecule = spec.program.database_molecule().as_str();
    fit_options("task", |option| {
        option
            .get_attribute("data-program")
            .is_none_or(|its| its == program)
    });
    fit_options("database", |option| {
        option
            .get_attribute("data-molecule")
            .is_none_or(|its| its == molecule)
    });
}

/// Hides the options of a choice that do not fit; if the chosen one does not, the first that does is.
fn fit_options(id: &str, fits: impl Fn(&Element) -> bool) {
    let Some(select) = by_id::<HtmlSelectElement>(id) else {
        return;
    };
    let options = all(&select, "option");
    let mut first = None;
    for option in &options {
        let fit = fits(option) && !option.has_attribute("data-broken");
        show(option, fit);
        let _ = option.toggle_attribute_with_force("disabled", !fit);
        if fit && first.is_none() {
            first = option
                .dyn_ref::<HtmlOptionElement>()
                .map(HtmlOptionElement::value);
        }
    }
    let chosen = usize::try_from(select.selected_index())
        .ok()
        .and_then(|index| options.get(index));
    if chosen.is_none_or(|chosen| chosen.has_attribute("disabled")) {
        select.set_value(&first.unwrap_or_default());
    }
    if let Some(field) = by_id::<Element>(&format!("field-{id}")) {
        show(
            &field,
            options
                .iter()
                .any(|option| !option.has_attribute("disabled")),
        );
    }
}

/// Defaults and ranges, as they are beside what is chosen.
fn hint(spec: &SearchSpec) {
    for option in OPTIONS.iter().filter(|option| option.is_for(spec.program)) {
        let default = option.default_beside(spec.program, spec.task(), &spec.options);
        if let Some(input) = by_id::<HtmlInputElement>(&format!("option-{}", option.key)) {
            input.set_placeholder(&default);
        }
        say(
            &format!("hint-{}", option.key),
            &option.hint_beside(spec.program, spec.task(), &spec.options),
        );
    }
    say("gap-pairs", &gap_pairs(spec));
}

/// Puts each problem under its field and marks the field.
fn at_fields(problems: &[OptionProblem]) {
    for place in everywhere("p.problem[data-field]") {
        let field = place.get_attribute("data-field").unwrap_or_default();
        let own: Vec<&str> = problems
            .iter()
            .filter(|problem| problem.field == field)
            .map(|problem| problem.message.as_str())
            .collect();
        place.set_text_content(Some(&own.join(" ")));
        show(&place, !own.is_empty());
        let control = by_id::<Element>(&format!("option-{field}")).or_else(|| by_id(&field));
        if let Some(control) = control {
            let invalid = if own.is_empty() { "false" } else { "true" };
            let _ = control.set_attribute("aria-invalid", invalid);
        }
    }
}

/// Shows a summary with every problem above the form, and each at its field.
pub fn show_problems(message: &str, problems: &[OptionProblem]) {
    at_fields(problems);
    say("problems-summary", message);
    let (Some(field), Some(list)) = (
        by_id::<web_sys::HtmlElement>("problems"),
        by_id::<Element>("problems-list"),
    ) else {
        return;
    };
    list.set_text_content(None);
    for problem in problems {
        add_item(&list, "", &problem.message);
    }
    show(&field, true);
    let _ = field.focus();
}

fn submit(form: &Rc<Form>) {
    if form.sending.get() {
        return;
    }
    let mut problems = update(form);
    problems.extend(chosen_file().and_then(|file| too_large(&file, form.max_query, "query")));
    if !problems.is_empty() {
        return show_problems("The search cannot be started yet.", &problems);
    }
    form.sending.set(true);
    busy(true);
    keep_draft(form);
    let this = Rc::clone(form);
    let outcome = send(&form.element, move |answer| {
        this.sending.set(false);
        busy(false);
        match answer {
            Answer::Done(location) => {
                forget_draft(&this);
                let _ = window().location().assign(&location);
            }
            Answer::Refused(message, problems) => show_problems(&message, &problems),
            Answer::Failed(message) => show_problems(&message, &[]),
        }
    });
    if let Err(error) = outcome {
        form.sending.set(false);
        busy(false);
        complain("the form cannot be sent", &error);
        show_problems(
            "This browser could not send the form. Load the page anew.",
            &[],
        );
    }
}

/// A file that the server would refuse is not sent: it would have to arrive to be refused.
pub fn too_large(file: &web_sys::File, most: u64, field: &str) -> Option<OptionProblem> {
    let size = size(file);
    (size > most).then(|| {
        let (size, most) = (text::bytes(size), text::bytes(most));
        OptionProblem::new(
            field,
            format!(
                "The file has {size}, and at most {most} are taken. Split it into several parts."
            ),
        )
    })
}

/// Size of a file in bytes.
pub fn size(file: &web_sys::File) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number below 2^53"
    )]
    let size = file.size() as u64;
    size
}

fn busy(sending: bool) {
    if let Some(button) = by_id::<Element>("run") {
        let _ = button.set_attribute("aria-disabled", if sending { "true" } else { "false" });
    }
}

/// A file that is dropped on the query becomes its file.
fn take_drops(form: &Rc<Form>) {
    let Some(zone) = by_id::<Element>("query-zone") else {
        return;
    };
    for (event, over) in [
        ("dragover", true),
        ("dragenter", true),
        ("dragleave", false),
    ] {
        let target = zone.clone();
        on(&zone, event, move |event: Event| {
            event.prevent_default();
            let _ = target.class_list().toggle_with_force("over", over);
        });
    }
    let (this, target) = (Rc::clone(form), zone.clone());
    on(&zone, "drop", move |event: Event| {
        event.prevent_default();
        let _ = target.class_list().remove_1("over");
        let files = event
            .dyn_ref::<DragEvent>()
            .and_then(DragEvent::data_transfer)
            .and_then(|data| data.files());
        if let (Some(files), Some(input)) = (files, by_id::<HtmlInputElement>("query_file")) {
            input.set_files(Some(&files));
            later(&this);
        }
    });
}

/// Keeps what is in the form, if it is another than what is kept.
fn keep_draft(form: &Form) {
    if !form.unkept.replace(false) {
        return;
    }
    let mut pairs = fields::read(&form.element);
    pairs.retain(|(name, _)| !NOT_KEPT.contains(&name.as_str()));
    let long = fields::value(&pairs, "query").len() > DRAFT_QUERY;
    if long {
        pairs.retain(|(name, _)| name != "query");
    }
    let list: Array = pairs
        .iter()
        .map(|(name, value)| Array::of2(&name.as_str().into(), &value.as_str().into()))
        .collect();
    let json = js_sys::JSON::stringify(&list).map_or_else(|_| String::new(), String::from);
    let kept = storage().is_some_and(|storage| storage.set_item(DRAFT, &json).is_ok());
    say(
        "draft-note",
        match (kept, long) {
            (true, false) => "A draft is kept in this browser.",
            (true, true) => "A draft is kept in this browser, without the query: it is too long.",
            (false, _) => "This browser keeps no draft.",
        },
    );
}

/// Forgets the draft, and what was typed since: it must not come back as the page goes.
fn forget_draft(form: &Form) {
    form.unkept.set(false);
    if let Some(storage) = storage() {
        // A draft that stays is offered once more, which harms nobody.
        let _ = storage.remove_item(DRAFT);
    }
}

fn restore(form: &Form) {
    let draft = storage().and_then(|storage| storage.get_item(DRAFT).ok().flatten());
    let Some(list) = draft.and_then(|text| Json::parse(&text)) else {
        return;
    };
    let pair = |pair: &Json| {
        let [name, value] = <[Json; 2]>::try_from(pair.elements()).ok()?;
        Some((name.0.as_string()?, value.0.as_string()?))
    };
    let pairs: Vec<(String, String)> = list.elements().iter().filter_map(pair).collect();
    let program = Program::parse(fields::value(&pairs, "program"));
    for (name, value) in &pairs {
        fields::set(&form.element, name, value);
    }
    if program.is_some() {
        say("draft-note", "Your draft has been put back.");
        if let Some(button) = by_id::<Element>("discard-draft") {
            show(&button, true);
        }
    }
}
