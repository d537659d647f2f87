//! The program is killed between its side effects on the cluster, and goes on where it was.

use super::{
    sequences::genes,
    world::{World, alone},
};

/// The points that a search on a cluster passes.
const POINTS: [&str; 14] = [
    "after_queries",
    "after_prepare",
    "after_plan",
    "before_submit",
    "after_anchor",
    "after_jobs",
    "after_release",
    "after_submit",
    "after_submitted",
    "after_observe",
    "before_export",
    "after_collect",
    "after_archive",
    "after_hits",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_side_effect_neither_loses_nor_doubles_a_search() {
    let world = World::new().await;
    let query = genes(20, 12);
    let folder = tempfile::tempdir().unwrap();
    let here = alone(folder.path()).await;
    let same = here.submit("blastn", "genes", &query).await;
    here.complete(&same).await;
    let expected = here.hsps(&same).await;
    for point in POINTS {
        let program = world.start_to_be_killed(point).await;
        let id = program.submit("blastn", "genes", &query).await;
        let status = program.ended().await;
        assert!(!status.success(), "{point} is never passed");
        let program = world.start().await;
        let job = program.complete(&id).await;
        assert_eq!(program.hsps(&id).await, expected, "{point}");
        println!("{point}");
        world.made_once(&job);
        program.kill().await;
    }
}
