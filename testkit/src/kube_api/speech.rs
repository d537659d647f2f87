//! One connection: requests and their answers.
//!
//! Owns what a request means. A parameter that is not known is refused rather than passed over: a client
//! that depends on it would be told something else than by a server.

use std::{io, sync::Arc};

use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{
    Call, Deletion, Kind, Route, Shared, State, logs,
    select::Selector,
    status::{Refusal, scripted},
    watching::Open,
    writing,
};
use crate::{
    form::fields,
    proxy::frame::{Head, Requests},
};

/// The parameters of lists and watches that are known.
const KNOWN: [&str; 9] = [
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "timeoutSeconds",
    "watch",
];

/// What a path names.
enum Target<'a> {
    Version,
    Nodes,
    Namespace(&'a str),
    Objects(Kind, Option<&'a str>),
    Object(Kind, &'a str, &'a str),
    /// Of a pod, by its namespace and name.
    Log(&'a str, &'a str),
}

impl<'a> Target<'a> {
    fn of(path: &'a str) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let (version, rest) = match parts.as_slice() {
            ["version"] => return Some(Self::Version),
            ["api", "v1", "nodes"] => return Some(Self::Nodes),
            ["api", "v1", "namespaces", name] => return Some(Self::Namespace(name)),
            ["api", "v1", rest @ ..] => ("v1", rest),
            ["apis", "batch", "v1", rest @ ..] => ("batch/v1", rest),
            ["apis", "coordination.k8s.io", "v1", rest @ ..] => ("coordination.k8s.io/v1", rest),
            _ => return None,
        };
        let kind = |plural: &str| {
            let of_version = |kind: &Kind| kind.api_version() == version;
            let mut kinds = Kind::ALL.into_iter().filter(of_version);
            kinds.find(|kind| kind.plural() == plural)
        };
        match *rest {
            [plural] => Some(Self::Objects(kind(plural)?, None)),
            ["namespaces", namespace, plural] => {
                Some(Self::Objects(kind(plural)?, Some(namespace)))
            }
            ["namespaces", namespace, "pods", name, "log"] => Some(Self::Log(namespace, name)),
            ["namespaces", namespace, plural, name] => {
                Some(Self::Object(kind(plural)?, namespace, name))
            }
            _ => None,
        }
    }
}

/// What is answered.
enum Answer {
    Whole(Value),
    Watch(Open),
    Log(logs::Reading),
}

pub(super) async fn serve(client: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let (reader, mut writer) = client.into_split();
    let mut requests = Requests::new(reader);
    while let Some(head) = requests.head().await? {
        let mut body = Vec::new();
        while let Some(piece) = requests.piece().await? {
            body.extend_from_slice(&piece);
        }
        let call = call(&head);
        shared.state().calls.push(call.clone());
        shared.tick();
        let mut silent = shared.silent.subscribe();
        tokio::select! {
            _ = silent.wait_for(|silent| !silent) => {}
            // The client has had enough of waiting.
            _ = requests.head() => return Ok(()),
        }
        let answer = answer(&shared, &call, &body);
        shared.tick();
        let (status, wait, body) = match answer {
            Ok(Answer::Watch(open)) => {
                if open.tell(&mut requests, &mut writer).await? {
                    continue;
                }
                return Ok(());
            }
            Ok(Answer::Log(reading)) => {
                if reading.give(&mut requests, &mut writer).await? {
                    continue;
                }
                return Ok(());
            }
            Ok(Answer::Whole(body)) => (200, None, body),
            Err(refusal) => (refusal.status, refusal.retry_after, refusal.body()),
        };
        let (wait, body) = (
            wait.map_or_else(String::new, |s| format!("retry-after: {s}\r\n")),
            body.to_string(),
        );
        let head = format!(
            "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\n{wait}content-length: {}\r\n\r\n",
            body.len()
        );
        writer.write_all(head.as_bytes()).await?;
        writer.write_all(body.as_bytes()).await?;
    }
    Ok(())
}

fn call(head: &Head) -> Call {
    let (path, query) = head.target.split_once('?').unwrap_or((&head.target, ""));
    let mut call = Call {
        method: head.method.clone(),
        path: path.to_owned(),
        query: fields(query).collect(),
        token: head.token.clone(),
        kind: None,
        route: Route::Other,
    };
    match Target::of(path) {
        Some(Target::Objects(kind, _)) => {
            call.kind = Some(kind);
            if call.method == "GET" {
                let watch = yes(&call, "watch");
                call.route = if watch { Route::Watch } else { Route::List };
            }
        }
        Some(Target::Object(kind, _, _)) => call.kind = Some(kind),
        Some(Target::Log(..)) => (call.kind, call.route) = (Some(Kind::Pod), Route::Log),
        _ => {}
    }
    call
}

fn yes(call: &Call, name: &str) -> bool {
    matches!(call.field(name), Some("true" | "1"))
}

fn number<T: std::str::FromStr>(call: &Call, name: &str) -> Result<Option<T>, Refusal> {
    let Some(text) = call.field(name).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let wrong = |_| Refusal::new(400, format!("{name}: Invalid value: {text:?}"));
    text.parse().map(Some).map_err(wrong)
}

fn answer(shared: &Arc<Shared>, call: &Call, body: &[u8]) -> Result<Answer, Refusal> {
    let mut state = shared.state();
    if state.demanded.is_some() && state.demanded != call.token {
        return Err(Refusal::new(401, "Unauthorized"));
    }
    if let Some(refusal) = scripted(&mut state.faults, call) {
        return Err(refusal);
    }
    let target = Target::of(&call.path)
        .ok_or_else(|| Refusal::new(404, "the server could not find the requested resource"))?;
    match (call.method.as_str(), target) {
        ("GET", Target::Version) => Ok(Answer::Whole(json!({
            "major": "1", "minor": "33", "gitVersion": "v1.33.0", "platform": "linux/amd64",
        }))),
        ("GET", Target::Nodes) => nodes(&state),
        ("GET", Target::Namespace(name)) if state.missing.contains(name) => {
            Err(Refusal::not_found("namespaces", name))
        }
        ("GET", Target::Namespace(name)) => Ok(Answer::Whole(json!({
            "kind": "Namespace", "apiVersion": "v1",
            "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
            "status": {"phase": "Active"},
        }))),
        ("GET", Target::Object(kind, namespace, name)) => {
            let found = state.store.get(kind, namespace, name);
            found
                .map(|object| Answer::Whole(Value::clone(object)))
                .ok_or_else(|| Refusal::not_found(kind.qualified(), name))
        }
        ("GET", Target::Log(namespace, name)) => {
            logs::open(shared, &mut state, call, (namespace, name)).map(Answer::Log)
        }
        ("DELETE", Target::Object(kind, namespace, name)) => {
            delete(&mut state, call, (kind, namespace, name), body)
        }
        ("DELETE", Target::Objects(kind, Some(namespace))) => {
            delete_all(&mut state, call, (kind, namespace), body)
        }
        ("POST", Target::Objects(kind, Some(namespace))) => {
            writing::create(&mut state, call, (kind, namespace), body).map(Answer::Whole)
        }
        ("PUT", Target::Object(kind, namespace, name)) => {
            writing::replace(&mut state, (kind, namespace, name), body).map(Answer::Whole)
        }
        ("PATCH", Target::Object(kind, namespace, name)) => {
            writing::patch(&mut state, call, (kind, namespace, name), body).map(Answer::Whole)
        }
        ("GET", Target::Objects(kind, namespace)) => {
            let selector = selector(call, kind, namespace, &KNOWN)?;
            if call.route == Route::Watch {
                watch(shared, &mut state, call, kind, selector)
            } else {
                list(&mut state, call, kind, selector)
            }
        }
        _ => Err(Refusal::new(
            405,
            "the server does not allow this method on the requested resource",
        )),
    }
}

/// All nodes, whatever is selected; whoever may not look at them is not told that there are any.
fn nodes(state: &State) -> Result<Answer, Refusal> {
    let nodes = state.nodes.as_ref().ok_or_else(|| {
        Refusal::new(
            403,
            "nodes is forbidden: User \"test\" cannot list resource \"nodes\"",
        )
    })?;
    let items: Vec<Value> = nodes
        .iter()
        .map(|(name, ready)| {
            let status = if *ready { "True" } else { "False" };
            json!({
                "metadata": { "name": name },
                "status": {
                    "allocatable": { "cpu": "8", "memory": "32Gi", "pods": "110" },
                    "conditions": [{ "type": "Ready", "status": status }],
                },
            })
        })
        .collect();
    Ok(Answer::Whole(json!({
        "kind": "NodeList", "apiVersion": "v1", "metadata": {}, "items": items,
    })))
}

/// What a request selects, which may have these parameters.
fn selector(
    call: &Call,
    kind: Kind,
    namespace: Option<&str>,
    known: &[&str],
) -> Result<Selector, Refusal> {
    let unknown = |(name, _): &&(String, String)| !known.contains(&name.as_str());
    if let Some((name, _)) = call.query.iter().find(unknown) {
        return Err(Refusal::unknown(&format!("the parameter {name}")));
    }
    let text = |name| call.field(name).unwrap_or_default();
    let (labels, fields) = (text("labelSelector"), text("fieldSelector"));
    Selector::new(kind, namespace, labels, fields)
}

fn list(state: &mut State, call: &Call, kind: Kind, selector: Selector) -> Result<Answer, Refusal> {
    let limit = number(call, "limit")?.filter(|limit| *limit > 0);
    let version: Option<u64> = number(call, "resourceVersion")?;
    let page = if let Some(token) = call.field("continue").filter(|token| !token.is_empty()) {
        if version.is_some() {
            let message = "specifying resource version is not allowed when using continue";
            return Err(Refusal::new(400, message));
        }
        state.store.page(token, limit)?
    } else {
        let now = state.store.version();
        if let Some(asked) = version.filter(|version| *version > now) {
            return Err(Refusal::too_large(asked, now));
        }
        let exact = call.field("resourceVersionMatch") == Some("Exact");
        if exact && version != Some(now) {
            return Err(Refusal::unknown("a list as it was"));
        }
        // Version 0 is answered from a server's cache, which has no pages.
        let limit = limit.filter(|_| version != Some(0));
        state.store.list(kind, selector, limit)
    };
    let items = page.items.iter().map(|object| {
        let mut item = Value::clone(object);
        // The list says it for all of them.
        if let Some(fields) = item.as_object_mut() {
            fields.remove("kind");
            fields.remove("apiVersion");
        }
        item
    });
    let mut metadata = json!({"resourceVersion": page.version.to_string()});
    if let Some(next) = page.next {
        metadata["continue"] = json!(next);
    }
    if let Some(remaining) = page.remaining {
        metadata["remainingItemCount"] = json!(remaining);
    }
    Ok(Answer::Whole(json!({
        "kind": format!("{}List", kind.name()), "apiVersion": kind.api_version(),
        "metadata": metadata, "items": items.collect::<Vec<_>>(),
    })))
}

fn watch(
    shared: &Arc<Shared>,
    state: &mut State,
    call: &Call,
    kind: Kind,
    selector: Selector,
) -> Result<Answer, Refusal> {
    if state.watch_forbidden {
        let message = format!(
            "{} is forbidden: User \"test\" cannot watch resource \"{}\"",
            kind.qualified(),
            kind.plural()
        );
        return Err(Refusal::new(403, message));
    }
    let after = number(call, "resourceVersion")?.filter(|version| *version > 0);
    let seconds = number(call, "timeoutSeconds")?.filter(|seconds| *seconds > 0);
    let bookmarks = yes(call, "allowWatchBookmarks");
    let said = state.store.watch(kind, selector, bookmarks, after);
    Ok(Answer::Watch(Open::new(said, seconds, shared)))
}

/// How something is to be deleted, and the `propagationPolicy`.
fn options(call: &Call, body: &[u8]) -> Result<(Value, Option<String>), Refusal> {
    let options: Value = if body.is_empty() {
        json!({})
    } else {
        serde_json::from_slice(body).map_err(|error| Refusal::new(400, error.to_string()))?
    };
    let propagation = options["propagationPolicy"]
        .as_str()
        .or_else(|| call.field("propagationPolicy"))
        .map(str::to_owned);
    Ok((options, propagation))
}

/// Deletes what is selected, and answers with it.
fn delete_all(
    state: &mut State,
    call: &Call,
    (kind, namespace): (Kind, &str),
    body: &[u8],
) -> Result<Answer, Refusal> {
    let known = ["fieldSelector", "labelSelector", "propagationPolicy"];
    let selector = selector(call, kind, Some(namespace), &known)?;
    let (_, propagation) = options(call, body)?;
    let items = state.store.list(kind, selector, None).items;
    for item in &items {
        let name = item["metadata"]["name"].as_str().unwrap_or_default();
        state.deletions.push(Deletion {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            propagation: propagation.clone(),
        });
        state.store.remove(kind, namespace, name);
    }
    let items: Vec<&Value> = items.iter().map(|item| &**item).collect();
    Ok(Answer::Whole(json!({
        "kind": format!("{}List", kind.name()), "apiVersion": kind.api_version(),
        "metadata": {"resourceVersion": state.store.version().to_string()}, "items": items,
    })))
}

fn delete(
    state: &mut State,
    call: &Call,
    (kind, namespace, name): (Kind, &str, &str),
    body: &[u8],
) -> Result<Answer, Refusal> {
    let (options, propagation) = options(call, body)?;
    let object = state
        .store
        .get(kind, namespace, name)
        .ok_or_else(|| Refusal::not_found(kind.qualified(), name))?;
    let uid = object["metadata"]["uid"].clone();
    for field in ["uid", "resourceVersion"] {
        let (wanted, is) = (&options["preconditions"][field], &object["metadata"][field]);
        if !wanted.is_null() && wanted != is {
            let message = format!(
                "Precondition failed: {field} in precondition: {wanted}, in object meta: {is}"
            );
            return Err(Refusal::new(409, message));
        }
    }
    state.deletions.push(Deletion {
        kind,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        propagation,
    });
    state.store.remove(kind, namespace, name);
    Ok(Answer::Whole(json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": {"name": name, "kind": kind.plural(), "uid": uid},
    })))
}
