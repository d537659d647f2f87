//! Label and field selectors (kubernetes.io/docs/concepts/overview/working-with-objects/labels).

use serde_json::Value;

use super::{Kind, status::Refusal};

/// What is asked of a label or field.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    /// It is there and has one of these values.
    In(Vec<String>),
    /// It is not there, or has none of these values.
    NotIn(Vec<String>),
    /// It is there.
    Exists,
    /// It is not there.
    Missing,
}

impl Test {
    fn passes(&self, value: Option<&str>) -> bool {
        let among =
            |values: &[String]| value.is_some_and(|value| values.iter().any(|v| v == value));
        match self {
            Self::In(values) => among(values),
            Self::NotIn(values) => !among(values),
            Self::Exists => value.is_some(),
            Self::Missing => value.is_none(),
        }
    }
}

/// Which objects of a kind are meant. The default means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Selector {
    namespace: Option<String>,
    labels: Vec<(String, Test)>,
    fields: Vec<(String, Test)>,
}

impl Selector {
    /// That of a request with these selectors.
    pub fn new(
        kind: Kind,
        namespace: Option<&str>,
        labels: &str,
        fields: &str,
    ) -> Result<Self, Refusal> {
        let labels = terms(labels)
            .into_iter()
            .map(label)
            .collect::<Result<_, _>>()?;
        let fields = terms(fields).into_iter().map(|term| field(kind, term));
        Ok(Self {
            namespace: namespace.map(str::to_owned),
            labels,
            fields: fields.collect::<Result<_, _>>()?,
        })
    }

    /// Whether it asks more than the namespace.
    pub fn chooses(&self) -> bool {
        !self.labels.is_empty() || !self.fields.is_empty()
    }

    pub fn matches(&self, object: &Value) -> bool {
        let metadata = &object["metadata"];
        let here = self.namespace.as_deref();
        here.is_none_or(|here| metadata["namespace"] == here)
            && self
                .labels
                .iter()
                .all(|(name, test)| test.passes(metadata["labels"][name].as_str()))
            && self.fields.iter().all(|(path, test)| {
                let value = path.split('.').fold(object, |value, name| &value[name]);
                // A field that is not there is empty.
                test.passes(Some(value.as_str().unwrap_or_default()))
            })
    }
}

/// What stands between commas, except those in parentheses.
fn terms(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let parts = text.split(move |letter| {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    });
    parts
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect()
}

/// `name=value`, `name==value`, or `name!=value`.
fn equation(term: &str) -> Option<(String, Test)> {
    let (name, value) = term.split_once('=')?;
    let value = value.strip_prefix('=').unwrap_or(value).trim().to_owned();
    Some(match name.strip_suffix('!') {
        Some(name) => (name.trim().to_owned(), Test::NotIn(vec![value])),
        None => (name.trim().to_owned(), Test::In(vec![value])),
    })
}

fn label(term: &str) -> Result<(String, Test), Refusal> {
    if let Some(open) = term.strip_suffix(')') {
        let split = open.split_once('(').and_then(|(left, values)| {
            let (name, operator) = left.trim().split_once(' ')?;
            let values = values.split(',').map(|v| v.trim().to_owned()).collect();
            match operator.trim() {
                "in" => Some((name, Test::In(values))),
                "notin" => Some((name, Test::NotIn(values))),
                _ => None,
            }
        });
        return split
            .map(|(name, test)| (name.to_owned(), test))
            .ok_or_else(|| Refusal::new(400, format!("unable to parse requirement: {term}")));
    }
    if let Some(found) = equation(term) {
        return Ok(found);
    }
    let (name, test) = match term.strip_prefix('!') {
        Some(name) => (name.trim(), Test::Missing),
        None => (term, Test::Exists),
    };
    if name.contains(char::is_whitespace) {
        let message = format!("unable to parse requirement: {term}");
        return Err(Refusal::new(400, message));
    }
    Ok((name.to_owned(), test))
}

fn field(kind: Kind, term: &str) -> Result<(String, Test), Refusal> {
    let message = format!("invalid selector: '{term}'; can't understand '{term}'");
    let (name, test) = equation(term).ok_or_else(|| Refusal::new(400, message))?;
    if !kind.fields().contains(&name.as_str()) {
        let message = format!("field label not supported: {name}");
        return Err(Refusal::new(400, message));
    }
    Ok((name, test))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Which of three pods are meant.
    fn chosen(labels: &str, fields: &str) -> String {
        let selector = Selector::new(Kind::Pod, Some("a"), labels, fields).unwrap();
        let pods = [
            json!({"metadata": {"namespace": "a", "name": "x", "labels": {"app": "blast", "n/m": "1"}},
                "status": {"phase": "Running"}}),
            json!({"metadata": {"namespace": "a", "name": "y", "labels": {"app": "setup"}}}),
            json!({"metadata": {"namespace": "a", "name": "z"}}),
            json!({"metadata": {"namespace": "b", "name": "other"}}),
        ];
        let found = pods.iter().filter(|pod| selector.matches(pod));
        found
            .map(|pod| pod["metadata"]["name"].as_str().unwrap())
            .collect()
    }

    #[test]
    fn labels_select() {
        let table = [
            ("", "xyz"),
            ("app=blast", "x"),
            ("app==blast,n/m=2", ""),
            ("app!=blast", "yz"),
            ("app in (blast, setup),n/m", "x"),
            ("app notin (blast,setup)", "z"),
            ("app", "xy"),
            ("!app", "z"),
        ];
        for (labels, wanted) in table {
            assert_eq!(chosen(labels, ""), wanted, "{labels}");
        }
    }

    #[test]
    fn fields_select() {
        let table = [
            ("metadata.name=y", "y"),
            ("metadata.name!=y", "xz"),
            ("status.phase=Running,metadata.name=x", "x"),
            ("status.phase!=Running", "yz"),
        ];
        for (fields, wanted) in table {
            assert_eq!(chosen("", fields), wanted, "{fields}");
        }
    }

    #[test]
    fn what_no_server_understands_is_refused() {
        for labels in ["app of (a)", "app is", "(a)"] {
            let refusal = Selector::new(Kind::Pod, None, labels, "").unwrap_err();
            assert_eq!(refusal.status, 400, "{labels}");
        }
        for (kind, fields) in [(Kind::Job, "status.phase=Running"), (Kind::Pod, "reason")] {
            let refusal = Selector::new(kind, None, "", fields).unwrap_err();
            assert_eq!(refusal.status, 400, "{fields}");
        }
    }
}
