#![allow(clippy::unwrap_used, reason = "tests")]

use elb_core::{
    cluster::{Batches, CopyState, CopyView, Health, PlaceView, PodView, RunView},
    phase::Phase,
    time::Timestamp,
};
use leptos::prelude::*;

use super::{
    copies::{Offered, Warmup},
    place::Place,
    runs::{MOST_PODS, MOST_PODS_OF_ALL, MOST_RUNS},
};

const NOW: Timestamp = Timestamp(1_764_000_000_000);

fn place(health: Health, as_of: Option<Timestamp>, runs: Vec<RunView>) -> PlaceView {
    PlaceView {
        cluster: "lab".to_owned(),
        namespace: "blast".to_owned(),
        health,
        reason: None,
        since: NOW,
        as_of,
        version: None,
        requests: 1,
        runs,
        copies: Vec::new(),
    }
}

fn run(id: &str, phase: Phase) -> RunView {
    RunView {
        id: id.to_owned(),
        program: Some("blastn".to_owned()),
        database: Some("nt".to_owned()),
        results: None,
        options: None,
        phase,
        reason: None,
        batches: Batches {
            done: 1,
            failed: 0,
            total: 4,
        },
        created_at: NOW,
        pods: Vec::new(),
    }
}

fn pod(name: &str, state: &str) -> PodView {
    PodView {
        name: name.to_owned(),
        batch: None,
        node: None,
        state: state.to_owned(),
        note: None,
        started_at: None,
        finished_at: None,
        restarts: 0,
    }
}

fn html(place: PlaceView) -> String {
    html_with(place, Warmup::None)
}

fn html_with(place: PlaceView, warmup: Warmup) -> String {
    let owner = Owner::new();
    owner.with(|| view! { <Place number=0 place=place warmup=warmup now=NOW/> }.to_html())
}

/// The text alone: tags and the marks between texts are taken out.
fn text(html: &str) -> String {
    let pieces = html.split('<').map(|piece| piece.rsplit('>').next());
    pieces.flatten().collect()
}

#[test]
fn each_health_has_a_word_of_its_own_and_its_key() {
    let mut words = std::collections::BTreeSet::new();
    for health in Health::ALL {
        let html = html(place(health, None, Vec::new()));
        let badge = html.split("title=\"").nth(1).unwrap();
        assert!(badge.starts_with(health.as_str()), "{html}");
        words.insert(text(badge.split("</span></div>").next().unwrap()));
    }
    assert_eq!(words.len(), Health::ALL.len());
}

#[test]
fn only_a_cluster_that_can_be_seen_is_called_empty() {
    for health in Health::ALL {
        for as_of in [None, Some(NOW)] {
            let text = text(&html(place(health, as_of, Vec::new())));
            assert_eq!(
                text.contains("No searches on this cluster."),
                health.is_current(),
                "{health:?} {as_of:?}: {text}"
            );
            let not_known = !health.is_current() && as_of.is_none();
            assert_eq!(text.contains("is not known"), not_known, "{text}");
        }
    }
}

#[test]
fn what_was_seen_last_stays_with_its_age() {
    let seen = Some(Timestamp(NOW.0 - 75_000));
    let frozen = html(place(Health::Stopped, seen, vec![run("a", Phase::Running)]));
    let words = text(&frozen);
    assert!(words.contains("Frozen."), "{words}");
    assert!(words.contains("1\u{a0}m 15\u{a0}s ago"), "{words}");
    assert!(words.contains("as last seen") && words.contains("1 of 4"));
    assert!(frozen.contains("place frozen"));
    let live = html(place(Health::Live, seen, vec![run("a", Phase::Running)]));
    let words = text(&live);
    assert!(!live.contains("rozen") && !words.contains("as last seen"));
    // Of one whose changes arrive by themselves there is no age; of one that is asked for them there is.
    assert!(!words.contains(" ago"), "{words}");
    let listed = html(place(Health::Listed, seen, vec![run("a", Phase::Running)]));
    let words = text(&listed);
    assert!(words.contains("As of ") && words.contains("1\u{a0}m 15\u{a0}s ago"));
}

#[test]
fn searches_are_counted_and_those_that_need_a_look_are_led_to() {
    let mut waits = run("waits", Phase::WaitingForCapacity);
    waits.reason = Some("no node has room".to_owned());
    let runs = vec![
        run("first", Phase::Running),
        run("queued", Phase::Queued),
        waits,
        run("broken", Phase::Failed),
        run("lost", Phase::WorkerLost),
    ];
    let html = html(place(Health::Live, Some(NOW), runs));
    let text = text(&html);
    assert!(text.contains("2 waiting, 1 running, 2 failed"), "{text}");
    assert!(
        text.contains("Look at: 2 failed, 1 waiting with a reason"),
        "{text}"
    );
    assert!(html.contains("href=\"#run-0-broken\"") && html.contains("id=\"run-0-broken\""));
    assert!(html.contains("href=\"#run-0-waits\""));
    assert!(text.contains("no node has room"));
    assert!(html.find("id=\"run-0-first\"") < html.find("id=\"run-0-broken\""));
}

#[test]
fn of_very_many_searches_the_newest_are_drawn_and_the_rest_counted() {
    let mut runs: Vec<_> = (0..1_000)
        .map(|number| run(&format!("r{number}"), Phase::Completed))
        .collect();
    runs.last_mut().unwrap().phase = Phase::Failed;
    let html = html(place(Health::Live, Some(NOW), runs));
    let text = text(&html);
    assert_eq!(html.matches("<tbody").count(), MOST_RUNS);
    assert!(html.contains("id=\"run-0-r199\"") && !html.contains("r200"));
    assert!(text.contains("the newest 200; 800 more"), "{text}");
    // It is counted, and there is nothing to lead to.
    assert!(text.contains("Look at: 1 failed") && !html.contains("href=\"#run"));
}

#[test]
fn of_very_many_pods_those_that_have_not_ended_well_are_drawn() {
    let mut wide = run("wide", Phase::Running);
    let pods = (0..MOST_PODS + 30).map(|number| pod(&format!("p{number}"), "done"));
    wide.pods = pods.collect();
    wide.pods.push(pod("the-one", "failed"));
    let one = html(place(Health::Live, Some(NOW), vec![wide.clone()]));
    assert_eq!(one.matches("class=\"lane ").count(), MOST_PODS);
    assert!(one.contains("the-one"));
    assert!(text(&one).contains("31 more pods are not shown here"));
    let many = html(place(Health::Live, Some(NOW), vec![wide; 100]));
    assert_eq!(many.matches("class=\"lane ").count(), MOST_PODS_OF_ALL);
}

#[test]
fn a_pod_is_told_with_all_that_is_known_of_it() {
    let mut search = run("a-long-id-of-a-search", Phase::Running);
    search.results = Some("https://lab.blob/results".to_owned());
    search.batches.failed = 2;
    search.pods = vec![
        PodView {
            batch: Some(3),
            node: Some("node-1".to_owned()),
            note: Some("out of memory".to_owned()),
            started_at: Some(Timestamp(NOW.0 - 60_000)),
            finished_at: Some(NOW),
            restarts: 2,
            ..pod("pod-3", "failed")
        },
        PodView {
            started_at: Some(Timestamp(NOW.0 - 30_000)),
            ..pod("pod-4", "searching")
        },
        pod("pod-5", "waiting"),
    ];
    let html = html(place(Health::Live, Some(NOW), vec![search]));
    let text = text(&html);
    for words in [
        "a-long-i…arch",
        "2 failed",
        "3 pods",
        "https://lab.blob/results",
        "batch 3 · on node-1 · started again 2 times",
        "out of memory",
        "took 1\u{a0}m 0\u{a0}s",
        "on no node",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(html.contains("title=\"a-long-id-of-a-search\""));
    // The first over the whole width, the second over its second half, the third not at all.
    assert!(
        html.contains("<rect x=\"0\" y=\"0\" width=\"1000\""),
        "{html}"
    );
    assert!(
        html.contains("<rect x=\"500\" y=\"0\" width=\"500\""),
        "{html}"
    );
    assert_eq!(html.matches("<rect").count(), 2);
}

#[test]
fn a_long_reason_is_cut_in_the_table_and_whole_inside_and_everything_is_escaped() {
    let mut search = run("<b>\"id\"</b>", Phase::Failed);
    search.reason = Some("<script>alert(1)</script>".repeat(80));
    search.database = Some("<i>".to_owned());
    search.pods = vec![pod("<u>", "<s>\"")];
    let mut place = place(Health::Unreachable, Some(NOW), vec![search]);
    place.cluster = "<img>".to_owned();
    place.reason = Some("<em>".to_owned());
    let html = html(place);
    for tag in ["<script", "<b>", "<i>", "<u>", "<s>", "<img", "<em>"] {
        assert!(!html.contains(tag), "{tag}: {html}");
    }
    let why = html.split("class=\"why\">").nth(1).unwrap();
    assert!(why.split("</span>").next().unwrap().ends_with('…'));
    assert_eq!(html.matches("&lt;script").count(), 80 + 10);
}

fn copy(node: &str, state: CopyState, bytes: Option<(u64, Option<u64>)>) -> CopyView {
    CopyView {
        node: node.to_owned(),
        database: "nt".to_owned(),
        version: "v1".to_owned(),
        state,
        reason: (state == CopyState::Failed).then(|| "the disk <full>".to_owned()),
        bytes: bytes.map(|(bytes, _)| bytes),
        bytes_total: bytes.and_then(|(_, total)| total),
        since: NOW,
    }
}

fn offered(version: &str) -> Warmup {
    Warmup::Offered(vec![Offered {
        name: "nt".to_owned(),
        version: version.to_owned(),
        bytes: 9_000_000,
    }])
}

#[test]
fn copies_are_told_by_node_with_their_bytes() {
    let mut seen = place(Health::Live, Some(NOW), Vec::new());
    seen.copies = vec![
        copy("n1", CopyState::Ready, Some((9_000_000, None))),
        copy(
            "n2",
            CopyState::Bringing,
            Some((3_000_000, Some(9_000_000))),
        ),
        copy("n3", CopyState::Failed, None),
    ];
    let html = html_with(seen.clone(), offered("v1"));
    let words = text(&html);
    for told in [
        "n1: ready, 9.0 MB",
        "n2: on its way: 3.0 MB of 9.0 MB",
        "n3: could not be brought",
    ] {
        assert!(words.contains(told), "{told}: {words}");
    }
    assert!(html.contains("the disk &lt;full&gt;"), "{html}");
    assert!(
        html.contains("<progress value=\"3000000\" max=\"9000000\""),
        "{html}"
    );
    for action in ["/clusters/warm-up", "/clusters/release"] {
        assert!(html.contains(action), "{html}");
    }
    // Another version is not what a search would want.
    let words = text(&html_with(seen.clone(), offered("v2")));
    assert!(words.contains("n1: has an older version"), "{words}");
    // Nothing is asked of a cluster that cannot be seen, or where no searches run.
    seen.health = Health::Unreachable;
    assert!(!html_with(seen.clone(), offered("v1")).contains("<form"));
    seen.health = Health::Live;
    assert!(!html_with(seen, Warmup::None).contains("<form"));
}

#[test]
fn where_no_node_keeps_databases_the_reason_is_told() {
    let seen = place(Health::Live, Some(NOW), Vec::new());
    assert!(!html(seen.clone()).contains("Databases on its nodes"));
    let why = Warmup::Hindered("each pod brings its own".to_owned());
    let words = text(&html_with(seen.clone(), why));
    assert!(
        words.contains("There are none: each pod brings its own."),
        "{words}"
    );
    let html = html_with(seen, offered("v1"));
    assert!(
        text(&html).contains("none that is known to have it"),
        "{html}"
    );
    assert!(html.contains("/clusters/warm-up") && !html.contains("/clusters/release"));
}
