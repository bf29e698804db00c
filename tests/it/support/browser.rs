//! Debian's Chromium without a screen, steered through `WebDriver` (W3C) by a keyboard.
//!
//! Only with `JETOND_TEST_REAL=1`. What a page says is waited for by the browser itself.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::support::debian;

/// The keys of `WebDriver` that have no letter.
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const SHIFT: &str = "\u{e008}";

/// How long the browser may take for an answer; it takes a moment.
const PATIENCE: Duration = Duration::from_secs(180);

/// A browser with one window; it does not outlive its owner.
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// A new one; `None` when tests with real programs are not asked for.
    pub(crate) fn start() -> Option<Self> {
        let root = debian::unpacked(&["chromium", "chromium-common", "chromium-driver"])?;
        let profile = tempfile::tempdir().unwrap();
        let mut driver = Command::new(root.join("usr/bin/chromedriver"))
            .arg("--port=0")
            .env("LD_LIBRARY_PATH", debian::libraries(&root))
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines
            .find_map(|line| {
                let line = line.unwrap();
                let (_, port) = line.split_once("started successfully on port ")?;
                port.trim_end_matches('.').parse().ok()
            })
            .expect("chromedriver says its port");
        // What else it says is of no use, and must not fill its pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let mut browser = Self {
            driver,
            port,
            session: String::new(),
            _profile: profile,
        };
        let data = browser._profile.path().join("data");
        let options = json!({
            "binary": root.join("usr/lib/chromium/chromium"),
            "args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                     format!("--user-data-dir={}", data.display())],
        });
        let made = browser.ask(
            "POST",
            "",
            &json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL"},
                "timeouts": {"implicit": 20_000, "script": 150_000}}}}),
        );
        browser.session = format!("/{}", made["sessionId"].as_str().unwrap());
        Some(browser)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if method == "POST" {
            body.to_string()
        } else {
            String::new()
        };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "{method} /session{}{path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.session,
            self.port,
            body.len()
        )
        .unwrap();
        let mut answer = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            answer.read_line(&mut line).unwrap();
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        answer.read_exact(&mut body).unwrap();
        let answer: Value = serde_json::from_slice(&body).unwrap();
        assert!(
            answer["value"]["error"].is_null(),
            "{path}: {}",
            answer["value"]
        );
        answer["value"].clone()
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.ask("POST", path, body)
    }

    pub(crate) fn open(&self, url: &str) {
        self.post("/url", &json!({"url": url}));
    }

    /// A window of this many CSS pixels, in the light or the dark scheme.
    pub(crate) fn dress(&self, width: u32, height: u32, scheme: &str) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 2, "mobile": width < 600});
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
        let feature = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", &feature);
    }

    fn devtools(&self, command: &str, params: &Value) -> Value {
        self.post(
            "/goog/cdp/execute",
            &json!({"cmd": command, "params": params}),
        )
    }

    /// Presses keys, one after the other; `SHIFT` before another is held with it.
    pub(crate) fn press(&self, keys: &[&str]) {
        let key = |kind: &str, value: &str| json!({"type": kind, "value": value});
        let mut actions = Vec::new();
        let mut held = false;
        for pressed in keys {
            if *pressed == SHIFT {
                actions.push(key("keyDown", SHIFT));
                held = true;
                continue;
            }
            let named = [TAB, ENTER].contains(pressed);
            let each: Vec<String> = if named {
                vec![(*pressed).to_owned()]
            } else {
                pressed.chars().map(String::from).collect()
            };
            for one in each {
                actions.extend([key("keyDown", &one), key("keyUp", &one)]);
            }
            if held {
                actions.push(key("keyUp", SHIFT));
                held = false;
            }
        }
        let keyboard = json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]});
        self.post("/actions", &keyboard);
    }

    /// Waits until the page has an element that this selector of CSS names.
    pub(crate) fn wait_for(&self, selector: &str) {
        self.post(
            "/element",
            &json!({"using": "css selector", "value": selector}),
        );
    }

    /// What a function body in the browser returns.
    pub(crate) fn script(&self, body: &str) -> Value {
        self.post("/execute/sync", &json!({"script": body, "args": []}))
    }

    /// Sends these headers with every request from now on.
    pub(crate) fn introduce(&self, headers: &Value) {
        self.devtools("Network.enable", &json!({}));
        self.devtools("Network.setExtraHTTPHeaders", &json!({"headers": headers}));
    }

    /// What the browser has complained of since this was asked last.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({"type": "browser"}));
        let entries = log.as_array().unwrap();
        entries
            .iter()
            .map(|e| e["message"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The page as it would be printed, on A4.
    pub(crate) fn print(&self) -> Vec<u8> {
        let a4 = json!({"page": {"width": 21.0, "height": 29.7}});
        let printed = self.post("/print", &a4);
        base64::engine::general_purpose::STANDARD
            .decode(printed.as_str().unwrap())
            .unwrap()
    }

    /// The text of the page as it is seen.
    pub(crate) fn text(&self) -> String {
        self.script("return document.body.innerText")
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// What has the focus: an id, or the words on it.
    pub(crate) fn focus(&self) -> String {
        let said = self.script(
            "const e = document.activeElement; return e === document.body ? '' : (e.id || e.innerText.trim())",
        );
        said.as_str().unwrap().to_owned()
    }

    /// Keeps the whole page as a picture.
    pub(crate) fn picture(&self, file: &Path) {
        self.take(
            file,
            &json!({"captureBeyondViewport": true, "format": "png"}),
        );
    }

    /// Keeps the top of the page as a picture, so many CSS pixels high, each of them one dot.
    pub(crate) fn picture_of_the_top(&self, file: &Path, width: u32, height: u32) {
        let clip = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 0.5});
        self.take(
            file,
            &json!({"captureBeyondViewport": true, "format": "png", "clip": clip}),
        );
    }

    fn take(&self, file: &Path, how: &Value) {
        let taken = self.devtools("Page.captureScreenshot", how);
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(taken["data"].as_str().unwrap())
            .unwrap();
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser outlives its driver, unless it is told; also after a test that failed.
        if !self.session.is_empty()
            && let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port))
        {
            let _bounded = stream.set_read_timeout(Some(PATIENCE));
            let _asked = write!(
                stream,
                "DELETE /session{} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n",
                self.session, self.port
            );
            let _answered = stream.read(&mut [0; 512]);
        }
        let _ended = self.driver.kill();
        let _status = self.driver.wait();
    }
}
