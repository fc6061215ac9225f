//! What operators ask and say of machines.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::caller::Operator;
use super::problem::Problem;
use super::{App, Service, answer, blocking, body};
use crate::moment::Moment;
use crate::store::{Permitted, Released};

/// No request of an operator is longer.
const LIMIT: u64 = 64 << 10;

/// `GET /v1/hosts`
pub(super) async fn all(State(app): State<App>, _: Operator) -> Result<Response, Problem> {
    let hosts = blocking(&app, |app| app.store.hosts(Moment::now())).await??;
    Ok(answer(&json!({ "hosts": hosts })))
}

/// `GET /v1/hosts/{name}`
pub(super) async fn one(
    State(app): State<App>,
    Path(name): Path<String>,
    _: Operator,
) -> Result<Response, Problem> {
    blocking(&app, move |app| host(app, &name)).await?
}

/// `GET /v1/hosts/{name}/log`
pub(super) async fn log(
    State(app): State<App>,
    Path(name): Path<String>,
    _: Operator,
) -> Result<Response, Problem> {
    let log = blocking(&app, move |app| app.store.log(&name)).await??;
    let log = log.ok_or_else(|| Problem::not_found("log, or no such machine"))?;
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], log.text).into_response())
}

/// `POST /v1/hosts/{name}/permit`
pub(super) async fn permit(
    State(app): State<App>,
    Path(name): Path<String>,
    _: Operator,
) -> Result<Response, Problem> {
    blocking(&app, move |app| permitted(app, &name, false)).await?
}

/// `POST /v1/hosts/{name}/reinstall`
pub(super) async fn reinstall(
    State(app): State<App>,
    Path(name): Path<String>,
    _: Operator,
) -> Result<Response, Problem> {
    blocking(&app, move |app| permitted(app, &name, true)).await?
}

/// `DELETE /v1/hosts/{name}/permission`
pub(super) async fn forbid(
    State(app): State<App>,
    Path(name): Path<String>,
    _: Operator,
) -> Result<Response, Problem> {
    blocking(&app, move |app| {
        if app.store.forbid(&name)? {
            host(app, &name)
        } else {
            Err(Problem::not_found("permission of that machine"))
        }
    })
    .await?
}

/// `POST /v1/hosts/{name}/release`
pub(super) async fn release(
    State(app): State<App>,
    Path(name): Path<String>,
    _: Operator,
) -> Result<Response, Problem> {
    blocking(&app, move |app| match app.store.release(&name, Moment::now())? {
        Released::Done => host(app, &name),
        Released::Unknown => Err(no_machine(&name)),
        Released::Told(known) => Err(only_told(&name, &known, "release")),
        Released::Busy => {
            Err(Problem::new(StatusCode::CONFLICT, format!("{name} is being installed with what it has")))
        }
    })
    .await?
}

/// `GET /v1/permissions`
pub(super) async fn permissions(State(app): State<App>, _: Operator) -> Result<Response, Problem> {
    blocking(&app, all_permissions).await?
}

/// What `POST /v1/permissions` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Newcomers {
    new: u32,
}

/// `POST /v1/permissions`
pub(super) async fn permit_new(State(app): State<App>, _: Operator, body: Body) -> Result<Response, Problem> {
    let Newcomers { new } = body::json(&body::whole(body, LIMIT).await?)?;
    blocking(&app, move |app| {
        app.store.permit_new(new)?;
        all_permissions(app)
    })
    .await?
}

fn all_permissions(app: &Service) -> Result<Response, Problem> {
    let hosts = app.store.hosts(Moment::now())?;
    let machines: Vec<_> = hosts
        .iter()
        .filter_map(|host| {
            host.permission
                .map(|right| json!({"name": host.name, "since": right.since, "attempts": right.attempts}))
        })
        .collect();
    Ok(answer(&json!({ "new": app.store.newcomers()?, "machines": machines })))
}

fn host(app: &Service, name: &str) -> Result<Response, Problem> {
    Ok(answer(&json!(app.store.host(name, Moment::now())?.ok_or_else(|| no_machine(name))?)))
}

fn permitted(app: &Service, name: &str, again: bool) -> Result<Response, Problem> {
    match app.store.permit(name, again, Moment::now())? {
        Permitted::Given => host(app, name),
        Permitted::Unknown => Err(no_machine(name)),
        Permitted::Full => Err(Problem::later("too many machines are known")),
        Permitted::Installed(known) => {
            let detail = format!("{known} was installed: to wipe it and install it again is `reinstall`");
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
        Permitted::Told(known) => Err(only_told(name, &known, "reinstall")),
    }
}

fn only_told(mac: &str, known: &str, act: &str) -> Problem {
    let detail = format!(
        "no machine has booted by {mac}; {known} has reported that card: if that machine is meant, `{act}` it by its name, \
         else let the machine that has the card boot by it first"
    );
    Problem::new(StatusCode::CONFLICT, detail)
}

fn no_machine(name: &str) -> Problem {
    Problem::not_found(&format!("machine {name}"))
}
