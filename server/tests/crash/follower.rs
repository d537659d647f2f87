//! A reader of the event stream that connects again after each death, with the last revision it saw.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use elb_core::invariants::ChangeSeen;
use serde_json::Value;

use super::client;

/// What it has seen over all lives.
#[derive(Debug, Clone, Default)]
pub struct Follower {
    seen: Arc<Mutex<Vec<ChangeSeen>>>,
}

impl Follower {
    /// Reads until the stream ends, well or not.
    pub async fn read(&self, address: SocketAddr) {
        let last = self
            .seen
            .lock()
            .unwrap()
            .last()
            .map(|change| change.revision);
        let mut name = String::new();
        let ended = client::follow(address, "/api/blast/events", last, |line| {
            if let Some(event) = line.strip_prefix("event:") {
                event.trim().clone_into(&mut name);
            }
            if let Some(data) = line.strip_prefix("data:")
                && name == "row"
            {
                // A line that a death cut short is no event.
                if let Ok(data) = serde_json::from_str::<Value>(data.trim()) {
                    self.seen.lock().unwrap().push(change(&data));
                }
            }
            true
        });
        // How it broke off does not matter: the server died.
        let _ = ended.await;
    }

    pub fn seen(&self) -> Vec<ChangeSeen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

fn change(data: &Value) -> ChangeSeen {
    ChangeSeen {
        revision: data["revision"].as_u64().unwrap(),
        job: data["id"].as_str().unwrap().to_owned(),
        version: data["row"]["version"].as_u64(),
    }
}
