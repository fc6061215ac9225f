//! A static web server as operators have it: nginx on loopback, with a log of what it answered.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::error::{Error, Result, file, unexpected};
use crate::folder;

/// How often it is asked whether it listens, and the time between.
const TRIES: u32 = 500;
const PAUSE: Duration = Duration::from_millis(10);

/// What it answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// Requests.
    pub requests: u64,
    /// Bytes of all answers, heads included.
    pub bytes: u64,
    /// Answers that say that something is wrong: 400 and above, but for the root that is not there yet, which every
    /// host asks for.
    pub refused: u64,
}

/// A server that ends with this value.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Server {
    /// Serves a folder; configuration and log lie in `work`, which is made.
    ///
    /// # Errors
    /// When nginx cannot be started or does not listen.
    pub fn start(root: &Path, work: &Path) -> Result<Self> {
        folder::fresh(work)?;
        let address = free()?;
        let (config, log) = (work.join("nginx.conf"), work.join("access.log"));
        let text = configuration(root, work, address, &log);
        fs::write(&config, text).map_err(file("writing", &config))?;
        let mut command = Command::new("nginx");
        command.arg("-e").arg(work.join("error.log")).arg("-p").arg(work).arg("-c").arg(&config);
        let child = command.stdin(Stdio::null()).spawn();
        let child = child.map_err(|source| Error::Start { line: "nginx".to_owned(), source })?;
        let server = Self { child, address, log };
        for _ in 0..TRIES {
            if TcpStream::connect(address).is_ok() {
                return Ok(server);
            }
            thread::sleep(PAUSE);
        }
        Err(unexpected("nginx", format!("it does not listen on {address}: see {}", work.display())))
    }

    /// Where it serves.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// What it answered since it was started.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn answered(&self) -> Result<Answered> {
        let text = fs::read_to_string(&self.log).map_err(file("reading", &self.log))?;
        counted(&text)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("bench: ending nginx: {error}");
        }
    }
}

/// An address of this machine that nobody listens on.
fn free() -> Result<SocketAddr> {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let found = TcpListener::bind(any).and_then(|listener| listener.local_addr());
    found.map_err(|e| unexpected("a free port", e.to_string()))
}

/// One process, so that ending it ends all; every answer is in the log before its connection is idle.
fn configuration(root: &Path, work: &Path, address: SocketAddr, log: &Path) -> String {
    let (root, work, log) = (root.display(), work.display(), log.display());
    format!(
        "daemon off;\nmaster_process off;\nuser root;\npid {work}/nginx.pid;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n  log_format counted '$status $bytes_sent $uri';\n  access_log {log} counted;\n  sendfile on;\n  \
         client_body_temp_path {work}/body;\n  proxy_temp_path {work}/proxy;\n  fastcgi_temp_path {work}/fastcgi;\n  \
         uwsgi_temp_path {work}/uwsgi;\n  scgi_temp_path {work}/scgi;\n  \
         server {{ listen {address}; root {root}; }}\n}}\n"
    )
}

/// What the lines of a log add up to.
fn counted(log: &str) -> Result<Answered> {
    let mut answered = Answered::default();
    for line in log.lines() {
        let strange = || unexpected("the log of nginx", line);
        let [status, bytes, path] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else {
            return Err(strange());
        };
        let status: u32 = status.parse().map_err(|_| strange())?;
        answered.requests += 1;
        answered.bytes += bytes.parse::<u64>().map_err(|_| strange())?;
        let is_next_root = status == 404 && path.ends_with(".root.json");
        answered.refused += u64::from(status >= 400 && !is_next_root);
    }
    Ok(answered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_counted_and_what_was_refused_stands_out() {
        let answered =
            counted("200 1000 /a\n206 300 /b c\n404 50 /d\n404 50 /metadata/2.root.json\n").unwrap();
        assert_eq!(answered, Answered { requests: 4, bytes: 1400, refused: 1 });
        assert!(counted("200 1000\n").is_err());
    }
}
