//! Objects that are created, replaced and changed by whoever is tested.
//!
//! Owns what a client depends on: names that are taken (409), versions that have moved on (409), dry runs that
//! store nothing, and fields that an old server does not know. All is made at the same moment. Fields are not checked; a patch is a merge.

use serde_json::{Value, json};

use super::{Call, Kind, State, objects::CREATED, status::Refusal};

/// Fields of a Job that Kubernetes 1.20 drops without a word (measured on one).
pub(super) const NEW_FIELDS: [&str; 6] = [
    "completionMode",
    "suspend",
    "podFailurePolicy",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
    "podReplacementPolicy",
];

fn read(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::new(400, error.to_string()))
}

/// What the server keeps of an object.
fn known(state: &State, kind: Kind, mut object: Value) -> Value {
    if kind == Kind::Job
        && let Some(spec) = object["spec"].as_object_mut()
    {
        spec.retain(|field, _| !state.unknown_fields.contains(&field.as_str()));
    }
    object
}

/// The answer to a write that was carried out.
fn told(state: &mut State, (kind, namespace, name): (Kind, &str, &str)) -> Result<Value, Refusal> {
    if state.lost_answers > 0 {
        state.lost_answers -= 1;
        return Err(Refusal::new(504, "the answer was lost"));
    }
    let found = state.store.get(kind, namespace, name);
    found
        .map(|object| Value::clone(object))
        .ok_or_else(|| Refusal::not_found(kind.qualified(), name))
}

pub(super) fn create(
    state: &mut State,
    call: &Call,
    (kind, namespace): (Kind, &str),
    body: &[u8],
) -> Result<Value, Refusal> {
    let mut object = known(state, kind, read(body)?);
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    if name.is_empty() {
        let message = format!(
            "{} \"\" is invalid: metadata.name: Required value",
            kind.name()
        );
        return Err(Refusal::new(422, message));
    }
    let name = name.to_owned();
    if state.store.get(kind, namespace, &name).is_some() {
        let message = format!("{} \"{name}\" already exists", kind.qualified());
        return Err(Refusal::new(409, message));
    }
    object["metadata"]["namespace"] = json!(namespace);
    object["metadata"]["creationTimestamp"] = json!(CREATED);
    if call.field("dryRun") == Some("All") {
        return Ok(object);
    }
    state.store.put(kind, object);
    told(state, (kind, namespace, &name))
}

pub(super) fn replace(
    state: &mut State,
    (kind, namespace, name): (Kind, &str, &str),
    body: &[u8],
) -> Result<Value, Refusal> {
    let object = known(state, kind, read(body)?);
    let there = state.store.get(kind, namespace, name);
    let there = there.ok_or_else(|| Refusal::not_found(kind.qualified(), name))?;
    let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
    if !version(&object).is_null() && version(&object) != version(there) {
        return Err(Refusal::new(
            409,
            "the object has been modified; please apply your changes to the latest version and try again",
        ));
    }
    state.store.put(kind, object);
    told(state, (kind, namespace, name))
}

/// A merge; one that is applied (server-side) makes what is not there.
pub(super) fn patch(
    state: &mut State,
    call: &Call,
    (kind, namespace, name): (Kind, &str, &str),
    body: &[u8],
) -> Result<Value, Refusal> {
    let patch = known(state, kind, read(body)?);
    let there = state.store.get(kind, namespace, name).cloned();
    let applied = call.field("force").is_some();
    let mut object = match there {
        Some(there) => Value::clone(&there),
        None if applied => json!({ "metadata": { "namespace": namespace, "name": name } }),
        None => return Err(Refusal::not_found(kind.qualified(), name)),
    };
    let before = object.clone();
    merge(&mut object, &patch);
    // What changes nothing has no new version.
    if object != before || state.store.get(kind, namespace, name).is_none() {
        state.store.put(kind, object);
    }
    told(state, (kind, namespace, name))
}

/// RFC 7396.
fn merge(object: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        object.clone_from(patch);
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (name, value) in fields {
        if value.is_null() {
            if let Some(object) = object.as_object_mut() {
                object.remove(name);
            }
        } else {
            merge(&mut object[name.as_str()], value);
        }
    }
}
