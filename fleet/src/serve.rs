//! The service: what machines, operators and browsers ask over HTTP. `docs/fleet.md` describes the requests.
//!
//! A handler reads what came, asks or changes the store once, and answers; what it decides is decided by pure code.
//! Nothing lives in this process alone but who listens: it may be killed and started again at any moment.

mod body;
mod caller;
mod events;
mod hosts;
mod ipxe;
mod listener;
mod machines;
mod pages;
mod problem;
mod profiles;
mod report;
mod turn;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post};
use axum::{Router, middleware};
use ed25519_dalek::SigningKey;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tower_http::services::ServeDir;

use crate::answer::say;
use crate::key::{self, KeyError};
use crate::newest::{Newest, NewestError};
use crate::profile::Profiles;
use crate::shelf::Shelf;
use crate::store::{Store, StoreError};
use listener::Bounded;
use problem::Problem;
use turn::Turns;

/// So many requests are worked on at once; others wait.
const WORKERS: usize = 8;
/// Where a site is served.
const SITE: &str = "/repo";

/// How the service is run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the store and the key are.
    pub data: PathBuf,
    /// Where the profiles are.
    pub profiles: PathBuf,
    /// Where it listens.
    pub listen: SocketAddr,
    /// What machines call it, without a slash at its end; if not said, where it listens.
    pub url: Option<String>,
    /// What is served below /install.
    pub assets: Option<PathBuf>,
    /// What is served below /repo.
    pub site: Option<PathBuf>,
    /// Where roles are published, for profiles that do not say; if not said, below /repo, where that is served.
    pub repos: Vec<String>,
    /// The root of those repositories, for the newest versions.
    pub root: Option<PathBuf>,
    /// More kernel arguments for the installer.
    pub arguments: String,
    /// So many seconds without a word end an install.
    pub lease: u64,
}

/// Why the service ends.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The root is none.
    #[error("the root of the repositories")]
    Root(#[from] NewestError),
    /// The address cannot be listened on.
    #[error("listening on {listen}")]
    Listen {
        /// Which.
        listen: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The system does not let it run.
    #[error("running")]
    Run(#[source] io::Error),
}

/// The service as its handlers see it.
struct Service {
    store: Store,
    key: SigningKey,
    settings: Settings,
    shelf: Shelf<Profiles>,
    newest: Newest,
    /// What machines call it.
    url: String,
    /// Whether the pages need no login.
    open: bool,
    turns: Turns,
    changes: watch::Receiver<i64>,
}

type App = Arc<Service>;

/// Runs the service until SIGTERM or SIGINT; says on standard error where it listens.
///
/// # Errors
/// [`ServeError`].
pub fn run(settings: Settings) -> Result<(), ServeError> {
    let store = Store::open(&settings.data)?;
    let key = key::load_or_make(&settings.data)?;
    let mut builder = runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().max_blocking_threads(WORKERS).build().map_err(ServeError::Run)?;
    let ended = runtime.block_on(serve(store, key, settings));
    // What was answered is in the store; what was not is asked again.
    runtime.shutdown_background();
    ended
}

async fn serve(store: Store, key: SigningKey, mut settings: Settings) -> Result<(), ServeError> {
    let listen = settings.listen;
    let failed = |source| ServeError::Listen { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let local = listener.local_addr().map_err(failed)?;
    let url = settings.url.clone().unwrap_or_else(|| format!("http://{local}"));
    if settings.repos.is_empty() && settings.site.is_some() {
        settings.repos.push(format!("{url}{SITE}"));
    }
    let own = settings.site.clone().map(|folder| (format!("{url}{SITE}"), folder));
    let app = Arc::new(Service {
        changes: events::begin(&store)?,
        store,
        key,
        url,
        open: local.ip().is_loopback(),
        turns: Turns::new(),
        shelf: Shelf::new(&settings.profiles),
        newest: Newest::open(settings.root.as_deref(), own)?,
        settings,
    });
    let mut terminated = signal(SignalKind::terminate()).map_err(ServeError::Run)?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(ServeError::Run)?;
    say(&format!("listening on {local}"));
    tokio::select! {
        () = Bounded::new(listener).serve(router(app)) => Ok(()),
        _ = terminated.recv() => Ok(()),
        _ = interrupted.recv() => Ok(()),
    }
}

impl Service {
    /// The profiles as they are now.
    fn profiles(&self) -> Result<Arc<Profiles>, Problem> {
        let read = |folder: &Path| Ok::<_, io::Error>(Profiles::load(folder));
        self.shelf
            .now(read)
            .map_err(|error| Problem::later(format!("the folder of profiles cannot be read: {error}")))
    }
}

/// What is below /v1: the paths of `serve/openapi.json`.
fn routes() -> Vec<(&'static str, MethodRouter<App>)> {
    vec![
        ("/v1/boot.ipxe", get(machines::first)),
        ("/v1/boot", get(machines::boot).head(machines::no_head)),
        ("/v1/machine/token", post(machines::token)),
        ("/v1/machine/report", post(machines::report)),
        ("/v1/machine/progress", post(machines::progress)),
        ("/v1/machine/log", post(machines::log)),
        ("/v1/hosts", get(hosts::all)),
        ("/v1/hosts/{name}", get(hosts::one)),
        ("/v1/hosts/{name}/log", get(hosts::log)),
        ("/v1/hosts/{name}/permit", post(hosts::permit)),
        ("/v1/hosts/{name}/reinstall", post(hosts::reinstall)),
        ("/v1/hosts/{name}/release", post(hosts::release)),
        ("/v1/hosts/{name}/permission", delete(hosts::forbid)),
        ("/v1/permissions", get(hosts::permissions).post(hosts::permit_new)),
        ("/v1/profiles", get(profiles::all)),
        ("/v1/events", get(events::events)),
        ("/v1/openapi.json", get(openapi)),
    ]
}

fn router(app: App) -> Router {
    let mut router =
        routes().into_iter().fold(Router::new(), |router, (path, route)| router.route(path, route));
    let folders = [("/install", &app.settings.assets), (SITE, &app.settings.site)];
    for (path, folder) in folders {
        if let Some(folder) = folder {
            router = router.nest_service(path, ServeDir::new(folder));
        }
    }
    router.merge(pages::router()).layer(middleware::from_fn(around)).with_state(app)
}

/// What is true of every answer: an error says what is wrong, and a machine, which has little to say, keeps no
/// connection from others; what it is told, such as its token, is kept by no proxy.
async fn around(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let of_machine = path.starts_with("/v1/machine/") || path.starts_with("/v1/boot");
    let mut response = told(next.run(request).await);
    if of_machine {
        let headers = [(CONNECTION, "close"), (CACHE_CONTROL, "no-store")];
        response.headers_mut().extend(headers.map(|(name, value)| (name, HeaderValue::from_static(value))));
    }
    response
}

/// Every error has a body that says so, also one that no handler made.
fn told(response: Response) -> Response {
    let status = response.status();
    let error = status.is_client_error() || status.is_server_error();
    if !error || response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == problem::TYPE) {
        return response;
    }
    let detail = match status {
        StatusCode::NOT_FOUND => "there is nothing at this address",
        StatusCode::METHOD_NOT_ALLOWED => "there is something at this address, but not for this method",
        _ => "the request cannot be understood",
    };
    let mut problem = Problem::new(status, detail).into_response();
    if let Some(allow) = response.headers().get(axum::http::header::ALLOW) {
        problem.headers_mut().insert(axum::http::header::ALLOW, allow.clone());
    }
    problem
}

async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], include_str!("serve/openapi.json")).into_response()
}

/// A value, as JSON.
fn answer(value: &Value) -> Response {
    json_bytes(value.to_string().into_bytes())
}

fn json_bytes(bytes: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, "application/json")], bytes).into_response()
}

/// Does what takes a while beside those who wait for the network.
async fn blocking<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&Service) -> T + Send + 'static,
) -> Result<T, Problem> {
    let app = Arc::clone(app);
    tokio::task::spawn_blocking(move || work(&app)).await.map_err(|_| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "a bug: the log of the service says more")
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_document_describes_every_path_and_no_other() {
        let document: Value = serde_json::from_str(include_str!("serve/openapi.json")).unwrap();
        let described: BTreeSet<&str> =
            document["paths"].as_object().unwrap().keys().map(|path| &**path).collect();
        let answered: BTreeSet<&str> = routes().into_iter().map(|(path, _)| path).collect();
        assert_eq!(described, answered);
    }
}
