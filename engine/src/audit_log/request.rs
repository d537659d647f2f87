//! The request in which something is done, told beside the calls rather than through each of them.

tokio::task_local! {
    static REQUEST: Option<String>;
}

/// Does `work` as part of a request. Tasks that it spawns are no part of it: whoever spawns one hands
/// [`request_id`] on.
pub async fn in_request<F: Future>(id: Option<String>, work: F) -> F::Output {
    REQUEST.scope(id, work).await
}

/// The request that is being carried out; `None` outside of any.
#[must_use]
pub fn request_id() -> Option<String> {
    REQUEST.try_with(Clone::clone).ok().flatten()
}
