//! What every handler is given.

use std::{
    ops::{Deref, DerefMut},
    path::PathBuf,
    sync::Arc,
};

use elb_app::{
    data::{PageContext, PageSettings, Returned},
    notices::Notices,
};
use elb_engine::{JobService, service::Caller};
use leptos::config::LeptosOptions;
use tokio_util::sync::CancellationToken;

use crate::{api::events::News, limits::Limits, lists::Lists, metrics::Metrics};

/// Shared by all requests; another copy is another reference.
#[derive(Clone)]
pub struct AppState(Arc<Parts>);

/// What there is in it.
#[derive(Clone)]
pub struct Parts {
    /// The door to the engine.
    pub service: JobService,
    /// Settings that show on pages.
    pub page_settings: Arc<PageSettings>,
    /// How pages refer to the browser half.
    pub leptos: LeptosOptions,
    /// Where the state is kept; for the health page.
    pub data_dir: Arc<PathBuf>,
    /// How many requests of each kind are answered at once.
    pub limits: Arc<Limits>,
    /// Answers of the list that are asked for again and again.
    pub lists: Arc<Lists>,
    /// What all readers of the event stream are told alike.
    pub news: Arc<News>,
    /// How long requests have taken.
    pub metrics: Arc<Metrics>,
    /// What became of actions on many searches, until their page has shown it.
    pub notices: Arc<Notices>,
    /// Cancelled when the server stops: endless answers end with it.
    pub stopping: CancellationToken,
}

impl From<Parts> for AppState {
    fn from(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for AppState {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl DerefMut for AppState {
    /// Of this copy alone.
    fn deref_mut(&mut self) -> &mut Parts {
        Arc::make_mut(&mut self.0)
    }
}

impl AppState {
    /// Who asks. Without sign-in there is one user, and only this machine can ask.
    #[must_use]
    pub fn caller(&self) -> Caller {
        Caller::local()
    }

    /// What a page is rendered with.
    #[must_use]
    pub fn page_context(&self, returned: Option<Returned>) -> PageContext {
        PageContext {
            service: self.service.clone(),
            caller: self.caller(),
            settings: Arc::clone(&self.page_settings),
            returned: returned.map(Arc::new),
            notices: Arc::clone(&self.notices),
        }
    }
}
