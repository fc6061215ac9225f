//! A report becomes a plan: matched, decided, taken, signed.
//!
//! Matching takes long and depends on nobody else, so it is done before the store is asked; what is decided on it is
//! decided within the one change that takes it.

use axum::http::StatusCode;
use axum::response::Response;
use edeploy_format::fleet::{Plan, Report};
use edeploy_format::name::{Architecture, Role, Version};
use edeploy_format::tuf::{Common, sign};
use serde_json::json;

use super::caller::bad_token;
use super::machines::NO_UEFI;
use super::problem::Problem;
use super::{Service, json_bytes};
use crate::failure::chain;
use crate::hardware::Hardware;
use crate::judge::{Look, Outcome, Taken, Verdict, decide, look};
use crate::mac::Mac;
use crate::machine;
use crate::moment::Moment;
use crate::plan::Filled;
use crate::profile::{Profiles, Wanted};
use crate::secret::SecretHash;
use crate::store::{Answer, Decision, Refusal, Reported, Tried};
use crate::summary::summary;

/// A plan is good for so many days.
const DAYS: u32 = 1;
/// A machine is known by so many network cards at most.
pub(super) const CARDS: usize = 64;

/// The answer to a report.
pub(super) fn answer(app: &Service, token: &SecretHash, report: Report) -> Result<Response, Problem> {
    let Report { nonce, uefi, architecture, hardware: lines, .. } = report;
    let wrong = |detail: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
    if nonce.len() != 64 || !nonce.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong("the nonce is not 64 hexadecimal digits".to_owned()));
    }
    let (text, line) = (serde_json::to_string(&lines).unwrap_or_default(), summary(&lines));
    let hardware = Hardware::of(lines).map_err(|error| wrong(error.to_string()))?;
    let called = machine::name(&hardware);
    let reported = Reported {
        name: called.clone().ok().filter(|name| is_name(name)),
        hardware: text,
        summary: line,
        macs: machine::macs(&hardware).iter().filter_map(|mac| mac.parse().ok()).take(CARDS).collect(),
    };
    let unfit = match (uefi, called) {
        (false, _) => Some(NO_UEFI.to_owned()),
        (true, Err(nameless)) => Some(nameless.to_string()),
        (true, Ok(_)) => None,
    };
    let profiles = app.profiles()?;
    let judged =
        Judged { profiles: &profiles, looked: look(&profiles, &hardware), repos: &app.settings.repos };
    let newest = match unfit {
        Some(_) => None,
        None => asked_for(app, token, &reported, &judged, &architecture)?,
    };
    let decision = |name: &str, taken: &Taken| match unfit {
        None => judged.versioned(name, taken, newest),
        Some(reason) => Decision::Refuse(Refusal { reason, tried: Vec::new() }),
    };
    match app.store.report(token, &reported, Moment::now(), app.settings.lease, decision)? {
        Answer::Assigned((filled, version)) => signed(app, filled, version, nonce),
        Answer::Refused(refusal) => Err(refused(&refusal)),
        Answer::Wait(reason) => Err(Problem::later(reason)),
        Answer::NoToken => Err(bad_token()),
        Answer::NoPermission => {
            Err(Problem::new(StatusCode::FORBIDDEN, "this machine may not be installed, or not any more"))
        }
    }
}

/// Whether a machine may be called so: it stands in addresses, and is no other machine's address.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(plain)
        && name.parse::<Mac>().is_err()
}

/// What a machine gets, as far as it is known before it is known what is taken.
struct Judged<'a> {
    profiles: &'a Profiles,
    looked: Vec<Look>,
    /// For profiles that have none.
    repos: &'a [String],
}

/// Where a version of a role was asked for, which, and the answer.
struct Newest {
    repos: Vec<String>,
    role: Role,
    wanted: Wanted,
    answer: Result<Version, String>,
}

impl Judged<'_> {
    /// The profile, filled, given what is taken.
    fn decided(&self, name: &str, taken: &Taken) -> Decision<Filled> {
        let verdict = decide(self.profiles, &self.looked, taken);
        let Some(given) = &verdict.given else { return Decision::Refuse(nothing(self.profiles, &verdict)) };
        let mut filled = match given.profile.fill(name, &given.variables) {
            Ok(filled) => filled,
            Err(error) => return Decision::Refuse(spoilt(&verdict, &given.profile.name, &chain(&error))),
        };
        if filled.repos.is_empty() {
            filled.repos = self.repos.to_vec();
        }
        if filled.repos.is_empty() {
            let reason = "it has no repos, and the service was started without --repo";
            return Decision::Refuse(spoilt(&verdict, &given.profile.name, reason));
        }
        let (profile, entry) = (given.profile.name.clone(), given.entry.map(str::to_owned));
        Decision::Assign { profile, entry, passed: passed(&verdict), plan: filled }
    }

    /// The same with its version; where that was to be asked for, `newest` is what was heard.
    fn versioned(&self, name: &str, taken: &Taken, newest: Option<Newest>) -> Decision<(Filled, Version)> {
        let (profile, entry, passed, plan) = match self.decided(name, taken) {
            Decision::Assign { profile, entry, passed, plan } => (profile, entry, passed, plan),
            Decision::Refuse(refusal) => return Decision::Refuse(refusal),
            Decision::Wait(reason) => return Decision::Wait(reason),
        };
        let version = match &plan.version {
            Wanted::Exact(version) => Ok(version.clone()),
            Wanted::Newest | Wanted::Channel(_) => match newest {
                Some(Newest { repos, role, wanted, answer })
                    if (&repos, &role, &wanted) == (&plan.repos, &plan.role, &plan.version) =>
                {
                    answer
                }
                Some(_) | None => Err("another machine took what it was to be, just now".to_owned()),
            },
        };
        match version {
            Ok(version) => Decision::Assign { profile, entry, passed, plan: (plan, version) },
            Err(reason) => {
                Decision::Wait(format!("{} is not known: {reason}", asked(&plan.role, &plan.version)))
            }
        }
    }
}

/// What is asked for.
fn asked(role: &Role, wanted: &Wanted) -> String {
    match wanted {
        Wanted::Exact(version) => format!("version {version} of {role}"),
        Wanted::Newest => format!("the newest version of {role}"),
        Wanted::Channel(name) => format!("the version of channel {name} of {role}"),
    }
}

/// Asks for the version where the profile that the machine would get now does not say which exactly. A repository takes its
/// time, and nothing is taken before it answered.
fn asked_for(
    app: &Service,
    token: &SecretHash,
    reported: &Reported,
    judged: &Judged<'_>,
    architecture: &Architecture,
) -> Result<Option<Newest>, Problem> {
    let now = Moment::now();
    let Some((known_as, taken)) = app.store.taken_for(token, now)? else { return Err(bad_token()) };
    let name = reported.name.as_ref().unwrap_or(&known_as);
    let Decision::Assign { plan: Filled { repos, role, version: wanted, .. }, .. } =
        judged.decided(name, &taken)
    else {
        return Ok(None);
    };
    if matches!(wanted, Wanted::Exact(_)) {
        return Ok(None);
    }
    let answer = app.newest.version(&app.store, &repos, &role, &wanted, architecture, now);
    Ok(Some(Newest { repos, role, wanted, answer }))
}

/// No profile is given.
fn nothing(profiles: &Profiles, verdict: &Verdict<'_>) -> Refusal {
    let reason = match &profiles.trouble {
        Some(trouble) => format!("no profile can be given: {}", chain(trouble)),
        None if verdict.tried.is_empty() => "no profile can be given: there is none".to_owned(),
        None => {
            let names: Vec<&str> = verdict.tried.iter().map(|(name, _)| *name).collect();
            format!("no profile fits: {}", names.join(", "))
        }
    };
    Refusal { reason, tried: verdict.tried.iter().map(|(name, outcome)| tried(name, outcome)).collect() }
}

/// What came of the profiles before the one that is given, and of those that match as well.
fn passed(verdict: &Verdict<'_>) -> Vec<Tried> {
    let given = verdict.tried.iter().position(|(_, outcome)| matches!(outcome, Outcome::Given(_)));
    let (before, rest) = verdict.tried.split_at(given.unwrap_or(0));
    let also = rest.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Also(_)));
    before.iter().chain(also).map(|(name, outcome)| tried(name, outcome)).collect()
}

/// A profile is given, but no plan can be made of it: that is not another profile's turn.
fn spoilt(verdict: &Verdict<'_>, profile: &str, reason: &str) -> Refusal {
    let one = |(name, outcome): &(&str, Outcome)| {
        let tried = tried(name, outcome);
        if *name == profile { Tried { reason: format!("matches, but {reason}"), ..tried } } else { tried }
    };
    Refusal { reason: format!("profile {profile}: {reason}"), tried: verdict.tried.iter().map(one).collect() }
}

fn tried(name: &str, outcome: &Outcome) -> Tried {
    let explained = outcome.explained().map(ToString::to_string).unwrap_or_default();
    Tried { profile: name.to_owned(), reason: outcome.reason(), explained }
}

fn refused(refusal: &Refusal) -> Problem {
    let tried: Vec<_> =
        refusal.tried.iter().map(|tried| json!({"profile": tried.profile, "reason": tried.reason})).collect();
    Problem::new(StatusCode::CONFLICT, refusal.reason.clone()).with("tried", &tried)
}

/// The plan, signed.
fn signed(app: &Service, filled: Filled, version: Version, nonce: String) -> Result<Response, Problem> {
    let common = Common::new::<Plan>(1, Moment::now().time().plus_days(DAYS));
    let plan = filled.plan(common, nonce, version);
    let bytes = sign(&plan, &[&app.key]).map_err(|fault| {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the plan cannot be signed: {}", chain(&fault)),
        )
    })?;
    Ok(json_bytes(bytes))
}
