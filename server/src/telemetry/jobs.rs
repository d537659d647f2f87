//! A trace for each attempt of a job, with a span for each of its steps.
//!
//! Made from the row when the attempt ends, by the process that wrote the end: it is whole also where several
//! processes had a part in it, or one that was started again.

use std::time::{Duration, SystemTime};

use elb_core::{
    job::Job,
    phase::Status,
    step::{StepRecord, StepState},
    time::Timestamp,
};
use elb_engine::JobService;
use opentelemetry::{
    Context, KeyValue,
    trace::{self, Span, TraceContextExt, Tracer},
};
use opentelemetry_sdk::trace::SdkTracer;

use super::export;

/// Has attempts traced that end from now on by a write of this process.
pub fn observe(service: &JobService) {
    if let Some(tracer) = export::tracer() {
        service.watch_attempts(Box::new(move |job| trace(tracer, job)));
    }
}

fn trace(tracer: &SdkTracer, job: &Job) {
    let steps = job.steps.iter().filter_map(Ended::of);
    let first = steps.clone().map(|step| step.began).min();
    // The first attempt has waited since it was submitted.
    let began = if job.attempt == 1 { None } else { first };
    let ended = job.completed_at.unwrap_or(job.updated_at);
    let mut attributes = attempt(job);
    attributes.push(KeyValue::new("elb.job.phase", job.phase.as_str()));
    attributes.push(KeyValue::new("elb.job.database", job.spec.database.clone()));
    attributes.push(KeyValue::new("elb.job.program", job.spec.program.as_str()));
    let root = tracer
        .span_builder("search")
        .with_start_time(time(began.unwrap_or(job.created_at)))
        .with_attributes(attributes);
    let mut root = root.start_with_context(tracer, &Context::new());
    if job.phase.status() == Status::Failed {
        let why = job.error.as_ref().map(|error| error.message.clone());
        root.set_status(trace::Status::error(why.unwrap_or_default()));
    }
    let context = Context::new().with_span(root);
    for step in steps {
        let span = tracer
            .span_builder(step.record.key.as_str())
            .with_start_time(time(step.began))
            .with_attributes(step.attributes(job));
        let mut span = span.start_with_context(tracer, &context);
        if step.record.state == StepState::Failed {
            let why = step.record.reason.clone().unwrap_or_default();
            span.set_status(trace::Status::error(why));
        }
        span.end_with_timestamp(time(step.ended));
    }
    context.span().end_with_timestamp(time(ended));
}

/// What each span of an attempt has.
fn attempt(job: &Job) -> Vec<KeyValue> {
    vec![
        KeyValue::new("elb.job.id", job.id.clone()),
        KeyValue::new("elb.job.attempt", i64::from(job.attempt)),
    ]
}

/// A step in which something was done.
#[derive(Clone, Copy)]
struct Ended<'a> {
    record: &'a StepRecord,
    began: Timestamp,
    ended: Timestamp,
}

impl<'a> Ended<'a> {
    fn of(record: &'a StepRecord) -> Option<Self> {
        let worked = !matches!(record.state, StepState::NotReached | StepState::Skipped);
        Some(Self {
            record,
            began: record.started_at.filter(|_| worked)?,
            ended: record.finished_at?,
        })
    }

    fn attributes(self, job: &Job) -> Vec<KeyValue> {
        let waited = i64::try_from(self.record.waited_ms).unwrap_or(i64::MAX);
        let mut attributes = attempt(job);
        attributes.extend([
            KeyValue::new("elb.step", self.record.key.as_str()),
            KeyValue::new("elb.step.state", self.record.state.as_str()),
            KeyValue::new("elb.step.waited_ms", waited),
        ]);
        attributes
    }
}

fn time(at: Timestamp) -> SystemTime {
    let since = Duration::from_millis(u64::try_from(at.0).unwrap_or(0));
    SystemTime::UNIX_EPOCH + since
}
