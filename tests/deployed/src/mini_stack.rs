//! MiniStack as a process of its own, with nothing of this machine's environment in it.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, Response};
use serde_json::{Value, json};
use shared::http::{Client, Limits};
use shared::period::Period;
use simulators::aws::account::{ACCOUNT_ID, REGION};
use simulators::serve::reserve;
use tempfile::TempDir;
use tokio::net::TcpSocket;
use url::form_urlencoded::Serializer;

use crate::programs::Programs;
use crate::until::until;

/// What it does about permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody may do everything.
    Open,
    /// `AUTH=true`: a function may do what its role's policies allow, and no more. A terminal's key is the account's
    /// root.
    Enforced,
}

/// A running MiniStack; it ends when this is dropped, and the functions that it runs with it.
pub struct MiniStack {
    child: Child,
    /// Where it is.
    pub url: String,
    /// Its state, its log and the code that it runs.
    folder: TempDir,
    pub(crate) http: Client,
    /// Kept as long as it lives.
    _reserved: TcpSocket,
}

impl MiniStack {
    /// A new one, in which there is nothing.
    pub async fn start(programs: &Programs, access: Access) -> Self {
        let (reserved, address) = reserve(Ipv4Addr::LOCALHOST).expect("a port");
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("http://{address}");
        let log = File::create(folder.path().join("log")).expect("a log");
        let also = log.try_clone().expect("a log");
        // A function gets all of MiniStack's own environment: there is nothing in it but this.
        let child = Command::new(&programs.mini_stack)
            .env_clear()
            .envs(own_env(folder.path(), address.port(), access))
            .env("AWS_ENDPOINT_URL", &url)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(also)
            .spawn()
            .expect("MiniStack starts");
        let limits = Limits {
            connect: Period::seconds(5),
            request: Period::seconds(960),
        };
        let mut mini_stack = Self {
            child,
            url,
            folder,
            http: Client::new(limits).expect("an HTTP client"),
            _reserved: reserved,
        };
        mini_stack.answers().await;
        mini_stack
    }

    async fn answers(&mut self) {
        let health = format!("{}/_ministack/health", self.url);
        until("MiniStack listens", async || {
            let ended = self.child.try_wait().expect("its state");
            assert!(ended.is_none(), "MiniStack ended: {}", self.log());
            let request = Request::get(&health).body(Bytes::new()).expect("a request");
            let answer = self.http.send(request).await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    /// What the AWS CLI and the AWS SAM CLI need to reach it, as the account's root.
    pub(crate) fn client_env(&self) -> BTreeMap<String, String> {
        [
            ("AWS_ENDPOINT_URL", self.url.as_str()),
            // An access key of twelve digits is the account of that number.
            ("AWS_ACCESS_KEY_ID", ACCOUNT_ID),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_REGION", REGION),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// An operation of a service that speaks JSON, such as `secretsmanager.ListSecrets`, as the account's root; it has
    /// to succeed.
    pub async fn call(&self, target: &str, body: &Value) -> Value {
        call_json(&self.http, &self.url, target, body).await
    }

    /// An operation of a service that speaks AWS's Query protocol, with its `Action` and `Version` among the fields, as
    /// the account's root.
    ///
    /// # Errors
    /// What it says where it does not succeed.
    pub async fn query(&self, service: &str, fields: &[(&str, &str)]) -> Result<String, String> {
        let form = Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = Request::post(format!("{}/", self.url))
            .header(AUTHORIZATION, signed_for(service))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from(form))
            .expect("a request");
        let answer = self.send(request).await;
        let said = String::from_utf8_lossy(answer.body()).into_owned();
        match answer.status().is_success() {
            true => Ok(said),
            false => Err(said),
        }
    }

    /// A request to it, as it is.
    pub(crate) async fn send(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.http.send(request).await.expect("MiniStack answers")
    }

    /// The mails that SES has sent, as MiniStack shows them: `To`, `Source`, `Subject`, `BodyText`, `BodyHtml`.
    pub async fn mails(&self) -> Vec<Value> {
        let mails = self.kept("ses").await;
        mails.as_array().cloned().unwrap_or_default()
    }

    /// The bodies of the messages that are in a queue; they stay there.
    pub async fn queued(&self, queue: &str) -> Vec<String> {
        let queues = self.kept("sqs").await[REGION].take();
        let queues = queues.as_object().into_iter().flatten();
        let name = format!("/{queue}");
        let of_it = queues.filter(|(url, _)| url.ends_with(&name));
        let messages = of_it.flat_map(|(_, messages)| messages.as_array().into_iter().flatten());
        let bodies = messages.filter_map(|message| message["Body"].as_str());
        bodies.map(str::to_owned).collect()
    }

    /// What it shows of a service's messages beside the service's own interface.
    async fn kept(&self, service: &str) -> Value {
        let url = format!(
            "{}/_ministack/{service}/messages?account={ACCOUNT_ID}",
            self.url
        );
        let request = Request::get(url).body(Bytes::new()).expect("a request");
        let answer = self.send(request).await;
        let mut told: Value = serde_json::from_slice(answer.body()).expect("JSON");
        told["messages"][ACCOUNT_ID].take()
    }

    /// A secret that a template makes without a value has no version ("The secret is created without any version",
    /// AWS::SecretsManager::Secret is CreateSecret without SecretString). MiniStack's has an empty one that is AWSCURRENT,
    /// and the mailbox's `PutCommand` would take it for a document: this takes its label away.
    pub async fn take_the_empty_version_away(&self, secret: &str) {
        let named = json!({"SecretId": secret});
        let found = self.call("secretsmanager.GetSecretValue", &named).await;
        let value = found["SecretString"].as_str().unwrap_or_default();
        assert_eq!(value, "", "{secret} has a value");
        let without = json!({
            "SecretId": secret, "VersionStage": "AWSCURRENT", "RemoveFromVersionId": found["VersionId"],
        });
        let target = "secretsmanager.UpdateSecretVersionStage";
        self.call(target, &without).await;
    }

    /// What it has told so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for MiniStack {
    /// A function ends when nobody answers at its runtime API any more.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("MiniStack's log:\n{}", self.log());
        }
    }
}

/// Of root and of every function's role where roles are not enforced.
const SECRET_KEY: &str = "test";

fn own_env(folder: &Path, port: u16, access: Access) -> BTreeMap<&'static str, String> {
    let folder = folder.display().to_string();
    let text = str::to_owned;
    BTreeMap::from([
        ("PATH", text("/usr/bin:/bin")),
        ("HOME", folder.clone()),
        ("TMPDIR", folder.clone()),
        ("STATE_DIR", format!("{folder}/state")),
        ("S3_DATA_DIR", format!("{folder}/s3")),
        ("GATEWAY_PORT", port.to_string()),
        ("BIND_HOST", text("127.0.0.1")),
        ("IOT_MTLS_ENABLED", text("false")),
        ("SFTP_ENABLED", text("false")),
        // Whose the requests are that nobody has signed, such as a browser's to an HTTP API.
        ("MINISTACK_ACCOUNT_ID", text(ACCOUNT_ID)),
        ("MINISTACK_REGION", text(REGION)),
        (
            "AUTH",
            text(match access {
                Access::Open => "false",
                Access::Enforced => "true",
            }),
        ),
    ])
}

/// Says for which service it is signed, and by whom. Neither MiniStack nor a simulator checks the signature itself.
pub(crate) fn signed_for(service: &str) -> String {
    let scope = format!("{ACCOUNT_ID}/20270101/{REGION}/{service}/aws4_request");
    format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0")
}

/// An operation in AWS's JSON protocol at this address.
pub(crate) async fn call_json(http: &Client, url: &str, target: &str, body: &Value) -> Value {
    let service = target.split('.').next().unwrap_or(target).to_lowercase();
    let request = Request::post(format!("{url}/"))
        .header(AUTHORIZATION, signed_for(&service))
        .header(CONTENT_TYPE, "application/x-amz-json-1.1")
        .header("x-amz-target", target)
        .body(Bytes::from(body.to_string()))
        .expect("a request");
    let answer = http.send(request).await.expect("an answer");
    assert!(answer.status().is_success(), "{target} {body}: {answer:?}");
    serde_json::from_slice(answer.body()).unwrap_or_default()
}
