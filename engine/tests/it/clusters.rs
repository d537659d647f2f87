//! Clusters that fail in every way that a stand-in for their API server knows, and what is seen of them.

#[path = "clusters/cancelling.rs"]
mod cancelling;
#[path = "clusters/choosing.rs"]
mod choosing;
#[path = "clusters/cost.rs"]
mod cost;
#[path = "clusters/executing.rs"]
mod executing;
#[path = "clusters/following.rs"]
mod following;
#[path = "clusters/kept_logs.rs"]
mod kept_logs;
#[path = "clusters/logs.rs"]
mod logs;
#[path = "clusters/outages.rs"]
mod outages;
#[path = "clusters/preparing.rs"]
mod preparing;
#[path = "clusters/refusals.rs"]
mod refusals;
#[path = "clusters/results.rs"]
mod results;
#[path = "clusters/seen.rs"]
mod seen;
#[path = "clusters/warming.rs"]
mod warming;
