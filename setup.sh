#!/bin/sh
# Installs what a fresh Debian 12 lacks, then runs `just` on what was asked:
#   ./setup.sh           only installs
#   ./setup.sh demo      the whole loop in QEMU, told as it goes
#   ./setup.sh demo-install  four empty machines become their roles over iPXE, told as it goes
#   ./setup.sh test      all tests, those in virtual machines included
#   ./setup.sh fuzz      fuzzes every parser, ten minutes each (`just fuzz`); needs g++ for libFuzzer
# Needs git, a C compiler and Rust (rustup); asks sudo for the Debian packages unless run as root.
set -eu
cd "$(dirname "$0")"

packages="acl attr chromium cpio curl debootstrap dnsmasq-base dosfstools e2fsprogs faketime fdisk g++ gdisk groff-base iproute2 ipxe-qemu
  libcap2-bin libglib2.0-dev libostree-dev lz4 mmdebstrap mtools musl-tools openssl ostree ovmf pkg-config python3-jsonschema python3-venv qemu-system-x86 qemu-utils rsync
  strace systemd-boot-efi time uidmap zstd"

say() { printf 'setup: %s\n' "$*"; }

PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
export PATH

case "${1-}" in
  demo | demo-install | test | vm-test)
    [ "$(id -u)" = 0 ] || {
      echo "setup: \`$1\` installs onto disk images through loop devices: run it as root" >&2
      exit 1
    }
    ;;
esac

command -v cargo >/dev/null || {
  say "cargo is missing; install Rust with rustup (https://rustup.rs), then run this again" >&2
  exit 1
}

lacking() {
  for package in $packages; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || printf ' %s' "$package"
  done
}

# Twice, because a package of another release may have to go for those of this one: it is installed anew then.
for _ in 1 2; do
  missing=$(lacking)
  [ -n "$missing" ] || break
  say "installing Debian packages:$missing"
  as_root=
  [ "$(id -u)" = 0 ] || as_root=sudo
  $as_root apt-get update -q
  # shellcheck disable=SC2086
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
done

tools="just cargo-deny"
[ "${1-}" != fuzz ] || tools="$tools cargo-fuzz"
for tool in $tools; do
  command -v "$tool" >/dev/null && continue
  say "installing $tool with cargo"
  # A debug build of a tool that only starts others: a third of the time to compile.
  cargo install --quiet --locked --debug "$tool"
done
if command -v rustup >/dev/null && ! rustup target list --installed | grep -qx x86_64-unknown-linux-musl; then
  # Without it the host binary is linked statically against glibc: larger, otherwise the same.
  rustup target add x86_64-unknown-linux-musl || say "no musl target: the host binary will use glibc"
fi

if command -v rustup >/dev/null; then
  cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 ||
    rustup component add rustfmt clippy || say "no rustfmt or clippy: \`just check\` needs them"
fi

case "${1-}" in
  "") say "all is there; now: just demo, or just test vm-test" ;;
  test) just test vm-test ;;
  *) just "$@" ;;
esac
