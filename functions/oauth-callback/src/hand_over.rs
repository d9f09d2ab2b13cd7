//! A hand-over: what of it is left for the person who signed in, and the routes that go through it.

use jiff::Timestamp;
use shared::attestations::{Attestation, HandOverState};
use shared::companion::{Companion, CompanionStore};
use shared::events::{Event, EventKind, Subject};
use shared::failure::Failure;
use shared::mailbox_secret::{Connection, Delivery, Direction, MailboxSecret, SignInName};
use shared::retry::Deadline;
use shared::secret_store::SecretMetadata;
use shared::ticket::{Purpose, Refused, Ticket, TicketKey};
use tracing::{info, warn};

use crate::owner::Filed;
use crate::page::Reply;
use crate::request::Request;
use crate::signed_in::SignedIn;
use crate::{Answer, Ending, OAuthCallback, now, screens, texts};

/// A session's request, and what it is about.
pub(crate) struct HandingOver {
    pub session: SignedIn,
    pub key: TicketKey,
    pub ticket: Ticket,
    pub secret: SecretMetadata,
    /// The document of the version that the link is bound to.
    pub document: MailboxSecret,
    pub companion: Companion,
}

/// What is to be done for one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Task<'a> {
    pub connection: &'a Connection,
    pub how: How<'a>,
}

/// How it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum How<'a> {
    /// The person enters the secret in ShopCtrl, and says what it shows.
    Enter { said: Option<Said<'a>> },
    /// The person signs in for ShopCtrl at this address, which then takes the secret by itself.
    Authorize { url: &'a str, done: bool },
}

/// What a person said of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Said<'a> {
    pub state: HandOverState,
    pub at: Timestamp,
    pub evidence: &'a str,
}

impl Task<'_> {
    pub fn is_done(&self) -> bool {
        match &self.how {
            How::Enter { said } => said.is_some_and(|said| said.state == HandOverState::Attested),
            How::Authorize { done, .. } => *done,
        }
    }

    /// Whether the person said that it did not work.
    pub fn has_failed(&self) -> bool {
        match &self.how {
            How::Enter { said } => said.is_some_and(|said| said.state == HandOverState::Failed),
            How::Authorize { .. } => false,
        }
    }
}

/// The screen that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Screen {
    /// The task at this place.
    Task(usize),
    /// All is said; the rotation proves it.
    Watching,
    /// The new secret is the current one.
    Done,
}

/// Where a hand-over stands.
pub(crate) fn screen(tasks: &[Task<'_>], promoted: bool) -> Screen {
    if promoted {
        return Screen::Done;
    }
    match tasks.iter().position(|task| !task.is_done()) {
        Some(at) => Screen::Task(at),
        None => Screen::Watching,
    }
}

impl HandingOver {
    /// What this account has to do, receiving before sending.
    pub fn tasks(&self) -> Vec<Task<'_>> {
        let said = &self.companion.attestations;
        let mine = self
            .document
            .connections
            .iter()
            .filter(|c| c.mailbox == self.ticket.mailbox);
        let mut tasks: Vec<Task<'_>> = mine
            .filter_map(|connection| {
                let id = &connection.id;
                let how = match (connection.delivery, self.ticket.purpose) {
                    (Delivery::Attended, Purpose::Rotate) => How::Enter {
                        said: said.of(&self.ticket.version, id).map(Said::from),
                    },
                    (Delivery::Attended, Purpose::Connect) => return None,
                    (Delivery::Api, _) => How::Authorize {
                        url: self.session.authorize.get(id.as_str())?,
                        done: self.session.has_authorized(connection),
                    },
                };
                Some(Task { connection, how })
            })
            .collect();
        tasks.sort_by_key(|task| task.connection.direction == Direction::Sending);
        tasks
    }

    /// Whether a rotation made the link's version the current one.
    pub fn promoted(&self) -> bool {
        self.ticket.purpose == Purpose::Rotate
            && self.secret.versions.current() == Some(&self.ticket.version)
    }

    /// Whether the account that signed in is the mailbox's, also now.
    pub fn is_the_owners(&self) -> bool {
        // A session begins with an account of the document's tenant only.
        let (oid, tid) = (&self.session.oid, &self.document.tenant_id);
        Filed::of(&self.companion.grants, &self.ticket.mailbox, oid, tid) == Filed::Owner
    }

    /// The name that the mailbox's account signs in with.
    pub fn sign_in_name(&self) -> SignInName {
        self.document.sign_in_name(&self.ticket.mailbox)
    }

    /// Whether connections of other accounts wait for their own hand-over.
    pub fn others_wait(&self) -> bool {
        let others = self.document.connections.iter().filter(|connection| {
            connection.delivery == Delivery::Attended && connection.mailbox != self.ticket.mailbox
        });
        self.ticket.purpose == Purpose::Rotate
            && others.into_iter().any(|c| {
                !self
                    .companion
                    .attestations
                    .attested(&self.ticket.version, &c.id)
            })
    }

    pub fn event(&self, kind: EventKind) -> Event {
        Event {
            subject: Subject::Secret {
                name: self.secret.name.clone(),
                arn: self.secret.arn.clone(),
            },
            token: Some(self.ticket.version.clone()),
            kind,
        }
    }

    /// The connection of an open or finished task that a form names.
    pub fn named<'a>(&'a self, request: &Request) -> Option<Task<'a>> {
        let id = request.form("connection")?;
        let mut tasks = self.tasks().into_iter();
        tasks.find(|task| task.connection.id.as_str() == id)
    }
}

impl<'a> From<&'a Attestation> for Said<'a> {
    fn from(said: &'a Attestation) -> Self {
        Self {
            state: said.state,
            at: said.at,
            evidence: &said.evidence,
        }
    }
}

impl OAuthCallback {
    /// `GET /handover`: the screen that comes next. Changes nothing.
    pub(crate) async fn hand_over(&self, request: &Request, deadline: Deadline) -> Answer {
        let key = self.ticket_key().await?;
        let session = SignedIn::open(request, &key, now());
        let it = self.handing_over(session, key).await?;
        let tasks = it.tasks();
        let screen = screen(&tasks, it.promoted());
        let seen = match screen {
            Screen::Task(at) if tasks.get(at).is_some_and(Task::has_failed) => {
                self.watch(&it, deadline).await
            }
            Screen::Task(_) => Vec::new(),
            Screen::Watching | Screen::Done => self.watch(&it, deadline).await,
        };
        info!(?screen, "a hand-over's screen");
        Ok(Reply::Page(match screen {
            Screen::Task(at) => screens::task(&it, &tasks, at, &seen, None),
            Screen::Watching => screens::watching(&it, &tasks, &seen),
            Screen::Done => screens::done(&it, &tasks, &seen, self.renewal(&it)?),
        }))
    }

    /// `POST /attest`: what the person says that ShopCtrl shows.
    pub(crate) async fn attest(&self, request: &Request, deadline: Deadline) -> Answer {
        let key = self.ticket_key().await?;
        let session = SignedIn::open_for_form(request, &key, now());
        let mut it = self.handing_over(session, key).await?;
        let on = format!("{}/handover", self.settings.callback_url);
        if it.promoted() {
            return Ok(Reply::to(on));
        }
        let Some(task) = it.named(request) else {
            return Err(Ending::new("no-such-connection", texts::start_again()));
        };
        let state = match request.form("said").as_deref() {
            Some("authorized") => HandOverState::Attested,
            Some("other") => HandOverState::Failed,
            _ => return Err(Ending::new("said-nothing", texts::start_again())),
        };
        // Said again, it is no news: nothing is written, told or begun a second time.
        let news = match &task.how {
            How::Enter { said } => said.is_none_or(|said| said.state != state),
            How::Authorize { done, .. } => !done,
        };
        if !news {
            return Ok(Reply::to(on));
        }
        let connection = task.connection.clone();
        let mut reply = Reply::to(on);
        match task.how {
            How::Enter { .. } => self.note(&mut it, &connection, state, deadline).await?,
            How::Authorize { .. } => {
                it.session.authorized.push(connection.id.to_string());
                reply = reply.with_cookie(it.session.cookie(&it.key)?);
            }
        }
        if it.tasks().iter().all(Task::is_done) {
            self.have_it_go_on(&it).await;
        }
        Ok(reply)
    }

    /// Tells what was said and records it, by compare-and-swap. Told first: what is recorded and not
    /// told could not be told later, because said again it would be no news.
    async fn note(
        &self,
        it: &mut HandingOver,
        connection: &Connection,
        state: HandOverState,
        deadline: Deadline,
    ) -> Result<(), Ending> {
        // By ShopCtrl's clock, which is the one that its mail checks go by.
        let at = self.shopctrl_clock(connection, deadline).await;
        let said = Attestation {
            state,
            attested_by: it.session.oid.clone(),
            at: at.unwrap_or_else(now),
            evidence: texts::evidence(state, connection.direction).to_owned(),
        };
        let told = it.event(EventKind::HandOverAttested {
            connection: connection.id.clone(),
            direction: connection.direction,
            state,
            by: said.attested_by.clone(),
            at: said.at,
            evidence: said.evidence.clone(),
        });
        self.events.publish(&[told]).await?;
        let versions = &it.secret.versions;
        let live = [versions.current(), versions.in_progress()];
        let token = it.ticket.version.clone();
        CompanionStore::of(&self.store, &it.secret.name)
            .update(|companion| {
                let attestations = &mut companion.attestations;
                // What was said of rotations that are over is in their events.
                attestations.retain(|other| other == token || live.contains(&Some(other)));
                attestations.set(&token, &connection.id, said.clone());
            })
            .await?;
        it.companion.attestations.set(&token, &connection.id, said);
        info!(connection = %connection.id, ?state, "attested");
        Ok(())
    }

    /// Has the rotation go on that waits. If that fails, the next check does it.
    pub(crate) async fn have_it_go_on(&self, it: &HandingOver) {
        let Some(token) = it.secret.versions.in_progress() else {
            return;
        };
        if !it.secret.rotation_enabled {
            // RotateSecret would switch it on again (its API reference), which is whoever's who switched it off.
            info!("rotation is off: it is not asked to go on");
            return;
        }
        match self.store.rotate(&it.secret.arn, Some(token)).await {
            Ok(()) => info!("the rotation goes on"),
            Err(error) => {
                warn!(failure = %error.failure, "the rotation was not pushed on; the next check does it");
            }
        }
    }

    /// What a session is about, unless it is over, or its account is not the mailbox's any more.
    pub(crate) async fn handing_over(
        &self,
        session: Option<SignedIn>,
        key: TicketKey,
    ) -> Result<HandingOver, Ending> {
        let it = self.of_session(session, key).await?;
        if it.is_the_owners() {
            return Ok(it);
        }
        let wrong = Ending::new("wrong-account", texts::wrong_account(&it.sign_in_name()));
        Err(wrong.or_sign_in_anew(&it.session.ticket))
    }

    /// The same, whosever the mailbox is by now.
    pub(crate) async fn of_session(
        &self,
        session: Option<SignedIn>,
        key: TicketKey,
    ) -> Result<HandingOver, Ending> {
        let Some(session) = session else {
            return Err(Ending::new("no-session", texts::session_over()));
        };
        // The link may end while the person hands over; the session ends soon after.
        let ticket = match key.verify(&session.ticket, now()) {
            Ok(ticket) | Err(Refused::Expired(ticket)) => ticket,
            Err(Refused::Invalid) => {
                return Err(Ending::new("invalid-ticket", texts::invalid_link()));
            }
        };
        let span = tracing::Span::current();
        span.record("secret", &ticket.secret);
        span.record("token", &ticket.version);
        let (secret, value) = tokio::join!(
            self.store.describe(&ticket.secret),
            self.store.value_of(&ticket.secret, &ticket.version),
        );
        let (secret, value) = (secret?, value?);
        if secret.is_replica() {
            return Err(Ending::new("replica", texts::superseded()));
        }
        let versions = &secret.versions;
        let live = [versions.current(), versions.in_progress()].contains(&Some(&ticket.version));
        let Some(value) = value.filter(|_| live) else {
            return Err(Ending::new("superseded", texts::superseded()));
        };
        let document = MailboxSecret::read(&value.text)?;
        let companion = CompanionStore::of(&self.store, &secret.name);
        Ok(HandingOver {
            session,
            key,
            ticket,
            secret,
            document,
            companion: companion.read().await?,
        })
    }

    /// `GET /calendar`: the dates of a finished hand-over as a file.
    pub(crate) async fn calendar(&self, request: &Request) -> Answer {
        let key = self.ticket_key().await?;
        let it = self
            .handing_over(SignedIn::open(request, &key, now()), key)
            .await?;
        if !it.promoted() {
            return Err(Ending::new("not-done", texts::no_such_page()));
        }
        let entries = texts::calendar(&it.ticket, it.document.expires_at, self.renewal(&it)?);
        Ok(Reply::Calendar(crate::calendar::file(&entries, now())))
    }

    /// When the new secret will be renewed in its turn.
    fn renewal(&self, it: &HandingOver) -> Result<Timestamp, Failure> {
        let tag = it.secret.tags.get(shared::policy::TAG).map(String::as_str);
        let policy = self.settings.policy.clone().with_tag(tag)?;
        Ok(policy.renewal(it.document.lifetime.signed(), it.document.expires_at))
    }
}
