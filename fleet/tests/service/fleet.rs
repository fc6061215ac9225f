//! The program, running on loopback over folders of its own; killed at the end.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::DecodePublicKey;
use serde_json::Value;
use tempfile::TempDir;
use ureq::http::Response;
use ureq::{Agent, Body};

pub(crate) struct Fleet {
    pub(crate) folder: TempDir,
    child: Option<Child>,
    /// `127.0.0.1:41234`
    pub(crate) address: String,
    pub(crate) more: Vec<String>,
    agent: Agent,
}

/// An answer, as far as tests look at it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The detail of a problem, whose form is checked.
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!((self.status, &*self.kind), (status, "application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], "about:blank");
        problem["detail"].as_str().unwrap().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| &**value)
    }
}

impl From<Response<Body>> for Answer {
    fn from(mut response: Response<Body>) -> Self {
        let text = |value: &ureq::http::HeaderValue| value.to_str().unwrap().to_owned();
        let headers: Vec<(String, String)> =
            response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let kind = response.headers().get("content-type").map(text).unwrap_or_default();
        let status = response.status().as_u16();
        Self { status, kind, headers, text: response.body_mut().read_to_string().unwrap() }
    }
}

impl Fleet {
    /// Starts it over these profiles.
    pub(crate) fn start(profiles: &[(&str, &str)]) -> Self {
        Self::start_with(profiles, &[])
    }

    pub(crate) fn start_with(profiles: &[(&str, &str)], more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("profiles")).unwrap();
        for (name, text) in profiles {
            fs::write(folder.path().join("profiles").join(name), text).unwrap();
        }
        let agent = Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into();
        let more = more.iter().map(|&argument| argument.to_owned()).collect();
        let mut fleet = Self { folder, child: None, address: "127.0.0.1:0".to_owned(), more, agent };
        fleet.run();
        fleet
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn profiles(&self) -> PathBuf {
        self.folder.path().join("profiles")
    }

    /// Starts it, where it listened before.
    pub(crate) fn run(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_edeploy-fleet"));
        command.arg("serve").arg("--data").arg(self.data()).arg("--profiles").arg(self.profiles());
        command.args(["--listen", &self.address]).args(&self.more).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        let address = line.strip_prefix("edeploy-fleet: listening on ");
        self.address = address.unwrap_or_else(|| panic!("{line}")).to_owned();
        // What else it says is shown where a test fails.
        thread::spawn(move || lines.for_each(|line| eprintln!("{}", line.unwrap())));
        self.child = Some(child);
    }

    /// Ends it as a power cut would, as far as a process can be.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            child.wait().unwrap();
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// The most memory that it had in use, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn get(&self, path: &str, token: &str) -> Answer {
        let request = self.agent.get(self.url(path)).header("authorization", format!("Bearer {token}"));
        request.call().unwrap().into()
    }

    pub(crate) fn post(&self, path: &str, token: &str, body: impl AsRef<[u8]>) -> Answer {
        let request = self.agent.post(self.url(path)).header("authorization", format!("Bearer {token}"));
        request.send(body.as_ref()).unwrap().into()
    }

    /// The same, where it may be killed meanwhile.
    pub(crate) fn try_post(&self, path: &str, token: &str, body: &[u8]) -> Option<Answer> {
        let request = self.agent.post(self.url(path)).header("authorization", format!("Bearer {token}"));
        let mut response = request.send(body).ok()?;
        let text = response.body_mut().read_to_string().ok()?;
        let status = response.status().as_u16();
        Some(Answer { status, kind: String::new(), headers: Vec::new(), text })
    }

    pub(crate) fn delete(&self, path: &str, token: &str) -> Answer {
        let request = self.agent.delete(self.url(path)).header("authorization", format!("Bearer {token}"));
        request.call().unwrap().into()
    }

    /// Without a token; other methods, too.
    pub(crate) fn plainly(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = ureq::http::Request::builder().method(method).uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.agent.run(request.body(body.to_owned()).unwrap()).unwrap().into()
    }

    /// Runs another command on its data: exit code, output, error.
    pub(crate) fn command(&self, line: &str) -> (i32, String, String) {
        let mut words = line.split(' ');
        let mut command = Command::new(env!("CARGO_BIN_EXE_edeploy-fleet"));
        command.arg(words.next().unwrap()).arg("--data").arg(self.data()).args(words);
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// Runs a command that must end well.
    pub(crate) fn must(&self, line: &str) -> String {
        let (code, out, error) = self.command(line);
        assert_eq!((code, &*error), (0, ""), "{line}");
        out
    }

    /// A new operator's token.
    pub(crate) fn operator(&self) -> String {
        self.must("token add tester").trim_end().to_owned()
    }

    /// What its plans are signed with.
    pub(crate) fn key(&self) -> VerifyingKey {
        VerifyingKey::from_public_key_pem(&self.must("key")).unwrap()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.kill();
    }
}
