//! What the run came to, as a table.

use std::{collections::HashMap, fmt::Write};

use elb_engine::crash::Point;

use super::{life::End, verdict::Settled};

/// Counts of kills.
#[derive(Debug, Default)]
pub struct Report {
    at: HashMap<Point, usize>,
    missed: HashMap<Point, usize>,
    random: usize,
}

impl Report {
    pub fn add(&mut self, target: Option<Point>, end: End) {
        match (target, end) {
            (Some(point), End::ByItself) => *self.at.entry(point).or_default() += 1,
            (Some(point), End::Killed) => {
                *self.missed.entry(point).or_default() += 1;
                self.random += 1;
            }
            (None, _) => self.random += 1,
        }
    }

    pub fn kills(&self) -> usize {
        self.random + self.at.values().sum::<usize>()
    }

    pub fn at(&self, point: Point) -> usize {
        self.at.get(&point).copied().unwrap_or_default()
    }

    pub fn table(&self, settled: &Settled) -> String {
        let mut text = String::from("killed at                 kills  not reached\n");
        for point in Point::ALL
            .into_iter()
            .filter(|point| !point.needs_cluster())
        {
            let missed = self.missed.get(&point).copied().unwrap_or_default();
            writeln!(
                text,
                "{:<24} {:>6} {missed:>12}",
                point.as_str(),
                self.at(point)
            )
            .unwrap();
        }
        writeln!(text, "{:<24} {:>6}", "random times", self.random).unwrap();
        writeln!(text, "{:<24} {:>6}", "all", self.kills()).unwrap();
        text.push_str(&settled.told());
        text
    }
}
