//! What the person has to do for each connection, and which page comes next.

use jiff::Timestamp;
use shared::grants::attestations::{Attestation, HandOverState};
use shared::mailbox_secret::{Connection, Delivery, Direction};
use shared::ticket::Purpose;

use super::context::HandOverContext;

/// What is to be done for one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Task<'a> {
    pub connection: &'a Connection,
    pub kind: TaskKind<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TaskKind<'a> {
    /// The person enters the secret in ShopCtrl, and says what it shows.
    EnterSecret { statement: Option<Statement> },
    /// The person signs in for ShopCtrl at this address, which then takes the secret by itself.
    Authorize { url: &'a str, done: bool },
}

/// What a person said of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Statement {
    pub state: HandOverState,
    pub at: Timestamp,
}

impl From<&Attestation> for Statement {
    fn from(recorded: &Attestation) -> Self {
        Self {
            state: recorded.state,
            at: recorded.at,
        }
    }
}

impl Task<'_> {
    pub fn enters_secret(&self) -> bool {
        match self.kind {
            TaskKind::EnterSecret { .. } => true,
            TaskKind::Authorize { .. } => false,
        }
    }

    pub fn is_done(&self) -> bool {
        match &self.kind {
            TaskKind::EnterSecret { statement } => {
                statement.is_some_and(|statement| statement.state == HandOverState::Attested)
            }
            TaskKind::Authorize { done, .. } => *done,
        }
    }

    /// Whether the person said that it did not work.
    pub fn has_failed(&self) -> bool {
        match &self.kind {
            TaskKind::EnterSecret { statement } => {
                statement.is_some_and(|statement| statement.state == HandOverState::Failed)
            }
            TaskKind::Authorize { .. } => false,
        }
    }

    /// Whether a statement changes anything: the same once more is no news.
    pub fn changes_by(&self, state: HandOverState) -> bool {
        match &self.kind {
            TaskKind::EnterSecret { statement } => {
                statement.is_none_or(|statement| statement.state != state)
            }
            TaskKind::Authorize { done, .. } => !done,
        }
    }
}

/// What this account has to do, receiving before sending.
pub(crate) fn tasks(context: &HandOverContext) -> Vec<Task<'_>> {
    let attestations = &context.grants_document.attestations;
    let version = &context.ticket.version;
    let of_mailbox = |c: &&Connection| c.mailbox == context.ticket.mailbox;
    let connections = context.document.connections.iter().filter(of_mailbox);
    let mut tasks: Vec<Task<'_>> = connections
        .filter_map(|connection| {
            let id = &connection.id;
            let kind = match (connection.delivery, context.ticket.purpose) {
                (Delivery::Attended, Purpose::Rotate) => TaskKind::EnterSecret {
                    statement: attestations.of(version, id).map(Statement::from),
                },
                (Delivery::Attended, Purpose::Connect) => return None,
                (Delivery::Api, _) => TaskKind::Authorize {
                    url: context.session.authorize.get(id.as_str())?,
                    done: context.session.has_authorized(connection),
                },
            };
            Some(Task { connection, kind })
        })
        .collect();
    tasks.sort_by_key(|task| task.connection.direction == Direction::Sending);
    tasks
}

/// The place of the task of the connection with this id.
pub(crate) fn place_of(tasks: &[Task<'_>], connection: &str) -> Option<usize> {
    tasks
        .iter()
        .position(|task| task.connection.id.as_str() == connection)
}

/// The screen that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Screen {
    /// The task at this place.
    Task(usize),
    /// All is said; the rotation proves it.
    Proving,
    /// The new secret is the current one.
    Done,
}

pub(crate) fn screen(tasks: &[Task<'_>], promoted: bool) -> Screen {
    if promoted {
        return Screen::Done;
    }
    match tasks.iter().position(|task| !task.is_done()) {
        Some(at) => Screen::Task(at),
        None => Screen::Proving,
    }
}
