//! The document and its routes.
//!
//! Owns what surrounds each page: head, navigation, footer, and the policy that the browser is to
//! enforce. Every route is rendered whole before it is sent, so that it reads without JavaScript.

use elb_engine::JobService;
use leptos::{nonce::use_nonce, prelude::*};
use leptos_axum::ResponseOptions;
use leptos_meta::{MetaTags, Title, provide_meta_context};
use leptos_router::{
    SsrMode,
    components::{Route, Router, Routes},
    path,
};

use crate::{
    components::{keys::Shortcuts, theme::ThemeSwitch, time::When},
    data::page_context,
    islands::clock::Clock,
    pages::{
        audit::AuditLogPage, clusters::ClustersPage, databases::DatabasesPage,
        delete_job::DeleteJobPage, deleted::DeletedPage, health::HealthPage, history::HistoryPage,
        job::JobPage, jobs::JobsPage, not_found::NotFound, search::SearchPage,
    },
};

/// Sets the theme before the first paint, so that the page never flashes in the wrong one, and tells
/// the style sheet that scripts run.
const THEME_SCRIPT: &str = "document.documentElement.classList.add('js');try{const t=localStorage.getItem('theme');if(t)document.documentElement.dataset.theme=t}catch{}";

/// The document around the pages.
#[must_use]
pub fn shell(options: LeptosOptions) -> impl IntoView {
    set_policy();
    let css = format!("/{}/{}.css", options.site_pkg_dir, options.output_name);
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="light dark"/>
                <link rel="icon" href="/favicon.svg" type="image/svg+xml"/>
                <link rel="stylesheet" href=css/>
                <script nonce=use_nonce()>{THEME_SCRIPT}</script>
                <HydrationScripts options=options islands=true/>
                <MetaTags/>
            </head>
            <body>
                <App/>
            </body>
        </html>
    }
}

/// What the browser may load and run: only what this server sent with this answer.
fn set_policy() {
    let Some(options) = use_context::<ResponseOptions>() else {
        return;
    };
    let nonce = use_nonce().map_or_else(String::new, |nonce| format!("'nonce-{nonce}' "));
    let policy = format!(
        "default-src 'none'; script-src {nonce}'strict-dynamic' 'wasm-unsafe-eval'; style-src 'self'; \
         img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; \
         object-src 'none'; frame-ancestors 'none'"
    );
    if let Ok(value) = axum::http::HeaderValue::from_str(&policy) {
        options.insert_header(axum::http::header::CONTENT_SECURITY_POLICY, value);
    }
}

/// Navigation, the page, footer.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    let context = page_context();
    let version = context.settings.version.clone();
    let audit = JobService::may_read_audit(&context.caller)
        .then(|| view! { <a href="/audit">"Audit log"</a> });
    let service = &context.service;
    let clusters = (service.has_clusters() || service.external().is_some())
        .then(|| view! { <NavLink href="/clusters" label="Clusters"/> });
    view! {
        <Title formatter=|text: String| format!("{} · BLAST searches", escaped(&text))/>
        <a class="skip" href="#main">"Skip to the content"</a>
        <header class="top">
            <a class="brand" href="/jobs">
                <svg aria-hidden="true" viewBox="0 0 32 32" width="24" height="24">
                    <path
                        d="M6 8h20M6 16h13M6 24h17"
                        stroke="currentColor"
                        stroke-width="4"
                        stroke-linecap="round"
                    ></path>
                </svg>
                <span>"BLAST searches"</span>
            </a>
            <nav aria-label="Pages">
                <NavLink href="/search" label="New search" class="primary"/>
                <NavLink href="/jobs" label="Searches"/>
                <NavLink href="/databases" label="Databases"/>
                {clusters}
            </nav>
            <ThemeSwitch/>
        </header>
        <Stale/>
        <Router>
            <main id="main" tabindex="-1">
                <Routes fallback=|| view! { <NotFound/> }>
                    <Route path=path!("/") view=JobsPage ssr=SsrMode::Async/>
                    <Route path=path!("/jobs") view=JobsPage ssr=SsrMode::Async/>
                    <Route path=path!("/jobs/deleted") view=DeletedPage ssr=SsrMode::Async/>
                    <Route path=path!("/jobs/:id") view=JobPage ssr=SsrMode::Async/>
                    <Route path=path!("/jobs/:id/history") view=HistoryPage ssr=SsrMode::Async/>
                    <Route path=path!("/jobs/:id/delete") view=DeleteJobPage ssr=SsrMode::Async/>
                    <Route path=path!("/search") view=SearchPage ssr=SsrMode::Async/>
                    <Route path=path!("/databases") view=DatabasesPage ssr=SsrMode::Async/>
                    <Route path=path!("/clusters") view=ClustersPage ssr=SsrMode::Async/>
                    <Route path=path!("/health") view=HealthPage ssr=SsrMode::Async/>
                    <Route path=path!("/audit") view=AuditLogPage ssr=SsrMode::Async/>
                </Routes>
            </main>
        </Router>
        <footer class="bottom">
            <span>"elb-dashboard " {version}</span>
            {audit}
            <a href="/api/openapi.json">"API"</a>
            <a href="/health">"Health"</a>
            <Shortcuts/>
            <Clock/>
        </footer>
    }
}

/// What is shown comes from memory and may be old: since when, and why.
#[component]
fn Stale() -> impl IntoView {
    let fresh = page_context().service.freshness();
    let stale = fresh.stale?;
    Some(view! {
        <div class="box warning stale" role="alert">
            <p>
                "What is shown is as of " <When at=fresh.as_of/> ": " {stale}
                ". Searches that run go on; a new one cannot be started until the store answers."
            </p>
        </div>
    })
}

/// A link of the navigation, marked while its page is shown.
#[component]
fn NavLink(
    href: &'static str,
    label: &'static str,
    #[prop(optional)] class: &'static str,
) -> impl IntoView {
    let here = use_context::<axum::http::request::Parts>();
    let current = here.is_some_and(|parts| parts.uri.path() == href);
    view! {
        <a href=href class=class aria-current=current.then_some("page")>
            {label}
        </a>
    }
}

/// Text as it stands in HTML. Views escape by themselves, but not what they put into `<title>`, where
/// the title of a search could end the element.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

/// A page for what went wrong outside the pages themselves, such as a form that cannot be carried
/// out. It needs nothing but itself.
#[must_use]
pub fn error_page(status: u16, title: &str, message: &str, request_id: &str) -> String {
    let (title, message, request_id) = (escaped(title), escaped(message), escaped(request_id));
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title></head>\
         <body><main><h1>{title}</h1><p>{message}</p>\
         <p><a href=\"/jobs\">Back to the searches</a></p>\
         <p><small>Status {status}, request {request_id}</small></p></main></body></html>"
    )
}
