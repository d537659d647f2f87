//! Jobs of one kind and status, in the order of time and in every other order that somebody has asked for.
//!
//! An order costs memory and time at each change, so that it is kept from the first question for it on.

use std::{cmp::Ordering, collections::BTreeSet, ops::Bound, sync::Arc};

use elb_core::list::{ListQuery, SortKey};

use super::{Jobs, Listed, order::compare};

/// A column and a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    sort: SortKey,
    descending: bool,
}

impl Order {
    /// How many there are.
    pub(super) const COUNT: usize = 2 * SortKey::ALL.len();

    pub(super) const fn of(query: &ListQuery) -> Self {
        Self {
            sort: query.sort,
            descending: query.descending,
        }
    }

    /// Its place among all.
    fn place(self) -> usize {
        let column = SortKey::ALL.into_iter().position(|sort| sort == self.sort);
        2 * column.unwrap_or_default() + usize::from(self.descending)
    }

    pub(super) fn compare(self, left: &Listed, right: &Listed) -> Ordering {
        compare(left, right, self.sort, self.descending)
    }
}

/// A job at its place in an order. No two jobs are equal in any.
#[derive(Debug, Clone)]
struct Placed {
    listed: Arc<Listed>,
    order: Order,
}

impl Ord for Placed {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order.compare(&self.listed, &other.listed)
    }
}

impl PartialOrd for Placed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Placed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Placed {}

/// The orders that are kept.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Kept([Option<Order>; Order::COUNT]);

impl Kept {
    pub(super) fn has(&self, order: Order) -> bool {
        self.0.get(order.place()).is_some_and(Option::is_some)
    }

    pub(super) fn add(&mut self, order: Order) {
        if let Some(place) = self.0.get_mut(order.place()) {
            *place = Some(order);
        }
    }

    fn each(&self) -> impl Iterator<Item = Order> {
        self.0.into_iter().flatten()
    }
}

/// The jobs.
#[derive(Debug, Default)]
pub(super) struct Leaf {
    by_time: Jobs,
    /// By the places of their orders; those that are not kept are empty.
    sorted: Vec<BTreeSet<Placed>>,
}

impl Leaf {
    pub(super) fn len(&self) -> usize {
        self.by_time.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_time.is_empty()
    }

    /// The newest first.
    pub(super) fn by_time(&self) -> &Jobs {
        &self.by_time
    }

    pub(super) fn insert(&mut self, listed: &Arc<Listed>, kept: &Kept) {
        self.by_time.insert(listed.key.clone(), Arc::clone(listed));
        for order in kept.each() {
            let listed = Arc::clone(listed);
            self.sorted_mut(order).insert(Placed { listed, order });
        }
    }

    pub(super) fn remove(&mut self, listed: &Arc<Listed>, kept: &Kept) {
        self.by_time.remove(&listed.key);
        for order in kept.each() {
            let listed = Arc::clone(listed);
            self.sorted_mut(order).remove(&Placed { listed, order });
        }
    }

    /// Changes places with another leaf in one order.
    pub(super) fn adopt(&mut self, order: Order, other: &mut Self) {
        std::mem::swap(self.sorted_mut(order), other.sorted_mut(order));
    }

    /// Makes an order that was not kept until now.
    pub(super) fn sort(&mut self, order: Order) {
        let rows = self.by_time.values().cloned();
        let placed: BTreeSet<Placed> = rows.map(|listed| Placed { listed, order }).collect();
        *self.sorted_mut(order) = placed;
    }

    fn sorted_mut(&mut self, order: Order) -> &mut BTreeSet<Placed> {
        let place = order.place();
        if self.sorted.len() <= place {
            self.sorted.resize_with(place + 1, BTreeSet::new);
        }
        &mut self.sorted[place]
    }

    /// What comes after a job, or everything, in an order that is kept.
    pub(super) fn after(
        &self,
        order: Order,
        begin: Option<&Arc<Listed>>,
    ) -> impl Iterator<Item = &Arc<Listed>> {
        self.range(
            order,
            begin.map_or(Bound::Unbounded, Bound::Excluded),
            Bound::Unbounded,
        )
    }

    /// What comes before what [`Self::after`] gives, the last first.
    pub(super) fn before(
        &self,
        order: Order,
        begin: &Arc<Listed>,
    ) -> impl Iterator<Item = &Arc<Listed>> {
        let before = self.range(order, Bound::Unbounded, Bound::Included(begin));
        before.rev()
    }

    fn range(
        &self,
        order: Order,
        from: Bound<&Arc<Listed>>,
        to: Bound<&Arc<Listed>>,
    ) -> impl DoubleEndedIterator<Item = &Arc<Listed>> {
        let placed = |listed: &Arc<Listed>| Placed {
            listed: Arc::clone(listed),
            order,
        };
        let bounds = (from.map(placed), to.map(placed));
        let sorted = self.sorted.get(order.place()).into_iter();
        sorted
            .flat_map(move |sorted| sorted.range(bounds.clone()))
            .map(|placed| &placed.listed)
    }
}
