//! Spans, read from the bytes of OTLP: the few fields of its messages that are looked at here.
//!
//! Read by hand, so that the bytes are checked by something else than what wrote them.

use std::collections::BTreeMap;

use serde_json::Value;

/// A span with what it is of.
#[derive(Debug, Clone)]
pub struct Span {
    pub service: String,
    pub trace: String,
    pub id: String,
    /// Empty for the first of a trace.
    pub parent: String,
    pub name: String,
    pub kind: u64,
    /// In nanoseconds.
    pub begin: u64,
    pub end: u64,
    pub attributes: BTreeMap<String, Value>,
    /// 0 unset, 1 ok, 2 error.
    pub status: u64,
}

/// A field of a message: its number and what it holds.
struct Field<'a> {
    number: u64,
    value: u64,
    bytes: &'a [u8],
}

/// The spans of a request to export some.
pub fn spans(request: &[u8]) -> Vec<Span> {
    let mut all = Vec::new();
    for resource_spans in inside(request, 1) {
        let resource = inside(resource_spans, 1).next().unwrap_or_default();
        let service = attributes(resource, 1)["service.name"].clone();
        for scope_spans in inside(resource_spans, 2) {
            let read = inside(scope_spans, 2).map(|bytes| span(bytes, service.as_str().unwrap()));
            all.extend(read);
        }
    }
    all
}

fn span(bytes: &[u8], service: &str) -> Span {
    let one = |number| inside(bytes, number).next().unwrap_or_default();
    let number = |wanted| {
        let mut found = fields(bytes).filter(move |field| field.number == wanted);
        found.next().map_or(0, |field| field.value)
    };
    let status = fields(one(15)).find(|field| field.number == 3);
    Span {
        service: service.to_owned(),
        trace: hex(one(1)),
        id: hex(one(2)),
        parent: hex(one(4)),
        name: text(one(5)),
        kind: number(6),
        begin: number(7),
        end: number(8),
        attributes: attributes(bytes, 9),
        status: status.map_or(0, |field| field.value),
    }
}

/// The key-value pairs in a field of a message.
fn attributes(message: &[u8], number: u64) -> BTreeMap<String, Value> {
    let pairs = inside(message, number).map(|pair| {
        let key = inside(pair, 1).next().unwrap_or_default();
        let held = inside(pair, 2).next().unwrap_or_default();
        let held = fields(held).next();
        let value = held.map_or(Value::Null, |field| match field.number {
            1 => text(field.bytes).into(),
            2 => (field.value != 0).into(),
            3 => field.value.cast_signed().into(),
            4 => f64::from_bits(field.value).into(),
            _ => Value::Null,
        });
        (text(key), value)
    });
    pairs.collect()
}

/// What the fields of that number hold.
fn inside(message: &[u8], number: u64) -> impl Iterator<Item = &[u8]> {
    fields(message)
        .filter(move |field| field.number == number)
        .map(|field| field.bytes)
}

fn fields(message: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut rest = message;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let tag = varint(&mut rest);
        let (mut value, mut bytes): (u64, &[u8]) = (0, &[]);
        match tag & 7 {
            0 => value = varint(&mut rest),
            1 => value = u64::from_le_bytes(take(&mut rest, 8).try_into().unwrap()),
            2 => {
                let length = usize::try_from(varint(&mut rest)).unwrap();
                bytes = take(&mut rest, length);
            }
            5 => value = u32::from_le_bytes(take(&mut rest, 4).try_into().unwrap()).into(),
            other => panic!("no field has the type {other}"),
        }
        let number = tag >> 3;
        Some(Field {
            number,
            value,
            bytes,
        })
    })
}

fn varint(rest: &mut &[u8]) -> u64 {
    let mut value = 0;
    for place in 0.. {
        let byte = take(rest, 1)[0];
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(length);
    *rest = left;
    taken
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_owned()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
