//! In which order rows are listed: total, so that every page begins where another one ends.

use std::cmp::Ordering;

use elb_core::{list::SortKey, phase::Status, view::JobRow};

use super::Listed;

/// As the question wants it; among equals the newest comes first, whatever the direction.
pub(super) fn compare(left: &Listed, right: &Listed, sort: SortKey, descending: bool) -> Ordering {
    let directed = |ordering: Ordering| {
        if descending {
            ordering.reverse()
        } else {
            ordering
        }
    };
    let (here, there) = (&*left.row, &*right.row);
    let ordering = match sort {
        SortKey::Created => directed(right.key.cmp(&left.key)),
        SortKey::Title => directed(left.title().cmp(right.title())),
        SortKey::Program => directed(here.program.as_str().cmp(there.program.as_str())),
        SortKey::Database => directed(here.database.cmp(&there.database)),
        SortKey::Status => directed(rank(here.status).cmp(&rank(there.status))),
        SortKey::Runtime => values_first(finished(here), finished(there), directed),
        SortKey::Hits => values_first(here.hits, there.hits, directed),
    };
    ordering.then_with(|| left.key.cmp(&right.key))
}

/// How long it ran, in milliseconds, once it has ended.
fn finished(row: &JobRow) -> Option<u64> {
    row.completed_at.and_then(|_| row.run_ms(row.created_at))
}

/// Rows without a value come last, whatever the direction.
fn values_first(
    left: Option<u64>,
    right: Option<u64>,
    directed: impl Fn(Ordering) -> Ordering,
) -> Ordering {
    match (left, right) {
        (Some(left), Some(right)) => directed(left.cmp(&right)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}

fn rank(status: Status) -> usize {
    Status::LISTED
        .into_iter()
        .position(|listed| listed == status)
        .unwrap_or(usize::MAX)
}
