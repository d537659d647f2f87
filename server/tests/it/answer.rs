//! A whole answer, and what tests ask of it.

use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode},
};
use serde_json::Value;

use super::support::PATIENCE;

/// A whole answer.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub async fn of(answer: axum::response::Response) -> Self {
        let (parts, body) = answer.into_parts();
        let reading = axum::body::to_bytes(body, usize::MAX);
        let body = tokio::time::timeout(PATIENCE, reading)
            .await
            .expect("the answer does not end");
        Self {
            status: parts.status,
            headers: parts.headers,
            body: body.unwrap(),
        }
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Fields and messages of every problem, as one text each.
    pub fn problems(&self) -> Vec<String> {
        let body = self.json();
        let problems = body["problems"].as_array().cloned().unwrap_or_default();
        let line = |problem: &Value| {
            format!(
                "{}: {}",
                problem["field"].as_str().unwrap(),
                problem["message"].as_str().unwrap()
            )
        };
        problems.iter().map(line).collect()
    }

    pub fn is_html(&self) -> bool {
        self.header("content-type").starts_with("text/html")
    }
}
