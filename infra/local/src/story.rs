//! The story's stage: the world, what tells of it, and how it is waited for.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;
use simulators::aws::event_bridge::EventBridge;
use simulators::aws::lambda::InvocationResult;
use simulators::microsoft::directory::replication::Replica;
use simulators::world::{Mailbox, MailboxPlan, World};
use tokio::time::MissedTickBehavior;

use crate::mails::Mails;
use crate::manual_page::Steps;
use crate::names::Names;
use crate::narration::{of_event, text};
use crate::outage_watch::OutageWatch;
use crate::scenario::{Scenario, let_entra_lag, settings};
use crate::sight::see;
use crate::state;
use crate::stop::Stop;
use crate::teller::Teller;
use crate::told::{Told, Tone};

/// How long one thing may take that takes seconds when all is well.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// How often a person who waits hears that it goes on.
const HEARTBEAT: Duration = Duration::from_secs(4);
const LOOK_EVERY: Duration = Duration::from_millis(50);

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
    /// The client secrets' names.
    pub names: Names,
    /// The mails that go out.
    pub mails: Mails,
    /// What tells the events apart that were told.
    told: BTreeSet<String>,
    /// What the last report was told as.
    report: String,
    in_chapter: bool,
}

impl Story {
    /// Starts everything; the functions are built.
    ///
    /// # Errors
    /// [`Stop`].
    pub async fn begin(mut teller: Teller, scenario: Scenario) -> Result<Self, Stop> {
        let world = World::start(settings()).await.map_err(Stop::World)?;
        let world = Arc::new(world);
        let mailbox = world.add_mailbox(&scenario.plan()).map_err(Stop::World)?;
        let mails = Mails::begin(&world)?;
        if scenario.entra_lags() {
            let_entra_lag(&world);
        }
        teller.enter(&world);
        let mail = OutageWatch::over(Arc::clone(&world), mailbox.shop_id);
        let mut names = Names::default();
        names.leave_out(mailbox.foreign_key);
        Ok(Self {
            names,
            world,
            mailbox,
            teller,
            mail,
            steps_by_hand: Vec::new(),
            mails,
            told: BTreeSet::new(),
            report: String::new(),
            in_chapter: false,
        })
    }

    /// Puts another mailbox into the world. From now on Entra knows at once what is new.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn add_mailbox(&self, plan: &MailboxPlan) -> Result<Mailbox, Stop> {
        let at_once = vec![Replica::default()];
        self.world.directory.set_token_replicas(at_once);
        self.world.add_mailbox(plan).map_err(Stop::World)
    }

    /// From now on it is about this mailbox. What looks at the mail goes on looking at the first one's.
    pub fn turn_to(&mut self, mailbox: Mailbox) {
        self.names.leave_out(mailbox.foreign_key);
        self.teller.forget_state();
        self.mailbox = mailbox;
    }

    /// Ends the chapter before, and begins one.
    ///
    /// # Errors
    /// [`Stop`].
    pub async fn chapter(
        &mut self,
        name: &'static str,
        headline: &str,
        steps: Steps,
    ) -> Result<(), Stop> {
        self.end_chapter().await?;
        self.in_chapter = true;
        self.teller.chapter(name, headline, steps)
    }

    /// Tells the mails that were still to go out, and shows how things stand.
    ///
    /// # Errors
    /// [`Stop`].
    pub async fn end_chapter(&mut self) -> Result<(), Stop> {
        if !std::mem::take(&mut self.in_chapter) {
            return Ok(());
        }
        let (world, queue) = (Arc::clone(&self.world), self.mails.queue());
        let mailed = async move {
            world.event_bridge.settled().await;
            queue.settled().await;
        };
        self.patiently("the mails", mailed).await?;
        self.tell_mails()?;
        self.show_state()
    }

    /// Begins a chapter at whose end there is no table.
    ///
    /// # Errors
    /// [`Stop`].
    pub async fn section(&mut self, name: &'static str, headline: &str) -> Result<(), Stop> {
        self.end_chapter().await?;
        self.teller.chapter(name, headline, &[])
    }

    /// Shows how things stand.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn show_state(&mut self) -> Result<(), Stop> {
        self.names.learn(self.listed());
        let state = state::of(&self.world, &self.mailbox, &self.names);
        self.teller.state(state)
    }

    /// Tells one thing.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn tell(&mut self, mut told: Told) -> Result<(), Stop> {
        self.names.learn(self.listed());
        let facts = told.facts.into_iter();
        told.facts = facts.map(|fact| self.names.introduce(fact)).collect();
        self.teller.tell(told)
    }

    /// Tells the mails that went out since it was last asked.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn tell_mails(&mut self) -> Result<(), Stop> {
        for told in self.mails.untold(&self.world) {
            self.teller.tell(told)?;
        }
        Ok(())
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
                done = &mut happening => return done.map_err(|_| too_long(what)),
                () = tokio::time::sleep(HEARTBEAT) => {
                    self.tell(Told::new("waiting", format!("Waiting: {what}.")).tone(Tone::Waiting))?;
                }
            }
        }
    }

    /// Waits for something, and tells meanwhile what the functions publish and whom they mail.
    ///
    /// # Errors
    /// [`Stop::NotSeen`] when it took too long.
    pub async fn follow<T>(
        &mut self,
        what: &str,
        happening: impl Future<Output = T>,
    ) -> Result<T, Stop> {
        let mut happening = std::pin::pin!(tokio::time::timeout(PATIENCE, happening));
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                biased;
                done = &mut happening => Some(done),
                _ = looks.tick() => None,
            };
            for event in self.untold() {
                self.tell(of_event(&event))?;
            }
            self.tell_mails()?;
            if let Some(done) = done {
                return done.map_err(|_| too_long(what));
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

    /// The events that were not told yet; they count as told. A report that says the same as the last
    /// one is none.
    pub fn untold(&mut self) -> Vec<Value> {
        let all = self.world.event_bridge.events();
        let mut new = Vec::new();
        for event in all {
            if !self.told.insert(identity(&event).to_owned()) {
                continue;
            }
            if text(&event, "detail-type") == "Fleet Report" {
                let report = of_event(&event).text;
                if report == std::mem::replace(&mut self.report, report.clone()) {
                    continue;
                }
            }
            new.push(event);
        }
        new
    }

    /// One tick of the schedule: the checker's answer. What it started goes on, to be told as it comes.
    ///
    /// # Errors
    /// [`Stop::NotSeen`] when the check failed.
    pub async fn check(&mut self) -> Result<Value, Stop> {
        let event = EventBridge::scheduled_event(&self.world.clock);
        self.ask_checker("the check's end", event).await
    }

    /// Invokes the checker: its answer.
    ///
    /// # Errors
    /// [`Stop::NotSeen`] when it failed.
    pub async fn ask_checker(&mut self, what: &str, event: Value) -> Result<Value, Stop> {
        let world = Arc::clone(&self.world);
        let asking = async move { world.invoke("expiry-checker", &event).await };
        without_error(self.patiently(what, asking).await?)
    }

    /// A tick of the schedule after this time, with all that comes of it, told as it comes: the
    /// checker's answer.
    ///
    /// # Errors
    /// [`Stop`].
    pub async fn check_after(&mut self, passes: SignedDuration) -> Result<Value, Stop> {
        self.world.clock.advance(passes);
        self.tell(Told::new(
            "check",
            "The scheduled check looks at every mailbox secret.",
        ))?;
        let world = Arc::clone(&self.world);
        let checking = async move { world.check().await };
        let payload = without_error(self.follow("the check's end", checking).await?)?;
        self.follow_rotation().await?;
        Ok(payload)
    }

    /// Tells what comes of a rotation until it rests and all that it caused is done.
    ///
    /// # Errors
    /// [`Stop`].
    pub async fn follow_rotation(&mut self) -> Result<(), Stop> {
        let (world, queue) = (Arc::clone(&self.world), self.mails.queue());
        let secret = self.mailbox.secret.clone();
        let rests = async move {
            world.secrets_manager.settled(&secret).await;
            world.event_bridge.settled().await;
            queue.settled().await;
        };
        self.follow("the end of the rotation's steps", rests).await
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
}

fn without_error(checked: Result<InvocationResult, String>) -> Result<Value, Stop> {
    let checked = checked.map_err(Stop::World)?;
    let what = format!("a check without an error ({})", checked.payload);
    see(checked.function_error.is_none(), &what)?;
    Ok(checked.payload)
}

fn too_long(what: &str) -> Stop {
    Stop::NotSeen(format!("{what} (within {} s)", PATIENCE.as_secs()))
}

/// What is told again, by a step that runs again, has the same `detail.id`.
fn identity(event: &Value) -> &str {
    match event.pointer("/detail/id").and_then(Value::as_str) {
        Some(id) => id,
        None => text(event, "id"),
    }
}
