//! The story's stage: the world, what tells of it, and how a chapter sees for itself.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;
use simulators::aws::secrets_manager::CURRENT;
use simulators::microsoft::directory::replication::{Lag, Replica};
use simulators::world::{Mailbox, MailboxPlan, World, short_waits};
use uuid::Uuid;

use crate::narration::{of_event, text};
use crate::outage_watch::OutageWatch;
use crate::stop::Stop;
use crate::teller::{Teller, Told, Tone};

/// How long the current client secret of the story's mailbox works when it begins.
const DAYS_LEFT: i64 = 20;
/// How long before its end a client secret is renewed.
pub const RENEW_BEFORE_DAYS: i64 = 30;
/// How long a superseded client secret is kept.
pub const QUARANTINE_DAYS: i64 = 7;
/// When Entra's servers learn of something new, in milliseconds. Real ones took 4 to 18 s.
const ENTRA_LEARNS_AFTER: [i64; 3] = [1500, 3000, 5000];
/// How long one thing may take that takes seconds when all is well.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// How often a person who waits hears that it goes on.
const HEARTBEAT: Duration = Duration::from_secs(4);

/// The stage.
pub struct Story {
    /// The world.
    pub world: Arc<World>,
    /// The mailbox that it is about.
    pub mailbox: Mailbox,
    /// What tells.
    pub teller: Teller,
    /// What looks at the mail all the time.
    pub mail: OutageWatch,
    /// The steps of the manual page that a person did.
    pub steps_by_hand: Vec<u8>,
    /// What tells the events apart that were told.
    told: BTreeSet<String>,
}

impl Story {
    /// Builds and starts everything, and tells so.
    ///
    /// # Errors
    /// [`Stop`].
    pub async fn begin(mut teller: Teller) -> Result<Self, Stop> {
        teller.tell(
            Told::new(
                "building",
                "Building the three functions. The first time, this takes some minutes.",
            )
            .tone(Tone::Waiting),
        )?;
        let building = tokio::task::spawn_blocking(|| simulators::binaries::build().map(|_| ()));
        let mut building = std::pin::pin!(building);
        loop {
            tokio::select! {
                built = &mut building => {
                    built.map_err(|error| Stop::World(error.to_string()))?.map_err(Stop::World)?;
                    break;
                }
                () = tokio::time::sleep(Duration::from_secs(20)) => {
                    teller.tell(Told::new("building", "Still building.").tone(Tone::Waiting))?;
                }
            }
        }
        let world = World::start(settings()).await.map_err(Stop::World)?;
        let world = Arc::new(world);
        teller.enter(&world);
        let plan = MailboxPlan {
            ends_in: SignedDuration::from_hours(24 * DAYS_LEFT) + SignedDuration::from_mins(5),
            granted: false,
            ..MailboxPlan::default()
        };
        let mailbox = world.add_mailbox(&plan).map_err(Stop::World)?;
        let_entra_lag(&world);
        teller.tell(Told::new(
            "started",
            "They are built, and the simulated world is up.",
        ))?;
        let mail = OutageWatch::over(Arc::clone(&world), mailbox.shop_id);
        Ok(Self {
            world,
            mailbox,
            teller,
            mail,
            steps_by_hand: Vec::new(),
            told: BTreeSet::new(),
        })
    }

    /// Puts another mailbox into the world.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn add_mailbox(&self, plan: &MailboxPlan) -> Result<Mailbox, Stop> {
        let at_once = vec![Replica::default()];
        self.world.directory.set_token_replicas(at_once);
        let mailbox = self.world.add_mailbox(plan).map_err(Stop::World)?;
        let_entra_lag(&self.world);
        Ok(mailbox)
    }

    /// Tells one thing.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn tell(&mut self, told: Told) -> Result<(), Stop> {
        self.teller.tell(told)
    }

    /// Waits for something, and says now and then that it does.
    ///
    /// # Errors
    /// [`Stop::NotSeen`] when it took too long.
    pub async fn patiently<T>(
        &mut self,
        what: &str,
        happening: impl Future<Output = T>,
    ) -> Result<T, Stop> {
        let mut happening = std::pin::pin!(tokio::time::timeout(PATIENCE, happening));
        loop {
            tokio::select! {
                biased;
                done = &mut happening => {
                    return done.map_err(|_| Stop::NotSeen(format!("{what} (within {} s)", PATIENCE.as_secs())));
                }
                () = tokio::time::sleep(HEARTBEAT) => {
                    self.tell(Told::new("waiting", format!("Waiting: {what}.")).tone(Tone::Waiting))?;
                }
            }
        }
    }

    /// The next event of this type that was not told yet. It counts as told.
    ///
    /// # Errors
    /// [`Stop::NotSeen`] when none came.
    pub async fn event(&mut self, detail_type: &str) -> Result<Value, Stop> {
        let world = Arc::clone(&self.world);
        let told = self.told.clone();
        let fits = move |event: &Value| {
            text(event, "detail-type") == detail_type && !told.contains(identity(event))
        };
        let came = async move { world.event_bridge.wait_until(fits, PATIENCE).await };
        let what = match detail_type {
            // What the function does meanwhile is not seen from outside.
            "Connection Delivered" => {
                "several sign-ins with it in a row, and then its delivery".to_owned()
            }
            _ => format!("the event \"{detail_type}\""),
        };
        let event = self.patiently(&what, came).await?;
        let event = event.ok_or(Stop::NotSeen(what))?;
        self.told.insert(identity(&event).to_owned());
        Ok(event)
    }

    /// Waits for the next event of this type, tells it, and gives its detail.
    ///
    /// # Errors
    /// [`Stop::NotSeen`] when none came.
    pub async fn tell_event(&mut self, detail_type: &str) -> Result<Value, Stop> {
        let event = self.event(detail_type).await?;
        self.tell(of_event(&event))?;
        Ok(event.get("detail").cloned().unwrap_or_default())
    }

    /// The events that were not told yet; they count as told.
    pub fn untold(&mut self) -> Vec<Value> {
        let all = self.world.event_bridge.events();
        all.into_iter()
            .filter(|event| self.told.insert(identity(event).to_owned()))
            .collect()
    }

    /// One tick of the schedule: the checker's answer about the mailbox.
    ///
    /// # Errors
    /// [`Stop::NotSeen`] when the check failed.
    pub async fn check(&mut self) -> Result<Value, Stop> {
        let world = Arc::clone(&self.world);
        let checked = self
            .patiently("the check's end", async move { world.check().await })
            .await?;
        let checked = checked.map_err(Stop::World)?;
        see(
            checked.function_error.is_none(),
            &format!("a check without an error ({})", checked.payload),
        )?;
        Ok(checked.payload)
    }

    /// Waits until Secrets Manager runs no step of a rotation.
    ///
    /// # Errors
    /// [`Stop::NotSeen`] when it goes on and on.
    pub async fn until_rotation_rests(&mut self) -> Result<(), Stop> {
        let (world, secret) = (Arc::clone(&self.world), self.mailbox.secret.clone());
        let rests = async move { world.secrets_manager.settled(&secret).await };
        self.patiently("the end of the rotation's steps", rests)
            .await
    }

    /// The credential that the current version of the mailbox secret holds.
    pub fn current_key(&self) -> Option<Uuid> {
        let secret = self.world.secrets_manager.snapshot(&self.mailbox.secret)?;
        let document: Value = serde_json::from_str(secret.labelled(CURRENT)?.text()?).ok()?;
        text(&document, "key_id").parse().ok()
    }

    /// Whether Entra still lists this credential for the app.
    pub fn entra_lists(&self, key: Uuid) -> bool {
        let credentials = self.world.directory.credentials(self.mailbox.app.app_id);
        credentials
            .iter()
            .any(|credential| credential.key_id == key)
    }

    /// Whether mail flows in both directions, and has done so all the time.
    ///
    /// # Errors
    /// [`Stop::NotSeen`] when it did not.
    pub fn see_mail_flowing(&self) -> Result<(), Stop> {
        let seen = self.mail.seen();
        let now = self.world.shopctrl.outages();
        let flows = now
            .iter()
            .all(|outage| outage.shop_id != self.mailbox.shop_id)
            && seen.first.is_none();
        let what = format!(
            "mail flowing without a break ({:.1} s of outage, first: {})",
            seen.seconds,
            seen.first.unwrap_or_else(|| "none".to_owned())
        );
        see(flows, &what)
    }
}

/// What is there is known everywhere; what comes from now on is not, at first.
fn let_entra_lag(world: &World) {
    world.clock.advance(SignedDuration::from_mins(1));
    let lag = |millis| Replica {
        learns: Lag::Time(SignedDuration::from_millis(millis)),
        forgets: Lag::None,
    };
    let replicas = ENTRA_LEARNS_AFTER.map(lag);
    world.directory.set_token_replicas(replicas.to_vec());
}

/// What is told again, by a step that runs again, has the same `detail.id`.
fn identity(event: &Value) -> &str {
    match event.pointer("/detail/id").and_then(Value::as_str) {
        Some(id) => id,
        None => text(event, "id"),
    }
}

/// What the functions are told, beside the addresses of what surrounds them. Entra may take its
/// time; the rest only would make people wait.
fn settings() -> BTreeMap<String, String> {
    let mut settings = short_waits();
    for (name, value) in [
        ("PROPAGATION_WAIT", "PT60S".to_owned()),
        ("SIGN_IN_INTERVAL", "PT0.2S".to_owned()),
        ("MAIL_CHECK_WAIT", "PT30S".to_owned()),
        ("REQUEST_TIMEOUT", "PT10S".to_owned()),
        ("RENEW_BEFORE", format!("P{RENEW_BEFORE_DAYS}D")),
        ("QUARANTINE", format!("P{QUARANTINE_DAYS}D")),
    ] {
        settings.insert(name.to_owned(), value);
    }
    settings
}

/// Holds the story to what was seen.
///
/// # Errors
/// [`Stop::NotSeen`] when it was not.
pub fn see(seen: bool, what: &str) -> Result<(), Stop> {
    match seen {
        true => Ok(()),
        false => Err(Stop::NotSeen(what.to_owned())),
    }
}
