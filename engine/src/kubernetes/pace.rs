//! How long a cluster is waited for, and how often it is asked.

use std::time::Duration;

use elb_core::poll;

/// The waits of a watch. The default is what clusters are watched with; tests make all of it shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long one short answer may take.
    pub answer: Duration,
    /// How long one page of a list, the beginning of a watch or the answer to a deletion may take.
    pub long_answer: Duration,
    /// How long to wait before a client is made anew that could not be made, or whose credentials were
    /// refused, and before a cluster that was away is asked again whether it is there.
    pub connect_again: Duration,
    /// The first pause after something went wrong, doubled with each further time.
    pub pause: Duration,
    /// The longest pause: the end of an outage is noticed within it.
    pub longest_pause: Duration,
    /// How long a watch has to hold for its end to be no sign that it cannot be kept up.
    pub steady: Duration,
    /// For how long a watch that cannot be kept up is given up before it is tried again.
    pub without_watch: Duration,
    /// How often it is asked whether the cluster is there.
    pub beat: Duration,
    /// How often everything is listed where it cannot be watched, while something is under way.
    pub busy: Duration,
    /// The same while nothing is.
    pub idle: Duration,
    /// How long pods that were told to end may take before it is said that they do: their grace period is
    /// 30 s unless they say otherwise, and BLAST+ ends at once.
    pub ending: Duration,
    /// How often it is looked whether they have ended.
    pub look: Duration,
    /// How often it is looked how far pods are that bring databases, while any does.
    pub progress: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(10),
            long_answer: Duration::from_secs(30),
            connect_again: Duration::from_secs(10),
            pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(10),
            steady: Duration::from_secs(10),
            without_watch: Duration::from_secs(300),
            beat: poll::CLUSTER_BEAT,
            busy: poll::CLUSTER_COPY_LIFE,
            idle: poll::CLUSTER_IDLE,
            ending: Duration::from_secs(10),
            look: Duration::from_millis(250),
            // As often as they tell.
            progress: Duration::from_secs(2),
        }
    }
}
