//! Sound examples to begin from, made by the code that writes such things: what `--example seeds` lays into the corpora.

use edeploy_ab::journal::{Deployment, Event, Line};
use edeploy_format::delta;
use edeploy_format::digest::Digest;
use edeploy_format::frames;
use edeploy_format::manifest::{Head, Kind, Owner, Record, Writer, Xattr};
use edeploy_format::pack;
use edeploy_format::path::TreePath;
use edeploy_format::repack;
use edeploy_format::tuf::{
    Common, Delegation, Delegations, Issued, Key, KeyId, MetaFile, Policy, RoleKeys, Root, RootRoles,
    Snapshot, Target, Targets, Time, Timestamp, sign,
};
use serde_json::Map;

use crate::tuf::key;

/// Examples for the target `name`.
#[must_use]
pub fn seeds(name: &str) -> Vec<Vec<u8>> {
    match name {
        "arguments" => vec![ARGUMENTS.to_vec()],
        "boot_choice" => choices(),
        "boot_entry" => vec![format!("edeploy-a-g3+3.conf\n{}", entry()).into_bytes()],
        "boot_options" => vec![format!("initrd=\\x {}", options()).into_bytes(), options().into_bytes()],
        "cmdb" => vec![CMDB.to_vec(), br#"[{"a":"1-3","used":1},{}]"#.to_vec()],
        "delegations" => crate::delegations::seeds(),
        "delta_index" => vec![delta_index()],
        "dmi" => vec![dmi()],
        "esp" => vec![vec![0], vec![1], [&[1, 9, 0, 11, 0, 4][..], b"junk"].concat()],
        "exclude" => lists(),
        "gpt" => vec![vec![0], vec![1], [&[1, 1, 0, 40, 0, 8][..], &[1, 0, 0, 0, 0, 0, 0, 0]].concat()],
        "hint" => vec![HINT.to_vec(), b"min-size=100G".to_vec()],
        "host_json" => {
            vec![br#"{"repo":"http://a/","mirrors":["https://b/"],"profile":"p","ca":"-----BEGIN"}"#.to_vec()]
        }
        "initrd" => initrds(),
        "journal" => vec![journal()],
        "limits" => vec![b"# slow disks\ncheck-seconds 60\n\ntrial-seconds 900\n".to_vec()],
        "literal" => vec![LITERAL.to_vec(), CMDB.to_vec(), HARDWARE.to_vec()],
        "lldp" => vec![SWITCH.to_vec()],
        "manifest" => vec![manifest(), records()[1].to_string().into_bytes()],
        "names" => ["web", "D12-1.0.1", "usr/share\nusr\nusr-local", "a\\x20b", "a b\\c", "amd64"]
            .map(|text| text.as_bytes().to_vec())
            .to_vec(),
        "pack_index" => vec![pack_index()],
        "patch" => vec![patch()],
        "plan" => vec![PLAN.as_bytes().to_vec(), REPORT.as_bytes().to_vec()],
        "recipe" => vec![RECIPE.as_bytes().to_vec()],
        "repack" => (0..10).map(|level| [&[level], TEXT].concat()).collect(),
        "repack_open" => packed().into_iter().map(|(_, packed)| packed).collect(),
        "repack_unpack" => {
            packed().into_iter().map(|(form, p)| [form.as_bytes(), b"\n", &p].concat()).collect()
        }
        "spec" => specs(),
        "transition" => vec![TRANSITION.as_bytes().to_vec()],
        "tuf" => metadata(),
        other => unreachable!("no target {other}"),
    }
}

const TEXT: &[u8] = b"the quick brown fox jumps over the lazy dog, and the quick brown dog over the lazy fox";
const RECIPE: &str = r#"role = "web"
suite = "bookworm"
variant = "minbase"
architecture = "amd64"
sources = ["deb http://mirror.example/debian bookworm main"]
packages = ["nginx-light", "linux-image-amd64=6.1.0-1", "systemd/bookworm-backports"]
remove = ["/usr/share/doc/*"]
persistent = ["/etc/nginx/tls/", "/etc/hostname"]
kernel-arguments = ["console=ttyS0", "panic=5"]
hostname = "web"
slot-size = "6GiB"
exclude-docs = true
initrd = "keep"

[ids.users]
www = { uid = 900, gid = 900, home = "/srv", shell = "/bin/false" }

[ids.groups]
www = 900

[allow]
private-keys = ["/etc/ssl/private/shared.key"]

[version."1.0"]
packages = ["less"]
"#;
const PLAN: &str = r##"{"_type":"plan","spec_version":"1.0.31","version":1,"expires":"2026-11-27T18:00:00Z","nonce":"00ff",
"machine":"acme-7","profile":"web","role":"web","role_version":"1.0","repos":["http://a/"],"disk":{"min_size":9,"rotational":false},
"slot_size":4294967296,"files":[{"path":"/etc/hostname","mode":"0644","text":"web7\n"}],
"scripts":[{"name":"raid","text":"#!/bin/sh\n","seconds":9,"env":{"A":"b"}}],"on_success":"kexec","on_failure":"halt"}"##;
const REPORT: &str = r#"{"nonce":"00ff","program":"0.1.0","architecture":"amd64","uefi":true,
"hardware":[["disk","sda","size","20"],["system","product","name","\u00e4"]]}"#;
const TRANSITION: &str = r##"{"format":1,"role":"web","version":"1.0","rules":[
{"from":"any","role":"any","to":"any","exclude":"/etc/hostname\n","add_only":"*.conf\n","pre":"#!/bin/sh\n","hook_seconds":9},
{"from":"0.9","role":"web","to":"1.0","exclude":"","add_only":"","check":"#!/bin/sh\n","post":"#!/bin/sh\nexit 100\n"}]}"##;

const ARGUMENTS: &[u8] =
    b"edeploy.server=http://10.0.0.1:8080/ edeploy.repo=\"http://a/\" edeploy.lldp=35 edeploy.gateway=10.0.0.1 edeploy.dns=10.0.0.2\0\
      IP=eth0:10.0.0.7/24@12,other:dhcp edeploy.on-success=kexec edeploy.on-failure=halt edeploy.verbose edeploy.token=t\0\
      eth0\x0010.0.2.15\x0024\x0010.0.2.2 10.0.2.9\x0010.0.2.3 $(reboot)\0";
const HINT: &[u8] =
    b"name=/dev/sda,by-id=wwn-0x5,serial=S1,model=\"A, B\",min-size=100G,max-size=1TiB,rotational=no";
/// A message of LLDP: one value of each kind that is read.
const SWITCH: &[u8] = b"\x02\x07\x04\x58\xf3\x9c\x81\xad\x95\x04\x05\x05Eth1\x06\x02\0\x78\x08\x03SRV\x0a\x02AC\x0c\x05Cisco\
\x0e\x04\0\x14\0\x14\x10\x0c\x05\x01\x0a\x64\x05\x18\x02\x05\0\0\0\0\xfe\x06\0\x80\xc2\x01\0\x64\xfe\x06\0\x12\x0f\x04\x05\xee\0\0";

const CMDB: &[u8] =
    b"generate({'host': 'web01-03.r1:9-7', 'ip': '10.0.0-1.1-9', 'tag': ('a', 'b'), 'net': {'dev': 'eth0-2'}, 'n': 8})";
const LITERAL: &[u8] =
    b"# all\n[None, True, -1.5e-3, 0x10, 7L, (), (1,), {'a': u\"b\" r'\\c', 1: '''d\n'''}, '\\x41\\012\\u00e4\\\n']";
const HARDWARE: &[u8] =
    b"[('d','sda','size','8'),('d','sdb','size','20'),('d','sdb','slot','2'),('d','sda','slot','1')]";

/// A machine, and what is asked of it.
fn specs() -> Vec<Vec<u8>> {
    let asked = [
        "[('d','$$a','size','gt(10)'),('d','$a','slot','$s=in(1,2)')]",
        "[('$c','$a','size','$x'),('$c','$b','slot','not(regexp(^1))'),('d','$b','size','range(1,9)')]",
        "[('d','$a','$x','network(10.0.0.0/8)'),('d','$a','$x','or(lt(3),and(ge(8),le(9)))')]",
    ];
    asked.map(|asked| [HARDWARE, b"\0", asked.as_bytes()].concat()).to_vec()
}

/// The tables of a firmware: a processor, an array of memory, a device in it, the end.
fn dmi() -> Vec<u8> {
    let structure = |kind: u8, handle: u8, length: usize, fields: &[(usize, &[u8])], strings: &[u8]| {
        let mut formatted = vec![0; length];
        formatted[..4].copy_from_slice(&[kind, u8::try_from(length).expect("short"), handle, 0]);
        fields.iter().for_each(|(at, bytes)| formatted[*at..at + bytes.len()].copy_from_slice(bytes));
        [&formatted[..], strings, b"\0"].concat()
    };
    let processor: &[(usize, &[u8])] =
        &[(0x12, &[100]), (0x16, &[0xb8, 0x0b]), (0x18, &[0x41]), (0x23, &[4, 4, 8])];
    let memory: &[(usize, &[u8])] = &[
        (4, &[2]),
        (0x0c, &[0, 0x40]),
        (0x0e, &[9]),
        (0x10, &[1, 0, 0x1a, 0x80, 0, 0xb8, 0x0b, 2, 3, 0, 4]),
    ];
    [
        structure(4, 1, 0x30, processor, b"CPU 0\0"),
        structure(16, 2, 0x0f, &[(5, &[3])], b"\0"),
        structure(17, 3, 0x1c, memory, b"DIMM_A1\0Acme\0S1\0P1\0"),
        structure(127, 4, 4, &[], b"\0"),
    ]
    .concat()
}

fn at(path: &str) -> TreePath {
    TreePath::new(path).expect("a path")
}

fn options() -> String {
    let (one, two) = ("00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002");
    let (manifest, machine) = (Digest::of(b"manifest"), "0123456789abcdef0123456789abcdef");
    format!(
        "root=PARTUUID={one} ro edeploy.slot=a edeploy.state=PARTUUID={two} edeploy.manifest={manifest} \
         systemd.machine_id={machine} systemd.gpt_auto=0 console=ttyS0 quiet"
    )
}

fn entry() -> String {
    let (kernel, initrd) = (Digest::of(b"kernel"), Digest::of(b"initrd"));
    let options = options();
    format!(
        "title web 1.0\nsort-key edeploy\nversion 3\noptions {options}\ninitrd /edeploy/{initrd}\nlinux /edeploy/{kernel}\n"
    )
}

fn choices() -> Vec<Vec<u8>> {
    let two = ["edeploy-a-g3+3.conf", "edeploy-b-g4+0-3.conf"].map(|name| format!("{name}\0{}\0", entry()));
    let foreign = "debian.conf\0title Debian\nlinux /vmlinuz\nversion 6.1~rc1\0".to_owned();
    [1, 2].map(|state| [&[state], two.concat().as_bytes(), foreign.as_bytes()].concat()).to_vec()
}

fn lists() -> Vec<Vec<u8>> {
    let text = "- *.bak\n+ /etc/***\n# none\n/srv/\ncron.d/local\n[a-z]?[!0-9]\n**/x\\*y\nname\r- z\n";
    ["etc/cron.d/local", "srv/a/b", "a/x*y"].map(|path| format!("{path}\n{text}").into_bytes()).to_vec()
}

fn records() -> Vec<Record> {
    let record = |path: &str, kind| {
        let mode = if kind == Kind::Folder { 0o755 } else { 0o644 };
        Record { path: at(path), mode, owner: Owner { uid: 0, gid: 0 }, mtime: -1, xattrs: Vec::new(), kind }
    };
    let file = |text: &[u8]| Kind::File { size: text.len() as u64, digest: Digest::of(text) };
    let mut records = vec![
        record("boot", Kind::Folder),
        record("boot/initrd", file(b"initrd")),
        record("boot/kernel", file(b"kernel")),
        record("boot/loader", file(b"loader")),
        record("link", Kind::Symlink { target: "boot/a b".to_owned() }),
    ];
    records[1].xattrs = vec![Xattr { name: "security.capability".to_owned(), value: vec![1, 2] }];
    records
}

fn manifest() -> Vec<u8> {
    let records = records();
    let head = Head {
        role: "web".parse().expect("a role"),
        version: "1.0".parse().expect("a version"),
        serial: 1,
        architecture: "amd64".parse().expect("an architecture"),
        built: 1_795_190_000,
        kernel: at("boot/kernel"),
        initrd: at("boot/initrd"),
        loader: at("boot/loader"),
        options: "console=ttyS0 panic=5".to_owned(),
        slot_size: 4 << 30,
        persistent: vec![at("etc/hostname")],
        ostree: Some("0".repeat(64)),
        updater: "0.1.0".to_owned(),
        entries: records.len() as u64,
        bytes: 18,
    };
    let mut writer = Writer::new(Vec::new(), &head).expect("a sound head");
    records.iter().for_each(|record| writer.record(record).expect("sound records"));
    writer.finish().expect("all were written").0
}

fn frame<P>(offset: u64, length: u32, pieces: Vec<P>) -> frames::Frame<P> {
    frames::Frame { offset, compressed: 10, length, digest: Digest::of(b"frame"), pieces }
}

fn pack_index() -> Vec<u8> {
    let piece = |text: &[u8], offset, length| pack::Piece { content: Digest::of(text), offset, length };
    let first = frame(0, 12, vec![piece(b"a", 0, 5), piece(b"b", 0, 7)]);
    let second = frame(10, 1, vec![piece(b"c", 4096, 1)]);
    format!("{}{first}{second}", pack::index_head()).into_bytes()
}

fn delta_index() -> Vec<u8> {
    let view = |text: &str| -> delta::View { text.parse().expect("a view") };
    let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
    let whole = delta::Piece {
        view: one.into(),
        offset: 0,
        length: 5,
        control: 3,
        difference: 2,
        proof: None,
        bases: vec![other.into(), view(&format!("{other}+1,raw:10,gzip-9:51234"))],
    };
    let mut part = whole.clone();
    part.view = view(&format!("{one}+1,lz4-9:100"));
    (part.offset, part.proof) = (9, Some(other));
    let head = delta::Head { from: one, to: other };
    format!("{head}{}{}", frame(0, 8, vec![whole]), frame(10, 8, vec![part])).into_bytes()
}

fn patch() -> Vec<u8> {
    let mut control = Vec::new();
    delta::patch::Step { add: 4, insert: 3, seek: -2 }.write(&mut control);
    delta::patch::Step { add: 2, insert: 0, seek: 0 }.write(&mut control);
    let length = u8::try_from(control.len()).expect("a few bytes");
    [&[length, 6, 8][..], &control, &[0, 1, 0, 0, 0, 2], b"the base", b"new"].concat()
}

/// Packed files with their forms.
fn packed() -> Vec<(String, Vec<u8>)> {
    let forms = ["1,gzip-6:86", "1,lz4-9:86", "1,raw:10,gzip-9:76"];
    let packed = forms.map(|form| {
        let mut packed = Vec::new();
        let parsed = form.parse().expect("a form");
        repack::repack(&parsed, &mut &*TEXT, &mut packed).expect("as long as the form says");
        (form.to_owned(), packed)
    });
    let mut all = packed.to_vec();
    // A file as gzip writes it, with its header.
    let (_, deflate) = &all[0];
    let file = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], deflate].concat();
    all.push(("1,raw:10,gzip-6:86".to_owned(), file));
    all
}

fn initrds() -> Vec<Vec<u8>> {
    let record = |ino: u32, mode: u32, name: &str, content: &[u8]| {
        let fields = [ino, mode, 0, 0, 1, 0, content.len() as u32, 0, 0, 0, 0, name.len() as u32 + 1, 0];
        let head = fields.iter().fold("070701".to_owned(), |head, field| head + &format!("{field:08x}"));
        let mut bytes = [head.as_bytes(), name.as_bytes(), &[0]].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    let parts = [
        record(1, 0o040_755, "bin", b""),
        record(2, 0o100_755, "bin/sh", b"#!"),
        record(3, 0o120_777, "init", b"bin/sh"),
        record(0, 0, "TRAILER!!!", b""),
    ];
    let archive = parts.concat();
    let early =
        [record(1, 0o100_644, "kernel/x86/microcode/A.bin", b"code"), record(0, 0, "TRAILER!!!", b"")]
            .concat();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, &archive).expect("memory");
    let gzip = gzip.finish().expect("memory");
    vec![archive.clone(), [&early[..], &archive].concat(), gzip.clone(), [early, gzip].concat()]
}

fn journal() -> Vec<u8> {
    let to = Deployment {
        version: Some("1.0".parse().expect("a version")),
        manifest: Digest::of(b"manifest"),
        slot: edeploy_format::slot::Slot::A,
        generation: Some(3),
    };
    let event = Event::Installed { role: "web".parse().expect("a role"), to: to.clone() };
    let begun = Event::Started { from: to.clone(), to };
    let text = |event| serde_json::to_string(&Line { time: 1_795_190_000, event }).expect("plain keys");
    format!("{}\n{}\ntorn{{\n", text(event), text(begun)).into_bytes()
}

/// One file of each kind, signed by the key of the target.
fn metadata() -> Vec<Vec<u8>> {
    let public = Key::from(&key().verifying_key());
    let id: KeyId = public.id().expect("plain fields");
    let one = || RoleKeys::new([id.clone()], 1);
    let until: Time = "2027-11-20T18:00:00Z".parse().expect("a time");
    let roles = RootRoles { root: one(), snapshot: one(), targets: one(), timestamp: one() };
    let keys = [(id.clone(), public.clone())].into();
    let common = Common::new::<Root>(1, until);
    let root = Root { common, consistent_snapshot: true, keys, roles, extra: Map::new() };
    let role = "web".parse().expect("a role");
    let mut targets = Targets::empty(Common::new::<Targets>(2, until));
    let delegation = Delegation::of(&role, one());
    let keys = [(id.clone(), public)].into();
    targets.delegations = Some(Delegations { keys, roles: vec![delegation], ..Delegations::default() });
    let mut web = Targets::empty(Common::new::<Targets>(3, until));
    let hash = edeploy_format::tuf::Sha256::of(b"sbom");
    web.targets.insert("web@1.0@sbom".to_owned(), Target::new(4, hash, None::<&()>));
    web.policy = Some(Policy { min_serial: 2, extra: Map::new() });
    let file = MetaFile::of(2, b"{}");
    let meta = [("targets.json".to_owned(), file.clone()), ("role-web.json".to_owned(), file.clone())].into();
    let snapshot = Snapshot { common: Common::new::<Snapshot>(4, until), meta, extra: Map::new() };
    let timestamp = Timestamp {
        common: Common::new::<Timestamp>(5, until),
        meta: [("snapshot.json".to_owned(), file)].into(),
        issued: Some(Issued { issued: until, extra: Map::new() }),
        extra: Map::new(),
    };
    let keys = [&key()];
    let files = [sign(&root, &keys), sign(&targets, &keys), sign(&web, &keys), sign(&snapshot, &keys)];
    let files = files.into_iter().chain([sign(&timestamp, &keys)]);
    files.map(|file| file.expect("sound documents")).collect()
}
