//! A real browser: headless Chromium behind ChromeDriver, with its console and its requests.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{Person, SOON, eventually, http, ports};

/// No sandbox (tests may run as root), nothing that talks to the outside by itself.
const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
];

pub struct Browser {
    pub page: Client,
    driver: String,
    session: String,
    _chromedriver: Child,
    _profile: TempDir,
}

impl Browser {
    pub async fn start() -> Self {
        let port = ports::free();
        let driver = format!("http://127.0.0.1:{port}");
        let chromedriver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver is missing: cargo xtask test installs it or says how");
        let status = format!("{driver}/status");
        eventually("chromedriver answers", SOON, async || http().get(&status).send().await.ok()).await;
        let profile = TempDir::new().expect("the temporary folder can be written");
        let page = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(&profile))
            .connect(&driver)
            .await
            .expect("Chromium starts");
        let session = page.session_id().await.ok().flatten().expect("the session is open");
        Self { page, driver, session, _chromedriver: chromedriver, _profile: profile }
    }

    pub async fn open(&self, url: &str) {
        self.page.goto(url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    }

    /// The text that a person sees.
    pub async fn text(&self) -> String {
        let body = self.page.execute("return document.body.innerText", Vec::new()).await;
        body.ok().and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Waits until the page shows all of these words, whatever their case, and returns its text.
    pub async fn sees(&self, words: &[&str]) -> String {
        self.sees_within(words, SOON).await
    }

    async fn sees_within(&self, words: &[&str], deadline: Duration) -> String {
        let started = tokio::time::Instant::now();
        loop {
            let text = self.text().await;
            let lower = text.to_lowercase();
            if words.iter().all(|word| lower.contains(&word.to_lowercase())) {
                return text;
            }
            if started.elapsed() > deadline {
                let url = self.page.current_url().await.map(|url| url.to_string());
                panic!("the page at {url:?} does not show {words:?} but:\n{text}");
            }
            tokio::time::sleep(super::LOOK).await;
        }
    }

    pub async fn type_into(&self, css: &str, text: &str) {
        let field = self.page.wait().at_most(SOON).for_element(Locator::Css(css)).await;
        let field = field.unwrap_or_else(|error| panic!("no field {css}: {error}"));
        field.send_keys(text).await.expect("the field takes keys");
    }

    /// Chooses the option whose words begin so.
    pub async fn choose(&self, select: &str, words: &str) {
        let path = format!("//select[@id='{select}']//option[starts-with(normalize-space(), '{words}')]");
        let option = self.page.wait().at_most(SOON).for_element(Locator::XPath(&path)).await;
        let option = option.unwrap_or_else(|error| panic!("no option {words} in {select}: {error}"));
        option.click().await.expect("the option can be chosen");
    }

    /// Presses the button or link with these words on it.
    pub async fn press(&self, label: &str) {
        let path = format!("//button[normalize-space()='{label}'] | //a[normalize-space()='{label}']");
        let button = self.page.wait().at_most(SOON).for_element(Locator::XPath(&path)).await;
        let button = button.unwrap_or_else(|error| panic!("no button {label}: {error}"));
        button.click().await.expect("the button can be pressed");
    }

    /// Signs in at the screen pop with this address; ends when the page shows the calls of this person.
    pub async fn sign_in_at_desk(&self, page: &str, person: &Person) {
        self.open(page).await;
        self.press("Sign in").await;
        self.type_into("input[type=email]", &person.email).await;
        self.type_into("input[type=password]", &person.password).await;
        self.press("Sign in").await;
        let allow = "//button[normalize-space()='Allow'] | //*[@id='calls']";
        let next = self.page.wait().at_most(SOON).for_element(Locator::XPath(allow)).await;
        let next = next.unwrap_or_else(|error| panic!("neither consent nor calls: {error}"));
        if next.tag_name().await.is_ok_and(|tag| tag == "button") {
            next.click().await.expect("the button can be pressed");
        }
        self.sees(&["Live", "Sign out"]).await;
    }

    /// Pages that are opened from now on may show notifications; nobody sees them.
    pub async fn may_notify(&self) {
        let script = "window.Notification = class { static permission = 'granted'; close() {} };";
        self.devtools("Page.addScriptToEvaluateOnNewDocument", json!({"source": script})).await;
    }

    /// A command of the Chrome DevTools Protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let url = format!("{}/session/{}/goog/cdp/execute", self.driver, self.session);
        let body = json!({"cmd": command, "params": parameters});
        let answer = http().post(url).json(&body).send().await.expect("chromedriver answers");
        let status = answer.status();
        let body: Value = answer.json().await.expect("chromedriver answers JSON");
        assert!(status.is_success(), "{command}: {body}");
        body["value"].clone()
    }

    /// The page in a window of this width, for eyes that want it light or dark.
    pub async fn looks(&self, width_px: u32, scheme: &str) {
        // A telephone's scroll bars take no room.
        let is_phone = width_px < 500;
        let size = json!({"width": width_px, "height": 900, "deviceScaleFactor": 1, "mobile": is_phone});
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// Waits until an expression of JavaScript holds on the page.
    pub async fn until(&self, what: &str, expression: &str) {
        let script = format!("return Boolean({expression})");
        eventually(what, SOON, async || {
            let found = self.page.execute(&script, Vec::new()).await.ok()?;
            (found == true).then_some(())
        })
        .await;
    }

    /// Console messages of level SEVERE so far, and requests to anywhere but these origins.
    pub async fn complaints(&self, origins: &[&str]) -> Vec<String> {
        let console = self.log("browser").await;
        let severe = console.iter().filter(|entry| entry["level"] == "SEVERE");
        let mut complaints: Vec<String> =
            severe.map(|entry| format!("console: {}", entry["message"])).collect();
        for entry in self.log("performance").await {
            let message: Value =
                serde_json::from_str(entry["message"].as_str().unwrap_or_default()).unwrap_or_default();
            if message["message"]["method"] != "Network.requestWillBeSent" {
                continue;
            }
            let url = message["message"]["params"]["request"]["url"].as_str().unwrap_or_default().to_owned();
            let inner = ["data:", "blob:", "about:", "chrome:"].iter().any(|scheme| url.starts_with(scheme));
            if !inner && !origins.iter().any(|origin| url.starts_with(&format!("{origin}/"))) {
                complaints.push(format!("request to {url}"));
            }
        }
        complaints
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        let url = format!("{}/session/{}/se/log", self.driver, self.session);
        let answer =
            http().post(url).json(&json!({"type": kind})).send().await.expect("chromedriver answers");
        let body: Value = answer.json().await.expect("chromedriver answers JSON");
        body["value"].as_array().cloned().unwrap_or_else(|| panic!("no {kind} log: {body}"))
    }

    pub async fn close(self) {
        let _ = self.page.clone().close().await;
    }
}

/// A story that ends in a panic leaves no Chromium behind: ChromeDriver ends it, and is ended itself after that.
impl Drop for Browser {
    fn drop(&mut self) {
        let address = self.driver.trim_start_matches("http://");
        let Ok(mut driver) = TcpStream::connect(address) else { return };
        let end = format!(
            "DELETE /session/{} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n",
            self.session
        );
        let _ = driver.set_read_timeout(Some(SOON));
        let _ = driver.write_all(end.as_bytes());
        // The answer comes when Chromium has ended.
        let _ = driver.read(&mut [0; 64]);
    }
}

fn capabilities(profile: &TempDir) -> Map<String, Value> {
    let mut flags: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
    flags.push(format!("--user-data-dir={}", profile.path().display()));
    let mut options = json!({"args": flags, "perfLoggingPrefs": {"enableNetwork": true}});
    // Elsewhere ChromeDriver finds the browser it belongs to.
    if let Some(binary) = chromium() {
        options["binary"] = json!(binary);
    }
    let logs = json!({"browser": "ALL", "performance": "ALL"});
    Map::from_iter([("goog:chromeOptions".to_owned(), options), ("goog:loggingPrefs".to_owned(), logs)])
}

fn chromium() -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut folders = std::env::split_paths(&path).map(|folder| folder.join("chromium"));
    folders.find(|file| file.is_file())
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_browser_that_is_dropped_leaves_no_chromium_behind() {
    let browser = Browser::start().await;
    let profile = browser._profile.path().display().to_string();
    let running = || {
        let processes = std::fs::read_dir("/proc").expect("Linux tells them").flatten();
        let lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
        lines.filter(|line| String::from_utf8_lossy(line).contains(&profile)).count()
    };
    assert!(running() > 0, "Chromium runs");
    drop(browser);
    eventually("Chromium has ended", SOON, async || (running() == 0).then_some(())).await;
}
