//! A life cycle of a mailbox: what sets it apart from the others. Each is one file in `lives/`.

use std::pin::Pin;

use jiff::SignedDuration;
use simulators::world::MailboxPlan;

use super::site::Site;
use super::trouble::Trouble;
use crate::support::Scenario;

/// What a person does, told how it ended: whether all was done that there was to do. Called again, it
/// does what a person does who saw it fail.
pub type Person = fn(Scenario) -> Pin<Box<dyn Future<Output = bool> + Send>>;

/// A life cycle.
#[derive(Debug, Clone, Copy)]
pub struct Life {
    /// In the cells' names and as a heading.
    pub name: &'static str,
    /// For docs/reliability.md: what happens in it, and which of its calls are tried.
    pub told: &'static str,
    /// The mailbox.
    pub plan: fn() -> MailboxPlan,
    /// What is different in its world.
    pub prepare: fn(Scenario) -> Pin<Box<dyn Future<Output = ()> + Send>>,
    /// What the renewal waits for: the event that asks a person, and the person.
    pub person: Option<(&'static str, Person)>,
    /// What else is told by what the person does.
    pub person_tells: &'static [&'static str],
    /// How the person's part stands, in words.
    pub stands: fn(&Scenario) -> &'static str,
    /// Whether a person delivers: what they take between Client Secret and Authorized is no outage that
    /// could be avoided.
    pub attended: bool,
    /// After what time Secrets Manager tries again.
    pub reattempt_after: SignedDuration,
    /// Whether a call is tried; `first` has the calls of the first life.
    pub tries: fn(&Site, first: &[Site]) -> bool,
    /// What the default run does to a call that is tried; by the number neighbours get different ones.
    pub troubles: fn(&Site, usize) -> Vec<Trouble>,
    /// Whether events and checks are delivered twice in it too.
    pub twice: bool,
    /// What must hold at the end, beside what holds in every life.
    pub ends_with: fn(&Scenario),
}
