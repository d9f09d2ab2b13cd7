//! A schedule: a world, and what happens in it, step by step. It is a value that is drawn, shrinks, and
//! prints as a list that a person can read.
//!
//! No step needs another one before it: what finds nothing to do does nothing. So any part of a
//! schedule is a schedule, and shrinking is leaving out.

use std::fmt;

use proptest::prelude::*;

/// One run of the model.
#[derive(Debug, Clone)]
pub struct Schedule {
    pub setting: Setting,
    pub steps: Vec<Step>,
}

/// The world at the beginning: one mailbox with connections in both directions.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Days until the current client secret ends.
    pub days_left: i64,
    /// Whether a person delivers to the connections, and not the system.
    pub attended: bool,
    /// Whether the mailbox's owner has signed in before.
    pub granted: bool,
    /// Whether somebody else's credential is on the app registration.
    pub foreign: bool,
    /// Whether personal accounts may sign in: then two credentials are the most.
    pub two_places: bool,
    /// Seconds after which the slowest replicas of Entra know of a change.
    pub lag: i64,
    /// So many reads of a new pending value do not find it.
    pub lagging_reads: u32,
    /// AWSPENDING stays on the version that was promoted.
    pub pending_stays: bool,
    /// After a change so many looks at a secret's labels and tags show what was before, and so many at its values.
    pub late_labels: u32,
    /// Labels of ours stay on a version that AWSCURRENT moves away from.
    pub labels_stay: bool,
    /// Graph shows each credential's hint.
    pub hints: bool,
    /// A connection to Graph has one replica for as long as it lasts.
    pub by_connection: bool,
    /// So many labels are somebody else's.
    pub labels_taken: usize,
    /// Whether another mailbox is on the same app registration, with the same first client secret.
    pub neighbour: bool,
    /// Whether the version before is of another app registration; then nobody meddles.
    pub moved: bool,
    /// How often Secrets Manager tries a failed rotation again, an hour later each.
    pub reattempts: u32,
}

/// What happens next.
#[derive(Debug, Clone)]
pub enum Step {
    /// A scheduled check, and what Secrets Manager does on its account.
    Check(Option<Trouble>),
    /// The same check delivered twice, at once.
    CheckTwice(Option<Trouble>),
    /// So many hours pass.
    Wait(i64),
    /// A person does something.
    Person(Deed),
    /// A person asks for a rotation.
    RotateNow(Option<Trouble>),
    /// Secrets Manager tries an unfinished rotation again.
    Reattempt(Option<Trouble>),
    /// The next event of a step of the rotation comes twice.
    DeliverTwice(bool),
    /// The mailbox's owner opens the newest link that they were sent.
    Owner(Owner, Option<Trouble>),
}

impl Step {
    fn meddles(&self) -> bool {
        let by_mishap = |trouble: &Option<Trouble>| {
            let mishap = trouble.as_ref().map(|trouble| &trouble.mishap);
            matches!(mishap, Some(Mishap::Meanwhile(_)))
        };
        match self {
            Self::Person(_) => true,
            Self::Wait(_) | Self::DeliverTwice(_) => false,
            Self::Check(trouble)
            | Self::CheckTwice(trouble)
            | Self::RotateNow(trouble)
            | Self::Reattempt(trouble)
            | Self::Owner(_, trouble) => by_mishap(trouble),
        }
    }
}

/// How far the owner goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Does all that is asked.
    Helps,
    /// Has the secret shown, enters it nowhere and closes the page.
    Looks,
    /// Hands over to the first connection, and closes the page.
    StopsHalfWay,
    /// Enters the secret, and says that ShopCtrl does not show Authorized.
    SaysItFails,
}

/// Something that befalls one of the calls that a step makes.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// Which call, from 1.
    pub at: u32,
    pub mishap: Mishap,
}

/// What befalls it.
#[derive(Debug, Clone)]
pub enum Mishap {
    KilledBefore,
    KilledAfterEffect,
    KilledAfterAnswer,
    Throttled,
    Unavailable {
        effect: bool,
    },
    Reset {
        effect: bool,
    },
    Silence {
        effect: bool,
    },
    CutOff,
    NotJson,
    /// The service answers 503 to this call and to all others, until the step has ended.
    Outage,
    /// A person does something just then.
    Meanwhile(Deed),
}

/// What a person does by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    AddCredential,
    DeleteCredential(Which),
    EnterSecret(Direction, Entered),
    Disable(Direction),
    Deauthorize(Direction),
    CancelRotation,
    ResumeRotation,
    MoveCurrentToPrevious,
    MoveCurrentToPending,
    DropPending,
    DropKeyLabel(Which),
    EditTag(Tag, TagEdit),
    PutValue(Value),
    /// Entra forgets the grant, as after 90 idle days.
    LoseGrant,
    /// The secret becomes a replica of another region's.
    MakeReplica,
    /// It becomes a secret of its own.
    PromoteReplica,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Current,
    Pending,
    Previous,
    Foreign,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Receiving,
    Sending,
}

/// What is entered as Client Secret in ShopCtrl.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// Something that never was a client secret.
    Nonsense,
    /// The secret of the version before, and then Authorize.
    PreviousAndAuthorized,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    State,
    ExpiresAt,
    RotatedVersion,
    Reminded,
    Drift,
    Policy,
    Emergency,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagEdit {
    Remove,
    Nonsense,
    /// The current version's id.
    CurrentVersion,
    /// A freeze over the whole run; of the policy's tag only.
    Freeze,
}

/// A new current value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// The same document with another description.
    Described,
    /// The same document with a credential that was made in the portal.
    MadeByHand,
    /// The same document with a mistyped secret.
    Mistyped,
    /// The same document with the id of somebody else's credential.
    IdOfAnother,
    /// No document at all.
    Nonsense,
}

impl Tag {
    pub fn key(self) -> &'static str {
        match self {
            Self::State => "shopmail:state",
            Self::ExpiresAt => "shopmail:expires-at",
            Self::RotatedVersion => "shopmail:rotated-version",
            Self::Reminded => "shopmail:reminded",
            Self::Drift => "shopmail:drift",
            Self::Policy => "shopmail:policy",
            Self::Emergency => "shopmail:emergency",
        }
    }
}

// === Drawing ===

/// The longest schedule, in steps.
const STEPS: usize = 6;

pub fn schedules() -> impl Strategy<Value = Schedule> {
    (setting(), prop::collection::vec(step(), 1..=STEPS)).prop_map(|(setting, mut steps)| {
        // What becomes of the old app is judged where nobody meddles with the versions.
        steps.retain(|step| !setting.moved || !step.meddles());
        Schedule { setting, steps }
    })
}

prop_compose! {
    fn setting()(
        days_left in prop_oneof![4 => Just(20_i64), 2 => Just(60_i64), 1 => Just(5_i64)],
        attended in prop::bool::weighted(0.35),
        granted in prop::bool::weighted(0.85),
        foreign in any::<bool>(),
        two_places in prop::bool::weighted(0.2),
        lag in prop_oneof![3 => Just(0_i64), 1 => Just(15_i64), 1 => Just(90_i64)],
        lagging_reads in prop_oneof![4 => Just(0_u32), 1 => Just(2_u32)],
        pending_stays in prop::bool::weighted(0.2),
        late_labels in prop_oneof![4 => Just(0_u32), 1 => 1_u32..=3],
        labels_stay in prop::bool::weighted(0.7),
        hints in prop::bool::weighted(0.8),
        by_connection in prop::bool::weighted(0.4),
        labels_taken in prop_oneof![8 => Just(0_usize), 1 => Just(12_usize), 1 => Just(15_usize), 1 => Just(17_usize)],
        neighbour in prop::bool::weighted(0.25),
        moved in prop::bool::weighted(0.1),
        reattempts in 0_u32..3,
    ) -> Setting {
        Setting {
            days_left,
            attended,
            granted,
            foreign,
            two_places,
            lag,
            lagging_reads,
            pending_stays,
            late_labels,
            labels_stay,
            hints,
            by_connection,
            labels_taken,
            // The configuration test refuses two mailboxes where an app has two places.
            neighbour: neighbour && !two_places && !moved,
            // Where a person delivers, what is superseded stays until its own end.
            moved: moved && !attended,
            reattempts,
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let trouble = || prop::option::weighted(0.6, trouble());
    prop_oneof![
        6 => trouble().prop_map(Step::Check),
        3 => prop_oneof![Just(1_i64), Just(6_i64), Just(24_i64), Just(100_i64), Just(200_i64)].prop_map(Step::Wait),
        6 => deed().prop_map(Step::Person),
        3 => trouble().prop_map(Step::RotateNow),
        2 => trouble().prop_map(Step::Reattempt),
        1 => trouble().prop_map(Step::CheckTwice),
        1 => any::<bool>().prop_map(Step::DeliverTwice),
        4 => (owner(), trouble()).prop_map(|(how, trouble)| Step::Owner(how, trouble)),
    ]
}

fn owner() -> impl Strategy<Value = Owner> {
    prop_oneof![
        4 => Just(Owner::Helps),
        1 => Just(Owner::Looks),
        1 => Just(Owner::StopsHalfWay),
        1 => Just(Owner::SaysItFails),
    ]
}

fn trouble() -> impl Strategy<Value = Trouble> {
    // A check with its rotation makes some hundred calls, a check alone some thirty.
    let at = prop_oneof![1_u32..12, 1_u32..40, 1_u32..110];
    (at, mishap()).prop_map(|(at, mishap)| Trouble { at, mishap })
}

fn mishap() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        3 => Just(Mishap::KilledBefore),
        3 => Just(Mishap::KilledAfterEffect),
        2 => Just(Mishap::KilledAfterAnswer),
        1 => Just(Mishap::Throttled),
        1 => any::<bool>().prop_map(|effect| Mishap::Unavailable { effect }),
        1 => any::<bool>().prop_map(|effect| Mishap::Reset { effect }),
        1 => any::<bool>().prop_map(|effect| Mishap::Silence { effect }),
        1 => Just(Mishap::CutOff),
        1 => Just(Mishap::NotJson),
        2 => Just(Mishap::Outage),
        5 => deed().prop_map(Mishap::Meanwhile),
    ]
}

fn deed() -> impl Strategy<Value = Deed> {
    let which = || {
        prop_oneof![
            Just(Which::Current),
            Just(Which::Pending),
            Just(Which::Previous),
            Just(Which::Foreign)
        ]
    };
    let direction = || prop_oneof![Just(Direction::Receiving), Just(Direction::Sending)];
    let entered = prop_oneof![
        Just(Entered::Nonsense),
        Just(Entered::PreviousAndAuthorized)
    ];
    let tag = prop_oneof![
        Just(Tag::State),
        Just(Tag::ExpiresAt),
        Just(Tag::RotatedVersion),
        Just(Tag::Reminded),
        Just(Tag::Drift),
        Just(Tag::Policy),
        Just(Tag::Emergency)
    ];
    let edit = prop_oneof![
        Just(TagEdit::Remove),
        Just(TagEdit::Nonsense),
        Just(TagEdit::CurrentVersion)
    ];
    let value = prop_oneof![
        Just(Value::Described),
        Just(Value::MadeByHand),
        Just(Value::Mistyped),
        Just(Value::IdOfAnother),
        Just(Value::Nonsense)
    ];
    prop_oneof![
        1 => Just(Deed::AddCredential),
        3 => which().prop_map(Deed::DeleteCredential),
        2 => (direction(), entered).prop_map(|(to, what)| Deed::EnterSecret(to, what)),
        1 => direction().prop_map(Deed::Disable),
        1 => direction().prop_map(Deed::Deauthorize),
        1 => Just(Deed::CancelRotation),
        1 => Just(Deed::ResumeRotation),
        1 => Just(Deed::MoveCurrentToPrevious),
        1 => Just(Deed::MoveCurrentToPending),
        1 => Just(Deed::DropPending),
        2 => which().prop_map(Deed::DropKeyLabel),
        3 => (tag, edit).prop_map(|(tag, edit)| Deed::EditTag(tag, edit)),
        1 => Just(Deed::EditTag(Tag::Policy, TagEdit::Freeze)),
        3 => value.prop_map(Deed::PutValue),
        1 => Just(Deed::LoseGrant),
        1 => Just(Deed::MakeReplica),
        1 => Just(Deed::PromoteReplica),
    ]
}

// === Printing ===

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "   0. {}", self.setting)?;
        for (at, step) in self.steps.iter().enumerate() {
            writeln!(f, "{:4}. {step}", at + 1)?;
        }
        Ok(())
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the client secret ends in {} days", self.days_left)?;
        if self.attended {
            f.write_str("; a person delivers")?;
        }
        if !self.granted {
            f.write_str("; the owner never signed in")?;
        }
        if self.foreign {
            f.write_str("; somebody else's credential is there")?;
        }
        if self.two_places {
            f.write_str("; the app may have two credentials")?;
        }
        if self.lag > 0 {
            write!(f, "; Entra's replicas lag by up to {} s", self.lag)?;
        }
        if self.lagging_reads > 0 {
            let reads = self.lagging_reads;
            write!(f, "; a pending value is found by the read after {reads}")?;
        }
        if self.pending_stays {
            f.write_str("; AWSPENDING stays where it was promoted")?;
        }
        if self.late_labels > 0 {
            let looks = self.late_labels;
            write!(f, "; labels, tags and values are {looks} looks late")?;
        }
        if !self.labels_stay {
            f.write_str("; labels go where AWSCURRENT goes")?;
        }
        if !self.hints {
            f.write_str("; Graph shows no hints")?;
        }
        if self.by_connection {
            f.write_str("; a connection to Graph has one replica")?;
        }
        if self.labels_taken > 0 {
            write!(f, "; {} labels are somebody else's", self.labels_taken)?;
        }
        if self.neighbour {
            f.write_str("; another mailbox has the same app and first client secret")?;
        }
        if self.moved {
            f.write_str("; the version before is of another app registration")?;
        }
        if self.reattempts > 0 {
            write!(f, "; {} reattempts", self.reattempts)?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, trouble) = match self {
            Self::Check(trouble) => ("a check", trouble),
            Self::CheckTwice(trouble) => ("a check, delivered twice at once", trouble),
            Self::RotateNow(trouble) => ("somebody asks for a rotation", trouble),
            Self::Reattempt(trouble) => ("Secrets Manager reattempts", trouble),
            Self::Owner(how, trouble) => {
                let what = match how {
                    Owner::Helps => "the owner opens the link and does all that is asked",
                    Owner::Looks => "the owner opens the link, looks at the secret and goes",
                    Owner::StopsHalfWay => "the owner opens the link, and stops half-way",
                    Owner::SaysItFails => "the owner opens the link, and says that it fails",
                };
                (what, trouble)
            }
            Self::Wait(hours) => return write!(f, "{hours} hours pass"),
            Self::Person(deed) => return write!(f, "a person {deed}"),
            Self::DeliverTwice(at_once) => {
                let how = if *at_once { "at once" } else { "in a row" };
                return write!(f, "the next step is delivered twice {how}");
            }
        };
        f.write_str(what)?;
        match trouble {
            None => Ok(()),
            Some(Trouble { at, mishap }) => write!(f, "; at its call {at}: {mishap}"),
        }
    }
}

impl fmt::Display for Mishap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = |effect: &bool| if *effect { "done, " } else { "not done, " };
        match self {
            Self::KilledBefore => f.write_str("killed before it takes effect"),
            Self::KilledAfterEffect => f.write_str("killed after its effect"),
            Self::KilledAfterAnswer => f.write_str("killed after its answer"),
            Self::Throttled => f.write_str("throttled"),
            Self::Unavailable { effect } => write!(f, "{}503", done(effect)),
            Self::Reset { effect } => write!(f, "{}reset", done(effect)),
            Self::Silence { effect } => write!(f, "{}no answer", done(effect)),
            Self::CutOff => f.write_str("its answer is cut off"),
            Self::NotJson => f.write_str("its answer is not JSON"),
            Self::Outage => f.write_str("503, and to all that this service is asked in this step"),
            Self::Meanwhile(deed) => write!(f, "just then a person {deed}"),
        }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddCredential => f.write_str("adds a credential in the portal"),
            Self::DeleteCredential(which) => {
                write!(f, "deletes the {which:?} credential in the portal")
            }
            Self::EnterSecret(to, Entered::Nonsense) => {
                write!(f, "enters nonsense as Client Secret of {to:?}")
            }
            Self::EnterSecret(to, Entered::PreviousAndAuthorized) => {
                write!(f, "enters the previous secret at {to:?}, and authorizes")
            }
            Self::Disable(direction) => write!(f, "switches {direction:?} off"),
            Self::Deauthorize(direction) => write!(f, "leaves {direction:?} Not authorized"),
            Self::CancelRotation => f.write_str("cancels the rotation"),
            Self::ResumeRotation => f.write_str("switches the rotation on"),
            Self::MoveCurrentToPrevious => f.write_str("moves AWSCURRENT to the version before"),
            Self::MoveCurrentToPending => f.write_str("moves AWSCURRENT to the pending version"),
            Self::DropPending => f.write_str("takes AWSPENDING away"),
            Self::DropKeyLabel(which) => write!(f, "takes away the key- label of {which:?}"),
            Self::EditTag(tag, TagEdit::Remove) => write!(f, "removes the tag {}", tag.key()),
            Self::EditTag(tag, TagEdit::Nonsense) => {
                write!(f, "sets the tag {} to nonsense", tag.key())
            }
            Self::EditTag(tag, TagEdit::CurrentVersion) => {
                write!(f, "sets the tag {} to the current version", tag.key())
            }
            Self::EditTag(tag, TagEdit::Freeze) => {
                write!(f, "sets the tag {} to a freeze", tag.key())
            }
            Self::PutValue(value) => {
                let what = match value {
                    Value::Described => "the document with another description",
                    Value::MadeByHand => "the document with a credential of their own",
                    Value::Mistyped => "the document with a mistyped secret",
                    Value::IdOfAnother => "the document with the id of somebody else's credential",
                    Value::Nonsense => "nonsense",
                };
                write!(f, "puts {what} as the current value")
            }
            Self::MakeReplica => f.write_str("makes the secret a replica of another region's"),
            Self::PromoteReplica => f.write_str("makes the replica a secret of its own"),
            Self::LoseGrant => f.write_str("has left the grant unused for 90 days"),
        }
    }
}
