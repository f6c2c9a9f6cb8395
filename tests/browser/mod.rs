//! A real Chromium, driven through chromedriver by the WebDriver protocol (W3C WebDriver), for
//! tests of what we write for browsers. Spoken by hand: a few requests do not need a client.

#![allow(dead_code, reason = "each test file uses its own part of it")]

use crate::common::{PATIENCE, lacking};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// One browser window, gone when dropped.
pub struct Browser {
    driver: Driver,
    session: String,
    _profile: tempfile::TempDir,
}

/// A running chromedriver.
struct Driver {
    process: Child,
    port: u16,
}

impl Browser {
    /// `None`, and a message, where there is no Chromium or no chromedriver.
    pub fn start() -> Option<Browser> {
        let chromium = ["chromium", "chromium-browser", "google-chrome"]
            .into_iter()
            .find(|name| is_program(name));
        let (Some(chromium), true) = (chromium, is_program("chromedriver")) else {
            lacking(
                "a browser",
                "no chromium and chromedriver (Debian: chromium-driver)",
            );
            return None;
        };
        let driver = Driver::start();
        let profile = tempfile::tempdir().expect("a folder for the browser's profile");
        let mut arguments: Vec<String> = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--allow-file-access-from-files",
            "--window-size=1300,700",
        ]
        .map(str::to_owned)
        .into();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "unhandledPromptBehavior": "ignore",
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"args": arguments, "binary": which(chromium)},
        }}});
        let value = driver.ask("POST", "/session", Some(&capabilities));
        let session = value["sessionId"].as_str().expect("a session").to_owned();
        Some(Browser {
            driver,
            session,
            _profile: profile,
        })
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        self.driver
            .ask(method, &format!("/session/{}{path}", self.session), body)
    }

    pub fn open(&self, url: &str) {
        self.ask("POST", "/url", Some(&json!({"url": url})));
    }

    /// What the body of a function returns.
    pub fn run(&self, script: &str) -> Value {
        self.ask(
            "POST",
            "/execute/sync",
            Some(&json!({"script": script, "args": []})),
        )
    }

    /// Runs the body until what it returns is true.
    pub fn wait_until(&self, script: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.run(script) != true {
            assert!(Instant::now() < deadline, "never true: {script}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A click as a mouse makes it, into the middle of the element that the body returns.
    pub fn click(&self, script: &str) {
        let element = self.run(script);
        let id = element
            .as_object()
            .and_then(|element| element.values().next());
        let id = id.and_then(Value::as_str).expect("an element");
        self.ask("POST", &format!("/element/{id}/click"), Some(&json!({})));
    }

    pub fn answer_prompt(&self, text: &str) {
        self.ask("POST", "/alert/text", Some(&json!({"text": text})));
        self.ask("POST", "/alert/accept", Some(&json!({})));
    }

    pub fn press_control_f(&self) {
        let key = |kind: &str, value: &str| json!({"type": kind, "value": value});
        let actions = [
            key("keyDown", "\u{e009}"),
            key("keyDown", "f"),
            key("keyUp", "f"),
            key("keyUp", "\u{e009}"),
        ];
        let actions = json!({"actions": [{"type": "key", "id": "keys", "actions": actions}]});
        self.ask("POST", "/actions", Some(&actions));
    }

    pub fn prefer(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        let command =
            json!({"cmd": "Emulation.setEmulatedMedia", "params": {"features": features}});
        self.ask("POST", "/goog/cdp/execute", Some(&command));
    }

    /// What the page complained about.
    pub fn errors(&self) -> Vec<String> {
        let log = self.ask("POST", "/se/log", Some(&json!({"type": "browser"})));
        let entries = log.as_array().cloned().unwrap_or_default();
        let severe = entries.iter().filter(|entry| entry["level"] == "SEVERE");
        severe.map(|entry| entry["message"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Also when a test has failed: a browser outlives a driver that is killed.
        let path = format!("/session/{}", self.session);
        if let Err(error) = self.driver.try_ask("DELETE", &path, None) {
            eprintln!("the browser may still run: {error}");
        }
    }
}

impl Driver {
    fn start() -> Driver {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let mut output = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let port = output.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse().ok()
        });
        // It must not be stopped by a full pipe.
        std::thread::spawn(move || output.count());
        Driver {
            process,
            port: port.expect("chromedriver tells its port"),
        }
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        match self
            .try_ask(method, path, body)
            .expect("chromedriver answers")
        {
            (200, value) => value,
            (_, error) => panic!("{method} {path}: {error}"),
        }
    }

    /// The status and the value of the answer.
    fn try_ask(&self, method: &str, path: &str, body: Option<&Value>) -> io::Result<(u16, Value)> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.port,
            body.len(),
        )?;
        let (status, answer) = read_answer(stream)?;
        let mut answer: Value = serde_json::from_slice(&answer)?;
        Ok((status, answer["value"].take()))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Its browsers end with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn read_answer(stream: TcpStream) -> io::Result<(u16, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((status.unwrap_or(0), body))
}

fn which(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn is_program(name: &str) -> bool {
    which(name).is_some()
}
