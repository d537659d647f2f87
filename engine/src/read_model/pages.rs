//! A page of the list: it is read off an index, from the cursor until it is full.

use std::{cmp::Ordering, iter::Peekable, ops::Bound, sync::Arc};

use elb_core::{
    list::{Cursor, ListPage, ListQuery, SortKey, Totals},
    time::Timestamp,
    view::JobRow,
};

use super::{
    Key, Listed, State,
    index::{self, ByStatus, Index},
    key_of,
    leaf::{Leaf, Order},
    visible,
};

/// A page before its rows are taken out.
pub(super) struct Page<'a> {
    rows: Vec<&'a Arc<Listed>>,
    totals: Totals,
    continued: bool,
    more: bool,
}

impl Page<'_> {
    /// As it is answered.
    pub(super) fn listed(self, revision: u64, as_of: Timestamp) -> ListPage<Arc<JobRow>> {
        let rows = self.rows.into_iter();
        let jobs: Vec<Arc<JobRow>> = rows.map(|listed| Arc::clone(&listed.row)).collect();
        let last = jobs.last().filter(|_| self.more);
        ListPage {
            next_cursor: last.map(|row| Cursor::at(row).to_string()),
            jobs,
            totals: self.totals,
            continued: self.continued,
            revision,
            as_of,
            stale: None,
        }
    }
}

impl State {
    /// The row after which a page begins. By time a page goes on where its cursor stood even if that row has left the
    /// list meanwhile, and needs none; in another order it begins anew then.
    pub(super) fn begin(&self, caller: &str, query: &ListQuery) -> Option<Arc<Listed>> {
        if query.sort == SortKey::Created {
            return None;
        }
        let row = self.entries.get(query.cursor.as_ref()?.id.as_str())?;
        visible(&row.owner, caller).then(|| Arc::clone(row))
    }
}

/// The page of an index that keeps its order.
pub(super) fn page<'a>(
    index: &'a Index,
    caller: &str,
    query: &ListQuery,
    begin: Option<&Arc<Listed>>,
) -> Page<'a> {
    let groups = index.groups(caller, query);
    if query.sort == SortKey::Created {
        by_time(&groups, query)
    } else {
        in_order(&groups, query, begin)
    }
}

fn is_wanted(query: &ListQuery, status: elb_core::phase::Status) -> bool {
    query.status.is_none_or(|wanted| wanted == status)
}

/// The leaves that a question leaves.
fn leaves<'a>(groups: &[&'a ByStatus], query: &ListQuery) -> Vec<&'a Leaf> {
    let leaves = groups.iter().flat_map(|group| group.leaves());
    leaves
        .filter(|(status, leaf)| is_wanted(query, *status) && !leaf.is_empty())
        .map(|(_, leaf)| leaf)
        .collect()
}

fn by_time<'a>(groups: &[&'a ByStatus], query: &ListQuery) -> Page<'a> {
    let leaves = leaves(groups, query);
    let leaves = leaves.into_iter().map(Leaf::by_time);
    let cursor = query.cursor.as_ref();
    let key = cursor.map(|cursor| key_of(cursor.created_at, &cursor.id));
    let (after, before) = match &key {
        Some(key) => (Bound::Excluded(key), Bound::Included(key)),
        None => (Bound::Unbounded, Bound::Unbounded),
    };
    let (rows, continued) = if query.descending {
        let rest = leaves.clone().map(|leaf| {
            let rest = leaf.range::<Key, _>((after, Bound::Unbounded));
            rest.map(|(_, row)| row)
        });
        let mut passed = leaves.map(|leaf| leaf.range::<Key, _>((Bound::Unbounded, before)));
        let rows = merged(rest, |left, right| left.key.cmp(&right.key), query);
        (rows, passed.any(|mut passed| passed.next().is_some()))
    } else {
        let rest = leaves.clone().map(|leaf| {
            let rest = leaf.range::<Key, _>((Bound::Unbounded, after)).rev();
            rest.map(|(_, row)| row)
        });
        let mut passed = leaves.map(|leaf| leaf.range::<Key, _>((before, Bound::Unbounded)));
        let rows = merged(rest, |left, right| right.key.cmp(&left.key), query);
        (rows, passed.any(|mut passed| passed.next().is_some()))
    };
    found(groups, query, rows, continued && key.is_some())
}

fn in_order<'a>(
    groups: &[&'a ByStatus],
    query: &ListQuery,
    begin: Option<&Arc<Listed>>,
) -> Page<'a> {
    let order = Order::of(query);
    let leaves = leaves(groups, query);
    let rest = leaves.iter().map(|leaf| leaf.after(order, begin));
    let rows = merged(rest, |left, right| order.compare(left, right), query);
    let continued = begin.is_some_and(|begin| {
        let mut leaves = leaves.iter();
        leaves.any(|leaf| leaf.has_before(order, begin))
    });
    found(groups, query, rows, continued)
}

/// A page that was read off the index, of one row more than wanted.
fn found<'a>(
    groups: &[&'a ByStatus],
    query: &ListQuery,
    mut rows: Vec<&'a Arc<Listed>>,
    continued: bool,
) -> Page<'a> {
    let more = rows.len() > query.limit;
    rows.truncate(query.limit);
    Page {
        rows,
        totals: index::totals(groups.iter().copied()),
        continued,
        more,
    }
}

/// The first of what several ordered sequences hold together: a page, and one row more.
fn merged<'a, Rows>(
    sequences: impl Iterator<Item = Rows>,
    order: impl Fn(&Listed, &Listed) -> Ordering,
    query: &ListQuery,
) -> Vec<&'a Arc<Listed>>
where
    Rows: Iterator<Item = &'a Arc<Listed>>,
{
    let wanted = query.limit.saturating_add(1);
    let mut sequences: Vec<Peekable<Rows>> = sequences.map(Iterator::peekable).collect();
    let mut rows = Vec::new();
    while rows.len() < wanted {
        let heads = sequences.iter_mut();
        let heads = heads.filter_map(|rows| Some((*rows.peek()?, rows)));
        let first = heads.min_by(|(left, _), (right, _)| order(left, right));
        let Some(row) = first.and_then(|(_, rows)| rows.next()) else {
            break;
        };
        rows.push(row);
    }
    rows
}
