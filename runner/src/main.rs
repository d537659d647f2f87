//! `elb-runner`: what runs in the pods of a search.
//!
//! `stage` brings a database to its node, `release` removes it; `run` searches one batch. Settings come by arguments and environment
//! alone ([`settings`]). Whatever happens, it ends with an exit code that says what may help (`elb_core::exit`)
//! and leaves a report as the container's termination message. It never logs a secret.

use std::{process::ExitCode, time::Instant};

use elb_core::{cluster::Report, exit::RUNNER_CONFIGURATION};

mod copy;
mod end;
mod halt;
mod in_use;
mod location;
mod release;
mod report;
mod run;
mod say;
mod settings;
mod stage;
mod store;

use end::{Done, Failure};
use halt::Halt;
use report::Target;
use settings::{Given, Order};

fn main() -> ExitCode {
    let begun = Instant::now();
    let given = match Given::read() {
        Ok(given) => given,
        Err(error) => {
            // Who asks for help gets it and no report.
            if !error.use_stderr() {
                say::line(&error.to_string());
                return ExitCode::SUCCESS;
            }
            let (target, work) = settings::salvage();
            let failure = Failure::Configuration(error.to_string());
            return finish(&target, Report::new(work), Err(failure), begun);
        }
    };
    let (target, work) = (given.report_target(), given.work());
    let ended = given.order().and_then(perform);
    finish(&target, Report::new(work), ended, begun)
}

fn perform(order: Order) -> Result<Done, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::TryAgain(format!("the runner cannot start: {error}")))?;
    let ended = runtime.block_on(async {
        let halt = Halt::on_signals()?;
        match order {
            Order::Stage(settings) => halt.or(stage::stage(&settings)).await?,
            Order::Release(settings) => halt.or(release::release(&settings)).await?,
            Order::Run(settings) => run::run(&settings, &halt).await,
        }
    });
    // A write to a disk that hangs must not keep a runner that was told to end.
    runtime.shutdown_background();
    ended
}

fn finish(
    target: &Target,
    mut report: Report,
    ended: Result<Done, Failure>,
    begun: Instant,
) -> ExitCode {
    report.exit = match ended {
        Ok(done) => {
            report.bytes = done.bytes;
            report.sha256 = done.sha256;
            report.already = done.already;
            report.warnings = done.warnings;
            0
        }
        Err(failure) => {
            say::problem(&failure.to_string());
            report.error = Some(failure.to_string());
            let code = failure.exit_code();
            if let Failure::Blast { warnings, .. } = failure {
                report.warnings = warnings;
            }
            code
        }
    };
    report.wall_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    report::add_usage(&mut report);
    if let Err(error) = target.write(&report) {
        say::problem(&format!(
            "the report cannot be written to {target}: {error}"
        ));
    }
    // Codes of processes have one byte; any other would be a fault of this program.
    u8::try_from(report.exit).map_or_else(
        |_| ExitCode::from(u8::try_from(RUNNER_CONFIGURATION).unwrap_or(u8::MAX)),
        ExitCode::from,
    )
}
