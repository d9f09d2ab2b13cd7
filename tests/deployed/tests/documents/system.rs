//! The deployed system that the documents are tried with, and the mailboxes in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use deployed::{Access, Checkout, Functions, MiniStack, Programs, Templates, Terminal, stacks};
use serde_json::Value;
use simulators::aws::secrets_manager::{CURRENT, PENDING, Secret};
use simulators::world::{Mailbox, MailboxPlan, World};
use tempfile::TempDir;

use crate::part::Part;
use crate::reader::Reader;

pub struct System {
    pub world: Arc<World>,
    mini_stack: MiniStack,
    settings: BTreeMap<String, String>,
    variables: BTreeMap<String, String>,
    folder: TempDir,
    shops: AtomicI64,
}

/// A reader's own mailbox.
pub struct Own {
    pub name: String,
    pub mailbox: Mailbox,
    folder: PathBuf,
}

impl System {
    /// One that is deployed, unless a program is missing.
    pub async fn or_say(test: &str) -> Option<Self> {
        let programs = Programs::or_say(test)?;
        let functions = Functions::built().unwrap();
        let world = Arc::new(World::start(simulators::world::short_waits()).await.unwrap());
        let mini_stack = MiniStack::start(&programs, Access::Open).await;
        let mut settings = world.lambda.function("rotation").unwrap().env.clone();
        settings.retain(|name, _| {
            !name.starts_with("AWS_")
                || name == "AWS_ENDPOINT_URL_SECRETS_MANAGER"
                || name == "AWS_ENDPOINT_URL_STS"
        });
        for own in ["CALLBACK_URL", "NOTICES_TOPIC", "ROTATION_FUNCTION"] {
            settings.remove(own);
        }
        let templates = Templates::for_mini_stack()
            .with_pages_at(&world.callback_url)
            .with_settings(&settings);
        let checkout = Checkout::new(&templates, &functions);
        let mut env = mini_stack.client_env();
        let terminal = Terminal::new(&checkout, &programs, env.clone());
        stacks::deploy_system(&terminal, &[("NotifyEmail", "it@shop.example")]).await;
        let url = mini_stack.url.clone();
        let invoker = move |_: String, payload: Value| -> futures_util::future::BoxFuture<'static, Result<(), String>> {
            let url = url.clone();
            Box::pin(async move {
                let limits = shared::http::Limits { connect: shared::period::Period::seconds(5), request: shared::period::Period::seconds(900) };
                let http = shared::http::Client::new(limits).unwrap();
                let request = http::Request::post(format!("{url}/2015-03-31/functions/shopmail-rotation/invocations"))
                    .header("authorization", "AWS4-HMAC-SHA256 Credential=123456789012/20270101/eu-west-1/lambda/aws4_request, SignedHeaders=host, Signature=0")
                    .body(bytes::Bytes::from(payload.to_string())).unwrap();
                let answer = http.send(request).await.unwrap();
                let body = String::from_utf8_lossy(answer.body()).into_owned();
                match answer.headers().get("x-amz-function-error") { None => Ok(()), Some(_) => Err(body) }
            })
        };
        world.secrets_manager.set_invoker(Arc::new(invoker));
        world.sts.set_default_principal(simulators::aws::sts::Principal { role_arn: simulators::world::ROTATION_ROLE.to_owned(), function_arn: None, session_ends: None });
        env.insert("AWS_ENDPOINT_URL_SECRETS_MANAGER".to_owned(), settings["AWS_ENDPOINT_URL_SECRETS_MANAGER"].clone());
        let folder = tempfile::tempdir().unwrap();
        env.insert("HOME".to_owned(), folder.path().display().to_string());
        let stand_ins = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents/programs");
        let path = std::env::var("PATH").unwrap();
        let own = programs.aws.parent().unwrap().display();
        env.insert("PATH".to_owned(), format!("{}:{own}:{path}", stand_ins.display()));
        env.insert("LC_ALL".to_owned(), "C.UTF-8".to_owned());
        let roots = folder.path().join("authority.pem");
        std::fs::write(&roots, world.authority.pem()).unwrap();
        env.insert("SSL_CERT_FILE".to_owned(), roots.display().to_string());
        Some(Self { world, mini_stack, settings, variables: env, folder, shops: AtomicI64::new(20) })
    }

    /// Microsoft's addresses, and those of the simulated services.
    pub fn microsoft(&self) -> Vec<(String, String)> {
        [
            ("https://login.microsoftonline.com", "ENTRA_URL"),
            ("outlook.office365.com:993", "IMAP_SERVER"),
            ("outlook.office365.com:995", "POP3_SERVER"),
            ("smtp.office365.com:587", "SMTP_SERVER"),
        ]
        .map(|(vendor, setting)| (vendor.to_owned(), self.settings[setting].clone()))
        .into()
    }

    /// What the folder has that a reader stands in: this project's `infra`, with the reader's mailbox in the payloads.
    fn give(&self, own: &Own) {
        let (infra, repository) = (own.folder.join("infra"), crate::reader::root().join("infra"));
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
        let folder = self.folder.path().join(&name);
        std::fs::create_dir(&folder).unwrap();
        let own = Own {
            name,
            mailbox: self.world.add_mailbox(&plan).unwrap(),
            folder,
        };
        self.give(&own);
        own
    }

    /// A check of all mailboxes.
    pub async fn check(&self) {
        let (mini_stack, body) = (&self.mini_stack, bytes::Bytes::from("{\"dry_run\": false}"));
        let request = http::Request::post(format!("{}/2015-03-31/functions/shopmail-expiry-checker/invocations", mini_stack.url))
            .header("authorization", "AWS4-HMAC-SHA256 Credential=123456789012/20270101/eu-west-1/lambda/aws4_request, SignedHeaders=host, Signature=0")
            .body(body).unwrap();
        let answer = mini_stack.send(request).await;
        assert!(answer.headers().get("x-amz-function-error").is_none(), "{answer:?}");
    }

    pub fn reader(&self, document: &'static str, parts: &[&'static str], own: &Own) -> Reader {
        let mut reader = Reader::of(document, parts, &own.folder, &self.variables);
        reader.puts("shopmail/orders", &own.mailbox.secret);
        reader.puts("orders@shop.example", &own.mailbox.address);
        for direction in ["in", "out"] {
            reader.puts(&format!("orders-{direction}"), format!("{}-{direction}", own.name));
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
        system.world.secrets_manager.settled(&self.mailbox.secret).await;
    }

    /// A rotation on demand, as far as it goes.
    pub async fn rotates(&self, system: &System) {
        system.world.secrets_manager.rotate(&self.mailbox.secret).unwrap();
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
        shopctrl.authorize_as(shop, &id, &self.mailbox.sign_in_name).unwrap();
    }
}
