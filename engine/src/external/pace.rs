//! How often the external plane is asked, and how long it is waited for.

use std::time::Duration;

/// Times of the external plane. Those of the default are what holds; tests have shorter ones.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How long a list, a status or a failure counts before it is asked for again (S2).
    pub life: Duration,
    /// How long a call may take (the original client's list: 5 s).
    pub call: Duration,
    /// How long a connection for a file may take to be made (the original client).
    pub connect: Duration,
    /// How long the next piece of a file may take to come (the original client).
    pub read: Duration,
    /// Rests before a call is repeated whose connection broke (the original client).
    pub again: [Duration; 2],
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            life: Duration::from_secs(15),
            call: Duration::from_secs(5),
            connect: Duration::from_secs(30),
            read: Duration::from_secs(300),
            again: [Duration::from_millis(500), Duration::from_millis(1_500)],
        }
    }
}
