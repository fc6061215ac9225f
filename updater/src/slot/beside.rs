//! A thread beside the caller's.

use std::thread::{Builder, Scope};

/// Has `work` done by a thread that ends with `scope`; whether one could be made. The one place that makes them, as each
/// kind of thread is code in the program.
pub(super) fn start<'s>(scope: &'s Scope<'s, '_>, work: Box<dyn FnOnce() + Send + 's>) -> bool {
    Builder::new().spawn_scoped(scope, work).is_ok()
}
