//! The three functions in this process: their libraries, over a transport that needs no socket. System tests and the
//! benchmark of a fleet run them so, in virtual time.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so does the benchmark"
)]

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use expiry_checker::ExpiryChecker;
use http::Request;
use oauth_callback::OAuthCallback;
use rotation::Rotation;
use shared::aws::AwsSettings;
use shared::config::Reader;
use shared::failure::Failure;
use shared::http::{Client, Limits, ResponseFuture, Transport, TransportError};
use shared::mailbox::MailClient;
use shared::secret_store::SecretStore;
use simulators::aws::lambda::in_process::{ColdStart, FunctionError};
use simulators::network::{Network, Unanswered};
use simulators::serve::ConnectionNumber;
use simulators::world::{InProcess, World};
use tokio::task::LocalSet;

/// The request id of every page.
const REFERENCE: &str = "00000000-0000-4000-8000-000000000000";

/// Puts the functions into the world.
pub fn register(in_process: &InProcess) {
    let world = &in_process.world;
    world.register("rotation", rotation(in_process));
    world.register("expiry-checker", expiry_checker(in_process));
    world.register("oauth-callback", oauth_callback(in_process));
}

fn rotation(world: &InProcess) -> ColdStart {
    let (env, network) = (world.env.clone(), Arc::downgrade(&world.network));
    Arc::new(move || {
        let settings = rotation::Settings::read(reader(&env)).unwrap();
        let http = client(&network, settings.aws.limits);
        let AwsSettings {
            limits,
            extra_roots,
            ..
        } = &settings.aws;
        let mail = MailClient::new(*limits, extra_roots).unwrap();
        let function = Rc::new(Rotation::over(settings, http, mail));
        Rc::new(move |event, left| {
            let function = Rc::clone(&function);
            Box::pin(async move { function.handle(event, left).await.map_err(error) })
        })
    })
}

fn expiry_checker(world: &InProcess) -> ColdStart {
    let mut env = world.env.clone();
    // By its key the simulated STS knows who asks: only `rotation` may.
    env.insert("AWS_ACCESS_KEY_ID".to_owned(), "ASIACHECKER".to_owned());
    let network = Arc::downgrade(&world.network);
    Arc::new(move || {
        let settings = expiry_checker::Settings::read(reader(&env)).unwrap();
        let limits = settings.aws.limits;
        let patient = Limits {
            request: settings.invoke_timeout,
            ..limits
        };
        let (http, patient) = (client(&network, limits), client(&network, patient));
        let function = Rc::new(ExpiryChecker::over(settings, &http, &patient));
        Rc::new(move |event, left| {
            let function = Rc::clone(&function);
            Box::pin(async move { function.handle(event, left).await.map_err(error) })
        })
    })
}

fn oauth_callback(world: &InProcess) -> ColdStart {
    let (env, network) = (world.env.clone(), Arc::downgrade(&world.network));
    Arc::new(move || {
        let function = callback_over(&env, &network);
        Rc::new(move |event, left| {
            let function = Rc::clone(&function);
            Box::pin(async move {
                let answer = function.handle(event, REFERENCE, left).await;
                let answer = answer.map_err(error)?;
                Ok(serde_json::to_value(answer).unwrap())
            })
        })
    })
}

fn callback_over(env: &BTreeMap<String, String>, network: &Weak<Network>) -> Rc<OAuthCallback> {
    let mut env = env.clone();
    env.insert("AWS_ACCESS_KEY_ID".to_owned(), "ASIACALLBACK".to_owned());
    let settings = oauth_callback::Settings::read(reader(&env)).unwrap();
    let http = client(network, settings.aws.limits);
    Rc::new(OAuthCallback::over(settings, http))
}

/// Secrets Manager, as `rotation` may use it.
pub fn store(world: &InProcess) -> SecretStore {
    let settings = rotation::Settings::read(reader(&world.env)).unwrap();
    let http = client(&Arc::downgrade(&world.network), settings.aws.limits);
    SecretStore::new(&settings.aws, &http)
}

/// `oauth-callback` with settings of its own.
#[must_use]
pub fn door(world: &InProcess, settings: &[(&str, &str)]) -> Rc<OAuthCallback> {
    let mut env = world.env.clone();
    let settings = settings.iter();
    env.extend(settings.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    callback_over(&env, &Arc::downgrade(&world.network))
}

/// Runs a test in a world in this process, whose time stands still but for waits.
pub fn in_virtual_time<F: Future<Output = ()>>(test: impl FnOnce(InProcess) -> F) {
    in_virtual_time_with(BTreeMap::new(), test);
}

/// The same with settings of the functions, and with what comes of it.
pub fn in_virtual_time_with<F: Future>(
    settings: BTreeMap<String, String>,
    test: impl FnOnce(InProcess) -> F,
) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async {
        let begins = "2026-11-23T09:00:00Z".parse().unwrap();
        let world = World::in_process(begins, settings).unwrap();
        register(&world);
        test(world).await
    })
}

fn reader(env: &BTreeMap<String, String>) -> Reader<impl Fn(&str) -> Option<String>> {
    Reader::new(|name: &str| env.get(name).cloned())
}

fn error(failure: Failure) -> FunctionError {
    FunctionError {
        error_type: failure.kind.error_type().to_owned(),
        message: failure.to_string(),
    }
}

fn client(network: &Weak<Network>, limits: Limits) -> Client {
    Client::over(InProcessTransport {
        network: network.clone(),
        limit: limits.request.duration(),
        connection: 0,
        next: Arc::new(AtomicU64::new(1)),
    })
}

/// Carries requests to the simulators' services, and keeps the time limit that the real client keeps.
#[derive(Debug)]
struct InProcessTransport {
    network: Weak<Network>,
    limit: Duration,
    connection: u64,
    /// The number of the next connection.
    next: Arc<AtomicU64>,
}

impl Transport for InProcessTransport {
    fn send(&self, mut request: Request<Bytes>) -> ResponseFuture<'_> {
        let connection = ConnectionNumber(self.connection);
        request.extensions_mut().insert(connection);
        Box::pin(async move {
            let network = self.network.upgrade().ok_or(TransportError::NotSent)?;
            match tokio::time::timeout(self.limit, network.send(request)).await {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(Unanswered::NoSuchHost)) => Err(TransportError::NotSent),
                Ok(Err(Unanswered::Broken)) => Err(TransportError::Broken),
                Err(_) => Err(TransportError::TimedOut),
            }
        })
    }

    fn apart(&self) -> Option<Client> {
        Some(Client::over(Self {
            network: self.network.clone(),
            limit: self.limit,
            connection: self.next.fetch_add(1, Ordering::SeqCst),
            next: Arc::clone(&self.next),
        }))
    }
}
