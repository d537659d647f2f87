//! Parts that several pages share on the server.

use std::time::Duration;

use elb_core::{list::ListQuery, search::OptionProblem, text};
use elb_engine::{retention::Retention, service::ServiceError};
use leptos::prelude::*;
use leptos_meta::Title;

use crate::{
    components::time::{Left, When},
    data::{PageContext, page_context, set_status, status_of},
};

/// A page that cannot be shown, with the reason and a way on.
pub fn refusal(status: u16, heading: &'static str, message: String) -> AnyView {
    set_status(status);
    view! {
        <Title text=heading/>
        <h1>{heading}</h1>
        <div class="box failure" role="alert">
            <p>{message}</p>
        </div>
        <p>
            <a class="button" href="/jobs">"To the searches"</a>
        </p>
    }
    .into_any()
}

/// The page for an error of the engine.
pub fn engine_refusal(error: &ServiceError) -> AnyView {
    let status = status_of(error);
    let heading = match status {
        404 => "There is no such search",
        503 => "The server cannot answer at the moment",
        _ => "This cannot be shown",
    };
    refusal(status, heading, error.to_string())
}

/// How long ago what a page shows was compared with what the server has. The browser fills it in: a page
/// that nothing keeps up to date says as of when it is.
#[component]
pub fn Age() -> impl IntoView {
    view! {
        <span id="age" hidden>
            " · checked " <span id="age-since" class="lasting"></span> " ago"
        </span>
    }
}

/// The box above a form with everything that speaks against it. Empty, it waits for the browser.
#[component]
pub fn Problems(
    /// One sentence.
    summary: String,
    /// The problems.
    problems: Vec<OptionProblem>,
) -> impl IntoView {
    let empty = summary.is_empty();
    let lines = problems
        .into_iter()
        .map(|problem| view! { <li>{problem.message}</li> });
    view! {
        <div id="problems" class="box failure" role="alert" tabindex="-1" hidden=empty>
            <h2 id="problems-summary">{summary}</h2>
            <ul id="problems-list">{lines.collect_view()}</ul>
        </div>
    }
}

/// The question before a search is deleted; scripts fill it in and open it.
#[component]
pub fn DeleteDialog(
    /// The list to go back to, if the dialog stands on one.
    #[prop(optional)]
    list: Option<ListQuery>,
) -> impl IntoView {
    let what_goes = what_goes(&page_context().service.retention());
    let back = list.map(|query| view! { <BackToList query=query/> });
    view! {
        <dialog id="delete-dialog" aria-labelledby="delete-heading">
            <h2 id="delete-heading">"Delete this search?"</h2>
            <p>
                <strong id="delete-title"></strong>
            </p>
            <p id="delete-active" hidden>
                "It has not ended: it is cancelled first, and deleted when nothing of it runs any more."
            </p>
            <p>{what_goes}</p>
            <div class="actions">
                <form id="delete-form" method="post">
                    {back}
                    <button type="submit" class="danger" id="delete-button">
                        "Delete"
                    </button>
                </form>
                <form method="dialog">
                    <button type="submit" autofocus>"Keep it"</button>
                </form>
            </div>
        </dialog>
    }
}

/// What a deletion removes, and for how long it can be undone.
pub fn what_goes(retention: &Retention) -> String {
    if retention.deleted.is_zero() {
        return "Its query, its results and its log are removed from this server at once and for good. Databases stay.".to_owned();
    }
    let span = span_in_words(retention.deleted);
    format!(
        "It leaves the list, and can be restored for {span} from “Recently deleted”. Then its query, its results and its log are removed for good. Databases stay."
    )
}

/// A setting's span as people say it: `7 days`, `36 hours`, `90 seconds`.
pub fn span_in_words(span: Duration) -> String {
    const UNITS: [(u64, &str, &str); 4] = [
        (86_400, "day", "days"),
        (3_600, "hour", "hours"),
        (60, "minute", "minutes"),
        (1, "second", "seconds"),
    ];
    let seconds = span.as_secs();
    let fits = UNITS.into_iter().find(|(unit, _, _)| {
        let whole = seconds.is_multiple_of(*unit);
        whole && seconds >= *unit
    });
    match fits {
        Some((unit, one, many)) => text::counted(seconds / unit, one, many),
        None => "less than a second".to_owned(),
    }
}

/// Fields of a form that lead back to the list as it was.
#[component]
pub fn BackToList(
    /// How the list was asked for.
    query: ListQuery,
) -> impl IntoView {
    let list = query.href("");
    view! {
        <input type="hidden" name="back" value="list"/>
        <input type="hidden" name="list" value=list/>
    }
}

/// A button that brings a deleted search back.
#[component]
pub fn RestoreForm(
    /// Which search.
    id: String,
    /// What the button says.
    label: &'static str,
    /// What is read out of it, where several look alike.
    #[prop(optional, into)]
    spoken: Option<String>,
    /// Fields that say where to go afterwards; without any to the page of the search.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    view! {
        <form method="post" action=format!("/jobs/{id}/restore")>
            {children.map(|children| children())}
            <button type="submit" aria-label=spoken>{label}</button>
        </form>
    }
}

/// The page for a search that cannot be shown: deleted, but still to be had, or as the error says.
pub fn missing_job(context: &PageContext, id: &str, error: &ServiceError) -> AnyView {
    if let Some(moved) = context.service.moved_to(id)
        && context.service.detail(&context.caller, &moved).is_ok()
    {
        set_status(404);
        return view! {
            <Title text="Search with another identifier"/>
            <h1>"This search has another identifier now"</h1>
            <p>
                "The external plane listed it as " <span class="id">{id.to_owned()}</span>
                " until it was on its cluster. It is "
                <a href=format!("/jobs/{moved}")>{moved.clone()}</a> " since then."
            </p>
        }
        .into_any();
    }
    let Some(row) = context.service.deleted_job(&context.caller, id) else {
        return engine_refusal(error);
    };
    set_status(410);
    let now = context.service.now();
    view! {
        <Title text="Deleted search"/>
        <h1>"This search was deleted"</h1>
        <p>
            <strong>{row.title.clone()}</strong>
            ", " {row.program.as_str()} " against " {row.database.clone()}
        </p>
        <p>
            "It was deleted on " <When at=row.deleted_at/> ". Until " <When at=row.keep_until/> " ("
            <Left until=row.keep_until now=now/>
            ") it can be restored as it was, with its results; then it is gone for good."
        </p>
        <div class="actions">
            <RestoreForm id=row.id.clone() label="Restore"/>
            <a class="button" href="/jobs/deleted">"Recently deleted"</a>
            <a class="button" href="/jobs">"To the searches"</a>
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_in_the_largest_unit_that_fits() {
        let said = |seconds| span_in_words(Duration::from_secs(seconds));
        assert_eq!(said(7 * 86_400), "7 days");
        assert_eq!(said(36 * 3_600), "36 hours");
        assert_eq!(said(86_400), "1 day");
        assert_eq!(said(90), "90 seconds");
        assert_eq!(
            span_in_words(Duration::from_millis(5)),
            "less than a second"
        );
    }
}
