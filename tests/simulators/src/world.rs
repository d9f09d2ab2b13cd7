//! The whole outside world with the four functions in it: served on loopback, or in this process.

mod mailbox;
mod tenant;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::task::AbortHandle;
use uuid::Uuid;

use crate::aws::account::{ACCOUNT_ID, REGION};
use crate::aws::api_gateway::ApiGateway;
use crate::aws::event_bridge::{EventBridge, UnsupportedPattern};
use crate::aws::iam::{Iam, KEYS};
use crate::aws::lambda::in_process::{InProcessHost, kill_caller};
use crate::aws::lambda::{
    self, Function, Functions, InvocationResult, LambdaHost, function_arn, invoke_asynchronously,
    invoker,
};
use crate::aws::queue::Queue;
use crate::aws::secrets_manager::SecretsManager;
use crate::aws::ses::Ses;
use crate::aws::sns::{Sns, Subscribed};
use crate::aws::sts::{Principal, Sts};
use crate::binaries;
use crate::clock::Clock;
use crate::gate::{Gate, Service};
use crate::microsoft::directory::application::{AppIds, Registration};
use crate::microsoft::directory::{Directory, PublicKey};
use crate::microsoft::exchange::{Exchange, Protocol};
use crate::microsoft::{entra, graph};
use crate::network::Network;
use crate::serve::{bind, serve_on};
use crate::shopctrl;
use crate::shopctrl::ShopCtrl;
use crate::shopctrl::employees::Role;
use crate::tls_authority::TlsAuthority;
pub use mailbox::{Mailbox, MailboxPlan};
pub use tenant::Tenant;

/// The role of the rotation function, which Entra trusts.
pub const ROTATION_ROLE: &str = "arn:aws:iam::123456789012:role/shopmail-rotation";
/// The access key id that the rotation function signs with.
const ROTATION_KEY: &str = "ASIAROTATION";
/// The key that signs links.
pub const TICKET_KEY: &str = "ticket-key-of-the-simulated-world-0123456789";
/// The name and password of the ShopCtrl API login.
pub const SHOPCTRL_LOGIN: (&str, &str) = ("api@shop.example", "Basic-P4ss~word");

/// Who runs the system, where no `NOTIFY_EMAIL` says so.
const ADMINISTRATOR: &str = "it@agency.example";

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
    /// Exchange's mail protocols.
    pub exchange: Arc<Exchange>,
    /// Whom the functions trust beside the authorities of the internet: what certifies Exchange.
    pub authority: TlsAuthority,
    /// ShopCtrl's state.
    pub shopctrl: Arc<ShopCtrl>,
    /// Secrets Manager's state.
    pub secrets_manager: Arc<SecretsManager>,
    /// EventBridge's state.
    pub event_bridge: Arc<EventBridge>,
    /// STS's state.
    pub sts: Arc<Sts>,
    /// The administrator's topic.
    pub sns: Arc<Sns>,
    /// The mail service.
    pub ses: Arc<Ses>,
    /// What the functions may do.
    pub iam: Arc<Iam>,
    /// The HTTP API before `oauth-callback`.
    pub api_gateway: Arc<ApiGateway>,
    /// The functions.
    pub lambda: Arc<L>,
    /// The address of the HTTP API before `oauth-callback`.
    pub callback_url: String,
    /// ShopCtrl's address.
    pub shopctrl_url: String,
    tenant: Tenant,
    servers: Vec<AbortHandle>,
}

/// A world that has ended leaves no process, no port and no connection behind.
impl<L: Functions> Drop for World<L> {
    fn drop(&mut self) {
        self.lambda.end();
        self.exchange.close();
        for server in &self.servers {
            server.abort();
        }
    }
}

/// Waits that would only slow a test down, made short. The full ones are the functions' defaults.
pub fn short_waits() -> BTreeMap<String, String> {
    [
        ("SIGN_IN_INTERVAL", "PT0.02S"),
        ("PROPAGATION_WAIT", "PT3S"),
        ("MAIL_CHECK_WAIT", "PT3S"),
        ("LABEL_WAIT", "PT1.5S"),
        ("LOOK_INTERVAL", "PT0.2S"),
        ("SLOT_WAIT", "PT0.5S"),
        ("REQUEST_TIMEOUT", "PT2S"),
        ("CONNECT_TIMEOUT", "PT2S"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

impl World {
    /// Builds the binaries, serves the world, registers the functions with `settings` on top of what
    /// they need. A service whose address the settings name is somebody else's, and is not served; `TLS_EXTRA_ROOTS`
    /// has what it needs, in PEM form.
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
        world.serve_exchange(&mut env).await?;
        for (name, binary) in binaries {
            let mut function = Function::new(name, binary).timeout(FUNCTION_TIMEOUT);
            function.env.extend(env.clone());
            let key = KEYS.into_iter().find(|(function, ..)| function == name);
            if let Some((_, key, _)) = key {
                function = function.env("AWS_ACCESS_KEY_ID", key);
            }
            world.lambda.register(function);
        }
        let killed = Arc::clone(&world.lambda);
        world.gate.set_kill_switch(move || killed.kill_all());
        Ok(world)
    }

    async fn serve_exchange(&self, env: &mut BTreeMap<String, String>) -> Result<(), String> {
        for (name, protocol) in MAIL_SERVERS {
            if env.contains_key(name) {
                continue;
            }
            let opened = self.exchange.open(protocol).await;
            let port = opened.map_err(|error| error.to_string())?.port();
            env.insert(name.to_owned(), format!("localhost:{port}"));
        }
        // Those that somebody else's servers need stand before ours.
        let roots = env.entry("TLS_EXTRA_ROOTS".to_owned()).or_default();
        roots.push_str(&self.authority.pem());
        Ok(())
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
        // The mail protocols want sockets, which nobody has here.
        for (name, protocol) in MAIL_SERVERS {
            let nowhere = format!("{}.invalid:1", protocol.service());
            env.entry(name.to_owned()).or_insert(nowhere);
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
/// Exchange's addresses, as the functions' settings.
const MAIL_SERVERS: [(&str, Protocol); 3] = [
    ("IMAP_SERVER", Protocol::Imap),
    ("POP3_SERVER", Protocol::Pop3),
    ("SMTP_SERVER", Protocol::Smtp),
];
/// ShopCtrl's address: no setting of the functions, which find it in the mailbox documents.
const SHOPCTRL: &str = "SHOPCTRL_URL";
/// The template's queue gathers for longer.
const MAIL_WINDOW: Duration = Duration::from_millis(300);
/// What the template gives `rotation` and `expiry-checker`.
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(900);

impl<L: Functions> World<L> {
    /// The services, furnished, that nobody can reach yet.
    fn unserved(now: Timestamp, lambda: Arc<L>) -> Result<Self, String> {
        let clock = Arc::new(Clock::starting_at(now));
        let directory = Directory::new(Arc::clone(&clock), 1);
        let sts = Sts::new(Arc::clone(&clock), 4).map_err(|error| error.to_string())?;
        trust_the_rotation_function(&directory, &sts);
        let id = directory.add_tenant("shop.example");
        let (username, password) = SHOPCTRL_LOGIN;
        let tenant = Tenant {
            id,
            rotator: federated_rotator(&directory, &sts, id),
            login_secret: "shopmail-shopctrl/shop.example".to_owned(),
            login: (username.to_owned(), password.to_owned()),
        };
        let secrets_manager = SecretsManager::new(Arc::clone(&clock), 2);
        let functions = Arc::clone(&lambda) as Arc<dyn Functions>;
        let api_gateway = ApiGateway::new(functions, "oauth-callback", Arc::clone(&clock))?;
        let gate = Arc::new(Gate::default());
        let authority = TlsAuthority::new();
        let identity = authority.server(&["localhost"]);
        let world = Self {
            api_gateway,
            exchange: Exchange::new(Arc::clone(&directory), Arc::clone(&gate), &identity),
            authority,
            gate,
            shopctrl: ShopCtrl::new(Arc::clone(&directory), Arc::clone(&clock)),
            iam: Iam::new(Arc::clone(&secrets_manager))?,
            secrets_manager,
            event_bridge: EventBridge::new(Arc::clone(&clock), 3),
            directory,
            sns: Sns::new(Arc::clone(&clock)),
            ses: Ses::new(Arc::clone(&clock)),
            clock,
            sts,
            lambda,
            callback_url: String::new(),
            shopctrl_url: String::new(),
            tenant,
            servers: Vec::new(),
        };
        let login = json!({"username": username, "password": password}).to_string();
        for (name, value) in [
            ("shopmail-ticket-key", TICKET_KEY),
            ("shopmail-shopctrl/shop.example", &login),
        ] {
            let created = world.secrets_manager.create(name, value, &[]);
            created.map_err(|error| error.message)?;
        }
        let shops: Vec<i64> = (1..100).collect();
        world.shopctrl.add_login(username, password, &shops);
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
    fn services(&self) -> [(&'static str, Service); 10] {
        let (gate, clock) = (|| Arc::clone(&self.gate), || Arc::clone(&self.clock));
        let functions = || Arc::clone(&self.lambda) as Arc<dyn Functions>;
        let directory = || Arc::clone(&self.directory);
        let guarded = |service: Service| self.iam.before(service);
        [
            (
                "AWS_ENDPOINT_URL_SECRETS_MANAGER",
                guarded(self.secrets_manager.service(gate())),
            ),
            (
                "AWS_ENDPOINT_URL_EVENTBRIDGE",
                guarded(self.event_bridge.service(gate())),
            ),
            ("AWS_ENDPOINT_URL_STS", guarded(self.sts.service(gate()))),
            ("AWS_ENDPOINT_URL_SNS", guarded(self.sns.service(gate()))),
            ("AWS_ENDPOINT_URL_SESV2", guarded(self.ses.service(gate()))),
            (
                "AWS_ENDPOINT_URL_LAMBDA",
                guarded(lambda::service(functions(), gate(), clock())),
            ),
            ("ENTRA_URL", entra::service(directory(), gate(), clock())),
            ("GRAPH_URL", graph::service(directory(), gate(), clock())),
            (
                SHOPCTRL,
                shopctrl::service(Arc::clone(&self.shopctrl), gate(), clock()),
            ),
            (CALLBACK, self.api_gateway.service(gate())),
        ]
    }

    /// Tells the services where they are reached, and completes the functions' settings.
    fn is_reached_at(&mut self, env: &mut BTreeMap<String, String>) -> Result<(), String> {
        let at = |name: &str| env.get(name).cloned().ok_or(format!("{name} is missing"));
        self.directory.set_authority(&at("ENTRA_URL")?);
        self.directory.set_graph(&at("GRAPH_URL")?);
        self.callback_url = at(CALLBACK)?;
        self.shopctrl_url = at(SHOPCTRL)?;
        self.shopctrl.set_base(&self.shopctrl_url);
        env.remove(SHOPCTRL);
        env.insert("ROTATION_FUNCTION".to_owned(), function_arn("rotation"));
        // A test may leave it empty.
        env.entry("NOTIFIER_FUNCTION".to_owned())
            .or_insert_with(|| function_arn("notifier"));
        env.insert("NOTICES_TOPIC".to_owned(), Sns::topic());
        // The template subscribes the administrator, who has confirmed it.
        let administrator = env
            .get("NOTIFY_EMAIL")
            .map_or(ADMINISTRATOR, String::as_str);
        self.sns
            .set_subscription(administrator, Subscribed::Confirmed);
        Ok(())
    }

    /// From now on people get mail: what the template's rule matches goes to `notifier`, by its queue.
    ///
    /// # Errors
    /// When the pattern is not simulated.
    pub fn deliver_mail(&self, pattern: Value) -> Result<Arc<Queue>, UnsupportedPattern> {
        let functions = Arc::clone(&self.lambda) as Arc<dyn Functions>;
        let queue = Queue::before(functions, "notifier", MAIL_WINDOW);
        self.event_bridge.add_queue(pattern, &queue)?;
        Ok(queue)
    }

    /// One tick of the schedule, as EventBridge sends it, and the invocations that the check waits for no longer.
    ///
    /// # Errors
    /// When the checker is not there.
    pub async fn check(&self) -> Result<InvocationResult, String> {
        let event = EventBridge::scheduled_event(&self.clock);
        let lambda = Arc::clone(&self.lambda) as Arc<dyn Functions>;
        let invoked = invoke_asynchronously(lambda, "expiry-checker".to_owned(), event).await;
        self.lambda.concurrency().settled().await;
        invoked.map_err(|error| error.to_string())
    }

    /// So many of the account's invocations may run at once; none stands for no limit.
    pub fn set_concurrency(&self, limit: Option<usize>) {
        self.lambda.concurrency().set_limit(limit);
    }

    /// Waits until nothing goes on that nobody waits for: asynchronous invocations, those of EventBridge's targets
    /// included, and rotations.
    pub async fn settle(&self) {
        let (concurrency, events) = (self.lambda.concurrency(), &self.event_bridge);
        let secrets = &self.secrets_manager;
        while !(concurrency.is_settled() && events.is_settled() && secrets.is_settled()) {
            concurrency.settled().await;
            events.settled().await;
            secrets.all_settled().await;
        }
    }

    /// Invokes a function.
    ///
    /// # Errors
    /// When it is not there, or no place is free.
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
        self.tenant.id
    }

    /// The rotator's app.
    #[must_use]
    pub fn rotator(&self) -> AppIds {
        self.tenant.rotator
    }
}

/// The rotator's app registration trusts the rotation function's role, and nobody has a secret of it.
fn federated_rotator(directory: &Directory, sts: &Sts, tenant: Uuid) -> AppIds {
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
    rotator
}

/// Entra reads the keys of the account's tokens, and STS knows the rotation function by what it signs with.
fn trust_the_rotation_function(directory: &Directory, sts: &Sts) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shopctrl::Protocol as Spoken;

    #[tokio::test(start_paused = true)]
    async fn a_mailbox_may_receive_and_send_by_any_protocol() {
        let furnish = async {
            let InProcess { world, .. } =
                World::in_process("2026-11-23T09:00:00Z".parse().unwrap(), BTreeMap::new())
                    .unwrap();
            let (graph, smtp) = (Spoken::Graph, Spoken::Smtp);
            let (imap, pop3) = (Spoken::Imap, Spoken::Pop3);
            let kinds = [(imap, smtp), (pop3, smtp), (graph, smtp), (imap, graph)];
            for ((receiving, sending), shop_id) in kinds.into_iter().zip(20..) {
                let name = format!("m{shop_id}");
                let plan = MailboxPlan {
                    address: format!("{name}@shop.example"),
                    name: name.clone(),
                    shop_id,
                    receiving,
                    sending,
                    ..MailboxPlan::default()
                };
                world.add_mailbox(&plan).unwrap();
                for direction in ["in", "out"] {
                    let id = format!("{name}-{direction}");
                    let tested = world.shopctrl.test_connection(shop_id, &id, None);
                    assert_eq!(tested, Some(Ok(())), "{id}");
                }
            }
        };
        tokio::task::LocalSet::new().run_until(furnish).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_mailbox_of_another_tenant_has_that_tenants_rotator_and_login() {
        let furnish = async {
            let InProcess { world, .. } =
                World::in_process("2026-11-23T09:00:00Z".parse().unwrap(), BTreeMap::new())
                    .unwrap();
            let tenant = world.add_tenant("other.example", &[1000, 1001]).unwrap();
            let plan = MailboxPlan {
                shop_id: 1001,
                address: "orders@other.example".to_owned(),
                tenant: Some(tenant.clone()),
                ..MailboxPlan::default()
            };
            let mailbox = world.add_mailbox(&plan).unwrap();
            let app = world.directory.application(mailbox.app.app_id).unwrap();
            assert_eq!(app.tenant_id, tenant.id);
            let owner = tenant.rotator.service_principal_id;
            assert!(app.registration.owners.contains(&owner));
            let stored = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
            let document = stored.labelled("AWSCURRENT").unwrap().text().unwrap();
            assert!(document.contains("shopmail-shopctrl/other.example"));
            assert!(document.contains(&tenant.rotator.app_id.to_string()));
            let tested = world.shopctrl.test_connection(1001, "orders-in", None);
            assert_eq!(tested, Some(Ok(())));
        };
        tokio::task::LocalSet::new().run_until(furnish).await;
    }
}
