//! What all readers of the event stream are told alike, written once for all of them.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use axum::body::Bytes;
use elb_app::data::clusters_mark;
use elb_core::poll;
use elb_engine::JobService;
use tokio::sync::watch;

/// Says what is to be seen of the clusters, as the page of them is marked; `None` if there is nothing.
type Mark = Box<dyn Fn() -> Option<String> + Send + Sync>;

/// The beat, and what there is to say of the clusters.
#[derive(Default)]
pub struct News {
    /// The last one that was written, and its revision: readers that have been told the same have the same.
    beat: Mutex<(u64, Bytes)>,
    /// Empty while there is nothing.
    clusters: watch::Sender<Bytes>,
    mark: Option<Mark>,
}

impl News {
    /// Tells of the clusters from now on, for as long as it is held. A change that comes alone is told at once,
    /// those that come together are told together.
    #[must_use]
    pub fn start(service: &JobService) -> Arc<Self> {
        let own = service.clone();
        let news = Arc::new(Self::with_mark(move || clusters_mark(&own)));
        let changes = [service.places_revision(), service.external_revision()];
        news.follow(changes.into_iter().flatten().collect());
        news
    }

    pub(super) fn with_mark(mark: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        Self {
            mark: Some(Box::new(mark)),
            ..Self::default()
        }
    }

    /// Looks now, and whenever one of these moves.
    pub(super) fn follow(self: &Arc<Self>, changes: Vec<watch::Receiver<u64>>) {
        self.look();
        if !changes.is_empty() {
            // Held weakly: it must not keep an engine that everybody else has left.
            tokio::spawn(follow(Arc::downgrade(self), changes));
        }
    }

    /// What is said to a reader that nothing has happened for, since he was told that revision.
    pub(super) fn beat(&self, told: u64) -> Bytes {
        let mut last = self.beat.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0 != told || last.1.is_empty() {
            let text = format!("event: beat\ndata: {{\"revision\":{told}}}\n\n");
            *last = (told, text.into());
        }
        last.1.clone()
    }

    /// What is said of the clusters; the first of it is new to every reader.
    pub(super) fn clusters(&self) -> watch::Receiver<Bytes> {
        let mut clusters = self.clusters.subscribe();
        if !clusters.borrow().is_empty() {
            clusters.mark_changed();
        }
        clusters
    }

    fn look(&self) {
        let Some(mark) = self.mark.as_ref().and_then(|mark| mark()) else {
            return;
        };
        // A mark is made of numbers and lines between them, so that it needs no escaping.
        let text = format!("event: clusters\ndata: {{\"mark\":\"{mark}\"}}\n\n");
        self.clusters.send_if_modified(|told| {
            let other = told != text.as_bytes();
            if other {
                *told = text.into();
            }
            other
        });
    }
}

async fn follow(news: Weak<News>, mut changes: Vec<watch::Receiver<u64>>) {
    loop {
        let each = changes
            .iter_mut()
            .map(|changes| Box::pin(changes.changed()));
        let (moved, _, _) = futures::future::select_all(each).await;
        let (Ok(()), Some(news)) = (moved, news.upgrade()) else {
            return;
        };
        news.look();
        drop(news);
        tokio::time::sleep(poll::CLUSTERS_APART).await;
    }
}
