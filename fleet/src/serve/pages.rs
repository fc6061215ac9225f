//! The pages: what is, for eyes. They change nothing.
//!
//! Made here, whole, and made again by whoever looks when something changed (`live.js`). Every text of a machine is
//! escaped, and a page loads nothing but its own style and script.

mod machine;
mod machines;
mod profiles;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use maud::{DOCTYPE, Markup, html};

use super::caller::{COOKIE_NAME, Looker, known};
use super::problem::Problem;
use super::{App, Service, blocking, body, profiles as shelf};
use crate::moment::Moment;
use crate::secret::{Secret, SecretHash};

/// No form is longer.
const LIMIT: u64 = 4 << 10;
/// A session lasts so many seconds.
const COOKIE_AGE: u64 = 12 * 3600;
/// How a proxy says that it was asked by HTTPS.
const FORWARDED_PROTO: &str = "x-forwarded-proto";
/// What a page may do.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'",
);

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/", get(all))
        .route("/machines/{name}", get(one))
        .route("/profiles", get(all_profiles))
        .route("/login", get(login).post(logged_in))
        .route("/style.css", get(style))
        .route("/live.js", get(live))
}

async fn all(State(app): State<App>, _: Looker) -> Result<Response, Problem> {
    blocking(&app, |app| {
        let (hosts, new) = (app.store.hosts(Moment::now())?, app.store.newcomers()?);
        Ok(page("Machines", &machines::page(&hosts, new)))
    })
    .await?
}

async fn one(State(app): State<App>, _: Looker, Path(name): Path<String>) -> Result<Response, Problem> {
    blocking(&app, move |app| {
        let host = app.store.host(&name, Moment::now())?.ok_or_else(|| Problem::not_found("such machine"))?;
        let log = app.store.log(&host.name)?;
        Ok(page(&host.name, &machine::page(&host, log.as_ref())))
    })
    .await?
}

async fn all_profiles(State(app): State<App>, _: Looker) -> Result<Response, Problem> {
    blocking(&app, |app| {
        let (trouble, all) = (shelf::trouble(app)?, shelf::shelved(app)?);
        Ok(page("Profiles", &profiles::page(trouble.as_deref(), &all)))
    })
    .await?
}

async fn login() -> Response {
    page("Log in", &form(None))
}

/// The token of a form begins a session, if it is an operator's.
async fn logged_in(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let form_body = body::whole(body, LIMIT).await?;
    // A token has no character that a form would write differently.
    let said =
        std::str::from_utf8(&form_body).ok().and_then(|text| text.strip_prefix("token=")).unwrap_or("");
    let Some(operator) = known(&app, SecretHash::of(said)).await? else {
        return Ok(page("Log in", &form(Some("That is no operator's token."))));
    };
    // Other services of this host see the cookie, too: it is worth nothing but a look at the pages.
    let session = Secret::new().map_err(|error| Problem::later(error.to_string()))?;
    let (hash, now) = (session.hash(), Moment::now());
    let begin = move |app: &Service| app.store.begin_session(&operator, &hash, now, now.plus(COOKIE_AGE));
    blocking(&app, begin).await??;
    // Who says so without a proxy has a stricter cookie, and nothing else.
    let by_proxy = headers.get(FORWARDED_PROTO).is_some_and(|proto| proto == "https");
    let secure = if by_proxy || app.url.starts_with("https:") { "; Secure" } else { "" };
    let cookie =
        format!("{COOKIE_NAME}={session}; Path=/; Max-Age={COOKIE_AGE}; HttpOnly; SameSite=Strict{secure}");
    Ok(([(SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}

fn form(wrong: Option<&str>) -> Markup {
    html! {
        form method="post" {
            @if let Some(wrong) = wrong { p.failure { (wrong) } }
            label { "Token " input type="password" name="token" autofocus required; }
            " " button { "Log in" }
        }
        p { "A token is made by " code { "edeploy-fleet token add NAME" } "." }
    }
}

async fn style() -> Response {
    ([(CONTENT_TYPE, "text/css")], include_str!("pages/style.css")).into_response()
}

async fn live() -> Response {
    ([(CONTENT_TYPE, "text/javascript")], include_str!("pages/live.js")).into_response()
}

/// A whole page.
fn page(title: &str, content: &Markup) -> Response {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " – edeploy-fleet" }
                link rel="stylesheet" href="/style.css";
                script defer src="/live.js" {}
            }
            body {
                nav { a href="/" { "Machines" } " " a href="/profiles" { "Profiles" } }
                main { h1 { (title) } (content) }
            }
        }
    };
    let headers = HeaderMap::from_iter([
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ]);
    (headers, Html(markup.into_string())).into_response()
}
