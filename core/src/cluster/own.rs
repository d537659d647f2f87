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

#[cfg(test)]
mod tests {
    use super::*;

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
