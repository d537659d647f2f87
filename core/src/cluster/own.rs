//! Names by which a search of this program is known on a cluster.

/// What every id of a search begins with that ElasticBLAST's tools recognise.
const PREFIX: &str = "job-";
/// A job's id is a UUID with its dashes.
const ID: usize = 36;

/// The id of an attempt of a job on the cluster: the value of its label `elb-job-id`.
#[must_use]
pub fn run_of(job: &str, attempt: u32) -> String {
    format!("{PREFIX}{job}-{attempt}")
}

/// Job and attempt of an id that [`run_of`] has made; `None` of a search of others.
#[must_use]
pub fn job_of(run: &str) -> Option<(&str, u32)> {
    let (job, attempt) = run.strip_prefix(PREFIX)?.rsplit_once('-')?;
    let dashed = |(position, letter): (usize, u8)| match position {
        8 | 13 | 18 | 23 => letter == b'-',
        _ => letter.is_ascii_hexdigit(),
    };
    let is_id = job.len() == ID && job.bytes().enumerate().all(dashed);
    Some((job, attempt.parse().ok()?)).filter(|_| is_id)
}

/// What stands for the database in the name of a Job that searches one shard of it (ELASTICBLAST §4.3: `s00`).
#[must_use]
pub fn shard_name(number: usize) -> String {
    format!("s{number:02}")
}

/// The number of the shard in the name of such a Job.
#[must_use]
pub fn shard_number(job: &str) -> Option<u32> {
    let (_, rest) = job.split_once("-batch-s")?;
    let (number, _) = rest.split_once("-job-")?;
    let digits = number.len() >= 2 && number.bytes().all(|letter| letter.is_ascii_digit());
    digits.then(|| number.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jobs_of_shards_are_known_by_their_names() {
        let name = |database: &str| format!("tblastn-batch-{database}-job-0123456789ab");
        assert_eq!(shard_number(&name(&shard_name(7))), Some(7));
        assert_eq!(
            shard_number(&format!("{}-00004", name(&shard_name(123)))),
            Some(123)
        );
        for whole in ["nt", "s1", "s-01", "sx00", "swissprot"] {
            assert_eq!(shard_number(&name(whole)), None, "{whole}");
        }
    }

    #[test]
    fn own_searches_are_told_from_those_of_others() {
        let job = "019936f2-5a4c-7c3e-9a5b-0123456789ab";
        let run = run_of(job, 3);
        assert!(run.len() <= 63, "a label's value has at most 63 letters");
        assert_eq!(job_of(&run), Some((job, 3)));
        for other in [
            "job-0123456789abcdef0123456789abcdef",
            "job-019936f2-5a4c-7c3e-9a5b-0123456789ab",
            "job-019936f2-5a4c-7c3e-9a5b-0123456789ab-x",
            "run-019936f2-5a4c-7c3e-9a5b-0123456789ab-1",
            "",
        ] {
            assert_eq!(job_of(other), None, "{other}");
        }
    }
}
