//! The low-complexity filter: DUST for blastn, SEG for every other program.
//!
//! Owns its three forms (off, on, own parameters) and which parameters BLAST+ can read. Never
//! decides whether a filter is on by default: that is in `defaults`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{
    program::Program,
    real::{self, number},
};

/// The largest parameter of a filter; beyond it neither DUST nor SEG finds anything.
const MAX_PARAMETER: f64 = 10_000.0;

/// The low-complexity filter of the query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Filter {
    /// `no`
    Off,
    /// `yes`: DUST with `20 64 1`, SEG with `12 2.2 2.5`.
    On,
    /// Three parameters: level, window and linker for DUST; window, locut and hicut for SEG.
    Custom(f64, f64, f64),
}

impl Filter {
    /// Reads `no`, `yes` or three numbers.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "no" => return Some(Self::Off),
            "yes" => return Some(Self::On),
            _ => {}
        }
        let mut numbers = text.split_ascii_whitespace().map(|word| {
            let number = real::parse(word)?;
            // Minus zero would be printed with a hyphen.
            (0.0..=MAX_PARAMETER)
                .contains(&number)
                .then(|| number.abs())
        });
        let custom = Self::Custom(numbers.next()??, numbers.next()??, numbers.next()??);
        numbers.next().is_none().then_some(custom)
    }

    /// What is wrong with own parameters in this program, if anything is.
    ///
    /// DUST takes whole numbers only, SEG a whole window (BLAST+ ends with an error otherwise).
    #[must_use]
    pub fn problem(self, program: Program) -> Option<&'static str> {
        let Self::Custom(first, second, third) = self else {
            return None;
        };
        let whole = |value: f64| value.fract() == 0.0;
        if program == Program::Blastn {
            let fits = [first, second, third].into_iter().all(whole) && second >= 1.0;
            (!fits).then_some(
                "takes three whole numbers for DUST, level, window (from 1) and linker, for \
                 example 20 64 1",
            )
        } else {
            let fits = whole(first) && first >= 1.0 && second <= third;
            (!fits).then_some(
                "takes three numbers for SEG, a whole window (from 1), locut and a hicut that is \
                 not below it, for example 12 2.2 2.5",
            )
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => formatter.write_str("no"),
            Self::On => formatter.write_str("yes"),
            Self::Custom(first, second, third) => {
                let [first, second, third] = [first, second, third].map(|each| number(*each));
                write!(formatter, "{first} {second} {third}")
            }
        }
    }
}

impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| D::Error::custom("must be \"no\", \"yes\" or three numbers"))
    }
}
