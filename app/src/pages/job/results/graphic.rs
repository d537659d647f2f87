//! The graphic summary: where on the query each subject matches, coloured by score.
//!
//! Positions are percentages of the width, so that text keeps its size on any screen.

use elb_core::{
    hits::{
        display::{self, ScoreRange},
        graphic::{Graphic, Lane, MAX_SUBJECTS, Tick},
    },
    text,
};
use elb_engine::service::ServiceError;
use leptos::prelude::*;

use super::address::{Address, View};
use crate::data::PageContext;

/// Height of a lane, in pixels.
const LANE: usize = 12;
/// Room for the ruler, in pixels.
const RULER: usize = 30;

/// The view.
pub async fn view(
    context: &PageContext,
    id: &str,
    address: &Address,
    path: &str,
) -> Result<AnyView, ServiceError> {
    let query = address.query.unwrap_or(0);
    let (graphic, hits) = context
        .service
        .hits(&context.caller, id, move |index| {
            Ok((
                index.graphic(query, MAX_SUBJECTS)?,
                index.query(query)?.hits,
            ))
        })
        .await?;
    let shown = graphic.lanes.len() as u64;
    let note = if shown < hits {
        format!(
            "The first {shown} of {} in BLAST+'s order.",
            text::counted(hits, "hit", "hits")
        )
    } else {
        format!("All {}.", text::counted(hits, "hit", "hits"))
    };
    let legend = ScoreRange::ALL.map(|range| {
        view! {
            <li>
                <span class=format!("swatch {}", range.class()) aria-hidden="true"></span>
                {range.label()}
            </li>
        }
    });
    Ok(view! {
        <figure class="graphic">
            <figcaption>
                <p>"Bit score of the alignments:"</p>
                <ul class="legend">{legend.collect_view()}</ul>
                <p class="quiet">{note} " Each line is a subject and leads to its alignments."</p>
            </figcaption>
            <Drawing graphic=graphic address=address.clone() path=path.to_owned()/>
        </figure>
    }
    .into_any())
}

/// Thousandths of the width as a percentage.
fn percent(units: u64) -> String {
    format!("{}.{}%", units / 10, units % 10)
}

#[component]
fn Drawing(graphic: Graphic, address: Address, path: String) -> impl IntoView {
    let height = RULER + graphic.lanes.len() * LANE + 4;
    let length = graphic.query_length;
    let ticks = graphic
        .ticks
        .iter()
        .copied()
        .map(|tick| view! { <TickMark tick=tick/> });
    let lanes = graphic.lanes.into_iter().enumerate().map(|(place, lane)| {
        let link = Address {
            subject: Some(lane.ordinal),
            ..address.with_view(View::Alignments)
        }
        .href(&path);
        view! { <LaneBars lane=lane y=RULER + place * LANE length=length link=link/> }
    });
    view! {
        <svg class="lanes" width="100%" height=height.to_string() role="group" aria-label="Matches along the query">
            <line class="ruler" x1="0" x2="100%" y1="24" y2="24"></line>
            {ticks.collect_view()}
            {lanes.collect_view()}
        </svg>
    }
}

#[component]
fn TickMark(tick: Tick) -> impl IntoView {
    let anchor = match tick.at {
        0 => "start",
        at if at >= 980 => "end",
        _ => "middle",
    };
    let x = percent(tick.at);
    view! {
        <line class="ruler" x1=x.clone() x2=x.clone() y1="18" y2="28"></line>
        <text x=x y="13" text-anchor=anchor>{text::count(tick.position)}</text>
    }
}

#[component]
fn LaneBars(lane: Lane, y: usize, length: u64, link: String) -> impl IntoView {
    let best = lane.bars.last().map_or(0.0, |bar| bar.score);
    let name = format!(
        "{} {}, best bit score {}",
        lane.accession,
        text::cap(&lane.title, 100),
        display::bits(best)
    );
    let label = name.clone();
    let bars = lane.bars.iter().map(|bar| {
        let (left, width) = bar.span(length);
        view! {
            <rect class=bar.range().class() x=percent(left) width=percent(width) y=y.to_string() height="8"></rect>
        }
    });
    view! {
        <a href=link aria-label=label>
            <title>{name}</title>
            <rect class="lane" x="0" width="100%" y=(y - 2).to_string() height=LANE.to_string()></rect>
            {bars.collect_view()}
        </a>
    }
}
