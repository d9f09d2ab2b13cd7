//! AWS, Entra and ShopCtrl, simulated and served, with an administrator who is signed in and things of other people's.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use simulators::aws::secrets_manager::SecretsManager;
use simulators::aws::ses::Ses;
use simulators::aws::sts::{Principal, Sts};
use simulators::clock::Clock;
use simulators::gate::{Gate, Service};
use simulators::microsoft::directory::account::Person;
use simulators::microsoft::directory::application::{AppIds, NewSecret, Registration};
use simulators::microsoft::directory::{Directory, Lag, PublicKey, Replica};
use simulators::microsoft::{entra, graph};
use simulators::serve::serve;
use simulators::shopctrl::{self, AuthParameters, Connection, Direction, Protocol, ShopCtrl};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use uuid::Uuid;

pub const MAILBOX: &str = "orders@shop.example";
pub const PASSWORD: &str = "correct horse battery";
pub const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:shopmail-rotation";
const KEY: &str = "ASIASOMEBODY";
const LOGIN: (&str, &str) = ("api@shop.example", "Basic-P4ss~word");
const SHOP: i64 = 12;
/// What an administrator's Azure CLI may do.
pub const ADMINISTRATOR: [&str; 2] = [
    "Application.ReadWrite.All",
    "AppRoleAssignment.ReadWrite.All",
];

pub struct World {
    pub gate: Arc<Gate>,
    pub directory: Arc<Directory>,
    pub secrets_manager: Arc<SecretsManager>,
    pub tenant: Uuid,
    administrator: Uuid,
    folder: TempDir,
    shopctrl_url: String,
    settings: BTreeMap<String, String>,
}

impl World {
    pub async fn new() -> Self {
        let clock = Arc::new(Clock::starting_at(shared::clock::machine()));
        let gate = Arc::new(Gate::default());
        let directory = Directory::new(Arc::clone(&clock), 1);
        let sts = Sts::new(Arc::clone(&clock), 4).unwrap();
        trust(&directory, &sts);
        let tenant = directory.add_tenant("shop.example");
        let secrets_manager = SecretsManager::new(Arc::clone(&clock), 2);
        // Of the deployed function this much is enough: it may not read these secrets.
        secrets_manager.set_invoker(Arc::new(|_, _| {
            Box::pin(async {
                tokio::time::sleep(Duration::from_millis(1500)).await;
                Err("AccessDeniedException".to_owned())
            })
        }));
        let (of_gate, of_clock) = (|| Arc::clone(&gate), || Arc::clone(&clock));
        let shopctrl = ShopCtrl::new(Arc::clone(&directory), of_clock());
        shopctrl.set_check_interval(SignedDuration::from_millis(500));
        let entra = entra::service(Arc::clone(&directory), of_gate(), of_clock());
        let graph = graph::service(Arc::clone(&directory), of_gate(), of_clock());
        let shop = shopctrl::service(Arc::clone(&shopctrl), of_gate(), of_clock());
        let shopctrl_url = address(shop).await;
        let mut settings = BTreeMap::new();
        for (name, service) in [
            (
                "AWS_ENDPOINT_URL_SECRETS_MANAGER",
                secrets_manager.service(of_gate()),
            ),
            ("AWS_ENDPOINT_URL_STS", sts.service(of_gate())),
            (
                "AWS_ENDPOINT_URL_SESV2",
                Ses::new(of_clock()).service(of_gate()),
            ),
            ("ENTRA_URL", entra),
            ("GRAPH_URL", graph),
        ] {
            settings.insert(name.to_owned(), address(service).await);
        }
        directory.set_authority(&settings["ENTRA_URL"]);
        directory.set_graph(&settings["GRAPH_URL"]);
        shopctrl.set_base(&shopctrl_url);
        let person = Person::with_mailbox(MAILBOX, PASSWORD);
        let person = directory.add_account(tenant, person);
        furnish_shop(&directory, &shopctrl, tenant, person);
        let slow = Replica {
            learns: Lag::Requests(2),
            ..Replica::default()
        };
        directory.set_token_replicas(vec![slow, Replica::default()]);
        let administrator = Person::with_mailbox("admin@shop.example", "another horse");
        let world = Self {
            administrator: directory.add_account(tenant, administrator),
            gate,
            directory,
            secrets_manager,
            tenant,
            folder: TempDir::new().unwrap(),
            shopctrl_url,
            settings,
        };
        world.add_what_is_others();
        world
    }

    /// Things that lack the name or the tag.
    fn add_what_is_others(&self) {
        let run = "0123abcd";
        for (name, tags) in [
            ("shopmail/orders", vec![("shopmail:first-hour", run)]),
            (
                "shopmail-first-hour/0123abcd/labels",
                vec![("shopmail:managed", "mailbox")],
            ),
        ] {
            self.secrets_manager
                .create(name, "of others", &tags)
                .unwrap();
        }
        for (name, tag) in [
            ("ShopCtrl mail", "shopmail-first-hour"),
            ("shopmail-first-hour-0123abcd-owned", "HideApp"),
        ] {
            let ids = self.directory.register(self.tenant, named(name, tag));
            let gone = self.directory.register(self.tenant, named(name, tag));
            self.directory.delete_registration(gone.app_id);
            self.directory
                .add_secret(ids.app_id, NewSecret::default())
                .unwrap();
        }
    }

    /// The command, with an administrator's token in its environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.signed_out(arguments);
        let token = self
            .directory
            .token_of_a_command_line(self.administrator, &ADMINISTRATOR);
        command
            .env("GRAPH_TOKEN", token)
            .env("TENANT_ID", self.tenant.to_string());
        command
    }

    /// The command, with a token that may do less.
    pub fn command_of(&self, scopes: &[&str], arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        let token = self
            .directory
            .token_of_a_command_line(self.administrator, scopes);
        command.env("GRAPH_TOKEN", token);
        command
    }

    /// The command, where the Azure CLI is signed in.
    pub fn command_by_azure_cli(&self, arguments: &[&str]) -> Command {
        let token = self
            .directory
            .token_of_a_command_line(self.administrator, &ADMINISTRATOR);
        let printed = json!({"accessToken": token, "expiresOn": "2026-11-28 09:00:00.000000", "tenant": self.tenant, "tokenType": "Bearer"});
        let script = format!(
            "test \"$*\" = 'account get-access-token --resource-type ms-graph --output json' || exit 2\necho '{printed}'"
        );
        self.command_by(&script, arguments)
    }

    /// The same with one that never answers, and the pipe to which it writes that it was asked.
    pub fn command_by_an_azure_cli_that_never_answers(
        &self,
        arguments: &[&str],
    ) -> (Command, PathBuf) {
        let asked = self.folder.path().join("asked");
        let made = std::process::Command::new("mkfifo").arg(&asked).status();
        assert!(made.unwrap().success());
        let script = format!("echo asked >'{}'\nexec sleep 600", asked.display());
        (self.command_by(&script, arguments), asked)
    }

    fn command_by(&self, azure_cli: &str, arguments: &[&str]) -> Command {
        let az = self.folder.path().join("az");
        std::fs::write(&az, format!("#!/bin/sh\n{azure_cli}\n")).unwrap();
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&az, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = self.signed_out(arguments);
        command.env(
            "PATH",
            format!("{}:/usr/bin:/bin", self.folder.path().display()),
        );
        command
    }

    /// The command, with nobody signed in at Azure.
    pub fn signed_out(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_first-hour"));
        let short =
            "--tries 2 --interval PT0.1S --patience PT30S --short-life PT3S --long-wait PT30S";
        command
            .env_clear()
            .envs(&self.settings)
            .env("PATH", self.folder.path())
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", KEY)
            .env("AWS_SECRET_ACCESS_KEY", "simulated")
            .args(arguments)
            .args(short.split(' '))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// A file for `--shopctrl`.
    pub fn shopctrl_login(&self) -> PathBuf {
        let (username, password) = LOGIN;
        let api = format!("{}/v1", self.shopctrl_url);
        let login =
            json!({"api": api, "shop_id": SHOP, "username": username, "password": password});
        let file = self.folder.path().join("shopctrl.json");
        std::fs::write(&file, login.to_string()).unwrap();
        file
    }

    /// The names of what carries the marker, wherever it is.
    pub fn left(&self) -> Vec<String> {
        let secrets = self.secrets_manager.secrets().into_iter();
        let tagged = secrets.filter(|secret| {
            let tag = secret.tags.get("shopmail:first-hour");
            secret.name.starts_with("shopmail-first-hour/") && tag.is_some()
        });
        let mut left: Vec<String> = tagged.map(|secret| secret.name).collect();
        let apps = self.directory.applications(self.tenant);
        let apps = apps.into_iter().map(|app| app.registration);
        let deleted = self.directory.deleted_registrations();
        let marked = apps.chain(deleted).filter(|app| {
            app.display_name.starts_with("shopmail-first-hour-")
                && app.tags.contains(&"shopmail-first-hour".to_owned())
        });
        left.extend(marked.map(|app| app.display_name));
        left
    }

    /// That what is others' is as it was.
    pub fn assert_others_are_untouched(&self) {
        for name in ["shopmail/orders", "shopmail-first-hour/0123abcd/labels"] {
            let secret = self.secrets_manager.snapshot(name).unwrap();
            assert!(secret.deleted.is_none(), "{name}");
            assert_eq!(
                secret.labelled("AWSCURRENT").unwrap().text(),
                Some("of others")
            );
        }
        let apps = self.directory.applications(self.tenant);
        let deleted = self.directory.deleted_registrations();
        for name in ["ShopCtrl mail", "shopmail-first-hour-0123abcd-owned"] {
            let app = apps
                .iter()
                .find(|app| app.registration.display_name == name);
            assert_eq!(app.unwrap().credentials().count(), 1, "{name}");
            let gone = deleted.iter().filter(|app| app.display_name == name);
            assert_eq!(gone.count(), 2, "{name}: the app and its service principal");
        }
    }
}

fn named(name: &str, tag: &str) -> Registration {
    Registration {
        display_name: name.to_owned(),
        tags: vec![tag.to_owned()],
        ..Registration::default()
    }
}

async fn address(service: Service) -> String {
    format!("http://{}", serve(service).await.unwrap())
}

/// Entra reads the keys of the account's tokens, and somebody is signed in to AWS as a role.
fn trust(directory: &Directory, sts: &Sts) {
    let (issuer, key) = (sts.issuer().to_owned(), sts.public_key());
    directory.set_key_source(move |of| {
        let (n, e) = (key.n.clone(), key.e.clone());
        (of == issuer).then(|| vec![PublicKey { n, e }])
    });
    let principal = Principal {
        role_arn: "arn:aws:iam::123456789012:role/administrator".to_owned(),
        function_arn: None,
        session_ends: None,
    };
    sts.set_principal(KEY, principal);
}

/// A shop whose mail is fetched.
fn furnish_shop(directory: &Arc<Directory>, shopctrl: &ShopCtrl, tenant: Uuid, person: Uuid) {
    let AppIds { app_id, .. } = directory.register(
        tenant,
        Registration {
            redirect_uris: vec![shopctrl.redirect_uri()],
            ..Registration::default()
        },
    );
    let (_, secret) = directory.add_secret(app_id, NewSecret::default()).unwrap();
    directory.consent(
        person,
        app_id,
        "openid profile offline_access User.Read Mail.Read",
    );
    shopctrl.add_login(LOGIN.0, LOGIN.1, &[SHOP]);
    shopctrl.add_shop(SHOP, "Shop");
    let parameters = AuthParameters {
        tenant_id: tenant,
        client_id: app_id,
    };
    let kind = (Direction::Receiving, Protocol::Graph);
    shopctrl.add_connection(Connection::new(SHOP, "in", kind, MAILBOX, parameters));
    shopctrl.enter_secret(SHOP, "in", &secret);
    shopctrl.authorize_as(SHOP, "in", MAILBOX).unwrap();
}

/// The JSON objects that were printed, and the exit status.
pub async fn printed(child: Child) -> (Vec<Value>, Option<i32>, String) {
    let output = child.wait_with_output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let mut all = text.clone();
    all.push_str(&String::from_utf8(output.stderr).unwrap());
    (lines.collect(), output.status.code(), all)
}

/// The verdict of each belief, by its id.
pub fn verdicts(lines: &[Value]) -> BTreeMap<&str, &str> {
    lines
        .iter()
        .filter_map(|line| Some((line.get("id")?.as_str()?, line.get("verdict")?.as_str()?)))
        .collect()
}
