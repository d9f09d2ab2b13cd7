//! The whole outside world with the three functions in it: served on loopback, or in this process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::task::AbortHandle;
use uuid::Uuid;

use crate::aws::account::{ACCOUNT_ID, REGION};
use crate::aws::api_gateway::ApiGateway;
use crate::binaries;
use crate::clock::Clock;
use crate::microsoft::directory::account::Person;
use crate::microsoft::directory::application::{AppIds, NewSecret, Registration};
use crate::microsoft::directory::{Directory, PublicKey};

use crate::aws::event_bridge::EventBridge;
use crate::aws::lambda::in_process::{InProcessHost, kill_caller};
use crate::aws::lambda::{
    self, Function, Functions, InvocationResult, LambdaHost, function_arn, invoker,
};
use crate::aws::secrets_manager::{RotationRules, SecretsManager};
use crate::aws::sts::{Principal, Sts};
use crate::gate::{Gate, Service};
use crate::microsoft::directory::scope::Scope;
use crate::microsoft::{entra, graph};
use crate::network::Network;
use crate::serve::{bind, serve_on};
use crate::shopctrl;
use crate::shopctrl::employees::Role;
use crate::shopctrl::{Connection, Direction, Protocol, ShopCtrl};

/// The role of the rotation function, which Entra trusts.
pub const ROTATION_ROLE: &str = "arn:aws:iam::123456789012:role/shopmail-rotation";
/// The access key id that the rotation function signs with.
const ROTATION_KEY: &str = "ASIAROTATION";
/// The key that signs links.
pub const TICKET_KEY: &str = "ticket-key-of-the-simulated-world-0123456789";
/// The name and password of the ShopCtrl API login.
pub const SHOPCTRL_LOGIN: (&str, &str) = ("api@shop.example", "Basic-P4ss~word");

/// The name and password of somebody with Shop owner admin permissions in ShopCtrl's screens.
pub const SHOPCTRL_ADMIN: (&str, &str) = ("admin@agency.example", "Sh0p~owner-admin");
/// The name and password of somebody with the role User in ShopCtrl's screens.
pub const SHOPCTRL_USER: (&str, &str) = ("packer@agency.example", "Sh0p~user-only");

/// The world. `L` is what runs the functions.
pub struct World<L: Functions = LambdaHost> {
    /// Its clock.
    pub clock: Arc<Clock>,
    /// Its journal and faults.
    pub gate: Arc<Gate>,
    /// Entra's and Graph's state.
    pub directory: Arc<Directory>,
    /// ShopCtrl's state.
    pub shopctrl: Arc<ShopCtrl>,
    /// Secrets Manager's state.
    pub secrets_manager: Arc<SecretsManager>,
    /// EventBridge's state.
    pub event_bridge: Arc<EventBridge>,
    /// STS's state.
    pub sts: Arc<Sts>,
    /// The functions.
    pub lambda: Arc<L>,
    /// The address of the HTTP API before `oauth-callback`.
    pub callback_url: String,
    /// ShopCtrl's address.
    pub shopctrl_url: String,
    tenant: Uuid,
    rotator: AppIds,
    servers: Vec<AbortHandle>,
}

/// A world that has ended leaves no process, no port and no connection behind.
impl<L: Functions> Drop for World<L> {
    fn drop(&mut self) {
        self.lambda.end();
        for server in &self.servers {
            server.abort();
        }
    }
}

/// A mailbox to be put into the world.
#[derive(Debug, Clone)]
pub struct MailboxPlan {
    /// `shopmail/<name>`
    pub name: String,
    /// The account's address.
    pub address: String,
    /// What the account signs in with, where that is not its address.
    pub sign_in_name: Option<String>,
    /// Whether ShopCtrl speaks IMAP and SMTP with the mailbox, and not Microsoft Graph.
    pub mail_protocols: bool,
    /// The shop's number.
    pub shop_id: i64,
    /// `api` or `attended`.
    pub delivery: String,
    /// When the current client secret ends, from now.
    pub ends_in: SignedDuration,
    /// Whether the owner has given us a grant already.
    pub granted: bool,
    /// Whether the hand-over page may show the owner a pending secret.
    pub reveal_to_owner: bool,
    /// The mailbox whose app registration and first client secret it shares.
    pub beside: Option<Mailbox>,
    /// Changes the document before it is stored.
    pub document: fn(&mut Value),
}

impl MailboxPlan {
    fn sign_in_name(&self) -> &str {
        self.sign_in_name.as_deref().unwrap_or(&self.address)
    }

    /// What ShopCtrl's connections speak, receiving and sending.
    fn protocols(&self) -> [(Direction, Protocol); 2] {
        match self.mail_protocols {
            false => [
                (Direction::Receiving, Protocol::Graph),
                (Direction::Sending, Protocol::Graph),
            ],
            true => [
                (Direction::Receiving, Protocol::Imap),
                (Direction::Sending, Protocol::Smtp),
            ],
        }
    }

    /// What the account's owner has consented to.
    fn consented(&self) -> String {
        let permissions = match self.mail_protocols {
            false => "User.Read Mail.Read Mail.Send",
            true => {
                "https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send"
            }
        };
        format!("openid profile offline_access {permissions}")
    }
}

impl Default for MailboxPlan {
    fn default() -> Self {
        Self {
            name: "orders".to_owned(),
            address: "orders@shop.example".to_owned(),
            sign_in_name: None,
            mail_protocols: false,
            shop_id: 12,
            delivery: "api".to_owned(),
            ends_in: SignedDuration::from_hours(20 * 24),
            granted: true,
            reveal_to_owner: false,
            beside: None,
            document: |_| {},
        }
    }
}

/// A mailbox in the world.
#[derive(Debug, Clone)]
pub struct Mailbox {
    /// `shopmail/<name>`
    pub secret: String,
    /// Its ARN.
    pub arn: String,
    /// The app registration.
    pub app: AppIds,
    /// The account's address.
    pub address: String,
    /// What the account signs in with.
    pub sign_in_name: String,
    /// The account's password.
    pub password: String,
    /// The account.
    pub oid: Uuid,
    /// The shop's number.
    pub shop_id: i64,
    /// `api` or `attended`.
    pub delivery: String,
    /// The credential that it begins with.
    pub first_key: Uuid,
    /// A credential on the same app that is somebody else's.
    pub foreign_key: Uuid,
}

/// Waits that would only slow a test down, made short. The full ones are the functions' defaults.
pub fn short_waits() -> BTreeMap<String, String> {
    [
        ("SIGN_IN_INTERVAL", "PT0.02S"),
        ("PROPAGATION_WAIT", "PT3S"),
        ("MAIL_CHECK_WAIT", "PT3S"),
        ("LABEL_WAIT", "PT1.5S"),
        ("LOOK_INTERVAL", "PT0.2S"),
        ("REQUEST_TIMEOUT", "PT2S"),
        ("CONNECT_TIMEOUT", "PT2S"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

impl World {
    /// Builds the binaries, serves the world, registers the functions with `settings` on top of what
    /// they need. A service whose address the settings name is somebody else's, and is not served.
    /// Nothing is scheduled: [`World::check`] is one tick of the schedule.
    ///
    /// # Errors
    /// When the binaries do not build or no port can be had.
    pub async fn start(settings: BTreeMap<String, String>) -> Result<Self, String> {
        let binaries = tokio::task::spawn_blocking(binaries::build)
            .await
            .map_err(|error| error.to_string())??;
        let mut world = Self::unserved(machine_now(), LambdaHost::new())?;
        // ShopCtrl's own checks come often, so that waiting for one takes no time worth telling.
        world
            .shopctrl
            .set_check_interval(SignedDuration::from_millis(300));
        let mut env = settings;
        for (name, service) in world.services() {
            if env.contains_key(name) {
                continue;
            }
            // Entra allows http for localhost alone (reply-url.md).
            let host = match name {
                CALLBACK => "localhost",
                _ => "127.0.0.1",
            };
            let url = serve_at(service, host, &mut world.servers).await?;
            env.insert(name.to_owned(), url);
        }
        world.is_reached_at(&mut env)?;
        for (name, binary) in binaries {
            let mut function = Function::new(name, binary).timeout(FUNCTION_TIMEOUT);
            function.env.extend(env.clone());
            if name == "rotation" {
                function = function.env("AWS_ACCESS_KEY_ID", ROTATION_KEY);
            }
            world.lambda.register(function);
        }
        let killed = Arc::clone(&world.lambda);
        world.gate.set_kill_switch(move || killed.kill_all());
        Ok(world)
    }
}

/// A world in this process, whose functions are not registered yet.
pub struct InProcess {
    /// The world.
    pub world: Arc<World<InProcessHost>>,
    /// What carries the functions' requests; it has to outlive them.
    pub network: Arc<Network>,
    /// The functions' settings.
    pub env: BTreeMap<String, String>,
}

impl World<InProcessHost> {
    /// A world that begins at `now` and that nothing of the machine is needed for, made within a
    /// [`tokio::task::LocalSet`]. Under tokio's paused time its clock stands still but for waits, and
    /// for what it is set forward. A kill ends the invocation that makes the call.
    ///
    /// # Errors
    /// When the world cannot be furnished.
    pub fn in_process(
        now: Timestamp,
        settings: BTreeMap<String, String>,
    ) -> Result<InProcess, String> {
        let mut world = Self::unserved(now, InProcessHost::new())?;
        let mut env = settings;
        let mut network = Network::default();
        for (name, service) in world.services() {
            let host = format!("{}.simulated", service.name);
            env.insert(name.to_owned(), format!("https://{host}"));
            network.add(&host, service);
        }
        let aws = [
            ("AWS_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", ROTATION_KEY),
            ("AWS_SECRET_ACCESS_KEY", "simulated"),
        ];
        for (name, value) in aws {
            let value = value.to_owned();
            env.entry(name.to_owned()).or_insert(value);
        }
        world.is_reached_at(&mut env)?;
        world.gate.set_kill_switch(kill_caller);
        Ok(InProcess {
            world: Arc::new(world),
            network: Arc::new(network),
            env,
        })
    }

    /// Adds a function, with the time that the real one has.
    pub fn register(&self, name: &str, cold_start: lambda::in_process::ColdStart) {
        self.lambda.register(name, FUNCTION_TIMEOUT, cold_start);
    }
}

/// The address of the HTTP API, as the functions' setting.
const CALLBACK: &str = "CALLBACK_URL";
/// ShopCtrl's address: no setting of the functions, which find it in the mailbox documents.
const SHOPCTRL: &str = "SHOPCTRL_URL";
/// What the template gives `rotation` and `expiry-checker`.
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(900);

impl<L: Functions> World<L> {
    /// The services, furnished, that nobody can reach yet.
    fn unserved(now: Timestamp, lambda: Arc<L>) -> Result<Self, String> {
        let clock = Arc::new(Clock::starting_at(now));
        let directory = Directory::new(Arc::clone(&clock), 1);
        let sts = Sts::new(Arc::clone(&clock), 4).map_err(|error| error.to_string())?;
        let tenant = directory.add_tenant("shop.example");
        let rotator = federated_rotator(&directory, &sts, tenant);
        let world = Self {
            gate: Arc::new(Gate::default()),
            shopctrl: ShopCtrl::new(Arc::clone(&directory), Arc::clone(&clock)),
            secrets_manager: SecretsManager::new(Arc::clone(&clock), 2),
            event_bridge: EventBridge::new(Arc::clone(&clock), 3),
            directory,
            clock,
            sts,
            lambda,
            callback_url: String::new(),
            shopctrl_url: String::new(),
            tenant,
            rotator,
            servers: Vec::new(),
        };
        let (username, password) = SHOPCTRL_LOGIN;
        let login = json!({"username": username, "password": password}).to_string();
        for (name, value) in [
            ("shopmail-ticket-key", TICKET_KEY),
            ("shopmail-shopctrl/shop.example", &login),
        ] {
            let created = world.secrets_manager.create(name, value, &[]);
            created.map_err(|error| error.message)?;
        }
        let shops: Vec<i64> = (1..100).collect();
        for ((name, password), role) in [
            (SHOPCTRL_ADMIN, Role::ShopOwnerAdmin),
            (SHOPCTRL_USER, Role::User),
        ] {
            world.shopctrl.add_employee(name, password, role, &shops);
        }
        world.secrets_manager.set_invoker(invoker(&world.lambda));
        world.event_bridge.set_invoker(invoker(&world.lambda));
        let pattern =
            json!({"source": ["shopmail"], "detail-type": ["Check Continues", "Check Requested"]});
        world
            .event_bridge
            .add_rule(pattern, &function_arn("expiry-checker"))
            .map_err(|error| error.to_string())?;
        Ok(world)
    }

    /// Each service, by the setting that says where it is.
    fn services(&self) -> [(&'static str, Service); 8] {
        let (gate, clock) = (|| Arc::clone(&self.gate), || Arc::clone(&self.clock));
        let functions = || Arc::clone(&self.lambda) as Arc<dyn Functions>;
        let directory = || Arc::clone(&self.directory);
        let gateway = ApiGateway::new(functions(), "oauth-callback", clock());
        [
            (
                "AWS_ENDPOINT_URL_SECRETS_MANAGER",
                self.secrets_manager.service(gate()),
            ),
            (
                "AWS_ENDPOINT_URL_EVENTBRIDGE",
                self.event_bridge.service(gate()),
            ),
            ("AWS_ENDPOINT_URL_STS", self.sts.service(gate())),
            (
                "AWS_ENDPOINT_URL_LAMBDA",
                lambda::service(functions(), gate(), clock()),
            ),
            ("ENTRA_URL", entra::service(directory(), gate(), clock())),
            ("GRAPH_URL", graph::service(directory(), gate(), clock())),
            (
                SHOPCTRL,
                shopctrl::service(Arc::clone(&self.shopctrl), gate(), clock()),
            ),
            (CALLBACK, gateway.service(gate())),
        ]
    }

    /// Tells the services where they are reached, and completes the functions' settings.
    fn is_reached_at(&mut self, env: &mut BTreeMap<String, String>) -> Result<(), String> {
        let at = |name: &str| env.get(name).cloned().ok_or(format!("{name} is missing"));
        self.directory.set_authority(&at("ENTRA_URL")?);
        self.callback_url = at(CALLBACK)?;
        self.shopctrl_url = at(SHOPCTRL)?;
        self.shopctrl.set_base(&self.shopctrl_url);
        env.remove(SHOPCTRL);
        env.insert("ROTATION_FUNCTION".to_owned(), function_arn("rotation"));
        Ok(())
    }

    /// Puts a mailbox into the world: app registration with a foreign credential on it, account,
    /// shop with both connections working, mailbox secret with its companion and rotation on.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn add_mailbox(&self, plan: &MailboxPlan) -> Result<Mailbox, String> {
        let (app, foreign_key, (first_key, secret)) = match &plan.beside {
            None => self.add_app(plan)?,
            Some(beside) => {
                let value = self.directory.secret_value(beside.first_key);
                let first = (beside.first_key, value.ok_or("no secret")?);
                (beside.app, beside.foreign_key, first)
            }
        };
        let password = format!("Pa55~{}", plan.name);
        let person = Person {
            upn: plan.sign_in_name().to_owned(),
            ..Person::with_mailbox(&plan.address, &password)
        };
        let oid = self.directory.add_account(self.tenant, person);
        self.directory.consent(oid, app.app_id, &plan.consented());
        self.add_shop(plan, app.app_id, first_key, &secret)?;
        let arn = self.add_secrets(plan, &app, oid, first_key, &secret)?;
        Ok(Mailbox {
            secret: format!("shopmail/{}", plan.name),
            arn,
            app,
            address: plan.address.clone(),
            sign_in_name: plan.sign_in_name().to_owned(),
            password,
            oid,
            shop_id: plan.shop_id,
            delivery: plan.delivery.clone(),
            first_key,
            foreign_key,
        })
    }

    /// An app registration with a foreign credential on it, and the first one.
    fn add_app(&self, plan: &MailboxPlan) -> Result<(AppIds, Uuid, (Uuid, String)), String> {
        let app = self.directory.register(
            self.tenant,
            Registration {
                display_name: format!("ShopCtrl mail {}", plan.name),
                redirect_uris: vec![
                    format!("{}/callback", self.callback_url),
                    self.shopctrl.redirect_uri(),
                ],
                owners: [self.rotator.service_principal_id].into(),
                admin_consent: Scope::parse_list("Mail.Read").into_iter().collect(),
                ..Registration::default()
            },
        );
        let foreign = NewSecret {
            display_name: Some("reporting job, not yours".to_owned()),
            ..NewSecret::default()
        };
        let (foreign_key, _) = self
            .directory
            .add_secret(app.app_id, foreign)
            .ok_or("no app")?;
        let start = self.clock.now() - SignedDuration::from_hours(160 * 24);
        let first = NewSecret {
            display_name: Some("by hand".to_owned()),
            start: Some(start),
            end: Some(self.clock.now() + plan.ends_in),
            ..NewSecret::default()
        };
        let first = self
            .directory
            .add_secret(app.app_id, first)
            .ok_or("no app")?;
        Ok((app, foreign_key, first))
    }

    fn add_shop(
        &self,
        plan: &MailboxPlan,
        client_id: Uuid,
        key: Uuid,
        secret: &str,
    ) -> Result<(), String> {
        let (username, password) = SHOPCTRL_LOGIN;
        self.shopctrl
            .add_shop(plan.shop_id, &format!("Shop {}", plan.name));
        let shops: Vec<i64> = (1..100).collect();
        self.shopctrl.add_login(username, password, &shops);
        for (suffix, kind) in ["in", "out"].into_iter().zip(plan.protocols()) {
            let id = format!("{}-{suffix}", plan.name);
            let connection = Connection::new(
                plan.shop_id,
                &id,
                kind,
                &plan.address,
                self.tenant,
                client_id,
            );
            self.shopctrl.add_connection(connection);
            self.shopctrl.enter_secret(plan.shop_id, &id, secret);
            self.shopctrl
                .authorize_as(plan.shop_id, &id, plan.sign_in_name())?;
            self.shopctrl.edit(plan.shop_id, &id, |connection| {
                connection.key_id = Some(key)
            });
        }
        Ok(())
    }

    fn add_secrets(
        &self,
        plan: &MailboxPlan,
        app: &AppIds,
        oid: Uuid,
        key: Uuid,
        secret: &str,
    ) -> Result<String, String> {
        let [(_, receiving), (_, sending)] = plan.protocols();
        let connection = |suffix: &str, direction: &str, protocol: Protocol| {
            json!({
                "id": format!("{}-{suffix}", plan.name), "direction": direction,
                "protocol": protocol.name(),
                "mailbox": plan.address,
                "shopctrl": {"ui": self.shopctrl_url, "api": format!("{}/v1", self.shopctrl_url),
                             "shop_id": plan.shop_id, "credentials": "shopmail-shopctrl/shop.example"},
                "delivery": plan.delivery, "proof": "probe",
            })
        };
        let end = self.clock.now() + plan.ends_in;
        let mut document = json!({
            "version": 1, "tenant_id": self.tenant, "client_id": app.app_id, "cloud": "global",
            "description": "ShopCtrl mail", "lifetime": "P180D",
            "key_id": key, "client_secret": secret, "expires_at": end,
            "rotator": {"kind": "federated", "client_id": self.rotator.app_id},
            "connections": [
                connection("in", "receiving", receiving),
                connection("out", "sending", sending),
            ],
            "reveal_to": plan.reveal_to_owner.then_some(oid).into_iter().collect::<Vec<_>>(),
        });
        (plan.document)(&mut document);
        let name = format!("shopmail/{}", plan.name);
        let tags = [
            ("shopmail:managed", "mailbox"),
            ("shopmail:contact", "owner@agency.example"),
        ];
        let create = |name: &str, value: &str, tags: &[(&str, &str)]| {
            let created = self.secrets_manager.create(name, value, tags);
            created.map_err(|error| error.message)
        };
        let arn = create(&name, &document.to_string(), &tags)?;
        let mut granted = serde_json::Map::new();
        if plan.granted {
            let grant = json!({
                "oid": oid, "tid": self.tenant, "scopes": ["mail.read", "mail.send", "user.read"],
                "refresh_token": self.refresh_token(plan, app)?, "redeemed_at": self.clock.now(),
            });
            granted.insert(plan.address.to_lowercase(), grant);
        }
        let grants = json!({"version": 1, "grants": granted, "handover": {}});
        let companion = [("shopmail:managed", "grants")];
        create(&format!("{name}/grants"), &grants.to_string(), &companion)?;
        // The backstop: past the policy's due point, before the last week.
        let rules = Some(RotationRules::every_days(160));
        self.secrets_manager
            .set_rotation(&name, &function_arn("rotation"), rules)
            .map_err(|error| error.message)?;
        Ok(arn)
    }

    /// A refresh token that the owner gave through our callback some time ago.
    fn refresh_token(&self, plan: &MailboxPlan, app: &AppIds) -> Result<String, String> {
        let id = format!("{}-in", plan.name);
        // The same account and app: bound to both and to nothing else, like ShopCtrl's own.
        let connection = self.shopctrl.connection(plan.shop_id, &id);
        let own = connection.and_then(|connection| connection.refresh_token);
        let own = own.ok_or("ShopCtrl has no refresh token")?;
        let secret = self.directory.credentials(app.app_id);
        let secret = secret
            .iter()
            .find_map(|credential| self.directory.secret_value(credential.key_id));
        let client = crate::microsoft::directory::redemption::Client {
            tenant: &self.tenant.to_string(),
            client_id: &app.app_id.to_string(),
            proof: crate::microsoft::directory::redemption::Proof::Secret(
                &secret.ok_or("no secret")?,
            ),
        };
        let tokens = self
            .directory
            .redeem_refresh_token(client, &own, None)
            .map_err(|denial| denial.message.clone())?;
        tokens
            .refresh_token
            .ok_or_else(|| "no refresh token".to_owned())
    }

    /// One tick of the schedule, as EventBridge sends it.
    ///
    /// # Errors
    /// When the checker is not there.
    pub async fn check(&self) -> Result<InvocationResult, String> {
        let event = EventBridge::scheduled_event(&self.clock);
        self.invoke("expiry-checker", &event).await
    }

    /// Invokes a function.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn invoke(&self, function: &str, event: &Value) -> Result<InvocationResult, String> {
        let lambda = Arc::clone(&self.lambda);
        let invoked = lambda.call(function.to_owned(), event.clone()).await;
        invoked.map_err(|error| error.to_string())
    }

    /// Every secret string of the world that must not be found outside its place.
    #[must_use]
    pub fn secret_strings(&self) -> Vec<String> {
        let mut all: Vec<String> = self.directory.all_secret_strings().into_iter().collect();
        all.push(TICKET_KEY.to_owned());
        all.push(SHOPCTRL_LOGIN.1.to_owned());
        all
    }

    /// The tenant's id.
    #[must_use]
    pub fn tenant(&self) -> Uuid {
        self.tenant
    }

    /// The rotator's app.
    #[must_use]
    pub fn rotator(&self) -> AppIds {
        self.rotator
    }
}

/// The rotator's app registration trusts the rotation function's role, and nobody has a secret of it.
fn federated_rotator(directory: &Arc<Directory>, sts: &Arc<Sts>, tenant: Uuid) -> AppIds {
    let rotator = directory.register(
        tenant,
        Registration {
            display_name: "Shop mail rotator".to_owned(),
            app_roles: ["Application.ReadWrite.OwnedBy".to_owned()].into(),
            ..Registration::default()
        },
    );
    let audience = "api://AzureADTokenExchange";
    directory.add_federated(rotator.app_id, sts.issuer(), ROTATION_ROLE, audience);
    let issuer = sts.issuer().to_owned();
    let key = sts.public_key();
    directory.set_key_source(move |of| {
        (of == issuer).then(|| {
            vec![PublicKey {
                n: key.n.clone(),
                e: key.e.clone(),
            }]
        })
    });
    sts.set_principal(
        ROTATION_KEY,
        Principal {
            role_arn: ROTATION_ROLE.to_owned(),
            function_arn: Some(format!(
                "arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:rotation"
            )),
            session_ends: None,
        },
    );
    rotator
}

async fn serve_at(
    service: Service,
    host: &str,
    servers: &mut Vec<AbortHandle>,
) -> Result<String, String> {
    let (listener, address) = bind().await.map_err(|error| error.to_string())?;
    servers.push(serve_on(listener, service));
    Ok(format!("http://{host}:{}", address.port()))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the world begins at the machine's time, by which links and sessions end"
)]
fn machine_now() -> Timestamp {
    Timestamp::now()
}
