//! The embedded browser half.

use std::io::Read;

use axum::http::StatusCode;
use elb_server::assets::FINGERPRINT;

use super::support::Server;

#[tokio::test]
async fn files_of_the_browser_half_are_kept_for_ever_and_compressed_when_that_is_understood() {
    let server = Server::start().await;
    for (name, kind) in [
        ("elb-dashboard.css", "text/css; charset=utf-8"),
        ("elb-dashboard.js", "text/javascript; charset=utf-8"),
        ("elb-dashboard.wasm", "application/wasm"),
    ] {
        let path = format!("/pkg/{FINGERPRINT}/{name}");
        let plain = server.get(&path).await;
        assert_eq!(plain.status, StatusCode::OK, "{path}");
        assert_eq!(plain.header("content-type"), kind);
        assert_eq!(
            plain.header("cache-control"),
            "public, max-age=31536000, immutable"
        );
        assert_eq!(plain.header("content-encoding"), "");
        assert_eq!(plain.header("vary"), "accept-encoding");
        let packed = server
            .get_with(&path, &[("accept-encoding", "gzip, br")])
            .await;
        assert_eq!(packed.header("content-encoding"), "br");
        assert!(packed.body.len() < plain.body.len());
        let mut unpacked = Vec::new();
        brotli::Decompressor::new(packed.body.as_ref(), 4_096)
            .read_to_end(&mut unpacked)
            .unwrap();
        assert!(
            unpacked == plain.body,
            "{name}: other bytes after decompression"
        );
    }
}

#[tokio::test]
async fn brotli_that_is_refused_is_not_sent() {
    let server = Server::start().await;
    let path = format!("/pkg/{FINGERPRINT}/elb-dashboard.wasm");
    for refused in [
        "br;q=0",
        "br; q=0",
        "br;q=0.0",
        "br;q=0.000, identity",
        "identity",
    ] {
        let answer = server
            .get_with(&path, &[("accept-encoding", refused)])
            .await;
        assert_eq!(answer.header("content-encoding"), "", "{refused}");
    }
    let answer = server
        .get_with(&path, &[("accept-encoding", "br;q=0.5")])
        .await;
    assert_eq!(answer.header("content-encoding"), "br");
}

#[tokio::test]
async fn files_of_another_version_are_not_there() {
    let server = Server::start().await;
    for path in [
        "/pkg/0123456789abcdef/elb-dashboard.css",
        "/pkg/elb-dashboard.css",
        "/elb-dashboard.css",
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn the_icon_keeps_its_address_and_is_asked_for_again_now_and_then() {
    let server = Server::start().await;
    let icon = server.get("/favicon.svg").await;
    assert_eq!(icon.status, StatusCode::OK);
    assert_eq!(icon.header("content-type"), "image/svg+xml");
    assert_eq!(icon.header("cache-control"), "public, max-age=3600");
}
