//! A fault of the program in the work for one job is recorded on that job and hits no other.

use elb_core::{error_code::ErrorCode, phase::Phase, search::Program, step::Step};
use elb_engine::service::Caller;

use super::{
    altered::Alterations,
    support::{Engine, genes, processes_of, search},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_any_step_fails_its_job_alone_and_a_retry_goes_on() {
    for (call, step) in [
        ("prepare", Step::Preparing),
        ("warm_up", Step::WarmingUp),
        ("submit", Step::Submitting),
        ("observe", Step::Running),
        ("export", Step::ExportingResults),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let alterations = Alterations::default();
        alterations.close("prepare", "");
        let engine = Engine::start_with(folder.path(), alterations.settings()).await;
        let hit = engine
            .submit_id(search(Program::Blastn), &genes(0, 2))
            .await;
        let other = engine
            .submit_id(search(Program::Blastn), &genes(2, 2))
            .await;
        alterations.panic(call, &hit);
        alterations.close("prepare", &other);
        alterations.open("prepare", "");
        let job = engine.finish(&hit).await;
        let error = job.failure.clone().unwrap().error;
        assert_eq!(
            (job.row.phase, error.code, error.step),
            (Phase::Failed, ErrorCode::Internal, step),
            "{call}"
        );
        assert!(
            error.message.contains("a fault of this program"),
            "{error:?}"
        );
        assert_eq!(processes_of(&hit), 0, "{call}");
        alterations.open("prepare", &other);
        engine.complete(&other).await;
        engine.service.retry(&Caller::local(), &hit).await.unwrap();
        assert_eq!(engine.complete(&hit).await.row.attempt, 2, "{call}");
    }
}
