//! When tokens are asked for, with an identity that counts.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use azure_core::{
    credentials::{TokenCredential, TokenRequestOptions},
    time::OffsetDateTime,
};
use tokio::sync::Notify;

use super::*;
use crate::clock::ManualClock;

/// Gives tokens that are valid for an hour on a test's clock.
struct Counting {
    clock: Arc<ManualClock>,
    asked: AtomicUsize,
    refuses: AtomicBool,
    /// Whether it waits for `go`.
    waits: AtomicBool,
    go: Notify,
}

impl fmt::Debug for Counting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Counting")
    }
}

#[async_trait::async_trait]
impl TokenCredential for Counting {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        if self.waits.load(Ordering::SeqCst) {
            self.go.notified().await;
        }
        if self.refuses.load(Ordering::SeqCst) {
            let kind = azure_core::error::ErrorKind::Credential;
            return Err(azure_core::Error::with_message(kind, "not today"));
        }
        let until = self.clock.now().0 / 1_000 + 3_600;
        let until = OffsetDateTime::from_unix_timestamp(until).unwrap();
        Ok(AccessToken::new(format!("token {number}"), until))
    }
}

fn counting() -> (Arc<ManualClock>, Arc<Counting>, AzureCredential) {
    let clock = Arc::new(ManualClock::at(1_000_000_000));
    let counting = Arc::new(Counting {
        clock: Arc::clone(&clock),
        asked: AtomicUsize::new(0),
        refuses: AtomicBool::new(false),
        waits: AtomicBool::new(false),
        go: Notify::new(),
    });
    let shared = Arc::clone(&counting);
    let make = Box::new(move || Ok(Arc::clone(&shared) as Arc<dyn TokenCredential>));
    let candidates = vec![Candidate::new(Identity::Cli, make).unwrap()];
    let credential = AzureCredential::of(candidates, Arc::clone(&clock) as Arc<dyn Clock>);
    (clock, counting, credential)
}

async fn secret(credential: &AzureCredential) -> String {
    let token = credential.token(STORAGE_SCOPE).await.unwrap();
    token.secret().to_owned()
}

/// Waits until the token at hand is this one.
async fn renewed(credential: &AzureCredential, wanted: &str) {
    let waiting = async {
        while secret(credential).await != wanted {
            tokio::task::yield_now().await;
        }
    };
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, waiting).await.unwrap();
}

#[tokio::test]
async fn a_token_is_renewed_five_minutes_ahead_and_not_before() {
    let (clock, counting, credential) = counting();
    assert_eq!(secret(&credential).await, "token 1");
    clock.pass(Duration::from_secs(54 * 60));
    assert_eq!(secret(&credential).await, "token 1");
    clock.pass(Duration::from_secs(2 * 60));
    // Not waited for.
    assert_eq!(secret(&credential).await, "token 1");
    renewed(&credential, "token 2").await;
    assert_eq!(counting.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn many_at_once_ask_once() {
    let (_, counting, credential) = counting();
    counting.waits.store(true, Ordering::SeqCst);
    let many = futures::future::join_all((0..50).map(|_| secret(&credential)));
    let release = async { counting.go.notify_one() };
    let (secrets, ()) = tokio::join!(many, release);
    assert!(secrets.iter().all(|secret| secret == "token 1"));
    assert_eq!(counting.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn nobody_waits_for_a_renewal_while_the_old_token_is_valid() {
    let (clock, counting, credential) = counting();
    secret(&credential).await;
    clock.pass(Duration::from_secs(56 * 60));
    counting.waits.store(true, Ordering::SeqCst);
    while counting.asked.load(Ordering::SeqCst) < 2 {
        assert_eq!(secret(&credential).await, "token 1");
        tokio::task::yield_now().await;
    }
    assert_eq!(secret(&credential).await, "token 1");
    counting.go.notify_one();
    renewed(&credential, "token 2").await;
}

#[tokio::test]
async fn a_renewal_that_fails_is_no_error_until_the_token_has_expired() {
    let (clock, counting, credential) = counting();
    secret(&credential).await;
    counting.refuses.store(true, Ordering::SeqCst);
    clock.pass(Duration::from_secs(56 * 60));
    for _ in 0..20 {
        assert_eq!(secret(&credential).await, "token 1");
        tokio::task::yield_now().await;
    }
    // Not twenty times: an identity service in trouble is given a pause.
    assert_eq!(counting.asked.load(Ordering::SeqCst), 2);
    clock.pass(Duration::from_secs(5 * 60));
    let error = credential.token(STORAGE_SCOPE).await.unwrap_err();
    assert!(error.to_string().contains("cli gives no token: not today"));
    counting.refuses.store(false, Ordering::SeqCst);
    clock.pass(Duration::from_secs(1));
    assert_eq!(secret(&credential).await, "token 4");
}

#[tokio::test]
async fn those_who_waited_for_a_renewal_that_failed_do_not_try_it_one_after_the_other() {
    let (_, counting, credential) = counting();
    counting.refuses.store(true, Ordering::SeqCst);
    counting.waits.store(true, Ordering::SeqCst);
    let many = futures::future::join_all((0..50).map(|_| credential.token(STORAGE_SCOPE)));
    let release = async { counting.go.notify_one() };
    let (outcomes, ()) = tokio::join!(many, release);
    assert!(outcomes.iter().all(Result::is_err));
    assert_eq!(counting.asked.load(Ordering::SeqCst), 1);
}

#[test]
fn an_identity_without_what_it_needs_says_what_is_missing() {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(0));
    let nothing = |_: &str| None;
    let error = AzureCredential::new(Identity::WorkloadIdentity, &nothing, clock).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the Azure identity workload-identity cannot be used: AZURE_CLIENT_ID is not set"
    );
}

#[tokio::test]
async fn a_token_is_not_shown() {
    let (_, _, credential) = counting();
    let token = credential.token(STORAGE_SCOPE).await.unwrap();
    assert!(!format!("{token:?} {credential:?}").contains("token 1"));
}

#[tokio::test]
async fn a_token_that_is_refused_is_asked_for_anew_once_whoever_was_refused() {
    let (clock, counting, credential) = counting();
    assert_eq!(secret(&credential).await, "token 1");
    clock.pass(Duration::from_secs(60));
    let began = clock.elapsed();
    for _ in 0..20 {
        assert!(credential.refused(STORAGE_SCOPE, began));
    }
    assert_eq!(secret(&credential).await, "token 2");
    // Whoever had begun before it came says nothing of it.
    assert!(credential.refused(STORAGE_SCOPE, began));
    assert_eq!(secret(&credential).await, "token 2");
    assert_eq!(counting.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn if_the_new_token_is_refused_too_there_is_a_pause_before_the_next() {
    let (clock, counting, credential) = counting();
    secret(&credential).await;
    clock.pass(Duration::from_secs(60));
    assert!(credential.refused(STORAGE_SCOPE, clock.elapsed()));
    for _ in 0..9 {
        assert_eq!(secret(&credential).await, "token 2");
        clock.pass(Duration::from_secs(1));
        assert!(!credential.refused(STORAGE_SCOPE, clock.elapsed()));
    }
    clock.pass(Duration::from_secs(1));
    assert!(credential.refused(STORAGE_SCOPE, clock.elapsed()));
    assert_eq!(secret(&credential).await, "token 3");
    assert_eq!(counting.asked.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_renewal_goes_on_when_the_one_who_asked_for_it_has_gone() {
    let (_, counting, credential) = counting();
    counting.waits.store(true, Ordering::SeqCst);
    tokio::select! {
        biased;
        _ = credential.token(STORAGE_SCOPE) => panic!("there is none yet"),
        () = async {
            while counting.asked.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
        } => {}
    }
    counting.go.notify_one();
    assert_eq!(secret(&credential).await, "token 1");
    assert_eq!(counting.asked.load(Ordering::SeqCst), 1);
}
