//! What a store promises, as a few maps.

use std::collections::{BTreeMap, BTreeSet};

use elb_core::{
    error_code::ErrorCode, job::Job, phase::Phase, time::Timestamp, transition::Event,
    view::HistoryEntry,
};
use elb_engine::repository::{Beat, Lease, SlotHolder, SlotRequest, SlotTurn};

use crate::support::plain_job;

pub const IDS: u64 = 4;
pub const HOLDERS: u64 = 3;
/// In the year 2286.
pub const FAR: Timestamp = Timestamp(9_999_999_999_999);
pub const SLOT: &str = "cluster/default";

pub fn id_of(number: u64) -> String {
    // What a key must be able to hold wherever it is stored.
    format!("job'{number}/#?%한")
}

pub fn holder_of(number: u64) -> String {
    format!("process-{number}")
}

/// A call. Numbers choose among a few ids and holders, so that they meet.
#[derive(Debug, Clone)]
pub enum Call {
    Create {
        id: u64,
        key: Option<u64>,
        holder: u64,
    },
    Update {
        id: u64,
        stale: bool,
        fence: Fence,
        event: Change,
    },
    Claim {
        id: u64,
        holder: u64,
        stale: bool,
        silent: Silence,
    },
    Beat {
        holder: u64,
    },
    Leave {
        holder: u64,
    },
    ForgetOthers {
        holder: u64,
    },
    TakeSlot {
        id: u64,
        silent: bool,
    },
    RenewSlot {
        id: u64,
    },
    LeaveSlot {
        id: u64,
    },
    Forget {
        id: u64,
        stale: bool,
    },
    Follow,
}

#[derive(Debug, Clone, Copy)]
pub enum Fence {
    None,
    Right,
    OlderEpoch,
    OtherHolder,
}

#[derive(Debug, Clone, Copy)]
pub enum Silence {
    None,
    Right,
    Outdated,
}

#[derive(Debug, Clone, Copy)]
pub enum Change {
    Prepare,
    Cancel,
    Gone,
    Fail,
    Retry,
    Delete,
    Restore,
}

impl Change {
    pub fn event(self) -> Event {
        match self {
            Self::Prepare => Event::Enter {
                phase: Phase::Preparing,
            },
            Self::Cancel => Event::CancelAsked { delete: false },
            Self::Gone => Event::CancelObserved,
            Self::Fail => Event::Failed {
                code: ErrorCode::Internal,
                message: "it's a 'failure' of \u{1F4A5}".to_owned(),
            },
            Self::Retry => Event::RetryAsked,
            Self::Delete => Event::Deleted { keep_until: FAR },
            Self::Restore => Event::RestoreAsked,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Row {
    pub job: Job,
    pub version: u64,
    pub lease: Lease,
    pub history: Vec<(u64, u64)>,
}

#[derive(Debug, Clone, Default)]
pub struct Model {
    pub rows: BTreeMap<String, Row>,
    pub keys: BTreeMap<u64, String>,
    pub holders: BTreeMap<String, u64>,
    pub slot: Option<SlotHolder>,
    /// How often it was taken.
    pub taken: u64,
    pub line: BTreeSet<(Timestamp, String)>,
    /// Rows written since the change log was last read.
    pub written: BTreeSet<String>,
}

/// How a call ended, as far as the contract says.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Done,
    Existing(String),
    Conflict,
    Fenced,
    Missing,
    Slot(SlotTurn),
    Renewed(bool),
    Changed(BTreeSet<String>),
}

impl Model {
    fn active(&self, id: &str) -> bool {
        self.rows
            .get(id)
            .is_some_and(|row| row.job.phase.is_active())
    }

    /// The job after an event, and the condition of the write.
    pub fn write(&self, id: u64, event: Change, stale: bool, fence: Fence) -> Option<Write> {
        let row = self.rows.get(&id_of(id))?;
        let job = row
            .job
            .apply(&event.event(), Timestamp(row.job.updated_at.0 + 1));
        let fence = match fence {
            Fence::None => None,
            Fence::Right => Some(row.lease.clone()),
            Fence::OlderEpoch => Some(Lease {
                epoch: row.lease.epoch.wrapping_sub(1),
                ..row.lease.clone()
            }),
            Fence::OtherHolder => Some(Lease {
                holder: "nobody".to_owned(),
                ..row.lease.clone()
            }),
        };
        Some(Write {
            job: job.ok()?,
            expected: row.version - u64::from(stale),
            fence,
        })
    }

    pub fn seen(&self, id: u64, stale: bool) -> Lease {
        let lease = self.rows.get(&id_of(id)).map(|row| row.lease.clone());
        let mut lease = lease.unwrap_or_default();
        if stale {
            lease.epoch += 1;
        }
        lease
    }

    pub fn silent(&self, id: u64, silence: Silence) -> Option<Beat> {
        let holder = self.seen(id, false).holder;
        let beats = self.holders.get(&holder).copied().unwrap_or(0);
        match silence {
            Silence::None => None,
            Silence::Right => Some(Beat { holder, beats }),
            Silence::Outdated => Some(Beat {
                holder,
                beats: beats.wrapping_sub(1),
            }),
        }
    }

    pub fn slot_request(&self, id: u64, silent: bool) -> Option<SlotRequest> {
        let row = self.rows.get(&id_of(id))?;
        Some(SlotRequest {
            slot: SLOT.to_owned(),
            job_id: row.job.id.clone(),
            created_at: row.job.created_at,
            now: Timestamp(9),
            silent: self.slot.clone().filter(|_| silent),
        })
    }

    /// What the call must come to; the model is then as the store must be.
    pub fn perform(&mut self, call: &Call) -> Outcome {
        match call {
            Call::Create { id, key, holder } => self.create(*id, *key, *holder),
            Call::Update {
                id,
                stale,
                fence,
                event,
            } => {
                let Some(write) = self.write(*id, *event, *stale, *fence) else {
                    return Outcome::Missing;
                };
                self.update(&id_of(*id), write, *stale)
            }
            Call::Claim {
                id,
                holder,
                stale,
                silent,
            } => self.claim(*id, &holder_of(*holder), *stale, *silent),
            Call::Beat { holder } => {
                *self.holders.entry(holder_of(*holder)).or_default() += 1;
                Outcome::Done
            }
            Call::Leave { holder } => {
                let holder = holder_of(*holder);
                self.holders.remove(&holder);
                for (id, row) in &mut self.rows {
                    if row.job.phase.is_active() && row.lease.holder == holder {
                        row.lease.holder.clear();
                        self.written.insert(id.clone());
                    }
                }
                Outcome::Done
            }
            Call::ForgetOthers { holder } => {
                let holder = holder_of(*holder);
                self.holders.retain(|known, _| *known == holder);
                Outcome::Done
            }
            Call::TakeSlot { id, silent } => self.take_slot(*id, *silent),
            Call::RenewSlot { id } => {
                let id = id_of(*id);
                let held = self.slot.as_mut().filter(|holder| holder.job_id == id);
                Outcome::Renewed(held.map(|holder| holder.renewals += 1).is_some())
            }
            Call::LeaveSlot { id } => {
                let id = id_of(*id);
                self.slot = self.slot.take().filter(|holder| holder.job_id != id);
                self.line.retain(|(_, waiting)| *waiting != id);
                Outcome::Done
            }
            Call::Forget { id, stale } => {
                let id = id_of(*id);
                match self.rows.get(&id) {
                    None => Outcome::Missing,
                    Some(row) if *stale || row.job.phase != Phase::Deleted => Outcome::Conflict,
                    Some(_) => {
                        self.rows.remove(&id);
                        self.keys.retain(|_, holder| *holder != id);
                        self.written.remove(&id);
                        Outcome::Done
                    }
                }
            }
            Call::Follow => Outcome::Changed(std::mem::take(&mut self.written)),
        }
    }

    fn create(&mut self, id: u64, key: Option<u64>, holder: u64) -> Outcome {
        let held = key.and_then(|key| self.keys.get(&key));
        if let Some(held) = held {
            return Outcome::Existing(held.clone());
        }
        let id = id_of(id);
        if self.rows.contains_key(&id) {
            return Outcome::Existing(id);
        }
        if let Some(key) = key {
            self.keys.insert(key, id.clone());
        }
        let row = Row {
            job: new_job(&id),
            version: 1,
            lease: Lease {
                holder: holder_of(holder),
                epoch: 1,
            },
            history: vec![(1, 1)],
        };
        self.rows.insert(id.clone(), row);
        self.written.insert(id);
        Outcome::Done
    }

    fn update(&mut self, id: &str, write: Write, stale: bool) -> Outcome {
        let Some(row) = self.rows.get_mut(id) else {
            return Outcome::Missing;
        };
        if write.fence.is_some_and(|fence| fence != row.lease) {
            return Outcome::Fenced;
        }
        if stale {
            return Outcome::Conflict;
        }
        row.job = write.job;
        row.version += 1;
        row.history.push((row.version, row.lease.epoch));
        if !row.job.phase.is_active() {
            row.lease.holder.clear();
        }
        self.written.insert(id.to_owned());
        Outcome::Done
    }

    fn claim(&mut self, id: u64, holder: &str, stale: bool, silent: Silence) -> Outcome {
        let evidence = self.silent(id, silent);
        let Some(row) = self.rows.get_mut(&id_of(id)) else {
            return Outcome::Missing;
        };
        let free = match self.holders.get(&row.lease.holder) {
            _ if row.lease.holder.is_empty() => true,
            None => true,
            Some(beats) => evidence.is_some_and(|silent| silent.beats == *beats),
        };
        if !free || stale || !row.job.phase.is_active() {
            return Outcome::Fenced;
        }
        let takeover = !row.lease.holder.is_empty();
        self.holders.remove(&row.lease.holder);
        row.lease.holder = holder.to_owned();
        row.lease.epoch += 1;
        if takeover {
            row.version += 1;
            row.history.push((row.version, row.lease.epoch));
        }
        self.written.insert(id_of(id));
        Outcome::Done
    }

    fn take_slot(&mut self, id: u64, silent: bool) -> Outcome {
        let Some(row) = self.rows.get(&id_of(id)) else {
            return Outcome::Missing;
        };
        let ticket = (row.job.created_at, row.job.id.clone());
        if self
            .slot
            .as_ref()
            .is_some_and(|held| held.job_id == ticket.1)
        {
            return Outcome::Slot(SlotTurn::Yours { taken_from: None });
        }
        let holder = self.slot.clone();
        let held = holder
            .clone()
            .filter(|holder| !silent && self.active(&holder.job_id));
        let rows = &self.rows;
        self.line.retain(|(_, id)| {
            rows.get(id)
                .is_some_and(|row| row.job.phase.is_active() && row.job.phase != Phase::Cancelling)
        });
        self.line.insert(ticket.clone());
        let ahead = self.line.range(..&ticket).count();
        if held.is_some() || ahead > 0 {
            return Outcome::Slot(SlotTurn::Waiting {
                holder: held,
                ahead,
            });
        }
        self.taken += 1;
        self.slot = Some(SlotHolder {
            job_id: ticket.1.clone(),
            epoch: self.taken,
            since: Timestamp(9),
            renewals: 0,
        });
        self.line.remove(&ticket);
        Outcome::Slot(SlotTurn::Yours {
            taken_from: holder.filter(|_| silent),
        })
    }
}

#[derive(Debug)]
pub struct Write {
    pub job: Job,
    pub expected: u64,
    pub fence: Option<Lease>,
}

pub fn new_job(id: &str) -> Job {
    // Ids sort as they were created, so that the line of the slot is told from their names.
    let created = i64::try_from(id.len()).unwrap() + id.chars().map(|c| c as i64).sum::<i64>();
    plain_job(id, Timestamp(created))
}

pub fn entry(job: &Job, version: u64) -> HistoryEntry {
    HistoryEntry {
        version,
        at: job.updated_at,
        attempt: job.attempt,
        phase: job.phase,
        note: "a note with 'quotes'".to_owned(),
        actor: String::new(),
        // The store knows better.
        epoch: 77,
    }
}
