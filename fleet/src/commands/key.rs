//! `key`: the public half of the key that signs plans.

use crate::cli::Key;
use crate::failure::Cause;
use crate::key::{KeyError, load_or_make, public_pem};
use crate::store::make_folder;

pub(super) fn run(args: &Key) -> Result<(), Cause> {
    let data = &args.data.folder;
    make_folder(data)?;
    let key = load_or_make(data)?;
    print!("{}", public_pem(&key).map_err(|_| KeyError::NotAKey(data.clone()))?);
    Ok(())
}
