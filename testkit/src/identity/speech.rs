//! One connection: requests for tokens and their answers, in the words of each kind of service.
//!
//! Owns who gets a token. Whatever is not as the documents of the services say is refused as they refuse
//! it (learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference,
//! learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow).

use std::{io, sync::Arc};

use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{
    Asked, CLIENT, HEADER, Manner, RESOURCE, SECRET, Shared, TENANT, seconds_now, token::token,
};
use crate::{
    form::fields,
    proxy::frame::{Head, Requests},
};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

pub(super) async fn serve(client: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let (reader, mut writer) = client.into_split();
    let mut requests = Requests::new(reader);
    while let Some(head) = requests.head().await? {
        let mut body = Vec::new();
        while let Some(piece) = requests.piece().await? {
            body.extend_from_slice(&piece);
        }
        let (path, query) = head.target.split_once('?').unwrap_or((&head.target, ""));
        let body = String::from_utf8_lossy(&body);
        let asked = Asked {
            path: path.to_owned(),
            fields: fields(query).chain(fields(&body)).collect(),
        };
        shared.state().asked.push(asked.clone());
        let mut manner = shared.manner.subscribe();
        let manner = manner.wait_for(|manner| *manner != Manner::Waits).await;
        let manner = manner.map_or(Manner::Closes, |manner| manner.clone());
        let managed = head.method == "GET";
        let (status, retry_after, body) = match manner {
            Manner::Closes | Manner::Waits => return Ok(()),
            Manner::Refuses {
                status,
                retry_after,
            } => (status, retry_after, refusal(status, managed)),
            Manner::Gives => {
                let outcome = if managed {
                    managed_identity(&head, &asked, &shared)
                } else {
                    entra(&head, &asked, &shared)
                };
                match outcome {
                    Ok(body) => (200, None, body),
                    Err(status) => (status, None, refusal(status, managed)),
                }
            }
        };
        let wait = retry_after.map_or_else(String::new, |s| format!("retry-after: {s}\r\n"));
        let answer = format!(
            "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\n{wait}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        writer.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

/// The host's service for managed identities.
fn managed_identity(head: &Head, asked: &Asked, shared: &Shared) -> Result<String, u16> {
    let app_service = asked.path == "/msi/token";
    if !app_service && asked.path != "/metadata/identity/oauth2/token" {
        return Err(404);
    }
    if header(head, "metadata").as_deref() != Some("true") || asked.field("api-version").is_none() {
        return Err(400);
    }
    if app_service && header(head, "x-identity-header").as_deref() != Some(HEADER) {
        return Err(401);
    }
    let known = asked.field("client_id").is_none_or(|id| id == CLIENT);
    if !known || asked.field("resource") != Some(RESOURCE) {
        return Err(400);
    }
    let (token, _, expires_on) = new_token(shared);
    Ok(format!(
        r#"{{"access_token":"{token}","client_id":"{CLIENT}","expires_on":"{expires_on}","resource":"{RESOURCE}","token_type":"Bearer"}}"#
    ))
}

/// Microsoft Entra.
fn entra(head: &Head, asked: &Asked, shared: &Shared) -> Result<String, u16> {
    if head.method != "POST" || asked.path != format!("/{TENANT}/oauth2/v2.0/token") {
        return Err(404);
    }
    let scope = format!("{RESOURCE}/.default");
    if asked.field("grant_type") != Some("client_credentials")
        || asked.field("scope") != Some(&scope)
        || asked.field("client_id") != Some(CLIENT)
    {
        return Err(400);
    }
    let known = match asked.field("client_secret") {
        Some(secret) => secret == SECRET,
        None => {
            asked.field("client_assertion_type") == Some(ASSERTION_TYPE)
                && asked.field("client_assertion") == Some(&shared.state().assertion)
        }
    };
    if !known {
        return Err(401);
    }
    let (token, life, _) = new_token(shared);
    Ok(format!(
        r#"{{"token_type":"Bearer","expires_in":{life},"ext_expires_in":{life},"access_token":"{token}"}}"#
    ))
}

/// The token, how long it lives, and when it expires, in seconds.
fn new_token(shared: &Shared) -> (String, u64, u64) {
    let mut state = shared.state();
    let (now, life) = (seconds_now(), state.life.as_secs());
    let token = token(state.given.len() + 1, now, life);
    state.given.push(token.clone());
    (token, life, now + life)
}

/// The body of an answer that refuses.
fn refusal(status: u16, managed: bool) -> String {
    match (status, managed) {
        (400 | 404, true) => {
            r#"{"error":"invalid_request","error_description":"Identity not found"}"#
        }
        (400 | 401, false) => {
            r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 0\r\nTimestamp: 0","error_codes":[7000215]}"#
        }
        // As of a gateway before the service.
        (500.., _) => "<html><body>gateway</body></html>",
        _ => r#"{"error":"temporarily_unavailable","error_description":"Too many requests"}"#,
    }
    .to_owned()
}

fn header(head: &Head, name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(&head.bytes);
    let mut fields = text.split("\r\n").filter_map(|line| line.split_once(':'));
    let found = fields.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim().to_owned())
}
