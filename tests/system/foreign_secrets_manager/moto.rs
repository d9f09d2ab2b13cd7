//! moto_server on a port of the system's choice, asked as an SDK asks.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};
use shared::http::{Client, Limits};
use shared::period::Period;
use simulators::aws::account::{ACCOUNT_ID, REGION};
use simulators::aws::lambda::function_arn;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::support::left_out;

/// Names the program, where it is not where `.ci/run` puts it.
const PLACE: &str = "MOTO_SERVER";
/// Set where a missing moto is a failure.
const REQUIRED: &str = "REQUIRE_MOTO";
/// What it says when it listens.
const LISTENS: &str = "* Running on ";
/// How long it may take to listen: Python has much to load, on a machine that is busy with other tests.
const START: Duration = Duration::from_secs(60);

/// A running moto; it ends when this is dropped.
pub struct Moto {
    child: Child,
    /// Where it is.
    pub url: String,
    http: Client,
}

/// Versions and their labels, as moto has them: one may be there twice.
pub type Labels = BTreeMap<String, Vec<String>>;

impl Moto {
    /// A new one without any secret; none, and a line on stderr, where there is none to be had.
    pub async fn start_or_say() -> Option<Self> {
        let program = place();
        if !program.is_file() {
            left_out::say("moto_server", REQUIRED);
            return None;
        }
        let moto = Self::start(&program).await;
        moto.call_no_function().await;
        Some(moto)
    }

    async fn start(program: &Path) -> Self {
        let child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let limits = Limits {
            connect: Period::seconds(5),
            request: Period::seconds(60),
        };
        let mut moto = Self {
            child: child.expect("moto_server starts"),
            url: String::new(),
            http: Client::new(limits).expect("an HTTP client"),
        };
        let output = moto.child.stderr.take().expect("its output");
        let (say, mut said) = unbounded_channel();
        // Read to its end: moto tells every request, and would stand still at a full pipe.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Nobody listens any more once the address is known.
                let _ = say.send(line);
            }
        });
        let url = tokio::time::timeout(START, address(&mut said)).await;
        moto.url = url.expect("moto_server listens within a minute");
        moto
    }

    /// RotateSecret wants a function that exists. This one does nothing when moto calls it: else moto
    /// would start it in a container.
    async fn call_no_function(&self) {
        let config = json!({"lambda": {"use_docker": false}}).to_string();
        self.send("moto-api", "/moto-api/config", &[], config).await;
        let role = "Action=CreateRole&Version=2010-05-08&RoleName=rotation&AssumeRolePolicyDocument=%7B%7D";
        let form = [(CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded")];
        self.send("iam", "/", &form, role.to_owned()).await;
        let function = json!({
            "FunctionName": "rotation", "Code": {"ZipFile": ""},
            "Role": format!("arn:aws:iam::{ACCOUNT_ID}:role/rotation"),
        });
        let path = "/2015-03-31/functions";
        self.send("lambda", path, &[], function.to_string()).await;
    }

    /// An operation of Secrets Manager's, which has to succeed.
    pub async fn call(&self, operation: &str, parameters: Value) -> Value {
        let target = format!("secretsmanager.{operation}");
        let headers = [
            ("x-amz-target", target.as_str()),
            (CONTENT_TYPE.as_str(), "application/x-amz-json-1.1"),
        ];
        let body = parameters.to_string();
        let answer = self.send("secretsmanager", "/", &headers, body).await;
        serde_json::from_slice(&answer).expect("JSON")
    }

    /// moto finds service and region in what a request says that it is signed for, and checks no signature.
    async fn send(
        &self,
        service: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Bytes {
        let signed_for = format!("ASIATEST/20270101/{REGION}/{service}/aws4_request");
        let signature = format!("AWS4-HMAC-SHA256 Credential={signed_for}, SignedHeaders=host");
        let mut request =
            Request::post(format!("{}{path}", self.url)).header(AUTHORIZATION, signature);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Bytes::from(body)).unwrap();
        let answer = self.http.send(request).await.unwrap();
        assert!(
            answer.status().is_success(),
            "{path} {headers:?}: {answer:?}"
        );
        answer.into_body()
    }

    /// Begins a rotation as AWS does: it leaves the empty pending version `token`, and here nobody calls
    /// the function.
    pub async fn begin_rotation(&self, secret: &str, token: &str) {
        let rotate = json!({
            "SecretId": secret, "ClientRequestToken": token,
            "RotationLambdaARN": function_arn("rotation"),
            "RotationRules": {"AutomaticallyAfterDays": 160},
        });
        self.call("RotateSecret", rotate).await;
    }

    /// The labels of a secret.
    pub async fn labels(&self, secret: &str) -> Labels {
        let described = self.call("DescribeSecret", json!({"SecretId": secret}));
        let labels = described.await["VersionIdsToStages"].clone();
        serde_json::from_value(labels).expect("labels")
    }

    /// Leaves each label once on its version.
    pub async fn take_doubles_away(&self, secret: &str) {
        for (version, labels) in self.labels(secret).await {
            let mut seen = BTreeSet::new();
            for label in labels.iter().filter(|label| !seen.insert(*label)) {
                self.drop_label(secret, label, &version).await;
            }
        }
    }

    /// Takes a label from a version, once.
    pub async fn drop_label(&self, secret: &str, label: &str, version: &str) {
        let drop = json!({
            "SecretId": secret, "VersionStage": label, "RemoveFromVersionId": version,
        });
        self.call("UpdateSecretVersionStage", drop).await;
    }

    /// The version with this label, and the document that it holds.
    pub async fn labelled(&self, secret: &str, label: &str) -> (String, Value) {
        let get = json!({"SecretId": secret, "VersionStage": label});
        let answer = self.call("GetSecretValue", get).await;
        let text = |name: &str| answer[name].as_str().expect("text").to_owned();
        let document = serde_json::from_str(&text("SecretString")).expect("a document");
        (text("VersionId"), document)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address at which it listens.
async fn address(said: &mut UnboundedReceiver<String>) -> String {
    let mut all = String::new();
    while let Some(line) = said.recv().await {
        if let Some((_, url)) = line.split_once(LISTENS) {
            return url.trim().to_owned();
        }
        all += &format!("{line}\n");
    }
    panic!("moto_server ended: {all}");
}

fn place() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let installed = || {
        target
            .expect("the target directory")
            .join("ci-venv/bin/moto_server")
    };
    std::env::var_os(PLACE).map_or_else(installed, PathBuf::from)
}
