//! What became of a run that was handed over.
//!
//! Owns the order of what is believed: the results in the store, what is seen of the cluster, and before anything is
//! called lost, the cluster itself.

use elb_core::{
    cluster::{Indexes, Verdict, run_of},
    error_code::ErrorCode,
    job::Job,
};

use super::{ClusterExecutor, collect, hand_over::Refusal, spread::Spread};
use crate::executor::{ExecutorError, Observation};

impl ClusterExecutor {
    /// The state of a run that was handed over.
    pub(super) async fn look(&self, job: &Job) -> Result<Observation, ExecutorError> {
        let Some(found) = &job.place else {
            return Ok(Observation::Gone);
        };
        let place = match self.place(found) {
            Ok(place) => place,
            Err(refusal) => return Ok(unseen(refusal)),
        };
        let batches = self.batches(job).await?;
        let run = run_of(&job.id, job.attempt);
        let spread = Spread {
            batches: &batches,
            shards: &job.shards,
        };
        let shards = u32::try_from(job.shards.len()).unwrap_or(u32::MAX);
        let Some(sight) = place.see_own(&run, spread.batches(), shards) else {
            return Ok(Observation::Unseen(place.why_unseen().unwrap_or_default()));
        };
        let progress = spread.progress(&sight.done);
        let under_way = matches!(
            sight.verdict,
            Verdict::Accepted | Verdict::Staging | Verdict::Searching(_)
        );
        // The Job says a second later what its last pod says now; whether it is so, the store tells.
        if under_way
            && sight.done.count() == spread.count()
            && let Some(searched) = self.searched(job, spread).await?
        {
            return Ok(searched);
        }
        Ok(match sight.verdict {
            Verdict::Unseen | Verdict::Lost => self.nothing_seen(job, &run, spread).await?,
            Verdict::Suspended => Observation::HeldUp(
                "its Job is held back on the cluster (suspend); somebody has to let it go on".to_owned(),
            ),
            Verdict::HeldUp { reason, .. } => Observation::HeldUp(reason),
            Verdict::Accepted | Verdict::Staging => Observation::Accepted,
            Verdict::Searching(_) => Observation::Running {
                progress,
                warnings: Vec::new(),
            },
            Verdict::ResultsPending(_) | Verdict::Completed(_) => {
                self.searched(job, spread).await?.unwrap_or_else(|| {
                    Observation::Failed(ExecutorError::new(
                        ErrorCode::ExportFailed,
                        "the cluster says that every batch is done, but not all results are in the store",
                    ))
                })
            }
            Verdict::Failed(failure) => {
                Observation::Failed(ExecutorError::new(failure.code, failure.message))
            }
        })
    }

    /// All batches are done if the store has what counts of each.
    async fn searched(
        &self,
        job: &Job,
        spread: Spread<'_>,
    ) -> Result<Option<Observation>, ExecutorError> {
        let notes = collect::notes(&self.run_objects(job)?, spread).await?;
        let mut warnings: Vec<String> = Vec::new();
        for note in notes {
            let Some(note) = note else {
                return Ok(None);
            };
            for warning in note.warnings {
                if !warnings.contains(&warning) {
                    warnings.push(warning);
                }
            }
        }
        Ok(Some(Observation::Succeeded {
            progress: spread.progress(&Indexes::below(spread.count())),
            warnings,
        }))
    }

    /// Nothing of it is seen: it was only just made, or it is gone.
    async fn nothing_seen(
        &self,
        job: &Job,
        run: &str,
        spread: Spread<'_>,
    ) -> Result<Observation, ExecutorError> {
        let there = async { self.writer(job)?.is_there(run).await };
        match there.await {
            Ok(true) => return Ok(Observation::Accepted),
            Ok(false) => {}
            Err(refusal) => return Ok(unseen(refusal)),
        }
        // Removed after its end, by the cluster itself perhaps: then its results tell.
        if let Some(searched) = self.searched(job, spread).await? {
            return Ok(searched);
        }
        Ok(Observation::Failed(ExecutorError::new(
            ErrorCode::WorkerLost,
            "its Job is no longer on the cluster and not all of its results are in the store: somebody has removed it; try the search again, batches that are done are kept",
        )))
    }
}

fn unseen(refusal: Refusal) -> Observation {
    match refusal {
        Refusal::Later(reason) => Observation::Unseen(reason),
        Refusal::Never(error) => Observation::Failed(error),
    }
}
