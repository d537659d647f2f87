//! A split and merged search gives what one direct run of BLAST+ gives, for every program and format.

use std::process::Command;

use elb_core::{
    hits::{alignment::to_text, blocks},
    search::{Program, SearchSpec},
};
use elb_engine::{
    results::DescriptionsRequest,
    service::{Caller, Format},
};

use super::{
    queries::query,
    support::{Engine, databases, search},
};

/// One direct run of BLAST+ over all queries.
fn direct(spec: &SearchSpec, query: &str, format: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("query.fa");
    std::fs::write(&file, query).unwrap();
    let mut command = Command::new(spec.program.as_str());
    if let Some(task) = spec.task() {
        command.args(["-task", task.as_str()]);
    }
    command
        .arg("-db")
        .arg(databases().join(&spec.database))
        .arg("-query")
        .arg(&file);
    for key in ["evalue", "max_target_seqs"] {
        if let Some(value) = spec.options.get(key) {
            command.args([&format!("-{key}"), &value]);
        }
    }
    let out = command.args(["-outfmt", format]).output().unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap()
}

/// Another format of an archive, as a reader who downloaded it would make it.
fn formatted(archive: &std::path::Path, format: &str) -> String {
    let mut command = Command::new("blast_formatter");
    command.arg("-archive").arg(archive);
    let out = command.args(["-outfmt", format]).output().unwrap();
    assert!(out.status.success());
    String::from_utf8(out.stdout).unwrap()
}

/// What a split search gives is, letter by letter, what is made of the archive of one run, but for the
/// search space.
fn same_as_unsplit(what: &str, number: &str, ours: &str, whole: &std::path::Path) {
    let theirs = formatted(whole, number);
    let lines = |text: &'_ str| -> Vec<String> {
        let mut of_whole_run = number == "0";
        let mut lines = Vec::new();
        for line in text.lines() {
            // Head and summary of pairwise text stand once a batch, the order of the queries in the
            // head of SAM and the command in it are of the run; all else stays in its place.
            if number == "0" {
                let begins = line.starts_with("  Database: ")
                    || line.contains("BLAST") && line.ends_with('+');
                of_whole_run = (of_whole_run || begins) && !line.starts_with("Query= ");
            }
            // The units of blastn adapt to what it has met, and with them the space that is printed.
            let space = [
                "search space",
                "eff-space",
                "eff_space",
                "hsp-len",
                "hsp_len",
            ];
            let of_whole_run = of_whole_run || space.iter().any(|word| line.contains(word));
            if !of_whole_run && !line.is_empty() && !line.starts_with("@PG") {
                lines.push(line.to_owned());
            }
        }
        if number == "17" {
            // The formatter repeats the head of SAM for each archive within the archive.
            lines.sort_unstable();
            lines.dedup();
        }
        lines
    };
    assert_same_lines(what, &lines(ours), &lines(&theirs));
}

async fn searched(spec: SearchSpec, query: &str) -> (tempfile::TempDir, Engine, String) {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(folder.path()).await;
    let id = engine.submit(spec, query).await.unwrap().stored.job.id;
    let job = engine.complete(&id).await;
    assert!(
        job.row.progress.batches_total > 1,
        "the query is too small to be split"
    );
    (folder, engine, id)
}

/// Without the trailer, which counts the queries of each internal batch.
fn without_trailer(text: &str) -> String {
    text.lines()
        .filter(|line| !line.starts_with("# BLAST processed"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The figures of the hits in XML or JSON. Left out is what `blast_formatter` prints otherwise than a
/// direct run whether a search was split or not (`docs/RESULTS.md`): the search space, and masked
/// letters of the query with the line between.
fn figures(text: &str) -> Vec<&str> {
    let words = [
        "Iteration_query-ID",
        "Iteration_query-def",
        "Iteration_query-len",
        "Hit_",
        "Hsp_",
        "query-id>",
        "query-title>",
        "query-len>",
        "accession>",
        "bit-score>",
        "score>",
        "evalue>",
        "identity>",
        "positive>",
        "gaps>",
        "align-len>",
        "-from>",
        "-to>",
        "hseq>",
        "\"query_id\"",
        "\"query_title\"",
        "\"query_len\"",
        "\"accession\"",
        "\"bit_score\"",
        "\"score\"",
        "\"evalue\"",
        "\"identity\"",
        "\"positive\"",
        "\"gaps\"",
        "\"align_len\"",
        "_from\"",
        "_to\"",
        "\"hseq\"",
    ];
    text.lines()
        .map(|line| line.trim().trim_end_matches(','))
        .filter(|line| words.iter().any(|word| line.contains(word)))
        .filter(|line| !line.contains("qseq") && !line.contains("midline"))
        .filter(|line| !line.contains("query_masking") && !line.contains("query-masking"))
        .collect()
}

/// The first line in which two texts differ, so that a failure can be read.
fn assert_same_lines<T: AsRef<str>>(what: &str, ours: &[T], theirs: &[T]) {
    for (number, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert_eq!(
            ours.as_ref(),
            theirs.as_ref(),
            "{what}, line {}",
            number + 1
        );
    }
    assert_eq!(ours.len(), theirs.len(), "{what}");
}

async fn split_equals_direct(program: Program) {
    let (spec, query) = (search(program), query(program));
    let (folder, engine, id) = searched(spec.clone(), &query).await;
    for (format, number) in [(Format::Tabular, "6"), (Format::Csv, "10")] {
        let ours = engine.download(&id, format).await;
        assert!(
            ours.lines().count() > 5,
            "{program} finds too little to be a test"
        );
        assert_eq!(
            ours,
            direct(&spec, &query, number),
            "{program}, format {number}"
        );
    }
    let (ours, theirs) = (
        engine.download(&id, Format::TabularComments).await,
        direct(&spec, &query, "7"),
    );
    assert_eq!(
        without_trailer(&ours),
        without_trailer(&theirs),
        "{program}, format 7"
    );
    let whole = folder.path().join("whole.asn");
    std::fs::write(&whole, direct(&spec, &query, "11")).unwrap();
    for (format, number) in [
        (Format::Pairwise, "0"),
        (Format::Xml, "5"),
        (Format::Json, "15"),
        (Format::Xml2Single, "16"),
        (Format::Sam, "17"),
    ] {
        if !format.offered_for(program) {
            continue;
        }
        let what = format!("{program}, format {number}");
        let ours = engine.download(&id, format).await;
        same_as_unsplit(&what, number, &ours, &whole);
        if matches!(format, Format::Xml | Format::Json | Format::Xml2Single) {
            let theirs = direct(&spec, &query, number);
            let (ours, theirs) = (figures(&ours), figures(&theirs));
            assert!(ours.len() > 100, "{what}");
            assert_same_lines(&what, &ours, &theirs);
        }
    }
    // Not offered on the page, but whoever downloads the archive can have them.
    let archive = folder
        .path()
        .join("objects/jobs")
        .join(&id)
        .join("archive.asn");
    for number in ["8", "12"] {
        let what = format!("{program}, format {number}");
        same_as_unsplit(&what, number, &formatted(&archive, number), &whole);
        let theirs = direct(&spec, &query, number);
        assert_eq!(formatted(&archive, number), theirs, "{what}");
    }
    the_index_tells_what_blast_tells(&engine, &id, &spec, &query).await;
    the_alignments_are_blasts_own(&engine, &id, &spec, &query).await;
}

/// Coverage, identity, positives, coordinates of the index against BLAST+'s own columns.
async fn the_index_tells_what_blast_tells(
    engine: &Engine,
    id: &str,
    spec: &SearchSpec,
    query: &str,
) {
    let table = direct(
        spec,
        query,
        "6 qseqid sseqid qstart qend sstart send nident positive pident qcovs bitscore length gaps qseq sseq",
    );
    let mut rows = table
        .lines()
        .map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>());
    let matrix = spec.matrix().map(elb_core::search::Matrix::as_str);
    let (program, mut seen) = (spec.program, 0);
    let queries = engine
        .service
        .hits(&Caller::local(), id, |index| {
            index.queries("", false, 0, 500)
        })
        .await
        .unwrap();
    for summary in queries.queries {
        let request = DescriptionsRequest {
            limit: 500,
            ..DescriptionsRequest::default()
        };
        let ordinal = summary.ordinal;
        let page = engine
            .service
            .hits(&Caller::local(), id, move |index| {
                index.alignments(ordinal, &request, 500)
            })
            .await
            .unwrap();
        for subject in page.subjects {
            for hsp in &subject.hsps {
                let row = rows.next().expect("BLAST+ has fewer HSPs");
                let ours = [
                    summary.id.clone(),
                    subject.subject.id.clone(),
                    hsp.query_start.to_string(),
                    hsp.query_end.to_string(),
                    hsp.subject_start.to_string(),
                    hsp.subject_end.to_string(),
                    hsp.identities.to_string(),
                    hsp.positives.to_string(),
                ];
                assert_eq!(ours.as_slice(), &row[..8]);
                assert_eq!(
                    subject.subject.coverage.to_string(),
                    row[9],
                    "coverage of {} in {}",
                    row[1],
                    row[0]
                );
                let identity = elb_core::hits::percent(hsp.identities, hsp.length);
                assert!((identity - row[8].parse::<f64>().unwrap()).abs() < 0.001);
                let midline: String = blocks(
                    hsp,
                    matrix,
                    program.translates_query(),
                    program.translates_database(),
                )
                .into_iter()
                .map(|block| block.midline)
                .collect();
                let positives = midline.chars().filter(|mark| *mark != ' ').count() as u64;
                assert_eq!(
                    positives, hsp.positives,
                    "midline of {} in {}:\n{}\n{midline}\n{}",
                    row[1], row[0], row[13], row[14]
                );
                seen += 1;
            }
        }
    }
    assert!(rows.next().is_none(), "BLAST+ has more HSPs");
    assert!(seen > 10);
}

/// Every line of our alignments stands in BLAST+'s pairwise output, letter by letter.
async fn the_alignments_are_blasts_own(engine: &Engine, id: &str, spec: &SearchSpec, query: &str) {
    let squeeze = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    // A direct run shows masked letters of the query in lower case; the pages show them all alike.
    let pairwise = direct(spec, query, "0");
    let pairwise = pairwise
        .lines()
        .map(|line| match line.split_once("  ") {
            Some((side, letters)) => format!("{side}  {}", letters.to_uppercase()),
            None => line.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("\n");
    let theirs: std::collections::HashSet<String> = pairwise
        .lines()
        .filter(|line| line.starts_with("Query ") || line.starts_with("Sbjct "))
        .map(squeeze)
        .collect();
    let (program, matrix) = (
        spec.program,
        spec.matrix().map(elb_core::search::Matrix::as_str),
    );
    let queries = engine
        .service
        .hits(&Caller::local(), id, |index| index.queries("", true, 0, 6))
        .await
        .unwrap();
    let mut checked = 0;
    for summary in queries.queries {
        let request = DescriptionsRequest {
            limit: 20,
            ..DescriptionsRequest::default()
        };
        let page = engine
            .service
            .hits(&Caller::local(), id, move |index| {
                index.alignments(summary.ordinal, &request, 50)
            })
            .await
            .unwrap();
        for hsp in page.subjects.iter().flat_map(|subject| &subject.hsps) {
            let text = to_text(&blocks(
                hsp,
                matrix,
                program.translates_query(),
                program.translates_database(),
            ));
            for line in text
                .lines()
                .filter(|line| line.starts_with("Query") || line.starts_with("Sbjct"))
            {
                // A line of gaps alone has no positions in BLAST+'s output.
                if line
                    .split_whitespace()
                    .nth(2)
                    .is_some_and(|letters| letters.bytes().any(|letter| letter != b'-'))
                {
                    assert!(theirs.contains(&squeeze(line)), "{program}: {line}");
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 20, "{program}: {checked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn blastn_split_equals_direct() {
    split_equals_direct(Program::Blastn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blastp_split_equals_direct() {
    split_equals_direct(Program::Blastp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blastx_split_equals_direct() {
    split_equals_direct(Program::Blastx).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tblastn_split_equals_direct() {
    split_equals_direct(Program::Tblastn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tblastx_split_equals_direct() {
    split_equals_direct(Program::Tblastx).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_for_more_targets_than_the_formatters_own_limit_keeps_them_all() {
    let mut spec = search(Program::Blastn);
    spec.options.set("max_target_seqs", "3").unwrap();
    let query = query(Program::Blastn);
    let (_folder, engine, id) = searched(spec.clone(), &query).await;
    assert_eq!(
        engine.download(&id, Format::Tabular).await,
        direct(&spec, &query, "6")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sam_is_written_for_blastn_and_refused_for_blastp() {
    let (spec, genes) = (search(Program::Blastn), query(Program::Blastn));
    let (_folder, engine, id) = searched(spec.clone(), &genes).await;
    let (ours, theirs) = (
        engine.download(&id, Format::Sam).await,
        direct(&spec, &genes, "17"),
    );
    let halves = |text: &str| -> (Vec<String>, Vec<String>) {
        text.lines()
            .map(str::to_owned)
            .partition(|line| line.starts_with('@'))
    };
    let first_alignment = ours
        .lines()
        .position(|line| !line.starts_with('@'))
        .unwrap();
    assert!(
        ours.lines()
            .skip(first_alignment)
            .all(|line| !line.starts_with('@')),
        "one head, before all"
    );
    let ((head, alignments), (their_head, their_alignments)) = (halves(&ours), halves(&theirs));
    assert!(alignments[0].contains("\tNM:i:"));
    assert_eq!(alignments, their_alignments);
    let subjects = |head: &[String]| -> std::collections::BTreeSet<String> {
        head.iter()
            .filter(|line| line.starts_with("@SQ"))
            .cloned()
            .collect()
    };
    assert_eq!(subjects(&head), subjects(&their_head));
    let (_folder, engine, id) = searched(search(Program::Blastp), &query(Program::Blastp)).await;
    assert!(
        engine
            .service
            .download(&Caller::local(), &id, Format::Sam)
            .await
            .is_err()
    );
}
