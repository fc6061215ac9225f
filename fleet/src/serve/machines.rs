//! What machines ask and tell: their boot script, their plan, how far they are.

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use edeploy_format::fleet::{ARRIVAL_LIMIT, Admission, Arrival, LOG_LIMIT, Progress, REPORT_LIMIT};
use serde::Deserialize;
use serde_json::json;

use super::caller::{Machine, bad_token};
use super::problem::Problem;
use super::report::CARDS;
use super::{App, Service, answer, blocking, body, ipxe, report};
use crate::mac::Mac;
use crate::moment::Moment;
use crate::secret::Secret;
use crate::store::{Boot, Booted, Recorded};

/// No message of progress is longer.
const PROGRESS_LIMIT: u64 = 64 << 10;
/// No more characters of why an install failed are kept.
const FAILURE: usize = 2000;
/// How iPXE calls a start without UEFI.
const BIOS: &str = "pcbios";
/// No more characters of what a firmware says are kept.
const FIRMWARE: usize = 100;

/// Why a machine is not installed that was not started by UEFI.
pub(super) const NO_UEFI: &str = "it was started by a BIOS, and only UEFI boots what is installed";

/// `GET /v1/boot.ipxe`
pub(super) async fn first(State(app): State<App>) -> Response {
    script(ipxe::first(&app.url))
}

/// What iPXE says of its machine.
#[derive(Deserialize)]
pub(super) struct Asked {
    mac: String,
    #[serde(default)]
    uuid: String,
    #[serde(default)]
    serial: String,
    #[serde(default)]
    platform: String,
    /// `1`: nothing but the installer is an answer, for scripts that look at the status alone.
    #[serde(default)]
    only_install: String,
}

/// `GET /v1/boot`
pub(super) async fn boot(State(app): State<App>, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let mac: Mac = asked
        .mac
        .parse()
        .map_err(|bad: crate::mac::BadMac| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, bad.to_string()))?;
    let boot = Boot {
        mac,
        uuid: short(&asked.uuid).to_ascii_lowercase(),
        serial: short(&asked.serial),
        refusal: refusal(&asked.platform),
        platform: short(&asked.platform),
    };
    blocking(&app, move |app| match asked.only_install == "1" {
        true => admitted(app, &boot).map(|token| install(app, &token)),
        false => booted(app, &boot),
    })
    .await?
}

/// `HEAD /v1/boot`: whoever looks whether it is there is no machine that boots.
pub(super) async fn no_head() -> impl IntoResponse {
    (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET")])
}

/// `POST /v1/machine/token`
pub(super) async fn token(State(app): State<App>, body: Body) -> Result<Response, Problem> {
    let arrival: Arrival = body::json(&body::whole(body, ARRIVAL_LIMIT).await?)?;
    blocking(&app, move |app| arrived(app, &arrival)).await?
}

fn arrived(app: &Service, arrival: &Arrival) -> Result<Response, Problem> {
    let macs: Vec<Mac> = arrival.macs.iter().filter_map(|mac| mac.parse().ok()).take(CARDS).collect();
    let none =
        || Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "no address of a network card is among macs");
    let uuid = short(&arrival.uuid).to_ascii_lowercase();
    let mac = app.store.known_by(&macs, &uuid)?.ok_or_else(none)?;
    let platform = if arrival.uefi { "efi" } else { BIOS };
    let boot = Boot {
        mac,
        uuid,
        serial: short(&arrival.serial),
        refusal: refusal(platform),
        platform: platform.to_owned(),
    };
    let token = admitted(app, &boot)?.to_string();
    Ok(answer(&json!(Admission { token })))
}

/// What is kept of a text that a firmware says.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(FIRMWARE).collect()
}

/// Why a machine that was started so is not installed.
fn refusal(platform: &str) -> Option<String> {
    (platform == BIOS).then(|| NO_UEFI.to_owned())
}

/// The token of a machine, if it may be installed.
fn token_of(app: &Service, boot: &Boot) -> Result<Option<Secret>, Problem> {
    let token = Secret::new().map_err(|error| Problem::later(error.to_string()))?;
    match app.store.boot(boot, &token.hash(), Moment::now())? {
        Booted::Full => Err(Problem::later("too many machines are known")),
        Booted::Disk => Ok(None),
        Booted::Install => Ok(Some(token)),
    }
}

fn booted(app: &Service, boot: &Boot) -> Result<Response, Problem> {
    Ok(match (token_of(app, boot)?, &boot.refusal) {
        (Some(token), _) => install(app, &token),
        (None, Some(reason)) => script(ipxe::refused(reason)),
        (None, None) => script(ipxe::disk()),
    })
}

fn install(app: &Service, token: &Secret) -> Response {
    let settings = &app.settings;
    script(ipxe::install(&app.url, &token.to_string(), &settings.repos, &settings.arguments))
}

/// The same token, where a machine that may not be installed is told why.
fn admitted(app: &Service, boot: &Boot) -> Result<Secret, Problem> {
    let why = || {
        let reason = boot.refusal.clone();
        reason.unwrap_or_else(|| format!("nobody permitted {} to be installed", boot.mac))
    };
    token_of(app, boot)?.ok_or_else(|| Problem::new(StatusCode::FORBIDDEN, why()))
}

fn script(text: String) -> Response {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

/// `POST /v1/machine/report`
pub(super) async fn report(
    State(app): State<App>,
    machine: Machine,
    body: Body,
) -> Result<Response, Problem> {
    let room = app.turns.room().await?;
    let bytes = body::whole(body, REPORT_LIMIT).await?;
    let turn = app.turns.turn(&machine.token).await?;
    // Both go with the work, which goes on where its sender hangs up.
    blocking(&app, move |app| {
        let _held = (room, turn);
        report::answer(app, &machine.token, body::json(&bytes)?)
    })
    .await?
}

/// `POST /v1/machine/progress`
pub(super) async fn progress(
    State(app): State<App>,
    machine: Machine,
    body: Body,
) -> Result<StatusCode, Problem> {
    let mut progress: Progress = body::json(&body::whole(body, PROGRESS_LIMIT).await?)?;
    progress.failure = progress.failure.map(|reason| reason.chars().take(FAILURE).collect());
    let recorded = blocking(&app, move |app| {
        app.store.progress(&machine.token, &progress, Moment::now(), app.settings.lease)
    });
    recorded_as(recorded.await??)
}

/// `POST /v1/machine/log`
pub(super) async fn log(State(app): State<App>, machine: Machine, body: Body) -> Result<StatusCode, Problem> {
    let room = app.turns.room().await?;
    let bytes = body::whole(body, LOG_LIMIT).await?;
    let recorded = blocking(&app, move |app| {
        let _held = room;
        app.store.keep_log(&machine.token, &String::from_utf8_lossy(&bytes), Moment::now())
    });
    recorded_as(recorded.await??)
}

fn recorded_as(recorded: Recorded) -> Result<StatusCode, Problem> {
    match recorded {
        Recorded::Done => Ok(StatusCode::NO_CONTENT),
        Recorded::NoToken => Err(bad_token()),
        Recorded::NoPlan => Err(Problem::new(
            StatusCode::CONFLICT,
            "no install of this machine runs that could be at this stage",
        )),
    }
}
