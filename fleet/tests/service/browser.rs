//! A headless Chromium, driven through its debugging pipe: a page is opened, waited for, and asked.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64ct::{Base64, Encoding};
use serde_json::{Value, json};
use tempfile::TempDir;

/// It ends itself after that, so that no test waits for ever.
const SECONDS: &str = "60";

pub(crate) struct Browser {
    child: Child,
    to: File,
    from: BufReader<File>,
    session: String,
    sent: u64,
    _folder: TempDir,
}

impl Browser {
    pub(crate) fn start() -> Self {
        let path = env::var_os("PATH").unwrap();
        assert!(
            env::split_paths(&path).any(|folder| folder.join("chromium").exists()),
            "this test needs Chromium: apt-get install -y chromium"
        );
        let folder = tempfile::tempdir().unwrap();
        let script = "mkfifo to from && exec timeout --kill-after=5 $1 chromium --headless --no-sandbox --disable-gpu \
                      --remote-debugging-pipe --user-data-dir=profile about:blank 3<to 4>from";
        let child = Command::new("sh")
            .args(["-c", script, "sh", SECONDS])
            .current_dir(&folder)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while !folder.path().join("from").exists() {
            std::thread::yield_now();
        }
        let to = OpenOptions::new().write(true).open(folder.path().join("to")).unwrap();
        let from = BufReader::new(File::open(folder.path().join("from")).unwrap());
        let mut browser = Self { child, to, from, session: String::new(), sent: 0, _folder: folder };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        browser.session =
            browser.call("Target.attachToTarget", &attach)["sessionId"].as_str().unwrap().to_owned();
        browser
    }

    /// Asks for something, and waits for the answer.
    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.try_call(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn try_call(&mut self, method: &str, params: &Value) -> Result<Value, String> {
        self.sent += 1;
        let mut message = json!({"id": self.sent, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let mut bytes = Vec::new();
            self.from.read_until(0, &mut bytes).unwrap();
            assert_eq!(bytes.pop(), Some(0), "Chromium has ended");
            let answer: Value = serde_json::from_slice(&bytes).unwrap();
            if answer["id"] == self.sent {
                return match answer.get("error") {
                    Some(error) => Err(error.to_string()),
                    None => Ok(answer["result"].clone()),
                };
            }
        }
    }

    pub(crate) fn open(&mut self, url: &str) {
        self.call("Page.navigate", &json!({ "url": url }));
    }

    /// What an expression of the page's own language gives.
    pub(crate) fn ask(&mut self, expression: &str) -> Value {
        self.try_ask(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    fn try_ask(&mut self, expression: &str) -> Result<Value, String> {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.try_call("Runtime.evaluate", &asked)?;
        match answer.get("exceptionDetails") {
            Some(exception) => Err(exception.to_string()),
            None => Ok(answer["result"]["value"].clone()),
        }
    }

    /// Waits until a page has an element that fits the selector and has this in its text.
    pub(crate) fn wait_for(&mut self, selector: &str, text: &str) {
        let found = format!(
            "[...document.querySelectorAll({})].some(e => e.textContent.includes({}))",
            json!(selector),
            json!(text)
        );
        // While one page takes the place of another, it cannot be asked.
        while self.try_ask(&found) != Ok(json!(true)) {
            let _ = self.try_ask("new Promise(resolve => setTimeout(resolve, 50))");
        }
    }

    /// A picture of the page, below the folder of what is built.
    pub(crate) fn screenshot(&mut self, name: &str) {
        let taken = self.call("Page.captureScreenshot", &json!({"format": "png"}));
        let png = Base64::decode_vec(taken["data"].as_str().unwrap()).unwrap();
        assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{name}.png")), png).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // `timeout` hands the signal on.
        let pid = self.child.id().to_string();
        Command::new("kill").arg(&pid).status().unwrap();
        self.child.wait().unwrap();
    }
}
