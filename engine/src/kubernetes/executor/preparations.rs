//! What a submission needs before its Jobs are made: earlier attempts out of the way, the anchor, the queries.
//!
//! Owns that none of the three waits for another (ELASTICBLAST §2.1: ElasticBLAST's reuse of a warm cluster), unless
//! an operator wants them one by one, and how long each has taken. Each can be done again at any time.

use elb_core::{
    batch::Batch,
    cluster::run_of,
    error_code::ErrorCode,
    job::Job,
    step::{PartKey, StepPart},
};
use futures::{StreamExt, TryStreamExt};

use super::{
    super::place::Place,
    collect::store_error,
    hand_over::{Refusal, Writer},
    template::{Template, anchor_name},
};
use crate::{
    clock::Clock,
    crash::{self, Point},
    executor::{ExecutorError, local::LocalExecutor},
};

/// Queries that are stored at once.
const AT_ONCE: usize = 8;

/// What the three work with.
pub(super) struct Preparations<'a> {
    pub job: &'a Job,
    pub template: &'a Template<'a>,
    pub writer: &'a Writer,
    pub place: &'a Place,
    pub local: &'a LocalExecutor,
    pub batches: &'a [Batch],
    pub clock: &'a dyn Clock,
}

/// What came of them.
pub(super) struct Prepared {
    /// The anchor's uid.
    pub owner: String,
    /// What the timeline shows of each.
    pub parts: Vec<StepPart>,
}

impl Preparations<'_> {
    /// Makes them, at once or one after the other.
    pub async fn make(&self, at_once: bool) -> Result<Prepared, Refusal> {
        let old = self.timed(PartKey::EarlierAttempts, self.clear());
        let queries = self.timed(PartKey::Queries, self.queries());
        let anchor = self.timed(PartKey::Anchor, self.anchor());
        let ((skipped, mut old), ((), queries), (owner, anchor)) = if at_once {
            futures::try_join!(old, queries, anchor)?
        } else {
            (old.await?, queries.await?, anchor.await?)
        };
        old.skipped = skipped;
        Ok(Prepared {
            owner,
            parts: vec![old, queries, anchor],
        })
    }

    async fn timed<T>(
        &self,
        key: PartKey,
        work: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<(T, StepPart), Refusal> {
        let started_at = self.clock.now();
        let done = work.await?;
        let part = StepPart {
            key,
            started_at,
            finished_at: self.clock.now().max(started_at),
            skipped: None,
        };
        Ok((done, part))
    }

    /// Removes what earlier attempts have left on the cluster; says why, if there is nothing to do.
    async fn clear(&self) -> Result<Option<String>, Refusal> {
        let earlier = (1..self.job.attempt).map(|attempt| run_of(&self.job.id, attempt));
        let left: Vec<String> = earlier
            .filter(|run| !self.place.jobs_of(run).is_empty())
            .collect();
        for run in &left {
            // Its Jobs and their pods are the anchor's, and go with it.
            self.writer.drop_anchor(&anchor_name(run)).await?;
        }
        crash::point(Point::AfterEarlierAttempts);
        Ok(left.is_empty().then(|| {
            if self.job.attempt == 1 {
                "this is the first attempt".to_owned()
            } else {
                "nothing of earlier attempts is there".to_owned()
            }
        }))
    }

    async fn anchor(&self) -> Result<String, Refusal> {
        let owner = self.writer.anchor(self.template).await?;
        crash::point(Point::AfterAnchor);
        Ok(owner)
    }

    /// Stores the query of each batch for its pod.
    async fn queries(&self) -> Result<(), Refusal> {
        let (job, run) = (self.job, self.template.run);
        // After a restart elsewhere the files of the batches are not on this machine.
        self.local.cut(job, self.batches).await.map_err(refusal)?;
        let each: Vec<Batch> = self.batches.to_vec();
        futures::stream::iter(each)
            .map(|batch| {
                let path = self.local.query_of(&job.id, &batch);
                async move {
                    let file = tokio::fs::File::open(&path).await;
                    let file = file.map_err(|error| LocalExecutor::disk_error(&path, &error))?;
                    let put = run.put_query(batch.index, file).await;
                    put.map_err(|error| {
                        store_error("the query cannot be stored for the pods", error)
                    })
                }
            })
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await
            .map_err(refusal)?;
        crash::point(Point::AfterQueries);
        Ok(())
    }
}

/// What may pass is waited for, with its reason.
fn refusal(error: ExecutorError) -> Refusal {
    if error.code == ErrorCode::TemporarilyUnavailable {
        Refusal::Later(error.message)
    } else {
        Refusal::Never(error)
    }
}
