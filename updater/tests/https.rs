//! The fetcher over TLS: who is believed, and who is not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use edeploy_ab::fetch::{Fetch, FetchError, HttpFetch};

const SERVER: &str = "
import functools, http.server, ssl, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
";

/// A server that ends with the test.
struct Server(Child, u16);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn openssl(folder: &Path, words: &str) {
    let output = Command::new("openssl").args(words.split(' ')).current_dir(folder).output();
    let output = output.expect("openssl: apt-get install openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// An authority `<name>.pem`.
fn authority(folder: &Path, name: &str) -> String {
    let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj";
    openssl(folder, &format!("{new} /CN={name} -keyout {name}.key -out {name}.pem"));
    fs::read_to_string(folder.join(format!("{name}.pem"))).unwrap()
}

/// A server of what is in `folder/site`, which `ours` says has the alternative name `san`.
fn serve(folder: &Path, san: &str) -> Server {
    fs::write(folder.join("san"), format!("subjectAltName={san}\n")).unwrap();
    openssl(
        folder,
        "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=site -keyout site.key -out site.csr",
    );
    openssl(
        folder,
        "x509 -req -in site.csr -CA ours.pem -CAkey ours.key -CAcreateserial -days 2 -extfile san -out site.pem",
    );
    let mut child = Command::new("python3")
        .args(["-c", SERVER, "site", "site.pem", "site.key"])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("python3: apt-get install python3");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    Server(child, line.trim().parse().unwrap())
}

#[test]
fn only_a_server_with_a_name_that_our_authority_signed_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("site")).unwrap();
    fs::write(folder.join("site/object"), "signed elsewhere").unwrap();
    let (ours, other) = (authority(folder, "ours"), authority(folder, "other"));
    let named = serve(folder, "DNS:localhost,IP:127.0.0.1");
    let misnamed = serve(folder, "DNS:elsewhere.example");

    let get = |server: &Server, ca: &str| {
        let fetch = HttpFetch::new(&format!("https://127.0.0.1:{}/", server.1), Some(ca)).unwrap();
        let mut text = String::new();
        fetch.open("object", None)?.read_to_string(&mut text).unwrap();
        Ok::<_, FetchError>(text)
    };
    assert_eq!(get(&named, &ours).unwrap(), "signed elsewhere");
    for (server, ca, why) in [(&named, &other, "UnknownIssuer"), (&misnamed, &ours, "not valid for name")] {
        let Err(FetchError::Io { source, .. }) = get(server, ca) else { panic!("{why}") };
        assert!(source.to_string().contains(why), "{source}");
    }
    let missing = HttpFetch::new(&format!("https://127.0.0.1:{}/", named.1), Some(&ours)).unwrap();
    assert!(matches!(missing.get("nothing", 10), Err(FetchError::NotFound { .. })));
}
