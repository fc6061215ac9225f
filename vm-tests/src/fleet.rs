//! The fleet service, as machines and operators meet it: the program itself, on the host's loopback.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::Value;

use crate::tool::{edeploy_fleet, run};

/// A service with its data and profiles in one folder. Dropping it ends it.
pub struct Fleet {
    folder: PathBuf,
    port: u16,
    server: Option<Child>,
}

impl Fleet {
    /// One that is not started yet, and has its key.
    ///
    /// # Panics
    /// If there is no room for it.
    #[must_use]
    pub fn new(folder: &Path, profiles: &[(&str, String)]) -> Self {
        let fleet = Self { folder: folder.to_owned(), port: free_port(), server: None };
        fs::create_dir_all(fleet.folder.join("profiles")).expect("a folder of ours");
        for (name, text) in profiles {
            fs::write(fleet.folder.join("profiles").join(name), text).expect("a file of ours");
        }
        fleet
    }

    /// The public half of the key that signs its plans, as PEM.
    #[must_use]
    pub fn key(&self) -> String {
        self.command(&["key"])
    }

    /// Starts it: for machines that find the roles at port `site` of the loopback, and whose installer lies in `assets`.
    ///
    /// # Panics
    /// If it does not start.
    pub fn serve(&mut self, assets: &Path, site: u16) {
        let assets = assets.to_str().expect("UTF-8");
        let mut server = Command::new("setpriv");
        server
            .args(["--pdeathsig", "KILL"])
            .arg(edeploy_fleet())
            .args(["serve", "--data", &self.data(), "--profiles", &self.profiles()])
            .args(["--listen", &format!("127.0.0.1:{}", self.port), "--url", &self.url_of_machines()])
            .args(["--repo", &format!("http://10.0.2.2:{site}"), "--assets", assets])
            .args(["--kernel-arguments", "console=ttyS0 loglevel=6"]);
        self.start(&mut server);
    }

    /// Starts it by this command.
    ///
    /// # Panics
    /// If it does not start.
    pub(crate) fn start(&mut self, command: &mut Command) {
        let mut server = command.stderr(Stdio::piped()).spawn().expect("setpriv of util-linux");
        let mut lines = BufReader::new(server.stderr.take().expect("piped")).lines().map_while(Result::ok);
        let first = lines.next().unwrap_or_default();
        assert!(first.contains("listening on"), "edeploy-fleet serve: {first}");
        // What else it says is a surprise, and is shown.
        thread::spawn(move || lines.for_each(|line| eprintln!("{line}")));
        self.server = Some(server);
    }

    /// What machines call it.
    #[must_use]
    pub fn url_of_machines(&self) -> String {
        format!("http://10.0.2.2:{}", self.port)
    }

    /// Its page, for a browser on the host.
    #[must_use]
    pub fn page(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// What a machine boots by, as iPXE finds it.
    #[must_use]
    pub fn boot_script(&self) -> String {
        format!("{}/v1/boot.ipxe", self.url_of_machines())
    }

    /// The folder of its data.
    pub(crate) fn data(&self) -> String {
        self.folder.join("data").to_str().expect("UTF-8").to_owned()
    }

    /// The folder of its profiles.
    pub(crate) fn profiles(&self) -> String {
        self.folder.join("profiles").to_str().expect("UTF-8").to_owned()
    }

    /// Runs another command of the program on its data; what it says.
    ///
    /// # Panics
    /// If it fails.
    pub fn command(&self, words: &[&str]) -> String {
        run(edeploy_fleet(), &[words, &["--data", &self.data()]].concat())
    }

    /// All that is known of a machine, by the address of one of its network cards.
    ///
    /// # Panics
    /// If it was never seen.
    #[must_use]
    pub fn host(&self, mac: &str) -> Value {
        serde_json::from_str(&self.command(&["hosts", mac])).expect("a machine, as JSON")
    }
}

/// A port of the loopback that nobody listens on: machines are told of it before the service does.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback");
    listener.local_addr().expect("an address").port()
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}
