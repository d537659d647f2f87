//! A page of the list.
//!
//! It is read off the index, from the cursor until it is full; of a search those rows that it finds. Where a search
//! finds few, these are looked at one by one.

use std::{cmp::Ordering, iter::Peekable, ops::Bound, sync::Arc};

use elb_core::{
    list::{Cursor, ListPage, ListQuery, SortKey, Totals},
    time::Timestamp,
    view::JobRow,
};

use super::{
    Key, Listed, State,
    index::{self, ByStatus},
    key_of,
    leaf::{Leaf, Order},
    search::Found,
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

/// Where the pages of a question come from.
pub(super) struct Pages<'a> {
    pub(super) state: &'a State,
    pub(super) caller: &'a str,
    pub(super) query: &'a ListQuery,
    /// What the words of the question find in this state, if it has any.
    pub(super) found: Option<&'a Found>,
}

impl<'a> Pages<'a> {
    fn by_time(&self) -> bool {
        self.query.sort == SortKey::Created
    }

    fn few(&self) -> Option<&'a Found> {
        self.found.filter(|found| !found.are_many())
    }

    /// Whether the page is to be read off an order that is not kept yet.
    pub(super) fn lack_order(&self) -> bool {
        let kept = self.by_time() || self.state.index.keeps(Order::of(self.query));
        !kept && self.few().is_none()
    }

    pub(super) fn page(&self) -> Page<'a> {
        let groups = self.state.index.groups(self.caller, self.query);
        let totals = match self.found {
            Some(found) => found.totals(self.caller, self.query),
            None => index::totals(groups.iter().copied()),
        };
        let (mut rows, continued) = match self.few() {
            Some(found) => self.of_few(found),
            None if self.by_time() => self.of_time(&self.leaves(&groups)),
            None => self.of_order(&self.leaves(&groups)),
        };
        let more = rows.len() > self.query.limit;
        rows.truncate(self.query.limit);
        Page {
            rows,
            totals,
            continued,
            more,
        }
    }

    /// The leaves that the question leaves.
    fn leaves(&self, groups: &[&'a ByStatus]) -> Vec<&'a Leaf> {
        let leaves = groups.iter().flat_map(|group| group.leaves());
        let wanted = |status| self.query.status.is_none_or(|wanted| wanted == status);
        leaves
            .filter(|(status, leaf)| wanted(*status) && !leaf.is_empty())
            .map(|(_, leaf)| leaf)
            .collect()
    }

    fn is_found(&self, listed: &Listed) -> bool {
        self.found.is_none_or(|found| found.has(listed))
    }

    /// Where the page begins by time: where its cursor stands even if that row has left the list meanwhile.
    fn begin_key(&self) -> Option<Key> {
        let cursor = self.query.cursor.as_ref()?;
        Some(key_of(cursor.created_at, &cursor.id))
    }

    /// The row after which the page begins in another order. If it has left the list the page is the first again.
    fn begin_row(&self) -> Option<&'a Arc<Listed>> {
        let row = self.state.listed(&self.query.cursor.as_ref()?.id)?;
        visible(&row.owner, self.caller).then_some(row)
    }

    fn of_time(&self, leaves: &[&'a Leaf]) -> (Vec<&'a Arc<Listed>>, bool) {
        let key = self.begin_key();
        let (after, before) = match &key {
            Some(key) => (Bound::Excluded(key), Bound::Included(key)),
            None => (Bound::Unbounded, Bound::Unbounded),
        };
        let (newer, older) = ((Bound::Unbounded, before), (after, Bound::Unbounded));
        let (later, earlier) = ((before, Bound::Unbounded), (Bound::Unbounded, after));
        let leaves = leaves.iter().map(|leaf| leaf.by_time());
        let found = |(_, row): &(&Key, &'a Arc<Listed>)| self.is_found(row);
        if self.query.descending {
            let rest = leaves.clone().map(|leaf| leaf.range::<Key, _>(older));
            let rest = rest.map(|rows| rows.filter(found).map(|(_, row)| row));
            let rows = self.merged(rest, |left, right| left.key.cmp(&right.key));
            let mut passed = leaves.map(|leaf| leaf.range::<Key, _>(newer).rev());
            let continued = key.is_some() && passed.any(|mut rows| rows.any(|row| found(&row)));
            (rows, continued)
        } else {
            let rest = leaves.clone().map(|leaf| leaf.range::<Key, _>(earlier));
            let rest = rest.map(|rows| rows.rev().filter(found).map(|(_, row)| row));
            let rows = self.merged(rest, |left, right| right.key.cmp(&left.key));
            let mut passed = leaves.map(|leaf| leaf.range::<Key, _>(later));
            let continued = key.is_some() && passed.any(|mut rows| rows.any(|row| found(&row)));
            (rows, continued)
        }
    }

    fn of_order(&self, leaves: &[&'a Leaf]) -> (Vec<&'a Arc<Listed>>, bool) {
        let (order, begin) = (Order::of(self.query), self.begin_row());
        let found = |row: &&'a Arc<Listed>| self.is_found(row);
        let rest = leaves
            .iter()
            .map(|leaf| leaf.after(order, begin).filter(found));
        let rows = self.merged(rest, |left, right| order.compare(left, right));
        let continued = begin.is_some_and(|begin| {
            let mut leaves = leaves.iter();
            leaves.any(|leaf| leaf.before(order, begin).any(|row| found(&row)))
        });
        (rows, continued)
    }

    fn of_few(&self, found: &Found) -> (Vec<&'a Arc<Listed>>, bool) {
        let query = self.query;
        let jobs = found.numbers();
        let jobs = jobs.filter_map(|number| self.state.signatures.job(number));
        let wanted = jobs.filter(|listed| {
            let row = &listed.row;
            visible(&listed.owner, self.caller)
                && query.status.is_none_or(|wanted| wanted == row.status)
                && query.program.is_none_or(|wanted| wanted == row.program)
                && query
                    .database
                    .as_ref()
                    .is_none_or(|wanted| *wanted == row.database)
        });
        let mut rows: Vec<&Arc<Listed>> = wanted.collect();
        let (all, order) = (rows.len(), Order::of(query));
        if self.by_time() {
            if let Some(key) = self.begin_key() {
                rows.retain(|row| {
                    if query.descending {
                        row.key > key
                    } else {
                        row.key < key
                    }
                });
            }
        } else if let Some(begin) = self.begin_row() {
            rows.retain(|row| order.compare(begin, row) == Ordering::Less);
        }
        let continued = rows.len() < all;
        rows.sort_unstable_by(|left, right| order.compare(left, right));
        (rows, continued)
    }

    /// The first of what several ordered sequences hold together: a page, and one row more.
    fn merged<Rows>(
        &self,
        sequences: impl Iterator<Item = Rows>,
        order: impl Fn(&Listed, &Listed) -> Ordering,
    ) -> Vec<&'a Arc<Listed>>
    where
        Rows: Iterator<Item = &'a Arc<Listed>>,
    {
        let wanted = self.query.limit.saturating_add(1);
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
}
