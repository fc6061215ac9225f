//! The scripts that iPXE gets: the same one for all, which asks for the machine's own, and that.
//!
//! A script goes to a machine as text: nothing that a machine said of itself stands in one.

/// What leads each machine to its own script. It gives up after some minutes: the firmware then takes its next device.
#[must_use]
pub(super) fn first(url: &str) -> String {
    format!(
        "#!ipxe
set tries:int8 0
:again
chain --replace {url}/v1/boot?mac=${{netX/mac}}&uuid=${{uuid}}&serial=${{serial:uristring}}\
         &platform=${{platform}}&arch=${{buildarch}} || inc tries
iseq ${{tries}} 30 && exit 1 ||
echo The fleet service does not answer: once more in 10 seconds
sleep 10
goto again
"
    )
}

/// Boots the installer. It shows its token to nobody but the service, and trusts what the root in it signs.
#[must_use]
pub(super) fn install(url: &str, token: &str, repos: &[String], arguments: &str) -> String {
    let repos: String = repos.iter().map(|repo| format!("edeploy.repo={repo} ")).collect();
    let arguments = format!("initrd=initrd edeploy.server={url} edeploy.token={token} {repos}{arguments}");
    format!(
        "#!ipxe
kernel {url}/install/vmlinuz {} || goto failed
initrd --name initrd {url}/install/initrd || goto failed
boot || goto failed
:failed
echo The installer cannot be had: once more in 10 seconds
sleep 10
chain --replace {url}/v1/boot.ipxe
",
        arguments.trim_end()
    )
}

/// Boots the disk, or whatever the firmware takes next: after an end without a failure UEFI may show its menu instead.
#[must_use]
pub(super) fn disk() -> String {
    "#!ipxe\necho Nobody asked for an install: this machine boots from its disk\nexit 1\n".to_owned()
}

/// Says why nothing is installed, for as long as it takes to read, and boots the disk.
#[must_use]
pub(super) fn refused(reason: &str) -> String {
    format!("#!ipxe\necho This machine is not installed: {reason}\nsleep 10\nexit 1\n")
}
