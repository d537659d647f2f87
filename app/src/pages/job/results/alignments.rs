//! Alignments, letter by letter, of a page of subjects or of one.

use elb_core::{
    hits::{
        Drawing, Hsp, WIDTH,
        alignment::{direction, to_text},
        display,
        page::{AlignmentPage, HspPage, MAX_ROWS},
        render_blocks,
    },
    text,
};
use elb_engine::service::ServiceError;
use leptos::prelude::*;

use super::{
    address::{Address, View},
    filters::{FilterForm, NothingPasses, Pages},
};
use crate::data::PageContext;

/// HSPs of a subject that are drawn while others are on the page too.
const HSPS: u64 = 10;

/// The view.
pub async fn view(
    context: &PageContext,
    id: &str,
    address: &Address,
    path: &str,
) -> Result<AnyView, ServiceError> {
    let query = address.query.unwrap_or(0);
    if let Some(subject) = address.subject {
        let page = context
            .service
            .hits(&context.caller, id, move |index| {
                index.one_subject(query, subject, MAX_ROWS)
            })
            .await?;
        return Ok(one(page, address, path));
    }
    let request = address.request();
    let page = context
        .service
        .hits(&context.caller, id, move |index| {
            index.alignments(query, &request, HSPS)
        })
        .await?;
    let filter = view! { <FilterForm address=address.clone() path=path.to_owned()/> };
    if page.filtered == 0 {
        return Ok(
            view! { {filter} <NothingPasses address=address.clone() path=path.to_owned()/> }
                .into_any(),
        );
    }
    let (filtered, hits) = (page.filtered, page.query.hits);
    let pages = || view! { <Pages address=address.clone() path=path.to_owned() filtered=filtered of=Some(hits) words=("hit", "hits")/> };
    let (top, bottom) = (pages(), pages());
    let subjects = subjects(page, address, path);
    Ok(view! { {filter} {top} {subjects} {bottom} }.into_any())
}

/// One subject, with the way back to all.
fn one(page: AlignmentPage, address: &Address, path: &str) -> AnyView {
    let missing = page.subjects.is_empty();
    let all = address.with_view(View::Alignments).href(path);
    let list = address.with_view(View::Hits).href(path);
    let subjects = subjects(page, address, path);
    let missing = missing
        .then(|| view! { <p class="box failure" role="alert">"This query has no such hit."</p> });
    view! {
        {missing}
        {subjects}
        <p class="actions">
            <a class="button" href=list>"All descriptions"</a>
            <a class="button" href=all>"All alignments of this query"</a>
        </p>
    }
    .into_any()
}

fn subjects(page: AlignmentPage, address: &Address, path: &str) -> AnyView {
    let meta = page.meta;
    let subjects = page.subjects.into_iter().map(|found| {
        let HspPage { subject, hsps } = found;
        let shown = hsps.len() as u64;
        let more = (shown < subject.hsps).then(|| {
            let link = Address { subject: Some(subject.ordinal), ..address.clone() }.href(path);
            let all = format!("{} of {} shown", text::count(shown), text::counted(subject.hsps, "HSP", "HSPs"));
            let only = address.subject.is_some();
            view! { <p class="quiet">{all} {(!only).then(|| view! { ": " <a href=link>"show more"</a> })}</p> }
        });
        let several = subject.hsps > 1;
        let blocks: Vec<AnyView> = hsps.iter().enumerate().map(|(place, hsp)| {
            let number = several.then(|| format!("HSP {}: ", place + 1));
            draw(hsp, meta.drawing(), number)
        }).collect();
        let figures = format!(
            "{}, length {}, query cover {}\u{a0}%",
            subject.accession,
            text::count(subject.length),
            subject.coverage
        );
        view! {
            <article class="subject">
                <h3>{subject.title.clone()}</h3>
                <p class="quiet id">{figures}</p>
                {blocks}
                {more}
            </article>
        }
    });
    subjects.collect_view().into_any()
}

fn draw(hsp: &Hsp, drawing: Drawing<'_>, number: Option<String>) -> AnyView {
    let share = |count: u64| {
        format!(
            "{count}/{} ({})",
            hsp.length,
            display::percent(elb_core::hits::percent(count, hsp.length))
        )
    };
    let positives = drawing
        .matrix
        .is_some()
        .then(|| format!(", positives {}", share(hsp.positives)));
    let strands = direction(hsp, drawing)
        .map(|strands| format!(", {}", strands.replace('=', " ").to_lowercase()));
    let heading = format!(
        "{}score {} bits ({}), E-value {}, identities {}{}, gaps {}{}",
        number.unwrap_or_default(),
        display::bits(hsp.bit_score),
        hsp.score,
        display::evalue(hsp.evalue),
        share(hsp.identities),
        positives.unwrap_or_default(),
        share(hsp.gaps),
        strands.unwrap_or_default(),
    );
    let letters = to_text(&render_blocks(hsp, drawing, WIDTH));
    view! {
        <p class="hsp">{heading}</p>
        <pre class="alignment" tabindex="0">{letters}</pre>
    }
    .into_any()
}
