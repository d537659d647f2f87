//! What is made of a search for its cluster.

use std::sync::Arc;

use elb_core::{
    cluster::{BLAST_CONTAINER, CopyState, CopyView, run_of, shard_number},
    database::Shard,
    job::Job,
    search::{Program, SearchOptions, SearchSpec},
    time::Timestamp,
};
use k8s_openapi::api::batch::v1::Job as JobObject;
use object_store::memory::InMemory;
use serde_json::Value;

use super::{
    super::JobObject as Seen,
    pods::{NodeDatabases, PodSettings},
    template::{Shape, Template, short_name},
};
use crate::{
    breaker::Breaker,
    clock::SystemClock,
    objects::{Objects, RunObjects},
};

const JOB: &str = "019936f2-5a4c-7c3e-9a5b-0123456789ab";

fn pods() -> PodSettings {
    PodSettings {
        image: "lab/blast:1".to_owned(),
        cpu: "2".to_owned(),
        memory: "4Gi".to_owned(),
        job_per_batch: false,
        parallel: 3,
        nodes: Some(("workload".to_owned(), "blast".to_owned())),
        account: Some("elbr-runner".to_owned()),
        databases: NodeDatabases::Folder("/workspace/blast".to_owned()),
        shard_bytes: None,
        endpoint: None,
        key: None,
        source: "az://lab/data/blast-db".to_owned(),
        objects: "az://lab/searches".to_owned(),
        deadline_s: 3_600,
    }
}

fn job(database: &str) -> Job {
    let spec = SearchSpec {
        program: Program::Blastn,
        task: None,
        database: database.to_owned(),
        options: SearchOptions {
            max_target_seqs: Some(7),
            ..SearchOptions::default()
        },
    };
    let mut job = Job::new(
        JOB.to_owned(),
        "me".to_owned(),
        "genes".to_owned(),
        spec,
        Timestamp(0),
    );
    job.database.version = "blob-0123456789abcdef".to_owned();
    job
}

fn run() -> RunObjects {
    let clock = Arc::new(SystemClock);
    let objects = Objects::elsewhere(
        Arc::new(InMemory::new()),
        Breaker::new("objects", clock),
        std::env::temp_dir(),
        1,
    );
    objects.of_run(JOB).unwrap()
}

fn made(pods: &PodSettings, shape: Shape) -> Vec<Value> {
    let (job, run) = (job("core_nt"), run());
    let template = Template {
        job: &job,
        pods,
        run: &run,
        batches: 5,
        shards: &job.shards,
        copies: &[],
    };
    template.jobs(shape, "uid")
}

/// What the object's own type keeps of it: a field of a wrong name would be lost without a word.
fn kept(object: &Value) -> Value {
    let typed: JobObject = serde_json::from_value(object.clone()).unwrap();
    serde_json::to_value(typed).unwrap()
}

fn containers(job: &Value) -> Vec<&Value> {
    let spec = &job["spec"]["template"]["spec"];
    let first = spec["initContainers"].as_array().unwrap().iter();
    first
        .chain(spec["containers"].as_array().unwrap())
        .collect()
}

#[test]
fn every_field_is_one_that_the_server_knows() {
    for shape in [Shape::Indexed, Shape::PerBatch] {
        for job in made(&pods(), shape) {
            assert_eq!(kept(&job), job);
        }
    }
}

#[test]
fn a_search_is_one_job_that_waits_and_is_recognised_as_what_it_is() {
    let jobs = made(&pods(), Shape::Indexed);
    let [job] = jobs.as_slice() else {
        panic!("{jobs:#?}");
    };
    let spec = &job["spec"];
    assert_eq!(spec["suspend"], true);
    assert_eq!(
        (&spec["completions"], &spec["parallelism"]),
        (&5.into(), &3.into())
    );
    assert_eq!(spec["activeDeadlineSeconds"], 3_600);
    let owner = &job["metadata"]["ownerReferences"][0];
    assert_eq!(
        (&owner["kind"], &owner["uid"]),
        (&"ConfigMap".into(), &"uid".into())
    );
    let seen = Seen::of(&serde_json::from_value(job.clone()).unwrap()).unwrap();
    assert_eq!(seen.run, run_of(JOB, 1));
    assert_eq!(seen.facts.program, Some("blastn"));
    assert_eq!(seen.facts.database.as_deref(), Some("core_nt"));
    assert_eq!(seen.seen.completions, Some(5));
    let results = format!("az://lab/searches/jobs/{JOB}/run");
    assert_eq!(seen.facts.results, Some(results));
}

#[test]
fn containers_have_no_shell_no_rights_and_limits() {
    let jobs = made(&pods(), Shape::Indexed);
    let pod = &jobs[0]["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["nodeSelector"]["workload"], "blast");
    for container in containers(&jobs[0]) {
        let security = &container["securityContext"];
        assert_eq!(security["allowPrivilegeEscalation"], false);
        assert_eq!(security["readOnlyRootFilesystem"], true);
        assert_eq!(security["capabilities"]["drop"][0], "ALL");
        assert_eq!(container["resources"]["requests"]["cpu"], "2");
        assert_eq!(container["resources"]["limits"]["memory"], "4Gi");
        assert_eq!(container["command"][0], "elb-runner");
    }
    let blast = containers(&jobs[0])
        .into_iter()
        .find(|one| one["name"] == BLAST_CONTAINER);
    let words: Vec<&str> = blast.unwrap()["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    assert_eq!(words[..2], ["--", "blastn"]);
    let after = words.iter().position(|word| *word == "--then").unwrap();
    assert_eq!(words[after + 1], "blast_formatter");
    assert_eq!(words[words.len() - 2..], ["-max_target_seqs", "7"]);
    // The blast container has no business with the node's folder but to read it.
    let mounts = &blast.unwrap()["volumeMounts"];
    assert_eq!(
        (&mounts[0]["name"], &mounts[0]["readOnly"]),
        (&"databases".into(), &true.into())
    );
}

#[test]
fn an_old_server_gets_a_job_for_each_batch() {
    let jobs = made(&pods(), Shape::PerBatch);
    assert_eq!(jobs.len(), 5);
    for (batch, job) in jobs.iter().enumerate() {
        assert!(job["spec"]["completionMode"].is_null());
        let name = job["metadata"]["name"].as_str().unwrap();
        assert!(
            name.ends_with(&format!("-{batch:05}")) && name.len() <= 63,
            "{name}"
        );
        let told = &containers(job)[0]["env"];
        let index = told
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["name"] == "JOB_COMPLETION_INDEX");
        assert_eq!(index.unwrap()["value"], batch.to_string());
    }
}

#[test]
fn a_divided_database_gets_a_job_for_each_shard_near_others_of_it_and_with_the_counts_of_the_whole()
{
    let (mut job, run) = (job("core_nt"), run());
    job.database.sequences = 100;
    job.database.letters = 90_000;
    job.shards = vec![Shard { first: 0, last: 3 }, Shard { first: 4, last: 6 }];
    let pods = pods();
    let copies = [CopyView {
        node: "n7".to_owned(),
        database: "core_nt".to_owned(),
        version: job.shards[1].of_version(&job.database.version),
        state: CopyState::Ready,
        reason: None,
        bytes: None,
        bytes_total: None,
        since: Timestamp(0),
    }];
    let template = Template {
        job: &job,
        pods: &pods,
        run: &run,
        batches: 5,
        shards: &job.shards,
        copies: &copies,
    };
    assert_eq!(template.jobs(Shape::PerBatch, "uid").len(), 10);
    let made = template.jobs(Shape::Indexed, "uid");
    let names: Vec<&str> = made
        .iter()
        .filter_map(|job| job["metadata"]["name"].as_str())
        .collect();
    assert_eq!(names, template.job_names(Shape::Indexed));
    let node = |job: &Value| {
        let first = "/spec/template/spec/affinity/nodeAffinity/preferredDuringSchedulingIgnoredDuringExecution/0";
        let field = job.pointer(&format!("{first}/preference/matchFields/0/values/0"));
        field.and_then(Value::as_str).map(str::to_owned)
    };
    assert_eq!(
        (node(&made[0]), node(&made[1])),
        (None, Some("n7".to_owned()))
    );
    let mut copies = Vec::new();
    for (number, (job, volumes)) in made.iter().zip(["0-3", "4-6"]).enumerate() {
        assert_eq!(kept(job), *job);
        assert_eq!(shard_number(names[number]), u32::try_from(number).ok());
        assert_eq!(job["spec"]["completions"], 5);
        let labels = &job["spec"]["template"]["metadata"]["labels"];
        assert_eq!(labels["shard"], number.to_string());
        let told = |name: &str| {
            let env = containers(job)[0]["env"].as_array().unwrap().clone();
            let found = env.into_iter().find(|one| one["name"] == name);
            found.map(|one| one["value"].as_str().unwrap().to_owned())
        };
        let version = format!("blob-0123456789abcdef.v{volumes}");
        assert_eq!(told("ELB_DB_VERSION"), Some(version));
        assert_eq!(told("ELB_DB_SEQUENCES").as_deref(), Some("100"));
        assert_eq!(told("ELB_DB_LETTERS").as_deref(), Some("90000"));
        let results = format!("az://lab/searches/jobs/{JOB}/run/shard-{volumes}/batch/{{batch}}");
        assert_eq!(told("ELB_BATCH_RESULTS"), Some(results));
        assert!(
            told("ELB_QUERY")
                .unwrap()
                .ends_with("/run/query/{batch}.fa")
        );
        let near = &job["spec"]["template"]["spec"]["affinity"]["podAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
            [0];
        let same = &near["podAffinityTerm"]["labelSelector"]["matchExpressions"][0];
        assert_eq!(same["values"][0], labels["elb-dashboard/copy"]);
        copies.push(labels["elb-dashboard/copy"].clone());
    }
    assert_ne!(copies[0], copies[1]);
}

#[test]
fn the_same_search_makes_the_same_and_another_attempt_another_name() {
    assert_eq!(made(&pods(), Shape::Indexed), made(&pods(), Shape::Indexed));
    let (mut again, run) = (job("core_nt"), run());
    again.attempt = 2;
    let pods = pods();
    let of = |job: &Job| {
        let template = Template {
            job,
            pods: &pods,
            run: &run,
            batches: 5,
            shards: &[],
            copies: &[],
        };
        let names = template.job_names(Shape::Indexed);
        (names.concat(), template.anchor_name())
    };
    let (first, second) = (of(&job("core_nt")), of(&again));
    assert_ne!(first.0, second.0);
    assert_ne!(first.1, second.1);
}

#[test]
fn names_of_databases_become_parts_of_names() {
    assert_eq!(short_name("core_nt"), "core-nt");
    assert_eq!(short_name("16S_rRNA"), "16s-rrna");
    let long = "ref_viruses_rep_genomes_2024_11";
    assert!(short_name(long).len() <= 23, "{}", short_name(long));
    assert_ne!(
        short_name(long),
        short_name("ref_viruses_rep_genomes_2024_12")
    );
    for odd in ["__", "데이터", "-a-", &"x".repeat(200)] {
        let name = short_name(odd);
        assert!(!name.is_empty() && name.len() <= 23, "{odd}: {name}");
        assert!(
            !name.starts_with('-') && !name.ends_with('-'),
            "{odd}: {name}"
        );
    }
}

#[test]
fn settings_that_no_cluster_would_take_are_refused() {
    let wrong = |change: fn(&mut PodSettings)| {
        let mut pods = pods();
        change(&mut pods);
        pods.check().unwrap_err()
    };
    assert!(wrong(|pods| pods.cpu = "two".to_owned()).contains("pod_cpu"));
    assert!(wrong(|pods| pods.memory = "4GB".to_owned()).contains("pod_memory"));
    assert!(wrong(|pods| pods.image = String::new()).contains("runner_image"));
    let up = |pods: &mut PodSettings| {
        pods.databases = NodeDatabases::Folder("/a/../etc".to_owned());
    };
    assert!(wrong(up).contains("pod_databases"));
    assert_eq!(pods().check(), Ok(()));
}
