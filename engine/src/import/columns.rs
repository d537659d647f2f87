//! Columns of the original's tables, read as what they should be.
//!
//! Rows were written over months by programs of several ages: a column may be missing, and is then empty. One
//! that is there with another type is an error that names it, never a guess.

use elb_core::time::Timestamp;
use serde_json::Value;

use crate::azure::tables::foreign::Foreign;

/// Why a row cannot be taken over.
pub(super) type Broken = String;

/// Text of a column, without blanks around it; empty if it is not there.
pub(super) fn text(row: &Foreign, name: &str) -> Result<String, Broken> {
    match row.get(name) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.trim().to_owned()),
        Some(other) => Err(format!("its column {name} is {other}, which is no text")),
    }
}

/// A time of a column; nothing if it is empty.
pub(super) fn time(row: &Foreign, name: &str) -> Result<Option<Timestamp>, Broken> {
    let text = text(row, name)?;
    if text.is_empty() {
        return Ok(None);
    }
    let read = parse_time(&text);
    read.map(Some)
        .ok_or_else(|| format!("its column {name} is \"{text}\", which is no time"))
}

/// The JSON object of a column; nothing if it is empty.
pub(super) fn object(row: &Foreign, name: &str) -> Result<Foreign, Broken> {
    let text = text(row, name)?;
    if text.is_empty() {
        return Ok(Foreign::new());
    }
    match serde_json::from_str(&text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(Value::Null) => Ok(Foreign::new()),
        Ok(_) => Err(format!("its column {name} is no JSON object")),
        Err(error) => Err(format!("its column {name} is no JSON: {error}")),
    }
}

/// What stands at a path of a JSON object.
pub(super) fn at<'a>(object: &'a Foreign, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let value = object.get(*first)?;
    if rest.is_empty() {
        return Some(value);
    }
    at(value.as_object()?, rest)
}

/// The first text, other than the empty one, at one of these paths.
pub(super) fn first_text(object: &Foreign, paths: &[&[&str]]) -> Option<String> {
    let mut texts = paths.iter().filter_map(|path| at(object, path)?.as_str());
    let found = texts.find(|text| !text.trim().is_empty());
    found.map(|text| text.trim().to_owned())
}

/// A time with its zone, as ISO 8601 writes it; without a zone it is UTC, in which the original counts.
pub(super) fn parse_time(text: &str) -> Option<Timestamp> {
    let text = text.trim().replacen(' ', "T", 1);
    if let Some(utc) = text.strip_suffix(['Z', 'z']) {
        return Timestamp::parse(&format!("{utc}Z"));
    }
    let (date, clock) = text.split_once('T')?;
    let Some(at) = clock.rfind(['+', '-']) else {
        return Timestamp::parse(&format!("{text}Z"));
    };
    let (clock, zone) = clock.split_at_checked(at)?;
    let east = if zone.starts_with('-') { -1 } else { 1 };
    let digits: String = zone.chars().filter(char::is_ascii_digit).collect();
    let (hours, minutes) = digits.split_at_checked(2)?;
    let hours: i64 = hours.parse().ok()?;
    let minutes: i64 = match minutes {
        "" => 0,
        minutes => minutes.parse().ok()?,
    };
    if hours > 14 || minutes > 59 {
        return None;
    }
    let local = Timestamp::parse(&format!("{date}T{clock}Z"))?;
    Some(local.plus_ms(-east * (hours * 60 + minutes) * 60_000))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn row(value: Value) -> Foreign {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn times_of_all_zones_are_the_same_moment() {
        let wanted = Timestamp::parse("2026-06-01T10:00:00Z");
        assert!(wanted.is_some());
        for text in [
            "2026-06-01T10:00:00+00:00",
            "2026-06-01T10:00:00Z",
            "2026-06-01T10:00:00.000000",
            "2026-06-01 10:00:00",
            "2026-06-01T19:00:00+09:00",
            "2026-06-01T04:30:00-0530",
        ] {
            assert_eq!(parse_time(text), wanted, "{text}");
        }
        for text in ["", "soon", "2026-06-01", "2026-06-01T10:00:00+99:00"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    #[test]
    fn a_column_of_another_type_is_named() {
        let row =
            row(json!({"status": 5, "payload_json": "{", "created_at": "soon", "phase": null}));
        assert_eq!(text(&row, "phase").unwrap(), "");
        assert_eq!(text(&row, "owner_oid").unwrap(), "");
        assert!(text(&row, "status").unwrap_err().contains("status is 5"));
        assert!(
            object(&row, "payload_json")
                .unwrap_err()
                .contains("no JSON")
        );
        assert!(time(&row, "created_at").unwrap_err().contains("soon"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_as_a_time_or_not_without_a_panic(text in ".{0,40}") {
            let _ = parse_time(&text);
        }

        #[test]
        fn our_own_times_are_read_back(ms in 0_i64..4_000_000_000_000) {
            prop_assert_eq!(parse_time(&Timestamp(ms).rfc3339()), Some(Timestamp(ms)));
        }
    }
}
