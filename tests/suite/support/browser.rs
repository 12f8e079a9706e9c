//! Controls Chromium through its DevTools protocol over a pipe: real key presses, and all that the page requests or
//! complains about.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use data_encoding::BASE64;
use serde_json::{Value, json};

const CANDIDATES: [&str; 2] = ["/usr/bin/chromium", "/usr/bin/chromium-browser"];

/// A browser with one page.
pub struct Browser {
    child: Child,
    to: File,
    from: File,
    read: Vec<u8>,
    next_id: u64,
    session: String,
    /// Everything that happened, as the browser reports it.
    pub events: Vec<Value>,
    _folder: tempfile::TempDir,
}

/// Whether the browser exists; it must with KUBERULES_REQUIRE_CHROMIUM=1.
pub fn chromium() -> Option<&'static Path> {
    let found = CANDIDATES.iter().map(Path::new).find(|path| path.exists());
    if found.is_none() {
        let required = std::env::var("KUBERULES_REQUIRE_CHROMIUM").is_ok_and(|value| value == "1");
        assert!(!required, "Chromium is not installed, and KUBERULES_REQUIRE_CHROMIUM=1");
        eprintln!("skipped: Chromium is not installed");
    }
    found
}

impl Browser {
    /// Starts the browser and opens a file.
    pub fn open(program: &Path, page: &Path) -> Browser {
        let folder = tempfile::tempdir().unwrap();
        let (to, from) = (folder.path().join("to"), folder.path().join("from"));
        assert!(Command::new("mkfifo").args([&to, &from]).status().unwrap().success());
        let flags = "--headless --disable-ipc-flooding-protection --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
                     --disable-component-update --disable-sync --hide-scrollbars --remote-debugging-pipe";
        let script = format!("exec \"$0\" {flags} --user-data-dir=\"$1\" about:blank 3<\"$2\" 4>\"$3\"");
        let child = Command::new("sh")
            .args(["-c", &script])
            .args([program, &folder.path().join("profile"), &to, &from])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut browser = Browser {
            child,
            to: File::options().write(true).open(&to).unwrap(),
            from: File::open(&from).unwrap(),
            read: Vec::new(),
            next_id: 0,
            session: String::new(),
            events: Vec::new(),
            _folder: folder,
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        browser.session =
            browser.call("Target.attachToTarget", attach)["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser.call("Page.navigate", json!({ "url": format!("file://{}", page.display()) }));
        browser.wait_for("Page.loadEventFired");
        browser
    }

    /// Calls a method and waits for its answer.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.next_id += 1;
        let id = self.next_id;
        let mut message = json!({ "id": id, "method": method, "params": parameters });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).unwrap();
        loop {
            let answer = self.message();
            if answer["id"] == id {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    fn wait_for(&mut self, event: &str) {
        while !self.events.iter().any(|e| e["method"] == event) {
            let message = self.message();
            self.events.push(message);
        }
    }

    fn message(&mut self) -> Value {
        let mut buffer = [0; 1 << 16];
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == 0) {
                let rest = self.read.split_off(end + 1);
                let whole = std::mem::replace(&mut self.read, rest);
                return serde_json::from_slice(&whole[..end]).unwrap();
            }
            let count = self.from.read(&mut buffer).unwrap();
            assert!(count > 0, "the browser has gone");
            self.read.extend(&buffer[..count]);
        }
    }

    /// The value of an expression in the page.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let result =
            self.call("Runtime.evaluate", json!({ "expression": expression, "returnByValue": true }));
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// Presses a key.
    pub fn press(&mut self, key: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            " " => 32,
            "End" => 35,
            "Home" => 36,
            "ArrowLeft" => 37,
            "ArrowRight" => 39,
            "ArrowDown" => 40,
            other => panic!("no code for the key {other}"),
        };
        let text = match key {
            "Enter" => "\r",
            " " => " ",
            _ => "",
        };
        let down = if text.is_empty() { "rawKeyDown" } else { "keyDown" };
        let event = |kind: &str| json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text });
        self.call("Input.dispatchKeyEvent", event(down));
        self.call(
            "Input.dispatchKeyEvent",
            json!({ "type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": code }),
        );
    }

    /// Sets the size of the window and the colours.
    pub fn show(&mut self, width: u32, height: u32, dark: bool) {
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        let scheme = if dark { "dark" } else { "light" };
        // Without motion, so that a picture does not catch colours in transition.
        let features = [("prefers-color-scheme", scheme), ("prefers-reduced-motion", "reduce")];
        let features = features.map(|(name, value)| json!({ "name": name, "value": value }));
        let media = json!({ "features": features });
        self.call("Emulation.setEmulatedMedia", media);
    }

    /// Writes a picture of the whole page.
    pub fn picture(&mut self, name: &str) -> PathBuf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/artefacts");
        std::fs::create_dir_all(&folder).unwrap();
        let result =
            self.call("Page.captureScreenshot", json!({ "format": "png", "captureBeyondViewport": true }));
        let path = folder.join(name);
        std::fs::write(&path, BASE64.decode(result["data"].as_str().unwrap().as_bytes()).unwrap()).unwrap();
        path
    }

    /// What the page requested besides itself, and its errors.
    pub fn complaints(&self) -> Vec<String> {
        let told = |event: &Value| {
            let parameters = &event["params"];
            match event["method"].as_str()? {
                "Runtime.exceptionThrown" => Some(parameters["exceptionDetails"].to_string()),
                "Runtime.consoleAPICalled" => Some(parameters["args"].to_string()),
                "Log.entryAdded" => Some(parameters["entry"].to_string()),
                "Network.requestWillBeSent" => {
                    let url = parameters["request"]["url"].as_str()?;
                    let itself = parameters["type"] == "Document" && url.starts_with("file://");
                    (!itself && !url.starts_with("data:")).then(|| format!("request for {url}"))
                }
                _ => None,
            }
        };
        self.events.iter().filter_map(told).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
