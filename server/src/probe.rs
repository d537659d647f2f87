//! Asking the server that listens here how it is: `elb-dashboard probe`.
//!
//! For probes of containers, which may run a command where nobody else can reach the server: it listens on a
//! loopback address alone.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::settings::{Settings, SettingsError};

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much of the answer is read, in bytes: what it says of itself fits many times.
const MOST: u64 = 64 * 1_024;

/// Asks, and tells on standard output what it says of itself if it is not well.
pub async fn run(settings: Result<Settings, SettingsError>, ready: bool) -> ExitCode {
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("elb-dashboard cannot run: {error}");
            return ExitCode::FAILURE;
        }
    };
    let path = if ready {
        "/api/health/ready"
    } else {
        "/api/health"
    };
    match asked(settings.listen, path).await {
        Ok(answer) if is_well(&answer) => ExitCode::SUCCESS,
        Ok(answer) => {
            println!("{answer}");
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("{} does not answer: {error}", settings.listen);
            ExitCode::FAILURE
        }
    }
}

fn is_well(answer: &str) -> bool {
    answer.split_whitespace().nth(1) == Some("200")
}

async fn asked(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let asking = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(MOST).read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    tokio::time::timeout(PATIENCE, asking).await?
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn only_a_200_is_well() {
        assert!(is_well("HTTP/1.0 200 OK\r\n\r\n"));
        for other in ["HTTP/1.0 503 Service Unavailable\r\n\r\n200", "", "200"] {
            assert!(!is_well(other), "{other}");
        }
    }

    #[tokio::test]
    async fn nobody_there_is_an_error_and_no_answer_is_empty() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (answer, ()) = tokio::join!(asked(address, "/"), async {
            drop(listener.accept().await.unwrap());
        });
        assert!(!answer.is_ok_and(|answer| is_well(&answer)));
        drop(listener);
        asked(address, "/").await.unwrap_err();
    }
}
