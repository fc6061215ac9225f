//! `rolebuild serve`: the site over HTTP.

use std::fmt;

use serde::Serialize;

use crate::cli;
use crate::failure::Failure;
use crate::serve::{Serving, serve};

/// Where the site is served.
#[derive(Debug, Serialize)]
pub struct Answer {
    url: String,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "serving {}", self.url)
    }
}

/// Begins to serve.
///
/// # Errors
/// When there is no such folder, or the address is taken.
pub fn run(args: &cli::Serve) -> Result<(Answer, Serving), Failure> {
    let serving = serve(&args.repo.repo, args.listen)?;
    let url = format!("http://{}/", serving.address());
    Ok((Answer { url }, serving))
}
