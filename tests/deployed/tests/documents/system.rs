//! The deployed system that the documents are tried with, and the mailboxes in it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use deployed::{
    Access, Beside, Checkout, Functions, MiniStack, Programs, Templates, Terminal, stacks,
};
use serde_json::{Value, json};
use simulators::aws::secrets_manager::{CURRENT, PENDING, RotationRules, Secret};
use simulators::left_out;
use simulators::world::{Mailbox, MailboxPlan, World};
use tempfile::TempDir;

use crate::commands::Command;
use crate::front::serve_front;
use crate::part::Part;
use crate::reader::{Reader, root};

/// The simulated services beside MiniStack, and a checkout after `sam build`.
pub struct Ground {
    pub mini_stack: Arc<MiniStack>,
    pub beside: Arc<Beside>,
    pub checkout: Checkout,
    /// What a reader's shell has.
    pub variables: BTreeMap<String, String>,
    programs: Programs,
    folder: TempDir,
}

impl Ground {
    /// Nothing is deployed yet; none where a program is missing.
    pub async fn or_say(test: &str) -> Option<Self> {
        let programs = Programs::or_say(test)?;
        if let Some(missing) = PROGRAMS.iter().find(|program| !is_in_path(program)) {
            left_out::say(test, missing, "REQUIRE_MINISTACK");
            return None;
        }
        let mini_stack = Arc::new(MiniStack::start(&programs, Access::Open).await);
        let beside = Arc::new(Beside::start(&mini_stack).await);
        let mut templates = Templates::for_mini_stack()
            .with_pages_at(&beside.world.callback_url)
            .with_shopctrl_on_loopback()
            .with_settings(&beside.settings());
        // With the schedule, which MiniStack cannot have, its import went out.
        let import = "Value: !ImportValue {\"Fn::Sub\": \"${SystemStack}-RotationFunctionArn\"}";
        let imported =
            format!("Outputs:\n  RotatedBy:\n    Condition: HasBackstop\n    {import}\n");
        templates.mailbox.replace("Outputs:\n", &imported);
        let checkout = Checkout::new(&templates, &Functions::built().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let roots = folder.path().join("authority.pem");
        std::fs::write(&roots, beside.world.authority.pem()).unwrap();
        let secrets_manager = serve_front(&beside, &mini_stack).await;
        let mut variables = mini_stack.client_env();
        let own = [
            ("HOME", folder.path().display().to_string()),
            ("PATH", path(&programs)),
            ("LC_ALL", "C.UTF-8".to_owned()),
            ("SSL_CERT_FILE", roots.display().to_string()),
            ("SAM_CLI_TELEMETRY", "0".to_owned()),
            ("SAM", programs.sam.display().to_string()),
            ("ENTRA_URL", beside.settings()["ENTRA_URL"].clone()),
            ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", secrets_manager),
        ];
        variables.extend(own.map(|(name, value)| (name.to_owned(), value)));
        Some(Self {
            mini_stack,
            beside,
            checkout,
            variables,
            programs,
            folder,
        })
    }

    /// A terminal of whoever installs it.
    pub fn terminal(&self) -> Terminal {
        Terminal::new(&self.checkout, &self.programs, self.variables.clone())
    }

    /// With the system deployed, as README says it.
    pub async fn deployed(self) -> System {
        let mut readme = Reader::of(README, is_in_readme, self.checkout.path(), &self.variables);
        readme.at(INSTALLING).runs("sam deploy").await;
        readme.ends();
        let terminal = self.terminal();
        let outputs = stacks::outputs(&terminal, stacks::SYSTEM).await;
        self.beside.system_is_deployed(&terminal, &outputs).await;
        System {
            world: Arc::clone(&self.beside.world),
            rotation: outputs["RotationFunctionArn"].clone(),
            ground: self,
            shops: AtomicI64::new(20),
        }
    }
}

const README: &str = "README.md";
const INSTALLING: &str = "Installing it";

/// Whether it is run here.
pub fn is_in_readme(command: &Command) -> bool {
    (command.document.as_str(), command.heading.as_str()) == (README, INSTALLING)
}

/// What the documents take for granted.
const PROGRAMS: [&str; 5] = ["bash", "curl", "jq", "openssl", "python3"];

fn is_in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Ours stand before the others.
fn path(programs: &Programs) -> String {
    let stand_ins = root().join("tests/deployed/tests/documents/programs");
    let own = [&programs.aws, &programs.sam].map(|program| program.parent().unwrap().to_owned());
    let inherited = std::env::var_os("PATH").unwrap();
    let all = [stand_ins]
        .into_iter()
        .chain(own)
        .chain(std::env::split_paths(&inherited));
    std::env::join_paths(all).unwrap().into_string().unwrap()
}

/// The deployed system.
pub struct System {
    pub world: Arc<World>,
    rotation: String,
    ground: Ground,
    shops: AtomicI64,
}

/// A reader's own mailbox.
pub struct Own {
    pub name: String,
    pub mailbox: Mailbox,
    folder: PathBuf,
}

impl System {
    /// Microsoft's addresses, and those of the simulated services.
    pub fn microsoft(&self) -> Vec<(String, String)> {
        let settings = self.ground.beside.settings();
        [
            ("https://login.microsoftonline.com", "ENTRA_URL"),
            ("outlook.office365.com:993", "IMAP_SERVER"),
            ("outlook.office365.com:995", "POP3_SERVER"),
            ("smtp.office365.com:587", "SMTP_SERVER"),
        ]
        .map(|(vendor, setting)| (vendor.to_owned(), settings[setting].clone()))
        .into()
    }

    /// What the folder has that a reader stands in: this project's `infra`, with the reader's mailbox in the payloads.
    fn give(&self, own: &Own) {
        let (infra, repository) = (own.folder.join("infra"), root().join("infra"));
        let events = infra.join("events");
        std::fs::create_dir_all(&events).unwrap();
        for payload in std::fs::read_dir(repository.join("events")).unwrap() {
            let payload = payload.unwrap();
            let text = std::fs::read_to_string(payload.path()).unwrap();
            let text = text.replace("shopmail/orders", &own.mailbox.secret);
            std::fs::write(events.join(payload.file_name()), text).unwrap();
        }
    }

    /// The mailbox of who reads this part.
    pub fn add(&self, part: &Part) -> Own {
        let shop_id = self.shops.fetch_add(1, Ordering::Relaxed);
        let name = format!("shop{shop_id}");
        let plan = MailboxPlan {
            name: name.clone(),
            address: format!("{name}@shop.example"),
            shop_id,
            ..(part.plan)()
        };
        let folder = self.ground.folder.path().join(&name);
        std::fs::create_dir(&folder).unwrap();
        let mailbox = self.world.add_mailbox(&plan).unwrap();
        let (secrets, rules) = (&self.world.secrets_manager, RotationRules::every_days(160));
        let rotated = secrets.set_rotation(&mailbox.secret, &self.rotation, Some(rules));
        rotated.unwrap();
        let own = Own {
            name,
            mailbox,
            folder,
        };
        self.give(&own);
        own
    }

    /// A check of all mailboxes.
    pub async fn check(&self) {
        let functions = &self.ground.beside.functions;
        let check = functions
            .invoke("shopmail-expiry-checker", &json!({"dry_run": false}))
            .await;
        let checked = check.unwrap();
        assert_eq!(checked.function_error, None, "{}", checked.payload);
    }

    pub fn reader(&self, document: &'static str, parts: &[&'static str], own: &Own) -> Reader {
        let is_meant = |command: &Command| parts.contains(&command.heading.as_str());
        let mut reader = Reader::of(document, is_meant, &own.folder, &self.ground.variables);
        reader.puts("shopmail/orders", &own.mailbox.secret);
        reader.puts("orders@shop.example", &own.mailbox.address);
        for direction in ["in", "out"] {
            reader.puts(
                &format!("orders-{direction}"),
                format!("{}-{direction}", own.name),
            );
        }
        reader
    }
}

impl Own {
    pub fn secret(&self, system: &System) -> Secret {
        let secrets = &system.world.secrets_manager;
        secrets.snapshot(&self.mailbox.secret).unwrap()
    }

    pub fn version(&self, system: &System, label: &str) -> String {
        self.secret(system).labelled(label).expect(label).id.clone()
    }

    /// What is stored of its owner.
    pub fn grants(&self, system: &System) -> Value {
        let name = format!("{}/grants", self.mailbox.secret);
        let grants = system.world.secrets_manager.snapshot(&name).unwrap();
        serde_json::from_str(grants.labelled(CURRENT).unwrap().text().unwrap()).unwrap()
    }

    pub async fn settled(&self, system: &System) {
        system
            .world
            .secrets_manager
            .settled(&self.mailbox.secret)
            .await;
    }

    /// A rotation on demand, as far as it goes.
    pub async fn rotates(&self, system: &System) {
        system
            .world
            .secrets_manager
            .rotate(&self.mailbox.secret)
            .unwrap();
        self.settled(system).await;
    }

    /// A rotation that waits for a person, by its token.
    pub async fn waits(&self, system: &System) -> String {
        self.rotates(system).await;
        let failures = self.failures(system);
        let last = failures.last().expect("it waits");
        assert!(last.contains("WaitingForPerson"), "{last}");
        self.version(system, PENDING)
    }

    pub fn failures(&self, system: &System) -> Vec<String> {
        let records = system.world.secrets_manager.records().into_iter();
        let own = records.filter(|record| record.secret == self.mailbox.arn);
        own.filter_map(|record| record.reason).collect()
    }

    /// How its rotations and tests of the configuration ended.
    pub fn records(&self, system: &System) -> Vec<String> {
        let records = system.world.secrets_manager.records().into_iter();
        let own = records.filter(|record| record.secret == self.mailbox.arn);
        own.map(|record| record.event.to_string()).collect()
    }

    /// What a person does in ShopCtrl with a secret.
    pub fn enters(&self, system: &System, direction: &str, secret: &str) {
        let (shopctrl, shop) = (&system.world.shopctrl, self.mailbox.shop_id);
        let id = format!("{}-{direction}", self.name);
        shopctrl.enter_secret(shop, &id, secret);
        shopctrl
            .authorize_as(shop, &id, &self.mailbox.sign_in_name)
            .unwrap();
    }
}
