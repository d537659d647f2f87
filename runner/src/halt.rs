//! The wish of the cluster that the runner ends: SIGTERM, or SIGINT of a person who tries it.
//!
//! As the first process of a container it would not be ended by a signal that it does not ask for.

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::end::Failure;

/// Tells when to end. Clones tell the same.
#[derive(Debug, Clone)]
pub struct Halt(watch::Receiver<Option<i32>>);

impl Halt {
    /// From now on signals do not end the process any more, but tell this.
    pub fn on_signals() -> Result<Self, Failure> {
        let (tell, told) = watch::channel(None);
        for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
            let mut signals = signal(kind).map_err(|error| {
                Failure::TryAgain(format!("signals cannot be listened to: {error}"))
            })?;
            let tell = tell.clone();
            tokio::spawn(async move {
                if signals.recv().await.is_some() {
                    tell.send_replace(Some(kind.as_raw_value()));
                }
            });
        }
        Ok(Self(told))
    }

    /// Ends when the runner is to end; the signal's number.
    pub async fn asked(&self) -> i32 {
        let mut told = self.0.clone();
        match told.wait_for(Option::is_some).await {
            Ok(signal) => signal.unwrap_or_default(),
            // Nobody is there to ask any more.
            Err(_) => std::future::pending().await,
        }
    }

    /// Does something for as long as it is not to end.
    pub async fn or<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            signal = self.asked() => Err(Failure::Stopped(signal)),
            done = work => Ok(done),
        }
    }
}
