//! Any sequence of calls on a store, against a model of what it promises. Every store runs this.
//!
//! The model is a few maps. Each call's outcome must be the model's, and after each call every row, its
//! history and the change log must be what the model says.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use elb_core::time::Timestamp;
use elb_engine::repository::{
    Created, IdempotencyKey, Position, Repository, RepositoryError, SqliteRepository,
};
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

#[path = "store_model/model.rs"]
mod model;

use model::{
    Call, Change, Fence, HOLDERS, IDS, Model, Outcome, SLOT, Silence, entry, holder_of, id_of,
    new_job,
};

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Call;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<Call> {
        let id = 0..IDS;
        let holder = 0..HOLDERS;
        let rarely = prop::bool::weighted(0.15);
        let fence = prop::sample::select(vec![
            Fence::None,
            Fence::Right,
            Fence::Right,
            Fence::OlderEpoch,
            Fence::OtherHolder,
        ]);
        let silence = prop::sample::select(vec![Silence::None, Silence::Right, Silence::Outdated]);
        let change = prop::sample::select(vec![
            Change::Prepare,
            Change::Cancel,
            Change::Gone,
            Change::Fail,
            Change::Retry,
            Change::Delete,
            Change::Restore,
        ]);
        prop_oneof![
            4 => (id.clone(), prop::option::of(0..2_u64), holder.clone())
                .prop_map(|(id, key, holder)| Call::Create { id, key, holder }),
            8 => (id.clone(), rarely, fence, change)
                .prop_map(|(id, stale, fence, event)| Call::Update { id, stale, fence, event }),
            4 => (id.clone(), holder.clone(), rarely, silence)
                .prop_map(|(id, holder, stale, silent)| Call::Claim { id, holder, stale, silent }),
            2 => holder.clone().prop_map(|holder| Call::Beat { holder }),
            1 => holder.clone().prop_map(|holder| Call::Leave { holder }),
            1 => holder.prop_map(|holder| Call::ForgetOthers { holder }),
            4 => (id.clone(), prop::bool::weighted(0.2))
                .prop_map(|(id, silent)| Call::TakeSlot { id, silent }),
            1 => id.clone().prop_map(|id| Call::RenewSlot { id }),
            2 => id.clone().prop_map(|id| Call::LeaveSlot { id }),
            1 => (id, rarely).prop_map(|(id, stale)| Call::Forget { id, stale }),
            2 => Just(Call::Follow),
        ]
        .boxed()
    }

    fn apply(mut state: Self, call: &Call) -> Self {
        state.perform(call);
        state
    }
}

/// How long what one process has written may take to reach another one, at most.
const BOUND: Duration = Duration::from_secs(5);

/// A store under test, and how far its change log was read.
struct UnderTest {
    runtime: tokio::runtime::Runtime,
    store: Arc<dyn Repository>,
    /// The same store, opened by another process as it were.
    follower: Arc<dyn Repository>,
    /// The model before the call, so that calls can be made from it.
    model: Model,
    last: Position,
}

fn ended<T>(outcome: Result<T, RepositoryError>, well: impl FnOnce(T) -> Outcome) -> Outcome {
    match outcome {
        Ok(value) => well(value),
        Err(RepositoryError::Conflict { .. }) => Outcome::Conflict,
        Err(RepositoryError::Fenced { .. }) => Outcome::Fenced,
        Err(RepositoryError::Missing(_)) => Outcome::Missing,
        Err(other) => panic!("{other}"),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap()
}

impl UnderTest {
    fn new<F: Fresh>() -> Self {
        let runtime = runtime();
        let [store, follower] = runtime.block_on(F::stores());
        Self {
            runtime,
            store,
            follower,
            model: Model::default(),
            last: Position::default(),
        }
    }

    async fn call(&mut self, call: &Call, wanted: &Outcome) -> Outcome {
        let store = &self.store;
        match call {
            Call::Create { id, key, holder } => {
                let job = new_job(&id_of(*id));
                let key = key.map(|key| IdempotencyKey {
                    owner: "local".to_owned(),
                    key: format!("key'{key}"),
                    expires_at: Timestamp(i64::MAX),
                });
                let created = store
                    .create(&job, key.as_ref(), &entry(&job, 1), &holder_of(*holder))
                    .await;
                ended(created, |created| match created {
                    Created::New(_) => Outcome::Done,
                    Created::Existing(stored) => Outcome::Existing(stored.job.id),
                })
            }
            Call::Update {
                id,
                stale,
                fence,
                event,
            } => {
                let Some(write) = self.model.write(*id, *event, *stale, *fence) else {
                    return Outcome::Missing;
                };
                let entry = entry(&write.job, write.expected + 1);
                let written = store.update(
                    &write.job,
                    write.expected,
                    write.fence.as_ref(),
                    Some(&entry),
                );
                ended(written.await, |_| Outcome::Done)
            }
            Call::Claim {
                id,
                holder,
                stale,
                silent,
            } => {
                let seen = self.model.seen(*id, *stale);
                let evidence = self.model.silent(*id, *silent);
                let row = self.model.rows.get(&id_of(*id));
                let takeover = row
                    .filter(|row| !row.lease.holder.is_empty())
                    .map(|row| entry(&row.job, row.version + 1));
                let (id, holder) = (id_of(*id), holder_of(*holder));
                let claimed = store
                    .claim(&id, &seen, evidence.as_ref(), &holder, takeover.as_ref())
                    .await;
                ended(claimed, |_| Outcome::Done)
            }
            Call::Beat { holder } => {
                ended(store.beat(&holder_of(*holder)).await, |()| Outcome::Done)
            }
            Call::Leave { holder } => {
                ended(store.leave(&holder_of(*holder)).await, |()| Outcome::Done)
            }
            Call::ForgetOthers { holder } => {
                let forgotten = store.forget_others(&holder_of(*holder)).await;
                ended(forgotten, |()| Outcome::Done)
            }
            Call::TakeSlot { id, silent } => {
                let Some(request) = self.model.slot_request(*id, *silent) else {
                    return Outcome::Missing;
                };
                ended(store.take_slot(&request).await, Outcome::Slot)
            }
            Call::RenewSlot { id } => {
                ended(store.renew_slot(SLOT, &id_of(*id)).await, Outcome::Renewed)
            }
            Call::LeaveSlot { id } => ended(store.leave_slot(SLOT, &id_of(*id)).await, |()| {
                Outcome::Done
            }),
            Call::Forget { id, stale } => {
                let row = self.model.rows.get(&id_of(*id));
                let version = row.map_or(1, |row| row.version - u64::from(*stale));
                ended(store.forget(&id_of(*id), version).await, |()| Outcome::Done)
            }
            Call::Follow => {
                let mut changed = BTreeSet::new();
                let followed = async {
                    // In pages of one, so that none is left out between two pages.
                    loop {
                        let page = self.follower.changes(&self.last, 1).await.unwrap();
                        self.last = page.position;
                        changed.extend(page.jobs.into_iter().map(|stored| stored.job.id));
                        if !page.more && Outcome::Changed(changed.clone()) == *wanted {
                            return;
                        }
                        tokio::task::yield_now().await;
                    }
                };
                let _ = tokio::time::timeout(BOUND, followed).await;
                Outcome::Changed(changed)
            }
        }
    }

    /// Everything that can be read is what the model says.
    async fn compare(&self) {
        let mut jobs = Vec::new();
        for part in 0..self.store.parts() {
            let page = self.store.scan(part, None, 100).await.unwrap();
            assert!(page.unreadable.is_empty(), "{:?}", page.unreadable);
            jobs.extend(page.jobs);
        }
        assert_eq!(jobs.len(), self.model.rows.len());
        for stored in jobs {
            let row = &self.model.rows[&stored.job.id];
            assert_eq!(stored.job, row.job);
            assert_eq!((stored.version, &stored.lease), (row.version, &row.lease));
            let history = self
                .store
                .history(&stored.job.id, None, 1_000)
                .await
                .unwrap();
            let written: Vec<(u64, u64)> = history
                .iter()
                .rev()
                .map(|entry| (entry.version, entry.epoch))
                .collect();
            assert_eq!(written, row.history);
            let again = self.store.get(&stored.job.id).await.unwrap();
            assert_eq!(again.unwrap(), stored);
        }
        let beats = self.store.beats().await.unwrap();
        let beats: BTreeMap<String, u64> = beats
            .into_iter()
            .map(|beat| (beat.holder, beat.beats))
            .collect();
        assert_eq!(beats, self.model.holders);
    }
}

/// Makes a fresh store for each run of the machine, opened twice.
trait Fresh {
    fn stores() -> impl Future<Output = [Arc<dyn Repository>; 2]>;
}

struct Sqlite;

impl Fresh for Sqlite {
    async fn stores() -> [Arc<dyn Repository>; 2] {
        // One in memory is opened once.
        let store: Arc<dyn Repository> = Arc::new(SqliteRepository::in_memory().unwrap());
        [Arc::clone(&store), store]
    }
}

#[cfg(feature = "azure")]
struct Azure;

#[cfg(feature = "azure")]
impl Fresh for Azure {
    async fn stores() -> [Arc<dyn Repository>; 2] {
        let config = crate::azurite::fresh_table();
        [
            Arc::new(crate::azurite::open(&config).await),
            Arc::new(crate::azurite::open(&config).await),
        ]
    }
}

struct Machine<F>(std::marker::PhantomData<F>);

impl<F: Fresh> StateMachineTest for Machine<F> {
    type SystemUnderTest = UnderTest;
    type Reference = Model;

    fn init_test(_: &Model) -> UnderTest {
        UnderTest::new::<F>()
    }

    fn apply(mut test: UnderTest, after: &Model, call: Call) -> UnderTest {
        let mut expected = test.model.clone();
        let wanted = expected.perform(&call);
        let runtime = std::mem::replace(&mut test.runtime, runtime());
        let outcome = runtime.block_on(test.call(&call, &wanted));
        assert_eq!(outcome, wanted, "{call:?}");
        test.model = after.clone();
        runtime.block_on(test.compare());
        test.runtime = runtime;
        test
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_calls_on_the_embedded_store_comes_to_what_the_model_says(
        sequential 1..60 => Machine<Sqlite>
    );
}

// Each call is several requests over a socket.
#[cfg(feature = "azure")]
prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, max_shrink_iters: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_calls_on_azure_tables_comes_to_what_the_model_says(
        sequential 1..40 => Machine<Azure>
    );
}
