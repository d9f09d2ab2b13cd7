//! The deployed system that the documents are tried with, and the mailboxes in it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use deployed::checkout::repository;
use serde_json::{Value, json};
use simulators::aws::secrets_manager::{CURRENT, PENDING, RotationRules, Secret};
use simulators::world::{Mailbox, MailboxPlan, World};

use crate::commands::Command;
use crate::ground::Ground;
use crate::part::Part;
use crate::reader::Reader;

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
    /// One that is deployed there.
    pub async fn on(ground: Ground) -> Self {
        let outputs = ground.deploy().await;
        Self {
            world: Arc::clone(&ground.beside.world),
            rotation: outputs["RotationFunctionArn"].clone(),
            ground,
            shops: AtomicI64::new(20),
        }
    }

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
        let events = own.folder.join("infra/events");
        std::fs::create_dir_all(&events).unwrap();
        for payload in std::fs::read_dir(repository().join("infra/events")).unwrap() {
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

    /// Who reads this part, and is at its first heading.
    pub fn reader(&self, part: &Part, own: &Own) -> Reader {
        let is_meant = |command: &Command| part.has(command);
        let variables = self.ground.terminal.env();
        let mut reader = Reader::of(part.document, is_meant, &own.folder, variables);
        reader.at(part.headings[0]);
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
