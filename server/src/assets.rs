//! The browser half, embedded in the program.
//!
//! Owns its addresses: all under a fingerprint of the files, so that a browser may keep them for ever
//! and never mixes two versions. Files were compressed at build time; nothing is compressed per
//! request. (A library for embedded files exists, but does not compress WebAssembly.)

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use leptos::config::LeptosOptions;

/// Fingerprint of the built site.
pub const FINGERPRINT: &str = env!("SITE_FINGERPRINT");
/// The name that the build gives to the browser half.
const OUTPUT: &str = "elb-dashboard";

/// One file, plain and compressed with brotli.
struct Asset {
    folder: &'static str,
    name: &'static str,
    plain: &'static [u8],
    packed: &'static [u8],
}

const ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/site.rs"));

/// How pages refer to the browser half.
#[must_use]
pub fn leptos_options() -> LeptosOptions {
    LeptosOptions::builder()
        .output_name(OUTPUT)
        .site_pkg_dir(format!("pkg/{FINGERPRINT}"))
        .build()
}

/// The routes of the embedded files.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let mut router = Router::new();
    for asset in ASSETS {
        let (path, cache) = match asset.folder {
            "pkg" => (
                format!("/pkg/{FINGERPRINT}/{}", asset.name),
                "public, max-age=31536000, immutable",
            ),
            // The icon keeps its address, so that it is asked for again now and then.
            _ => (format!("/{}", asset.name), "public, max-age=3600"),
        };
        router = router.route(
            &path,
            get(move |headers: HeaderMap| async move { serve(asset, &headers, cache) }),
        );
    }
    router
}

fn serve(asset: &'static Asset, headers: &HeaderMap, cache: &'static str) -> Response {
    let accepted = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok());
    let brotli = accepted.is_some_and(|accepted| accepted.split(',').any(is_brotli));
    let bytes = if brotli { asset.packed } else { asset.plain };
    let mut answer = Bytes::from_static(bytes).into_response();
    let headers = answer.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value))
    };
    set(header::CONTENT_TYPE, media_type(asset.name));
    set(header::CACHE_CONTROL, cache);
    set(header::VARY, "accept-encoding");
    if brotli {
        set(header::CONTENT_ENCODING, "br");
    }
    answer
}

/// Whether an item of `Accept-Encoding` takes brotli; a weight of nought refuses it.
fn is_brotli(item: &str) -> bool {
    let (name, weight) = item.split_once(';').unwrap_or((item, "q=1"));
    let weight = weight
        .trim()
        .strip_prefix("q=")
        .and_then(|weight| weight.parse::<f32>().ok());
    name.trim() == "br" && weight.is_some_and(|weight| weight > 0.0)
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}
