//! Objects of one kind, found by name and by search.
//!
//! Owns the two indexes and keeps them in step. An object that is the same as before is no change: a
//! server repeats itself.

use std::collections::{BTreeSet, HashMap};

use super::{JobObject, PodObject, objects::COPIES};

/// What is kept of an object.
pub(super) trait Kept: PartialEq {
    /// Its name, unique among its kind.
    fn name(&self) -> &str;
    /// The search that it belongs to.
    fn run(&self) -> &str;
}

impl Kept for JobObject {
    fn name(&self) -> &str {
        &self.seen.name
    }

    fn run(&self) -> &str {
        &self.run
    }
}

impl Kept for PodObject {
    fn name(&self) -> &str {
        &self.seen.name
    }

    fn run(&self) -> &str {
        &self.run
    }
}

/// Objects of one kind in one namespace.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    by_name: HashMap<String, T>,
    by_run: HashMap<String, BTreeSet<String>>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            by_name: HashMap::new(),
            by_run: HashMap::new(),
        }
    }
}

impl<T: Kept> Shelf<T> {
    /// Puts an object in its place; `false` if the same was there.
    pub fn put(&mut self, object: T) -> bool {
        if self.by_name.get(object.name()) == Some(&object) {
            return false;
        }
        // It may have been made anew for another search.
        self.take(object.name().to_owned().as_str());
        let names = self.by_run.entry(object.run().to_owned()).or_default();
        names.insert(object.name().to_owned());
        self.by_name.insert(object.name().to_owned(), object);
        true
    }

    /// Takes an object away; `false` if it was not there.
    pub fn take(&mut self, name: &str) -> bool {
        let Some(object) = self.by_name.remove(name) else {
            return false;
        };
        if let Some(names) = self.by_run.get_mut(object.run()) {
            names.remove(name);
            if names.is_empty() {
                self.by_run.remove(object.run());
            }
        }
        true
    }

    /// What is there from now on; `false` if it is what was there.
    pub fn replace(&mut self, objects: Vec<T>) -> bool {
        let mut gone: BTreeSet<String> = self.by_name.keys().cloned().collect();
        let mut changed = false;
        for object in objects {
            gone.remove(object.name());
            changed |= self.put(object);
        }
        for name in gone {
            changed |= self.take(&name);
        }
        changed
    }

    /// The objects of a search, by name.
    pub fn of_run<'a>(&'a self, run: &str) -> impl Iterator<Item = &'a T> {
        let names = self.by_run.get(run).into_iter().flatten();
        names.filter_map(|name| self.by_name.get(name))
    }

    /// The searches that have any.
    pub fn runs(&self) -> impl Iterator<Item = &str> {
        let runs = self.by_run.keys().map(String::as_str);
        runs.filter(|run| *run != COPIES)
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.by_name.values()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq)]
    struct Thing(&'static str, &'static str, u8);

    impl Kept for Thing {
        fn name(&self) -> &str {
            self.0
        }

        fn run(&self) -> &str {
            self.1
        }
    }

    fn of_run(shelf: &Shelf<Thing>, run: &str) -> Vec<&'static str> {
        shelf.of_run(run).map(|thing| thing.0).collect()
    }

    #[test]
    fn an_object_is_found_by_its_search_until_it_goes_or_belongs_to_another() {
        let mut shelf = Shelf::default();
        assert!(shelf.put(Thing("b", "one", 1)));
        assert!(shelf.put(Thing("a", "one", 1)));
        assert!(!shelf.put(Thing("a", "one", 1)));
        assert!(shelf.put(Thing("a", "one", 2)));
        assert_eq!(of_run(&shelf, "one"), ["a", "b"]);
        assert!(shelf.put(Thing("a", "two", 2)));
        assert_eq!(of_run(&shelf, "one"), ["b"]);
        assert!(shelf.take("b"));
        assert!(!shelf.take("b"));
        assert_eq!(shelf.runs().collect::<Vec<_>>(), ["two"]);
    }

    #[test]
    fn a_new_list_leaves_what_is_in_it_and_nothing_else() {
        let mut shelf = Shelf::default();
        assert!(shelf.replace(vec![Thing("a", "one", 1), Thing("b", "one", 1)]));
        assert!(!shelf.replace(vec![Thing("b", "one", 1), Thing("a", "one", 1)]));
        assert!(shelf.replace(vec![Thing("b", "one", 2), Thing("c", "two", 1)]));
        assert_eq!(of_run(&shelf, "one"), ["b"]);
        assert_eq!(of_run(&shelf, "two"), ["c"]);
        assert!(shelf.replace(Vec::new()));
        assert_eq!(shelf.iter().count(), 0);
    }
}
