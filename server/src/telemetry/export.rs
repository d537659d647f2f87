//! The way of a span out of this program.
//!
//! Keeps this invariant: what is told can be lost, but it never holds up what it tells of. Spans go into a queue
//! of a bounded length, a thread of its own sends them in batches, and when the queue is full the newest are
//! dropped. A collector that is away is told once, and once more when it is back.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use async_trait::async_trait;
use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SdkTracer, SdkTracerProvider, SpanData, SpanExporter},
};
use tokio::{runtime::Handle, sync::oneshot};
use tracing::{Metadata, Subscriber, level_filters::LevelFilter};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::{filter::FilterFn, registry::LookupSpan};

/// How long the program waits at its end for what is still to be sent (ours): a collector that is there takes
/// some milliseconds, and the whole end must stay under ten seconds.
const FLUSH: Duration = Duration::from_millis(750);
/// How long a collector may take for a batch, unless the environment says otherwise (OpenTelemetry's default).
const TIMEOUT: Duration = Duration::from_secs(10);
/// The most of a collector's answer that is read, in bytes: it says at most what was refused.
const LONGEST_ANSWER: usize = 64 * 1_024;
/// What the traces are told to be from, unless `OTEL_SERVICE_NAME` says otherwise.
const SERVICE: &str = "elb-dashboard";

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// What spans are made with; `None` if none are exported.
pub(super) fn tracer() -> Option<&'static SdkTracer> {
    TRACER.get()
}

/// The spans that are exported, and what goes wrong during them. Those of the crates that this program is made of
/// are not: nobody chose their number.
pub(super) fn ours() -> FilterFn<impl Fn(&Metadata<'_>) -> bool> {
    let traced = |meta: &Metadata<'_>| {
        let told = meta.is_span() && *meta.level() == tracing::Level::TRACE;
        let wrong = meta.is_event() && *meta.level() <= tracing::Level::WARN;
        meta.target().starts_with("elb_") && (told || wrong)
    };
    FilterFn::new(traced).with_max_level_hint(LevelFilter::TRACE)
}

/// Says so if another protocol is wished for than the one that is spoken.
pub(super) fn tell_of_protocol(environment: &dyn Fn(&str) -> Option<String>) {
    let names = [
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
    ];
    let wish = names
        .into_iter()
        .find_map(|name| environment(name).filter(|value| !value.trim().is_empty()));
    if let Some(protocol) = wish.filter(|wish| wish.trim() != "http/protobuf") {
        tracing::warn!(
            protocol,
            "this OTLP protocol is not spoken here; traces are sent as http/protobuf, usually to port 4318"
        );
    }
}

/// The traces, until the program ends.
#[derive(Debug)]
pub(super) struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Traces {
    /// Reads what else the environment says, and makes the queue and the thread that empties it. Nothing is sent
    /// yet, and nobody is waited for.
    pub fn start(environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let timeout = timeout(environment);
        let client = reqwest::Client::builder()
            .connect_timeout(timeout)
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| format!("no HTTP client can be made for traces: {error}"))?;
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(Courier {
                client,
                runtime: Handle::current(),
            })
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(timeout)
            .build()
            .map_err(|error| format!("traces cannot be exported: {error}"))?;
        let exporter = Watched {
            exporter,
            away: AtomicBool::new(false),
        };
        let provider = SdkTracerProvider::builder()
            .with_resource(resource(environment))
            .with_batch_exporter(exporter)
            .build();
        let tracer = provider.tracer(SERVICE);
        // There is one program, and it starts once.
        let _ = TRACER.set(tracer.clone());
        Ok(Self { provider, tracer })
    }

    /// What makes the spans of the code spans of OpenTelemetry.
    pub fn layer<S>(&self) -> OpenTelemetryLayer<S, SdkTracer>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.tracer.clone())
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
    }

    /// Sends what is left. On a thread that nobody waits for once the time is over.
    pub async fn end(self) {
        let (done, end) = oneshot::channel();
        let provider = self.provider;
        let spawned = thread::Builder::new().spawn(move || {
            // What comes of it is told by the exporter.
            let _ = provider.shutdown_with_timeout(FLUSH);
            let _ = done.send(());
        });
        if spawned.is_ok() {
            let _ = tokio::time::timeout(FLUSH, end).await;
        }
    }
}

fn timeout(environment: &dyn Fn(&str) -> Option<String>) -> Duration {
    let names = [
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
        "OTEL_EXPORTER_OTLP_TIMEOUT",
    ];
    let told = names
        .into_iter()
        .find_map(|name| environment(name)?.trim().parse().ok());
    told.map_or(TIMEOUT, Duration::from_millis)
}

/// Who the traces are from: as the environment has it, and under our own name where it has none.
fn resource(environment: &dyn Fn(&str) -> Option<String>) -> Resource {
    let named = environment("OTEL_SERVICE_NAME").is_some_and(|name| !name.trim().is_empty());
    let attributes = environment("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let named = named
        || attributes
            .split(',')
            .any(|pair| pair.trim().starts_with("service.name="));
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_attribute(version);
    if named {
        resource.build()
    } else {
        resource.with_service_name(SERVICE).build()
    }
}

/// Sends batches with the client of this program. The thread that exports has no runtime, so that the work is
/// done in ours, and the thread waits for it.
#[derive(Debug)]
struct Courier {
    client: reqwest::Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Courier {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        self.runtime.spawn(send(client, request)).await?
    }
}

async fn send(
    client: reqwest::Client,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    let mut answer = client.execute(request.try_into()?).await?;
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        if body.len() + piece.len() > LONGEST_ANSWER {
            return Err("the collector's answer does not end".into());
        }
        body.extend_from_slice(&piece);
    }
    let mut told = Response::new(body.into());
    *told.status_mut() = answer.status();
    *told.headers_mut() = std::mem::take(answer.headers_mut());
    Ok(told)
}

/// Tells of a collector that is away, once, and of its return.
#[derive(Debug)]
struct Watched<E> {
    exporter: E,
    away: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for Watched<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let sent = self.exporter.export(batch).await;
        match &sent {
            Ok(()) => {
                if self.away.swap(false, Ordering::Relaxed) {
                    tracing::info!("traces are exported again");
                }
            }
            Err(error) => {
                if !self.away.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "traces cannot be exported and are lost until they can; this is told once");
                }
            }
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
