# The one list of commands; CI calls these. `just` alone lists them.

musl := "x86_64-unknown-linux-musl"
gnu := "x86_64-unknown-linux-gnu"
# The target of the host binary: musl where its standard library is installed, else static glibc.
target := `rustc --print target-libdir --target x86_64-unknown-linux-musl | xargs -I{} sh -c 'test -d {} && echo x86_64-unknown-linux-musl || echo x86_64-unknown-linux-gnu'`
# Nothing unwinds in the host binary (a panic is told, then it aborts): no tables for it, in Rust, C or the whole.
# Runs of instructions that occur in several places stand once (LLVM's machine outliner): 61 kB.
host_flags := if target == gnu { "-C target-feature=+crt-static" } else { "-C force-unwind-tables=no -C llvm-args=-enable-machine-outliner -C link-arg=-Wl,-z,pack-relative-relocs" }
# Signatures are few and metadata is short: one way to compute each, not one for every kind of processor beside it.
lean := '--cfg=curve25519_dalek_backend=\"serial\" --cfg=sha2_backend=\"soft\" --cfg=sha2_backend_soft=\"compact\"'
link_flags := if target == gnu { "" } else { "-C link-arg=-Wl,--no-eh-frame-hdr -C link-arg=-Wl,-T," + justfile_directory() / "updater/nounwind.ld" }
# One set of packages and features for whatever is built in target/debug: no crate is built there twice.
everything := "--workspace --features edeploy-ab/installer"
# zstd here only decompresses frames of a few MiB: one decoder for each thing will do.
export CFLAGS_x86_64_unknown_linux_musl := "-fno-asynchronous-unwind-tables -fno-unwind-tables -DHUF_FORCE_DECOMPRESS_X1 -DZSTD_FORCE_DECOMPRESS_SEQUENCES_SHORT -DDYNAMIC_BMI2=0"

_list:
    @just --list

# The host binary, static, in target/host/edeploy-ab
host:
    @EDEPLOY_SOURCES="$(git log -1 --format=%ct 2>/dev/null || echo 0)" RUSTFLAGS="{{host_flags}} {{lean}}" cargo rustc --quiet -p edeploy-ab --bin edeploy-ab --profile host --target {{target}} -- {{link_flags}}
    @mkdir -p target/host && cp target/{{target}}/host/edeploy-ab target/host/edeploy-ab
    @! ldd target/host/edeploy-ab 2>/dev/null | grep -q '=>' || { echo "target/host/edeploy-ab is not static" >&2; exit 1; }
    @size=$(stat -c %s target/host/edeploy-ab); [ "$size" -le {{ if target == gnu { "3500000" } else { "2600000" } }} ] || { echo "target/host/edeploy-ab has $size bytes, over its bound" >&2; exit 1; }

# The program of the installer's initrd, static, in target/host/edeploy-installer
installer-program:
    @EDEPLOY_SOURCES="$(git log -1 --format=%ct 2>/dev/null || echo 0)" RUSTFLAGS="{{host_flags}} {{lean}}" cargo rustc --quiet -p edeploy-ab --bin edeploy-ab --features installer --profile host --target {{target}} -- {{link_flags}}
    @mkdir -p target/host && cp target/{{target}}/host/edeploy-ab target/host/edeploy-installer

# The installer's kernel, initrd and boot script, in repo/install (needs root; `--arguments`, `--sign-key`, …)
installer *args: installer-program rolebuild
    target/release/rolebuild installer --program target/host/edeploy-installer {{args}}

# The build side's program, in target/release/rolebuild
rolebuild:
    @cargo build --quiet --release -p rolebuild

# The fleet service, in target/release/edeploy-fleet
fleet:
    @cargo build --quiet --release -p edeploy-fleet

# Both in target/debug, for virtual machines, and the programs of vm-tests beside them
programs:
    @cargo build --quiet {{everything}} --bins

# python-tuf, the other side of the interoperability tests, in target/python-tuf
python-tuf:
    @target/python-tuf/bin/python -c "import tuf; assert tuf.__version__ == '7.0.1'" 2>/dev/null || \
      { python3 -m venv --clear target/python-tuf && target/python-tuf/bin/pip install -q tuf==7.0.1 securesystemslib[crypto]; }

# What the set-up guide has on its server, unpacked beside this machine's own programs: none of it is started as a service
guide-servers:
    @mkdir -p target/guide
    @cd target/guide && { test -x usr/sbin/nginx -a -x usr/sbin/dhcpd -a -e usr/lib/ipxe/snponly.efi || \
      { { apt-get download -q nginx isc-dhcp-server ipxe || { apt-get update -q && apt-get download -q nginx isc-dhcp-server ipxe; }; } && \
        for package in *.deb; do dpkg -x "$package" .; done; }; }

# The TUF client of hosts alone, for suites that test such clients, in target/debug/examples/tuf_client
tuf-client:
    @cargo build --quiet -p edeploy-ab --example tuf_client

# Unit and integration tests, without virtual machines
test: host python-tuf guide-servers
    cargo test {{everything}}
    cargo test {{everything}} --test debian -- --ignored

# Every parser of foreign bytes for so many seconds, two at a time (needs cargo-fuzz; `./setup.sh fuzz` installs it)
fuzz seconds="600" *targets:
    cargo run --quiet -p fuzz-targets --example campaign -- {{seconds}} {{targets}}

# Takes what fuzzing found since into the kept corpora, as far as it reaches code that nothing kept reaches
fuzz-keep *targets:
    cargo run --quiet -p fuzz-targets --example campaign -- --keep {{targets}}

# Not the crate fuzz/, which needs libFuzzer's sources and a second build of everything: `just fuzz` builds it.
# Formatting, lints, dependencies and documentation, man pages included
check: && man
    cargo fmt --check
    cargo clippy {{everything}} --all-targets --test vm --test hostile -- -D warnings
    # Without the feature `installer`, which fuzz-targets asks for; with the others' features: little is compiled for it.
    cargo clippy --workspace --exclude fuzz-targets --all-targets -- -D warnings
    cargo fetch --quiet --locked
    cargo deny --offline check bans licenses sources
    RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc {{everything}} --no-deps --document-private-items

# The loop in virtual machines, from published objects only (needs root)
vm-test: host installer-program programs guide-servers
    cargo test {{everything}} --test vm --test hostile -- --test-threads=3 --nocapture

# Cuts the power of a simulated machine at every effect of every command: the tables of docs/power.md
simulate:
    cargo test -p edeploy-ab --test sim -- --nocapture

# Cuts the power at every flush of an upgrade and in between: the table of docs/power.md (needs root; `--seed N`)
power-cut *args: host programs
    target/debug/power-cut replay {{args}}

# Kills twenty machines at random moments of an upgrade (needs root; `--seed N`)
kill-test *args: host programs
    target/debug/power-cut kill {{args}}

# Builds, publishes, installs, upgrades and falls back, told as it goes (needs root; a quarter of an hour)
demo: host programs
    target/debug/demo

# Four empty machines boot from the network and become what their profiles say, told as it goes (needs root; ten minutes)
demo-install: host installer-program programs
    target/debug/demo-install

# Figures beside the peers, for docs/performance.md: all of it, or parts (needs root and hours; `just bench --help`)
bench *args: host rolebuild fleet
    cargo run --quiet --release -p bench -- {{args}}

# Memory with very many small files, in many folders and in one, with the allocator of hosts (needs root)
scale files="1000000":
    EDEPLOY_FILES={{files}} cargo test --release --target {{target}} -p edeploy-ab --test slot -- --ignored --nocapture

# Man pages, from the help texts, in target/man
man: host
    rm -rf target/man && mkdir -p target/man
    cargo build --quiet {{everything}} --example man
    target/debug/examples/man target/man target/host/edeploy-ab
    @said=$(groff -k -man -ww -z -Tutf8 target/man/* 2>&1) && [ -z "$said" ] || { echo "groff: $said" >&2; exit 1; }
