//! Whether the server is well, for people: each thing that it depends on, and what was seen of it.

use elb_core::text;
use elb_engine::service::Check;
use leptos::prelude::*;
use leptos_meta::Title;

use crate::{components::time::When, data::page_context};

/// The page. Everything is looked at while it is made.
#[component]
pub fn HealthPage() -> impl IntoView {
    let context = page_context();
    let now = context.service.now();
    let body = Suspend::new(async move {
        let checks = context.service.checks(&context.settings.data_dir).await;
        if checks.iter().any(|check| check.needed && !check.ok) {
            crate::data::set_status(503);
        }
        view! { <Checks checks=checks/> }
    });
    view! {
        <Title text="Health"/>
        <div class="page-head">
            <h1>"Health"</h1>
            <p class="fresh">
                "As of " <When at=now/> " · " <a href="/api/health/ready">"As JSON"</a> " · "
                <a href="/metrics">"Measurements"</a>
            </p>
        </div>
        <Suspense fallback=|| ()>{body}</Suspense>
    }
}

/// The one sentence, and a line each.
#[component]
fn Checks(checks: Vec<Check>) -> impl IntoView {
    let (class, line) = verdict(&checks);
    let rows = checks.into_iter().map(|check| {
        let (class, sign, word) = match (check.ok, check.needed) {
            (true, _) => ("badge completed", "✓", "As it should be"),
            (false, true) => ("badge failed", "✕", "Missing"),
            (false, false) => ("badge queued", "!", "Look at it"),
        };
        view! {
            <tr>
                <td class="c-title"><strong>{check.name}</strong></td>
                <td data-label="State">
                    <span class=class><span aria-hidden="true">{sign}</span> " " {word}</span>
                </td>
                <td data-label="What was seen">{check.note}</td>
            </tr>
        }
    });
    view! {
        <p class=class id="verdict" role="status"><strong>{line}</strong></p>
        <table class="checks cards">
            <thead>
                <tr>
                    <th scope="col">"What"</th>
                    <th scope="col">"State"</th>
                    <th scope="col">"What was seen"</th>
                </tr>
            </thead>
            <tbody>{rows.collect_view()}</tbody>
        </table>
    }
}

/// Class and words of what all of it comes to.
fn verdict(checks: &[Check]) -> (&'static str, String) {
    let bad = |needed: bool| {
        let bad = checks.iter().filter(|one| !one.ok && one.needed == needed);
        bad.count() as u64
    };
    match (bad(true), bad(false)) {
        (0, 0) => ("box good", "The server is well.".to_owned()),
        (0, odd) => (
            "box warning",
            format!(
                "Searches can be submitted and read. {} not as it should be.",
                text::counted(odd, "thing is", "things are")
            ),
        ),
        (missing, _) => (
            "box failure",
            format!(
                "{} missing that searches need.",
                text::counted(missing, "thing is", "things are")
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ok: bool, needed: bool) -> Check {
        Check {
            name: "disk".to_owned(),
            ok,
            needed,
            note: "3 GB <free>".to_owned(),
        }
    }

    #[test]
    fn what_is_needed_weighs_more_than_what_is_not() {
        let line = |checks: &[Check]| verdict(checks).1;
        assert_eq!(line(&[check(true, true)]), "The server is well.");
        let odd = line(&[check(true, true), check(false, false)]);
        assert!(odd.contains("1 thing is not as it should be"), "{odd}");
        let missing = line(&[check(false, true), check(false, false)]);
        assert!(missing.starts_with("1 thing is missing"), "{missing}");
    }

    #[test]
    fn each_check_is_a_line_with_what_was_seen() {
        let checks = vec![check(true, true), check(false, false)];
        let owner = Owner::new();
        let html = owner.with(|| view! { <Checks checks=checks/> }.to_html());
        assert_eq!(html.matches("3 GB &lt;free&gt;").count(), 2, "{html}");
        assert!(html.contains("Look at it") && html.contains("As it should be"));
    }
}
