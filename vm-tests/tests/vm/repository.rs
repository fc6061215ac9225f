//! The published folder all machines were served from.

use vm_tests::tool::{rolebuild, run};

use crate::fixture::{LATER, fixture, wait_for};

#[test]
fn what_is_published_is_whole_also_for_stock_ostree() {
    LATER.iter().for_each(|version| wait_for(version));
    let published = fixture().published.to_str().expect("UTF-8");
    run(rolebuild(), &["fsck", "--repo", published]);
    run("ostree", &["fsck", "--quiet", &format!("--repo={published}/ostree")]);
}
