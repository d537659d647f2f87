//! A page of the list.
//!
//! Two ways lead to it. By time and without a search it is read off the index, from the cursor until it is
//! full. Otherwise every row that the filters leave is looked at once, and only those of the page are sorted.

use std::{cmp::Ordering, iter::Peekable, ops::Bound, sync::Arc};

use elb_core::list::{Cursor, ListQuery, SortKey, Totals};

use super::{Jobs, Key, Listed, State, index, index::ByStatus, key_of, order::compare, visible};

/// A page before its rows are taken out.
pub(super) struct Found<'a> {
    pub(super) rows: Vec<&'a Arc<Listed>>,
    pub(super) totals: Totals,
    pub(super) continued: bool,
    pub(super) more: bool,
}

impl State {
    pub(super) fn page(&self, caller: &str, query: &ListQuery) -> Found<'_> {
        let groups = self.index.groups(caller, query);
        if query.sort == SortKey::Created && query.search.is_empty() {
            return by_time(&groups, query);
        }
        let begin = query
            .cursor
            .as_ref()
            .map_or(Begin::First, |cursor| self.begin(caller, query, cursor));
        by_looking(&groups, query, &begin)
    }

    /// Where a page begins. By time it goes on where its cursor stood even if that row has left the list
    /// meanwhile; in another order it begins anew then.
    fn begin(&self, caller: &str, query: &ListQuery, cursor: &Cursor) -> Begin {
        if query.sort == SortKey::Created {
            return Begin::AfterKey(key_of(cursor.created_at, &cursor.id));
        }
        let row = self.entries.get(cursor.id.as_str());
        match row.filter(|row| visible(&row.owner, caller)) {
            Some(row) => Begin::AfterRow(Arc::clone(row)),
            None => Begin::First,
        }
    }
}

enum Begin {
    First,
    AfterKey(Key),
    AfterRow(Arc<Listed>),
}

impl Begin {
    fn is_before(&self, row: &Listed, query: &ListQuery) -> bool {
        match self {
            Self::First => true,
            Self::AfterKey(key) if query.descending => row.key > *key,
            Self::AfterKey(key) => row.key < *key,
            Self::AfterRow(begin) => compare(begin, row, query) == Ordering::Less,
        }
    }
}

fn is_wanted(query: &ListQuery, status: elb_core::phase::Status) -> bool {
    query.status.is_none_or(|wanted| wanted == status)
}

fn by_time<'a>(groups: &[&'a ByStatus], query: &ListQuery) -> Found<'a> {
    let leaves = groups.iter().flat_map(|group| group.leaves());
    let leaves: Vec<&Jobs> = leaves
        .filter(|(status, leaf)| is_wanted(query, *status) && !leaf.is_empty())
        .map(|(_, leaf)| leaf)
        .collect();
    let cursor = query.cursor.as_ref();
    let key = cursor.map(|cursor| key_of(cursor.created_at, &cursor.id));
    let (after, before) = match &key {
        Some(key) => (Bound::Excluded(key), Bound::Included(key)),
        None => (Bound::Unbounded, Bound::Unbounded),
    };
    let wanted = query.limit.saturating_add(1);
    let leaves = leaves.iter();
    let (mut rows, continued) = if query.descending {
        let rest = leaves
            .clone()
            .map(|leaf| leaf.range::<Key, _>((after, Bound::Unbounded)));
        let mut passed = leaves.map(|leaf| leaf.range::<Key, _>((Bound::Unbounded, before)));
        let rows = merged(rest, Key::cmp, wanted);
        (rows, passed.any(|mut passed| passed.next().is_some()))
    } else {
        let rest = leaves
            .clone()
            .map(|leaf| leaf.range::<Key, _>((Bound::Unbounded, after)).rev());
        let mut passed = leaves.map(|leaf| leaf.range::<Key, _>((before, Bound::Unbounded)));
        let rows = merged(rest, |left, right| right.cmp(left), wanted);
        (rows, passed.any(|mut passed| passed.next().is_some()))
    };
    let more = rows.len() > query.limit;
    rows.truncate(query.limit);
    Found {
        rows,
        totals: index::totals(groups.iter().copied()),
        continued: continued && key.is_some(),
        more,
    }
}

/// The first of what several ordered sequences hold together.
fn merged<'a, Rows>(
    sequences: impl Iterator<Item = Rows>,
    order: impl Fn(&Key, &Key) -> Ordering,
    wanted: usize,
) -> Vec<&'a Arc<Listed>>
where
    Rows: Iterator<Item = (&'a Key, &'a Arc<Listed>)>,
{
    let mut sequences: Vec<Peekable<Rows>> = sequences.map(Iterator::peekable).collect();
    let mut rows = Vec::new();
    while rows.len() < wanted {
        let heads = sequences.iter_mut();
        let heads = heads.filter_map(|rows| Some((*rows.peek()?, rows)));
        let first = heads.min_by(|((left, _), _), ((right, _), _)| order(left, right));
        let Some((_, row)) = first.and_then(|(_, rows)| rows.next()) else {
            break;
        };
        rows.push(row);
    }
    rows
}

fn by_looking<'a>(groups: &[&'a ByStatus], query: &ListQuery, begin: &Begin) -> Found<'a> {
    let words = query.search_words();
    let mut totals = Totals::default();
    if words.is_empty() {
        totals = index::totals(groups.iter().copied());
    }
    let mut rows: Vec<&Arc<Listed>> = Vec::new();
    for (status, leaf) in groups.iter().flat_map(|group| group.leaves()) {
        let wanted = is_wanted(query, status);
        if words.is_empty() {
            if wanted {
                rows.extend(leaf.values());
            }
            continue;
        }
        let holds = |listed: &&Arc<Listed>| words.iter().all(|word| listed.words.contains(word));
        let mut count = 0;
        for listed in leaf.values().filter(holds) {
            count += 1;
            if wanted {
                rows.push(listed);
            }
        }
        totals.add(status, count);
    }
    let all = rows.len();
    rows.retain(|row| begin.is_before(row, query));
    let continued = rows.len() < all;
    let more = rows.len() > query.limit;
    let order = |left: &&Arc<Listed>, right: &&Arc<Listed>| compare(left, right, query);
    if more {
        rows.select_nth_unstable_by(query.limit, order);
        rows.truncate(query.limit);
    }
    rows.sort_unstable_by(order);
    Found {
        rows,
        totals,
        continued,
        more,
    }
}
