//! Log and traces: where what happens is told to.
//!
//! Owns the start of both. Traces are exported by OTLP in builds with the feature `otel`; every other build says
//! that it has none if it is asked for them. What is exported, and under which names, stands in
//! `docs/OBSERVABILITY.md`.

use tracing_subscriber::{
    EnvFilter, Layer, Registry, layer::SubscriberExt, util::SubscriberInitExt,
};

#[cfg(feature = "otel")]
mod export;
#[cfg(feature = "otel")]
mod jobs;
#[cfg(feature = "otel")]
mod requests;

#[cfg(feature = "otel")]
pub use jobs::observe;
#[cfg(feature = "otel")]
pub use requests::trace;

/// The settings that ask for traces, as OpenTelemetry names them: any one of them does.
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
];

/// What writes the log, before it is filtered.
pub type Log = Box<dyn Layer<Registry> + Send + Sync>;

/// Log and traces, until the program ends.
#[derive(Debug)]
pub struct Telemetry {
    #[cfg(feature = "otel")]
    traces: Option<export::Traces>,
}

/// The variable that asks for traces, unless all of OpenTelemetry is turned off. An empty one is none, as its
/// specification has it.
fn asked(environment: &dyn Fn(&str) -> Option<String>) -> Option<&'static str> {
    let off = environment("OTEL_SDK_DISABLED");
    if off.is_some_and(|off| off.trim().eq_ignore_ascii_case("true")) {
        return None;
    }
    let set = |name: &&str| environment(name).is_some_and(|value| !value.trim().is_empty());
    ENDPOINTS.into_iter().find(set)
}

/// Whether spans of requests are exported.
pub(crate) fn traces() -> bool {
    #[cfg(feature = "otel")]
    let traces = export::tracer().is_some();
    #[cfg(not(feature = "otel"))]
    let traces = false;
    traces
}

fn log_alone(log: Log, filter: EnvFilter) {
    tracing_subscriber::registry().with(log).with(filter).init();
}

#[cfg(not(feature = "otel"))]
impl Telemetry {
    /// Starts the log.
    ///
    /// # Errors
    /// None, in this build.
    pub fn start(
        log: Log,
        filter: EnvFilter,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        log_alone(log, filter);
        if let Some(variable) = asked(environment) {
            tracing::warn!(
                variable,
                "traces are asked for, but this build cannot export any: build it with --features otel"
            );
        }
        Ok(Self {})
    }

    /// Nothing is left to send.
    #[expect(clippy::unused_async, reason = "as in the build with traces")]
    pub async fn end(self) {}
}

#[cfg(feature = "otel")]
impl Telemetry {
    /// Starts the log, and the traces where they are asked for.
    ///
    /// # Errors
    /// If traces are asked for in a way that cannot be carried out.
    pub fn start(
        log: Log,
        filter: EnvFilter,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let Some(variable) = asked(environment) else {
            log_alone(log, filter);
            return Ok(Self { traces: None });
        };
        let traces = export::Traces::start(environment)?;
        // Each with a filter of its own: what is logged says nothing of what is traced.
        let spans = traces.layer().with_filter(export::ours());
        tracing_subscriber::registry()
            .with(log.with_filter(filter))
            .with(spans)
            .init();
        tracing::info!(variable, "traces are exported by OTLP");
        export::tell_of_protocol(environment);
        Ok(Self {
            traces: Some(traces),
        })
    }

    /// Sends what is left, for a bounded time.
    pub async fn end(self) {
        if let Some(traces) = self.traces {
            traces.end().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_by(pairs: &[(&str, &str)]) -> Option<&'static str> {
        asked(&|name| {
            let set = pairs.iter().find(|(key, _)| *key == name);
            set.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn traces_are_asked_for_by_either_endpoint_and_turned_off_as_a_whole() {
        let [all, traces] = ENDPOINTS;
        assert_eq!(asked_by(&[]), None);
        assert_eq!(asked_by(&[(all, " ")]), None);
        assert_eq!(asked_by(&[(all, "http://a")]), Some(all));
        assert_eq!(asked_by(&[(all, ""), (traces, "http://a")]), Some(traces));
        let off = ("OTEL_SDK_DISABLED", "True");
        assert_eq!(asked_by(&[(all, "http://a"), off]), None);
    }
}
