//! Every route, in one place.
//!
//! Owns the order of the layers. The routes of the API are those of its OpenAPI document: both come
//! from the same list.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::DefaultBodyLimit,
    http::StatusCode,
    middleware,
    response::Redirect,
    routing::{any, get, post},
};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::{
    OpenApi,
    openapi::{Content, Header, Object, Ref, ResponseBuilder, Type},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api, assets, compress, forms, front::Front, guard, health, limits, metrics, pages,
    state::AppState,
};

/// The largest form without a file, in bytes.
const SMALL_FORM: usize = 64 * 1_024;

/// What the document says of itself.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "elb-dashboard",
        description = "BLAST searches: submit, watch, read. Errors are `{code, message, request_id}`; every answer has `x-request-id`.",
        license(name = "MIT", identifier = "MIT")
    ),
    tags(
        (name = "searches", description = "Submit searches, watch them, read what they found."),
        (name = "databases", description = "What can be searched."),
        (name = "server", description = "The server itself.")
    )
)]
struct Document;

/// The routes of the API, and the document that describes them.
pub fn api_routes() -> (Router<AppState>, utoipa::openapi::OpenApi) {
    let (routes, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
        .routes(routes!(api::me::me))
        .routes(routes!(api::jobs::list::list, api::jobs::submit::submit))
        .routes(routes!(api::jobs::bulk::bulk))
        .routes(routes!(api::jobs::deleted::deleted))
        .routes(routes!(api::jobs::one::detail, api::jobs::one::delete))
        .routes(routes!(api::jobs::one::cancel))
        .routes(routes!(api::jobs::one::retry))
        .routes(routes!(api::jobs::deleted::restore))
        .routes(routes!(api::jobs::history::history))
        .routes(routes!(api::jobs::logs::logs))
        .routes(routes!(api::jobs::pods::list))
        .routes(routes!(api::jobs::pods::logs))
        .routes(routes!(api::jobs::query::query))
        .routes(routes!(api::jobs::results::results))
        .routes(routes!(api::jobs::found::files))
        .routes(routes!(api::jobs::found::file))
        .routes(routes!(api::jobs::found::joined))
        .routes(routes!(api::events::events))
        .routes(routes!(api::audit::log))
        .routes(routes!(api::databases::list))
        .routes(routes!(api::databases::builds))
        .routes(routes!(api::databases::example))
        .routes(routes!(api::clusters::clusters))
        .routes(routes!(
            api::warmup::list,
            api::warmup::warm,
            api::warmup::release
        ))
        .routes(routes!(api::external::plane))
        .routes(routes!(api::external::files))
        .routes(routes!(api::external::file))
        .split_for_parts();
    (routes, with_busy(document))
}

/// Says of every route that is limited that it may be busy.
fn with_busy(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    for (path, item) in &mut document.paths.paths {
        let operations = [&mut item.get, &mut item.post, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            if path.starts_with("/api/health") || path == "/metrics" {
                continue;
            }
            let busy = ResponseBuilder::new()
                .description("Not at the moment: try again after `Retry-After` seconds. A request that is answered so has changed nothing.")
                .content(
                    "application/json",
                    Content::new(Some(Ref::from_schema_name("ErrorBody"))),
                )
                .header("retry-after", Header::new(Object::with_type(Type::Integer)));
            let known = &mut operation.responses.responses;
            known
                .entry("503".to_owned())
                .or_insert_with(|| busy.build().into());
        }
    }
    document
}

fn small() -> DefaultBodyLimit {
    DefaultBodyLimit::max(SMALL_FORM)
}

/// The whole server.
#[must_use]
pub fn router(state: AppState) -> Front {
    Front::new(routes(state.clone()), state)
}

/// Every route, behind all layers.
pub fn routes(state: AppState) -> Router {
    // Where pages run what they wait for. An error says that it is set already, as in tests.
    let _ = any_spawner::Executor::init_tokio();
    let (api, document) = api_routes();
    let document = Arc::new(document);
    let routes = Router::new()
        .merge(api)
        .route(
            "/api/openapi.json",
            get(move || async move { Json(document) }),
        )
        .route("/api/ui/{*function}", get(pages::server_function))
        .route("/api/{*unknown}", any(StatusCode::NOT_FOUND))
        .route("/", get(pages::page))
        .route("/jobs", get(pages::page))
        .route("/jobs/", get(|| async { Redirect::permanent("/jobs") }))
        .route("/jobs/deleted", get(pages::page))
        .route(
            "/jobs/bulk",
            get(|| async { Redirect::to("/jobs") })
                .post(forms::jobs::bulk)
                .layer(small()),
        )
        .route("/jobs/{id}", get(pages::page))
        .route("/jobs/{id}/history", get(pages::page))
        .route(
            "/jobs/{id}/delete",
            get(pages::page).post(forms::jobs::delete).layer(small()),
        )
        .route("/jobs/{id}/cancel", post(forms::jobs::cancel))
        .route("/jobs/{id}/retry", post(forms::jobs::retry))
        .route(
            "/jobs/{id}/restore",
            post(forms::jobs::restore).layer(small()),
        )
        .route("/audit", get(pages::page))
        .route("/health", get(pages::page))
        .route("/clusters", get(pages::page))
        .route(
            "/clusters/warm-up",
            post(forms::clusters::warm_up).layer(small()),
        )
        .route(
            "/clusters/release",
            post(forms::clusters::release).layer(small()),
        )
        .route("/search", get(pages::page).post(forms::search::search))
        .route(
            "/databases",
            get(pages::page).post(forms::databases::upload),
        )
        .route(
            "/databases/delete",
            post(forms::databases::delete).layer(small()),
        )
        // Forms with files and submissions are limited by what they stream to, each with its own setting.
        .layer(DefaultBodyLimit::disable())
        .fallback(pages::page)
        .merge(assets::routes())
        .layer(middleware::from_fn_with_state(
            Arc::clone(&state.limits),
            limits::limit,
        ));
    let measured = middleware::from_fn_with_state(Arc::clone(&state.metrics), metrics::measure);
    // Outermost: what is refused, and what ends in a panic, is measured as well.
    let routes = layered(routes).layer(measured);
    #[cfg(feature = "otel")]
    let routes = routes.layer(middleware::from_fn(crate::telemetry::trace));
    routes.with_state(state)
}

/// Routes behind the guard: what every answer has, whatever made it.
pub fn layered(routes: Router<AppState>) -> Router<AppState> {
    routes
        .layer(middleware::from_fn(compress::compress))
        .layer(CatchPanicLayer::new())
        .layer(middleware::from_fn(guard::guard))
}
