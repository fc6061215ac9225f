//! The profiles as operators and pages see them: what is left of each, and what is wrong with it.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use super::caller::Operator;
use super::problem::Problem;
use super::{App, Service, answer, blocking};
use crate::cmdb::Held;
use crate::failure::chain;
use crate::judge::Taken;
use crate::moment::Moment;
use crate::profile::{Count, Profile, ProfileError};

/// `GET /v1/profiles`
pub(super) async fn all(State(app): State<App>, _: Operator) -> Result<Response, Problem> {
    blocking(&app, |app| Ok(answer(&json!({ "trouble": trouble(app)?, "profiles": shelved(app)? })))).await?
}

/// Why no profile can be given, if so.
pub(super) fn trouble(app: &Service) -> Result<Option<String>, Problem> {
    Ok(app.profiles()?.trouble.as_ref().map(|trouble| chain(trouble)))
}

/// A profile, as it is shown.
#[derive(Serialize)]
pub(super) struct Shelved {
    /// Its name.
    pub(super) name: String,
    /// Whether `state` names it: no machine gets it otherwise.
    pub(super) listed: bool,
    /// How many machines may have it; as many as there are where that is not said.
    pub(super) count: Option<u64>,
    /// How many more may.
    pub(super) left: Option<u64>,
    /// How many entries its database has, if it has one.
    pub(super) entries: Option<usize>,
    /// How many of them machines have.
    pub(super) given: usize,
    /// What is wrong with it.
    pub(super) error: Option<String>,
}

/// All profiles: those that are listed in their order, then the others.
pub(super) fn shelved(app: &Service) -> Result<Vec<Shelved>, Problem> {
    let (profiles, taken) = (app.profiles()?, app.store.taken(Moment::now())?);
    let gone = taken.gone(&profiles);
    let of = |name: &str, profile| of(name, profile, &taken, &gone);
    let listed = profiles.listed.iter().map(|listed| {
        let count = match listed.count {
            Count::Any => None,
            Count::Times(times) => Some(times),
        };
        let left = listed.count.left(taken.places.get(&listed.name).copied().unwrap_or(0));
        Shelved { listed: true, count, left, ..of(&listed.name, listed.profile.as_ref()) }
    });
    let unlisted = profiles.unlisted.iter().map(|(name, profile)| of(name, profile.as_ref()));
    Ok(listed.chain(unlisted).collect())
}

fn of(name: &str, profile: Result<&Profile, &ProfileError>, taken: &Taken, gone: &Held) -> Shelved {
    let cmdb = profile.ok().and_then(|profile| profile.cmdb.as_ref());
    Shelved {
        name: name.to_owned(),
        listed: false,
        count: None,
        left: None,
        entries: cmdb.map(|cmdb| cmdb.entries().len()),
        given: match cmdb {
            Some(cmdb) => taken.held(name, cmdb, gone).len(),
            None => taken.entries.get(name).map_or(0, Held::len),
        },
        error: profile.err().map(|error| chain(error)),
    }
}
