//! What the build side reads of trees and recipes.

use std::fs;

use edeploy_format::name::Version;
use rolebuild::initrd::plain_within;
use rolebuild::recipe::Recipe;

/// No initrd unpacks to more than this here.
const UNPACKED: usize = 1 << 20;

/// An initrd that is rewritten is within its bound, and the same when it is rewritten again.
pub(crate) fn initrd(data: &[u8]) {
    let Ok(Some(plain)) = plain_within(data, UNPACKED) else { return };
    let again = plain_within(&plain, 2 * plain.len().max(UNPACKED)).expect("what was written is read");
    assert_eq!(again.as_deref(), Some(&*plain), "it has one form");
}

/// A recipe that is taken is that of its folder, and its values keep the rules of `docs/recipes.md`.
pub(crate) fn recipe(data: &[u8]) {
    let above = tempfile::tempdir().expect("a temporary folder");
    let folder = above.path().join("web");
    fs::create_dir(&folder).expect("a temporary folder");
    fs::write(folder.join("recipe.toml"), data).expect("a temporary file");
    let version: Version = "1.0".parse().expect("a version");
    let Ok(recipe) = Recipe::load(&folder, &version) else { return };
    assert_eq!(recipe.role.as_str(), "web");
    assert!(recipe.kernel_arguments.iter().all(|argument| !argument.as_str().contains(char::is_whitespace)));
    assert!(recipe.persistent.iter().all(|persistent| !persistent.path.is_below("var")));
}
