//! The ways to fail that a test switches.

use super::{
    Fault, KubeApi,
    door::{Door, bound, opened},
    status::Refusal,
    writing,
};

/// How it fails.
impl KubeApi {
    /// Refuses requests from now on. Of several faults for one request, the first to be scripted counts.
    pub fn fail(&self, fault: Fault) {
        self.with(|state| state.faults.push(fault));
    }

    /// Ends all faults of [`Self::fail`].
    pub fn clear_faults(&self) {
        self.with(|state| state.faults.clear());
    }

    /// Drops fields of Jobs from now on that came with later versions, without a word.
    pub fn be_old(&self) {
        self.with(|state| state.unknown_fields = writing::NEW_FIELDS.to_vec());
    }

    /// Carries out so many writes and answers that they failed, as if the answers had been lost.
    pub fn lose_answers(&self, count: usize) {
        self.with(|state| state.lost_answers = count);
    }

    /// Answers 403 to watches (not to lists), or no longer. Open watches stay.
    pub fn forbid_watch(&self, forbidden: bool) {
        self.with(|state| state.watch_forbidden = forbidden);
    }

    /// Answers 401 to everything that does not come with this token. Open watches stay.
    pub fn require_token(&self, token: Option<&str>) {
        self.with(|state| state.demanded = token.map(str::to_owned));
    }

    /// Makes every resource version and every `continue` token that it has given too old: a watch from such
    /// a version gets an event of type ERROR with a `Status` 410, and the next page of a list is answered
    /// with status 410. Open watches stay. The newest version rises, as it does where other objects change.
    pub fn forget_history(&self) {
        self.with(|state| state.store.forget());
    }

    /// Sends a BOOKMARK event with the newest version to each open watch that allows it.
    pub fn bookmark(&self) {
        self.with(|state| state.store.bookmark());
    }

    /// Ends all open watches properly, as when their time is over.
    pub fn end_watches(&self) {
        self.with(|state| state.store.end_watches(None));
    }

    /// Ends all open watches with an event of type ERROR with a `Status` 410.
    pub fn expire_watches(&self) {
        let error = Refusal::new(
            410,
            "The resourceVersion for the provided watch is too old.",
        );
        self.with(|state| state.store.end_watches(Some(&error)));
    }

    /// Closes the connections of all open watches in the middle of a line. They are no longer counted when
    /// this returns.
    pub fn cut_watches(&self) {
        self.with(|state| {
            state.store.drop_watches();
            self.shared.cuts.send_replace(());
        });
    }

    /// From now on takes connections and requests and does not answer, nor tells open watches anything.
    pub fn silence(&self) {
        self.shared.silent.send_replace(true);
    }

    /// Answers again, first what has come since [`Self::silence`] from those who still wait.
    pub fn speak(&self) {
        self.shared.silent.send_replace(false);
    }

    /// Closes all connections, and refuses new ones. They are closed when this returns. Nobody else gets
    /// the port.
    ///
    /// # Panics
    /// If somebody else was fast enough to get it.
    pub async fn refuse(&self) {
        let mut door = self.door.lock().await;
        *door = Some(match door.take().unwrap() {
            Door::Open { accepting, close } => {
                // If nobody receives it, nobody accepts.
                close.send(()).ok();
                accepting.await.unwrap();
                Door::Closed(bound(self.address).unwrap())
            }
            closed @ Door::Closed(_) => closed,
        });
    }

    /// Accepts connections again, on the same port.
    ///
    /// # Panics
    /// If the port cannot be listened to.
    pub async fn accept_again(&self) {
        let mut door = self.door.lock().await;
        *door = Some(match door.take().unwrap() {
            Door::Closed(socket) => opened(socket, &self.shared),
            open @ Door::Open { .. } => open,
        });
    }
}
