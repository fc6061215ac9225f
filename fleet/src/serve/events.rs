//! Live pages: whoever listens is told that something changed, by whichever process or by time alone, and looks again.

use std::convert::Infallible;
use std::thread;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::watch;

use super::App;
use super::caller::Looker;
use super::problem::Problem;
use crate::moment::Moment;
use crate::store::{Store, StoreError};

/// How often the store is looked at.
const EVERY: Duration = Duration::from_millis(250);

/// Begins to look for changes; ends when nobody can listen any more.
pub(super) fn begin(store: &Store) -> Result<watch::Receiver<i64>, StoreError> {
    let mut look = store.watch(Moment::now())?;
    let (tell, changes) = watch::channel(look.version());
    thread::spawn(move || {
        while !tell.is_closed() {
            thread::sleep(EVERY);
            // A look that fails is followed by another one.
            if look.changed(Moment::now()).unwrap_or(false) {
                tell.send_replace(look.version());
            }
        }
    });
    Ok(changes)
}

/// `GET /v1/events`: an event at once, and one after each change.
pub(super) async fn events(State(app): State<App>, _: Looker) -> Result<Response, Problem> {
    let place = app.turns.listener()?;
    let mut changes = app.changes.clone();
    changes.mark_changed();
    let changes = stream::unfold((changes, place), |(mut changes, place)| async move {
        changes.changed().await.ok()?;
        let version = *changes.borrow_and_update();
        Some((Ok::<_, Infallible>(Event::default().data(version.to_string())), (changes, place)))
    });
    Ok(Sse::new(changes).keep_alive(KeepAlive::default()).into_response())
}
