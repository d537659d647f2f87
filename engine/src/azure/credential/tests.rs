//! When tokens are asked for, with an identity that counts.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use azure_core::{
    credentials::{TokenCredential, TokenRequestOptions},
    time::OffsetDateTime,
};
use elb_testkit::{
    IdentityService,
    identity::{CLIENT, Manner},
};
use tokio::sync::Notify;

use super::*;
use crate::clock::{ManualClock, SystemClock};

/// Gives tokens that are valid for an hour on a test's clock.
pub(crate) struct Counting {
    clock: Arc<ManualClock>,
    pub(crate) asked: AtomicUsize,
    refuses: AtomicBool,
    /// Whether it waits for `go`.
    pub(crate) waits: AtomicBool,
    pub(crate) go: Notify,
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

pub(crate) fn counting() -> (Arc<ManualClock>, Arc<Counting>, AzureCredential) {
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

/// Asks a stand-in instead of the one address at which every virtual machine of Azure has its service.
#[derive(Debug)]
struct Rerouted {
    exchange: Exchange,
    to: String,
}

#[async_trait::async_trait]
impl HttpClient for Rerouted {
    async fn execute_request(
        &self,
        request: &azure_core::http::Request,
    ) -> azure_core::Result<azure_core::http::AsyncRawResponse> {
        let mut request = request.clone();
        let url = request.url().as_str();
        let rest = url.strip_prefix("http://169.254.169.254").unwrap();
        *request.url_mut() = format!("{}{rest}", self.to).parse().unwrap();
        self.exchange.execute_request(&request).await
    }
}

fn of_a_machine(service: &IdentityService, client_id: Option<&str>) -> AzureCredential {
    let client: Arc<dyn HttpClient> = Arc::new(Rerouted {
        exchange: Exchange::new().unwrap(),
        to: service.url(),
    });
    let environment = |name: &str| {
        let chosen = client_id.filter(|_| name == "AZURE_CLIENT_ID");
        chosen.map(str::to_owned)
    };
    let candidate = Candidate::from(Identity::ManagedIdentity, &environment, &client).unwrap();
    AzureCredential::of(vec![candidate], Arc::new(SystemClock))
}

#[tokio::test]
async fn a_virtual_machine_is_asked_for_its_own_identity_or_the_one_that_is_chosen() {
    let service = IdentityService::start().await;
    for chosen in [None, Some(CLIENT)] {
        let credential = of_a_machine(&service, chosen);
        assert_eq!(secret(&credential).await, *service.given().last().unwrap());
        let asked = service.asked().pop().unwrap();
        assert_eq!(asked.path, "/metadata/identity/oauth2/token");
        assert_eq!(asked.field("resource"), Some("https://storage.azure.com"));
        assert_eq!(asked.field("client_id"), chosen);
    }
    let error = of_a_machine(&service, Some("another"))
        .token(STORAGE_SCOPE)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("answers 400 invalid_request: Identity not found")
            && error.contains("AZURE_CLIENT_ID"),
        "{error}"
    );
    assert_eq!(service.asked().len(), 3, "400 is not repeated");
}

#[tokio::test]
async fn a_service_in_trouble_is_asked_three_times_and_one_that_wants_a_rest_once() {
    let service = IdentityService::start().await;
    let credential = of_a_machine(&service, None);
    let refused = async || {
        let error = credential.token(STORAGE_SCOPE).await.unwrap_err();
        error.to_string()
    };
    service.set(Manner::Refuses {
        status: 500,
        retry_after: None,
    });
    let error = refused().await;
    assert!(
        error.ends_with("the identity service answers 500"),
        "{error}"
    );
    assert_eq!(service.asked().len(), 3);
    service.set(Manner::Closes);
    let error = refused().await;
    assert!(error.contains("127.0.0.1 cannot be reached"), "{error}");
    assert_eq!(service.asked().len(), 6);
    service.set(Manner::Refuses {
        status: 429,
        retry_after: Some(30),
    });
    for _ in 0..10 {
        let error = refused().await;
        assert!(error.contains("answers 429"), "{error}");
        assert!(error.ends_with("and asks to wait 30 s"), "{error}");
    }
    assert_eq!(service.asked().len(), 7);
}

#[tokio::test]
async fn a_token_of_a_short_life_is_renewed_at_half_of_it() {
    let service = IdentityService::start().await;
    service.set_life(Duration::from_secs(200));
    let credential = of_a_machine(&service, None);
    let token = credential.token(STORAGE_SCOPE).await.unwrap();
    for _ in 0..20 {
        secret(&credential).await;
    }
    let ahead = token.expires_at.0 - token.renew_at.0;
    assert!((98_000..=100_000).contains(&ahead), "{ahead} ms");
    assert_eq!(service.asked().len(), 1);
}
