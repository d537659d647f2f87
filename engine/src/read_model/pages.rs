//! A page of the list.
//!
//! Two ways lead to it. Without a search it is read off the index, from the cursor until it is full. With one every
//! row that the filters leave is looked at once, and only those of the page are sorted.

use std::{cmp::Ordering, iter::Peekable, ops::Bound, sync::Arc};

use elb_core::list::{Cursor, ListQuery, SortKey, Totals};
use memchr::memmem::Finder;

use super::{
    Key, Listed, State,
    index::{self, ByStatus},
    key_of,
    leaf::{Leaf, Order},
    visible,
};

/// A page before its rows are taken out.
pub(super) struct Found<'a> {
    pub(super) rows: Vec<&'a Arc<Listed>>,
    pub(super) totals: Totals,
    pub(super) continued: bool,
    pub(super) more: bool,
}

impl State {
    /// Whether an answer needs an order that is not kept yet.
    pub(super) fn lacks(&self, query: &ListQuery) -> bool {
        query.search.is_empty()
            && query.sort != SortKey::Created
            && !self.index.keeps(Order::of(query))
    }

    pub(super) fn page(&self, caller: &str, query: &ListQuery) -> Found<'_> {
        let groups = self.index.groups(caller, query);
        if query.sort == SortKey::Created && query.search.is_empty() {
            return by_time(&groups, query);
        }
        let begin = query
            .cursor
            .as_ref()
            .map_or(Begin::First, |cursor| self.begin(caller, query, cursor));
        match begin {
            Begin::First if query.search.is_empty() => in_order(&groups, query, None),
            Begin::AfterRow(row) if query.search.is_empty() => in_order(&groups, query, Some(&row)),
            begin => by_looking(&groups, query, &begin),
        }
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
            Self::AfterRow(begin) => Order::of(query).compare(begin, row) == Ordering::Less,
        }
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

fn by_time<'a>(groups: &[&'a ByStatus], query: &ListQuery) -> Found<'a> {
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
) -> Found<'a> {
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
) -> Found<'a> {
    let more = rows.len() > query.limit;
    rows.truncate(query.limit);
    Found {
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

fn by_looking<'a>(groups: &[&'a ByStatus], query: &ListQuery, begin: &Begin) -> Found<'a> {
    let words = query.search_words();
    let words: Vec<Finder<'_>> = words
        .iter()
        .map(|word| Finder::new(word.as_bytes()))
        .collect();
    let holds = |listed: &&Arc<Listed>| {
        let mut words = words.iter();
        words.all(|word| word.find(listed.words.as_bytes()).is_some())
    };
    let mut totals = Totals::default();
    let mut rows: Vec<&Arc<Listed>> = Vec::new();
    for (status, leaf) in groups.iter().flat_map(|group| group.leaves()) {
        let wanted = is_wanted(query, status);
        let mut count = 0;
        for listed in leaf.by_time().values().filter(holds) {
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
    let order = Order::of(query);
    let order = |left: &&Arc<Listed>, right: &&Arc<Listed>| order.compare(left, right);
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
