//! What is done about a token that is refused, with a service that refuses and counts.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use azure_core_021::{
    Request, Response,
    error::{Error, ErrorKind},
    headers::AUTHORIZATION,
};

use super::*;
use crate::azure::credential::tests::counting;

/// Refuses some tokens, and has no entities.
#[derive(Debug, Default)]
struct Gate {
    /// Those that are refused; `None` stands for all.
    refused: Mutex<Option<Vec<String>>>,
    came: AtomicUsize,
}

#[async_trait::async_trait]
impl HttpClient for Gate {
    async fn execute_request(&self, request: &Request) -> azure_core_021::Result<Response> {
        self.came.fetch_add(1, Ordering::SeqCst);
        let token = request.headers().get_str(&AUTHORIZATION)?;
        let refused = self.refused.lock().unwrap().clone();
        let refused = refused
            .is_none_or(|refused| refused.iter().any(|one| token == format!("Bearer {one}")));
        let (status, code) = if refused {
            (401, "InvalidAuthenticationInfo")
        } else {
            (404, "ResourceNotFound")
        };
        let refusal = Refusal {
            status,
            code: code.to_owned(),
            message: String::new(),
            retry_after: None,
            operation: None,
        };
        Err(Error::new(ErrorKind::Other, refusal))
    }
}

fn config(endpoint: &str, credential: AzureCredential) -> TablesConfig {
    TablesConfig {
        endpoint: endpoint.to_owned(),
        account: "lab".to_owned(),
        table: "elbdashboard".to_owned(),
        access: Access::Tokens(credential),
    }
}

#[tokio::test]
async fn a_refused_token_costs_one_new_one_and_one_repeat_and_a_second_refusal_is_told() {
    let (clock, identity, credential) = counting();
    let gate = Arc::new(Gate::default());
    *gate.refused.lock().unwrap() = Some(Vec::new());
    let tables = Tables::by_way_of(
        Arc::clone(&gate) as Arc<dyn HttpClient>,
        &config("https://lab.table.core.windows.net", credential),
        Arc::clone(&clock) as Arc<dyn Clock>,
    );
    // What a call costs: requests to the table, and tokens.
    let costs = async || {
        clock.pass(Duration::from_secs(1));
        let before = (
            gate.came.load(Ordering::SeqCst),
            identity.asked.load(Ordering::SeqCst),
        );
        let outcome = tables.get("p", "r").await;
        let came = gate.came.load(Ordering::SeqCst) - before.0;
        let asked = identity.asked.load(Ordering::SeqCst) - before.1;
        (outcome, came, asked)
    };
    let first = costs().await;
    assert!(matches!(first, (Ok(None), 1, 1)), "{first:?}");
    assert!(matches!(costs().await, (Ok(None), 1, 0)));

    *gate.refused.lock().unwrap() = Some(vec!["token 1".to_owned()]);
    assert!(matches!(costs().await, (Ok(None), 2, 1)));
    assert!(matches!(costs().await, (Ok(None), 1, 0)));

    clock.pass(Duration::from_secs(60));
    *gate.refused.lock().unwrap() = None;
    let (outcome, came, asked) = costs().await;
    assert_eq!((came, asked), (2, 1));
    let error = outcome.unwrap_err().to_string();
    for part in ["401 InvalidAuthenticationInfo", ROLE, "ELB_AZURE_AUTH"] {
        assert!(error.contains(part), "{error}");
    }
    assert!(!error.contains("token 2"), "{error}");
    // The next ones fail at once, and ask for no token.
    for _ in 0..5 {
        assert!(matches!(
            costs().await,
            (Err(TableError::Unaccepted { .. }), 1, 0)
        ));
    }
}

#[tokio::test]
async fn tokens_are_never_sent_over_plain_http() {
    for endpoint in [
        "http://lab.table.core.windows.net",
        "http://127.0.0.1:10002/lab",
    ] {
        let (clock, identity, credential) = counting();
        let made = Tables::new(&config(endpoint, credential), clock);
        let error = made.err().unwrap().to_string();
        assert!(error.contains("no https address"), "{error}");
        assert_eq!(identity.asked.load(Ordering::SeqCst), 0);
    }
}

// The clock of this test is the runtime's own, which stands still until everybody waits: no wait takes time.
#[tokio::test(start_paused = true)]
async fn an_identity_that_is_slower_than_a_try_is_waited_for_and_one_that_is_too_slow_helps_the_next()
 {
    for (takes, sent) in [(TRY * 2, true), (CALL * 2, false)] {
        let (clock, identity, credential) = counting();
        let gate = Arc::new(Gate::default());
        *gate.refused.lock().unwrap() = Some(Vec::new());
        let tables = Tables::by_way_of(
            Arc::clone(&gate) as Arc<dyn HttpClient>,
            &config("https://lab.table.core.windows.net", credential),
            clock,
        );
        identity.waits.store(true, Ordering::SeqCst);
        let began = tokio::time::Instant::now();
        let slow = Arc::clone(&identity);
        tokio::spawn(async move {
            tokio::time::sleep(takes).await;
            slow.go.notify_one();
        });
        let outcome = tables.get("p", "r").await;
        assert_eq!(outcome.is_ok(), sent, "{outcome:?}");
        assert_eq!(gate.came.load(Ordering::SeqCst), usize::from(sent));
        assert!(began.elapsed() <= CALL);
        if let Err(error) = outcome {
            let error = error.to_string();
            assert!(error.contains("no token within 10 s"), "{error}");
        }
        tokio::time::sleep(takes).await;
        assert!(tables.get("p", "r").await.is_ok());
        assert_eq!(identity.asked.load(Ordering::SeqCst), 1);
    }
}
