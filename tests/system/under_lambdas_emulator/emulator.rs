//! aws-lambda-rie with one function in it, on ports of the system's choice.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use serde_json::Value;
use shared::http::{Client, Limits};
use shared::period::Period;
use simulators::aws::account::REGION;
use simulators::aws::lambda::Function;
use simulators::binaries;
use simulators::serve::reserve;
use tokio::net::{TcpSocket, TcpStream};

use crate::support::left_out;

/// Names the program, where it is not where `.ci/run` puts it.
const PLACE: &str = "LAMBDA_RIE";
/// Set where a missing emulator is a failure.
const REQUIRED: &str = "REQUIRE_RIE";
/// "Actions: Invoke", of Lambda's API; the emulator has one function, of this name.
const INVOKE: &str = "2015-03-31/functions/function/invocations";
/// How long anything here may take, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running emulator; it ends when this is dropped, and its function with it.
pub struct Emulator {
    child: Child,
    address: SocketAddr,
    /// Kept as long as the emulator lives.
    _reserved: [TcpSocket; 2],
    http: Client,
    said: Vec<JoinHandle<Vec<String>>>,
}

/// The program; none, and a line on stderr, where there is none to be had.
pub fn program_or_say() -> Option<PathBuf> {
    let program = std::env::var_os(PLACE).map_or_else(installed, |place| Some(place.into()));
    let program = program.filter(|program| program.is_file());
    if program.is_none() {
        left_out::say("aws-lambda-rie", REQUIRED);
    }
    program
}

/// It comes with aws-sam-cli, for both processors that Lambda has.
fn installed() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?;
    let processor = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        other => other,
    };
    let python = std::fs::read_dir(target.join("ci-venv/lib")).ok()?;
    let places = python.flatten().map(|python| {
        let rapid = python.path().join("site-packages/samcli/local/rapid");
        rapid.join(format!("aws-lambda-rie-{processor}"))
    });
    places.into_iter().find(|place| place.is_file())
}

/// The functions are those that ship, where there are such.
fn that_ships(function: &Function) -> PathBuf {
    let mut binaries = binaries::that_ship().expect("what ships");
    binaries
        .remove(&function.name)
        .unwrap_or_else(|| function.binary.clone())
}

impl Emulator {
    /// Starts it. The function starts at the first invocation.
    pub async fn start(program: &Path, function: &Function) -> Self {
        let (invoked_at, address) = reserve(Ipv4Addr::LOCALHOST).expect("a port");
        let (runtime_api_at, runtime_api) = reserve(Ipv4Addr::LOCALHOST).expect("a port");
        let mut child = Command::new(program)
            .args(["--runtime-interface-emulator-address", &address.to_string()])
            .args(["--runtime-api-address", &runtime_api.to_string()])
            .arg(that_ships(function))
            .env_clear()
            // What Lambda gives a function beside the runtime API's address, which comes from the emulator.
            .env("AWS_LAMBDA_FUNCTION_NAME", &function.name)
            .env(
                "AWS_LAMBDA_FUNCTION_TIMEOUT",
                function.timeout.as_secs().to_string(),
            )
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", "ASIASIMULATED")
            .env("AWS_SECRET_ACCESS_KEY", "simulated")
            .env("AWS_SESSION_TOKEN", "simulated")
            .envs(&function.env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("aws-lambda-rie starts");
        let said = vec![
            collect(child.stdout.take().expect("its output")),
            collect(child.stderr.take().expect("its output")),
        ];
        let limits = Limits {
            connect: Period::seconds(5),
            request: Period::seconds(60),
        };
        let mut emulator = Self {
            child,
            address,
            _reserved: [invoked_at, runtime_api_at],
            http: Client::new(limits).expect("an HTTP client"),
            said,
        };
        emulator.listens().await;
        emulator
    }

    /// Waits until it does: it does not tell.
    async fn listens(&mut self) {
        let begun = Instant::now();
        while TcpStream::connect(self.address).await.is_err() {
            let ended = self.child.try_wait().expect("its state");
            assert!(ended.is_none(), "aws-lambda-rie ended: {ended:?}");
            assert!(begun.elapsed() < PATIENCE, "aws-lambda-rie does not listen");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Invokes the function with these bytes, and returns what came of it: the answer, or the error.
    pub async fn invoke(&self, event: impl Into<Bytes>) -> Value {
        let url = format!("http://{}/{INVOKE}", self.address);
        let request = Request::post(url).body(event.into()).expect("a request");
        let answer = self.http.send(request).await.expect("an answer");
        let body = answer.body();
        serde_json::from_slice(body).unwrap_or_else(|_| panic!("{:?}: {body:?}", answer.status()))
    }

    /// The function's process.
    pub fn process(&self) -> Option<u32> {
        function_of(self.child.id())
    }

    /// What sends SIGKILL to the function's process.
    pub fn killer(&self) -> impl Fn() + Send + Sync + 'static {
        let emulator = self.child.id();
        move || kill(function_of(emulator).expect("a function"))
    }

    /// Ends it, and returns what the function wrote: JSON, line by line.
    pub fn end(mut self) -> Vec<Value> {
        let said = std::mem::take(&mut self.said);
        drop(self);
        let lines = said
            .into_iter()
            .flat_map(|said| said.join().expect("its lines"));
        let of_function = lines.filter(|line| !is_of_emulator(line));
        let json = |line: String| {
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"))
        };
        of_function.map(json).collect()
    }
}

impl Drop for Emulator {
    /// The function first: without its runtime API it would say so.
    fn drop(&mut self) {
        if let Some(function) = self.process() {
            kill(function);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads to the end: at a full pipe emulator and function would stand still.
fn collect(pipe: impl Read + Send + 'static) -> JoinHandle<Vec<String>> {
    let lines = BufReader::new(pipe).lines();
    std::thread::spawn(move || lines.map_while(Result::ok).collect())
}

fn is_of_emulator(line: &str) -> bool {
    let reports = ["START RequestId", "END RequestId", "REPORT RequestId"];
    line.contains(" (rapid) ") || reports.iter().any(|report| line.starts_with(report))
}

/// The one child of an emulator.
fn function_of(emulator: u32) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    processes.into_iter().find_map(|process| {
        let number: u32 = process.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(process.path().join("stat")).ok()?;
        // proc_pid_stat(5): number, (name), state, parent. One that ended and was not waited for is none.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let lives = fields.next()? != "Z";
        let parent: u32 = fields.next()?.parse().ok()?;
        (lives && parent == emulator).then_some(number)
    })
}

fn kill(process: u32) {
    let mut kill = Command::new("kill");
    // It may have ended by itself.
    let _ = kill.args(["-KILL", &process.to_string()]).status();
}
