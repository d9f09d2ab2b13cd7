//! chromedriver, on a port of the system's choice, and the sessions that it keeps.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};
use shared::http::{Client, Limits};
use shared::period::Period;
use tempfile::TempDir;
use thirtyfour::error::WebDriverError;
use thirtyfour::prelude::WebDriverResult;
use thirtyfour::session::http::{Body, HttpClient};
use thirtyfour::{Capabilities, WebDriver};

/// What chromedriver says when it listens.
const STARTED: &str = "started successfully on port ";
/// How often it is started, each time on another port.
const ATTEMPTS: usize = 10;
/// No command takes longer, the opening of a page included.
const COMMAND: Period = Period::seconds(120);
/// How long a browser may take to end.
const END: Duration = Duration::from_secs(10);
const ARGUMENTS: [&str; 13] = [
    "--headless=new",
    // Chromium's own sandbox does not work for root in a container.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    // It is to talk with this machine alone.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-proxy-server",
    "--window-size=1280,900",
];

/// The program that is not there.
pub struct Missing(pub &'static str);

/// A running chromedriver; it ends when this is dropped.
pub struct Chromedriver {
    child: Child,
    port: u16,
    /// Kept open: it would die of a line that it cannot write.
    _output: BufReader<ChildStdout>,
}

impl Chromedriver {
    /// Starts one.
    pub fn start() -> Result<Self, Missing> {
        if !["chromium", "google-chrome"].into_iter().any(is_there) {
            return Err(Missing("Chromium"));
        }
        let mut said = String::new();
        for _ in 0..ATTEMPTS {
            match Self::start_on(free_port(), &mut said)? {
                Some(started) => return Ok(started),
                None => continue,
            }
        }
        panic!("chromedriver does not start: {said}");
    }

    /// None when it ended at once, because somebody else has got the port by now.
    fn start_on(port: u16, said: &mut String) -> Result<Option<Self>, Missing> {
        let started = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = started.map_err(|_| Missing("chromedriver"))?;
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        loop {
            let mut line = String::new();
            if output.read_line(&mut line).expect("its output") == 0 {
                child.wait().expect("it ended");
                return Ok(None);
            }
            if line.contains(STARTED) {
                return Ok(Some(Self {
                    child,
                    port,
                    _output: output,
                }));
            }
            said.push_str(&line);
        }
    }

    /// A browser with an empty profile.
    pub async fn session(&self) -> (WebDriver, TempDir) {
        let profile = tempfile::Builder::new().prefix("chromium-").tempdir();
        let profile = profile.expect("a directory for the profile");
        let mut arguments: Vec<String> = ARGUMENTS.map(str::to_owned).into();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        let wanted = json!({
            "browserName": "chrome",
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        });
        let Value::Object(wanted) = wanted else {
            unreachable!("it is an object");
        };
        let limits = Limits {
            connect: Period::seconds(5),
            request: COMMAND,
        };
        let client = Http(Client::new(limits).expect("an HTTP client"));
        let server = format!("http://127.0.0.1:{}", self.port);
        let web = WebDriver::builder(server, Capabilities::from(wanted))
            .client(client)
            .await;
        let web = web.unwrap_or_else(|error| panic!("Chromium did not start: {error}"));
        (web, profile)
    }

    /// Ends a session, and the browser with it. A killed chromedriver would leave it running.
    pub fn end(&self, session: &str) {
        let request = format!(
            "DELETE /session/{session} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n",
            self.port
        );
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else {
            return;
        };
        let _ = stream.set_read_timeout(Some(END));
        let _ = stream.write_all(request.as_bytes());
        // Its answer comes when the browser has ended.
        let _ = stream.read(&mut [0; 64]);
    }
}

impl Drop for Chromedriver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is free right now. With `--port=0` chromedriver takes one that is free for IPv6 alone, and
/// ends when it is not free for IPv4.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

fn is_there(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|path| path.join(program).is_file())
}

/// WebDriver goes over the HTTP client that everything else here uses.
struct Http(Client);

#[async_trait]
impl HttpClient for Http {
    async fn send(&self, request: Request<Body<'_>>) -> WebDriverResult<Response<Bytes>> {
        let request = request.map(|body| match body {
            Body::Empty => Bytes::new(),
            Body::Json(json) => Bytes::from(json.to_string()),
        });
        let answer = self.0.send(request).await;
        answer.map_err(|error| WebDriverError::FatalError(error.to_string()))
    }

    async fn new(&self) -> Arc<dyn HttpClient> {
        Arc::new(Self(self.0.clone()))
    }
}

impl fmt::Debug for Chromedriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chromedriver at {}", self.port)
    }
}
