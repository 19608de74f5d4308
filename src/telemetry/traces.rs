//! Export of traces to a collector, by OTLP over gRPC.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, SpanData, SpanExporter,
};

/// Timeout of the export of one batch of spans.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Timeout of the export of the last spans at shutdown.
const END_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, PartialEq)]
pub struct TraceSettings {
    /// The collector, `http://HOST:PORT`; `None`: calls are not traced.
    pub endpoint: Option<String>,
    /// The fraction of calls without a parent that are traced, 0 to 1. A parent's own flag decides.
    pub sample: f64,
}

impl Default for TraceSettings {
    fn default() -> Self {
        Self { endpoint: None, sample: 0.01 }
    }
}

/// The exporter cannot be created.
#[derive(Debug, thiserror::Error)]
#[error("traces.endpoint {endpoint:?}: {what}")]
pub struct TraceError {
    endpoint: String,
    what: String,
}

/// The running export; [`Self::end`] flushes it.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts exporting spans to `endpoint`. Call it on a runtime, which drives the connection; batches
    /// are built on a separate thread.
    pub(super) fn begin(endpoint: &str, sample: f64) -> Result<Self, TraceError> {
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .with_timeout(EXPORT_TIMEOUT)
            .build()
            .map_err(|error| TraceError {
                endpoint: endpoint.to_owned(),
                what: error.to_string(),
            })?;
        let exporter = LoggedExporter { inner: exporter, failing: AtomicBool::new(false) };
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(sample)));
        let provider = SdkTracerProvider::builder()
            .with_span_processor(BatchSpanProcessor::builder(exporter).build())
            .with_sampler(sampler)
            .with_resource(resource())
            .build();
        Ok(Self(provider))
    }

    pub(super) fn tracer(&self) -> SdkTracer {
        self.0.tracer("lazaretto")
    }

    /// Sends the remaining spans, for five seconds at most. The runtime of [`Self::begin`] must keep
    /// running meanwhile: it drives the connection.
    pub async fn end(self) {
        let ending = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(END_TIMEOUT));
        match ending.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "last traces not sent"),
            Err(error) => tracing::error!(%error, "trace export panicked"),
        }
    }
}

/// Describes the sender: `service.name`, version and instance. `OTEL_RESOURCE_ATTRIBUTES` may add more.
fn resource() -> Resource {
    let instance = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
    let instance = instance.unwrap_or_else(|| format!("{:016x}", fastrand::u64(..)));
    Resource::builder()
        .with_service_name("lazaretto")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", instance))
        .build()
}

/// An exporter that logs when it begins to fail and when it works again.
struct LoggedExporter<E> {
    inner: E,
    failing: AtomicBool,
}

impl<E> fmt::Debug for LoggedExporter<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoggedExporter").finish_non_exhaustive()
    }
}

impl<E: SpanExporter> SpanExporter for LoggedExporter<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let outcome = self.inner.export(batch).await;
        let failed_before = self.failing.swap(outcome.is_err(), Ordering::Relaxed);
        match &outcome {
            Err(error) if !failed_before => {
                tracing::warn!(%error, "trace export failing, traces are lost");
            }
            Ok(()) if failed_before => tracing::info!("trace export works again"),
            _ => {}
        }
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
