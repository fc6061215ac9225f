//! The fleet service as machines meet it: the program, running on loopback over a folder of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::error::{Error, Result, file, unexpected};
use crate::folder;
use crate::run::{Call, TICK};

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A service that ends with this value.
#[derive(Debug)]
pub struct Fleet {
    program: PathBuf,
    data: PathBuf,
    child: Child,
    address: SocketAddr,
}

impl Fleet {
    /// Starts it over these profiles, with nothing to remember, and with these further arguments. Everything lies in
    /// `work`, which is made.
    ///
    /// # Errors
    /// When it cannot be started or does not listen.
    pub fn start(program: &Path, work: &Path, profiles: &[(&str, String)], more: &[&Path]) -> Result<Self> {
        folder::fresh(work)?;
        let (data, shelf) = (work.join("data"), work.join("profiles"));
        folder::fresh(&shelf)?;
        for (name, text) in profiles {
            let path = shelf.join(name);
            fs::write(&path, text).map_err(file("writing", &path))?;
        }
        let mut command = Command::new(program);
        command.arg("serve").arg("--data").arg(&data).arg("--profiles").arg(&shelf);
        command.arg("--listen").arg(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).to_string()).args(more);
        let line = format!("{} serve", program.display());
        let child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|source| Error::Start { line: line.clone(), source })?;
        match listening(&mut child) {
            Ok(address) => Ok(Self { program: program.to_owned(), data, child, address }),
            Err(said) => {
                end(&mut child);
                Err(unexpected(line, said))
            }
        }
    }

    /// Runs another command on what it remembers.
    ///
    /// # Errors
    /// When it fails.
    pub fn command(&self, name: &str, rest: &str) -> Result<()> {
        Call::new(&self.program).arg(name).arg("--data").arg(&self.data).words(rest).run().map(|_| ())
    }

    /// Sends one request over a connection of its own; the body of the answer, which must be 200.
    ///
    /// # Errors
    /// When there is no answer, or another one.
    pub fn ask(&self, request: &Request) -> Result<String> {
        let failed = |e: std::io::Error| unexpected("the fleet service", e.to_string());
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE).map_err(failed)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        let head = format!("{} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", request.line, self.address);
        let length = request.body.len();
        let message = format!(
            "{head}Authorization: Bearer {}\r\nContent-Length: {length}\r\n\r\n{}",
            request.token, request.body
        );
        stream.write_all(message.as_bytes()).map_err(failed)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(failed)?;
        body(&answer).map(str::to_owned).ok_or_else(|| unexpected("the fleet service", answer))
    }

    /// Seconds of processor time that it took so far.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn cpu(&self) -> Result<f64> {
        cpu(&self.child.id().to_string())
    }

    /// The most memory that it had resident so far, in bytes.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn peak(&self) -> Result<u64> {
        let path = PathBuf::from(format!("/proc/{}/status", self.child.id()));
        let text = fs::read_to_string(&path).map_err(file("reading", &path))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.map(|kib| kib * 1024).ok_or_else(|| unexpected(path.display().to_string(), text))
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Method and path: `GET /v1/boot.ipxe`.
    pub line: String,
    /// The machine's token, if it has one.
    pub token: String,
    /// What is sent.
    pub body: String,
}

/// Seconds of processor time that a process took, all its threads together; `self` is this one.
///
/// # Errors
/// When the kernel does not say.
pub fn cpu(process: &str) -> Result<f64> {
    let path = PathBuf::from(format!("/proc/{process}/stat"));
    let text = fs::read_to_string(&path).map_err(file("reading", &path))?;
    // The name may hold blanks; user and system time are fields 14 and 15.
    let fields = text.rsplit_once(')').map(|(_, rest)| rest.split_whitespace()).into_iter().flatten();
    let ticks: Vec<f64> = fields.skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    let [user, system] = ticks[..] else { return Err(unexpected(path.display().to_string(), text)) };
    Ok((user + system) * TICK)
}

/// Where it listens, as it says; else what it said.
fn listening(child: &mut Child) -> std::result::Result<SocketAddr, String> {
    let mut lines = BufReader::new(child.stderr.take().ok_or("no standard error")?).lines();
    let line = lines.next().and_then(std::result::Result::ok).unwrap_or_default();
    let address = line.strip_prefix("edeploy-fleet: listening on ").and_then(|text| text.parse().ok());
    let address = address.ok_or(line)?;
    // What else it says is shown, and does not fill a pipe.
    thread::spawn(move || lines.map_while(std::result::Result::ok).for_each(|line| eprintln!("{line}")));
    Ok(address)
}

fn end(child: &mut Child) {
    if let Err(error) = child.kill().and_then(|()| child.wait()) {
        eprintln!("bench: ending edeploy-fleet: {error}");
    }
}

/// The body of an answer that says 200.
fn body(answer: &str) -> Option<&str> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200 ").then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_that_says_200_has_a_body() {
        assert_eq!(body("HTTP/1.1 200 OK\r\na: b\r\n\r\ntext\r\n\r\nmore"), Some("text\r\n\r\nmore"));
        assert_eq!(body("HTTP/1.1 503 Service Unavailable\r\n\r\nlater"), None);
        assert_eq!(body(""), None);
    }

    #[test]
    fn the_processor_time_of_this_process_is_known_whatever_it_is_called() {
        let before = cpu("self").unwrap();
        let mut sum = 0_u64;
        while cpu("self").unwrap() <= before {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(sum > 0);
        assert!(cpu("0").is_err());
    }
}
