//! What is asked of the audit log, as an address says it: for the page and for the API alike.

use thiserror::Error;

use super::{AuditAction, AuditFilter, AuditKey, MAX_ACTOR};
use crate::list::percent_encode;

/// Records of a page that names no number.
pub const USUAL_RECORDS: usize = 100;
/// The most records of a page.
pub const MAX_RECORDS: usize = 500;
/// The longest id that is looked for, in characters (ours; ids are 36).
const MAX_ID: usize = 100;

/// A parameter that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{parameter} {must}")]
pub struct AuditQueryError {
    /// Which.
    pub parameter: &'static str,
    /// What it must be.
    pub must: String,
}

/// A page of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditQuery {
    /// What the records must be.
    pub filter: AuditFilter,
    /// Only records before this one.
    pub before: Option<AuditKey>,
    /// How many.
    pub limit: usize,
}

impl Default for AuditQuery {
    fn default() -> Self {
        Self {
            filter: AuditFilter::default(),
            before: None,
            limit: USUAL_RECORDS,
        }
    }
}

impl AuditQuery {
    /// The parameters that there are.
    pub const PARAMETERS: [&str; 5] = ["limit", "cursor", "actor", "action", "job"];

    /// Reads the pairs of an address. An empty value is as none; an unknown name is left to the caller.
    ///
    /// # Errors
    /// The first parameter whose value makes no sense.
    pub fn from_pairs<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, AuditQueryError> {
        let mut query = Self::default();
        let trimmed = pairs.into_iter().map(|(name, value)| (name, value.trim()));
        for (name, value) in trimmed.filter(|(_, value)| !value.is_empty()) {
            let cut = |most| value.chars().take(most).collect();
            match name {
                "actor" => query.filter.actor = Some(cut(MAX_ACTOR)),
                "action" => query.filter.action = Some(action(value)?),
                "job" => query.filter.job_id = Some(cut(MAX_ID)),
                "cursor" => query.before = Some(cursor(value)?),
                "limit" => query.limit = limit(value)?,
                _ => {}
            }
        }
        Ok(query)
    }

    /// A link to this page under `path`.
    #[must_use]
    pub fn href(&self, path: &str) -> String {
        let limit = (self.limit != USUAL_RECORDS).then(|| self.limit.to_string());
        let filter = &self.filter;
        let pairs = [
            ("actor", filter.actor.clone()),
            (
                "action",
                filter.action.map(|action| action.as_str().to_owned()),
            ),
            ("job", filter.job_id.clone()),
            ("cursor", self.before.as_ref().map(AuditKey::to_string)),
            ("limit", limit),
        ];
        let mut link = path.to_owned();
        let set = pairs
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        for (position, (name, value)) in set.enumerate() {
            link.push(if position == 0 { '?' } else { '&' });
            link.push_str(name);
            link.push('=');
            percent_encode(&value, &mut link);
        }
        link
    }
}

fn action(value: &str) -> Result<AuditAction, AuditQueryError> {
    AuditAction::parse(value).ok_or_else(|| AuditQueryError {
        parameter: "action",
        must: format!(
            "must be one of {}",
            AuditAction::ALL.map(AuditAction::as_str).join(", ")
        ),
    })
}

fn cursor(value: &str) -> Result<AuditKey, AuditQueryError> {
    AuditKey::parse(value).ok_or_else(|| AuditQueryError {
        parameter: "cursor",
        must: "must be the next_cursor of the page before".to_owned(),
    })
}

fn limit(value: &str) -> Result<usize, AuditQueryError> {
    let number = value.parse().ok();
    let number = number.filter(|number| (1..=MAX_RECORDS).contains(number));
    number.ok_or_else(|| AuditQueryError {
        parameter: "limit",
        must: format!("must be from 1 to {MAX_RECORDS}"),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::time::Timestamp;

    #[test]
    fn an_address_leads_back_to_its_question() {
        let query = AuditQuery {
            filter: AuditFilter {
                actor: Some("a b&c".to_owned()),
                action: Some(AuditAction::Retry),
                job_id: Some("x".to_owned()),
            },
            before: Some(AuditKey::new(Timestamp(5), 1, 2)),
            limit: 7,
        };
        let link = query.href("/audit");
        assert!(
            link.starts_with("/audit?actor=a%20b%26c&action=retry&job=x&cursor=0000"),
            "{link}"
        );
        assert_eq!(AuditQuery::default().href("/audit"), "/audit");
        let cursor = AuditKey::new(Timestamp(5), 1, 2).to_string();
        let pairs = [
            ("actor", " a b&c "),
            ("action", "retry"),
            ("job", "x"),
            ("cursor", cursor.as_str()),
            ("limit", "7"),
            ("other", "1"),
        ];
        assert_eq!(AuditQuery::from_pairs(pairs), Ok(query));
        let empty = [("actor", ""), ("action", ""), ("job", " "), ("cursor", "")];
        assert_eq!(AuditQuery::from_pairs(empty), Ok(AuditQuery::default()));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (name, value) in [
            ("action", "submitted"),
            ("cursor", "1"),
            ("cursor", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"),
            ("limit", "0"),
            ("limit", "501"),
            ("limit", "-1"),
            ("limit", "x"),
        ] {
            let refused = AuditQuery::from_pairs([(name, value)]).unwrap_err();
            assert_eq!(refused.parameter, name, "{value}");
        }
    }
}
