//! Executions: never two of one job at a time, and no writer of an older epoch (I2).

use std::collections::BTreeMap;

use super::{Execution, Invariant, JobEvidence, Violation};

/// I2: no batch is searched twice at a time, and no two runs of a job overlap.
#[must_use]
pub fn one_execution_at_a_time(executions: &[Execution]) -> Vec<Violation> {
    let mut by_job: BTreeMap<&str, Vec<&Execution>> = BTreeMap::new();
    for execution in executions {
        by_job.entry(&execution.job).or_default().push(execution);
    }
    let mut found = Vec::new();
    for (job, mut runs) in by_job {
        runs.sort_by_key(|execution| execution.started_at);
        for (index, earlier) in runs.iter().enumerate() {
            let overlapping = runs.iter().skip(index + 1).take_while(|later| {
                earlier
                    .ended_at
                    .is_none_or(|ended| later.started_at < ended)
            });
            for later in overlapping {
                let what = if earlier.run != later.run {
                    format!(
                        "{} of run {} started while {} of run {} was still searched",
                        later.batch, later.run, earlier.batch, earlier.run
                    )
                } else if earlier.batch == later.batch {
                    format!("{} was searched twice at a time", later.batch)
                } else {
                    continue;
                };
                found.push(Violation::of(Invariant::I2, job, what));
            }
        }
    }
    found
}

/// I2: the epochs of a job's history never decrease, and the row's is not older than the last of them.
#[must_use]
pub fn epochs_never_decrease(job: &JobEvidence) -> Vec<Violation> {
    let mut found = Vec::new();
    for pair in job.history.windows(2) {
        if let [earlier, later] = pair
            && later.epoch < earlier.epoch
        {
            let what = format!(
                "version {} was written in epoch {}, after epoch {} had begun",
                later.version, later.epoch, earlier.epoch
            );
            found.push(Violation::of(Invariant::I2, &job.job.id, what));
        }
    }
    if let Some(last) = job.history.last().filter(|last| last.epoch > job.epoch) {
        let what = format!(
            "its lease has epoch {}, its history epoch {}",
            job.epoch, last.epoch
        );
        found.push(Violation::of(Invariant::I2, &job.job.id, what));
    }
    found
}
