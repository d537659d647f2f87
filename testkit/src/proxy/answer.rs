//! The answers that the proxy gives instead of the service, worded as Azure Storage words its own.

use super::frame::Head;

/// A whole answer to a request, after which the connection goes on.
pub(super) fn to(head: &Head, status: u16, retry_after: Option<u32>) -> Vec<u8> {
    let (reason, code) = words(status);
    let message = "This answer was made by a test.";
    let (kind, body) = if head.wants_json {
        let body = format!(
            "{{\"odata.error\":{{\"code\":\"{code}\",\"message\":{{\"lang\":\"en-US\",\"value\":\"{message}\"}}}}}}"
        );
        ("application/json", body)
    } else {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
        );
        ("application/xml", body)
    };
    let mut answer = format!(
        "HTTP/1.1 {status} {reason}\r\nx-ms-error-code: {code}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n",
        body.len()
    );
    if let Some(seconds) = retry_after {
        answer.push_str(&format!("retry-after: {seconds}\r\n"));
    }
    if status == 401 {
        answer.push_str("www-authenticate: Bearer\r\n");
    }
    answer.push_str("\r\n");
    if head.method != "HEAD" {
        answer.push_str(&body);
    }
    answer.into_bytes()
}

/// Reason and error code of a status.
const fn words(status: u16) -> (&'static str, &'static str) {
    match status {
        401 => ("Unauthorized", "InvalidAuthenticationInfo"),
        403 => ("Forbidden", "AuthorizationPermissionMismatch"),
        404 => ("Not Found", "ResourceNotFound"),
        409 => ("Conflict", "EntityAlreadyExists"),
        412 => ("Precondition Failed", "UpdateConditionNotSatisfied"),
        429 => ("Too Many Requests", "TooManyRequests"),
        503 => ("Service Unavailable", "ServerBusy"),
        _ => ("Internal Server Error", "InternalError"),
    }
}
