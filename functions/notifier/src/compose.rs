//! From events to mails: who gets what, and one mail for all that comes at once. Pure.

use std::collections::{BTreeMap, BTreeSet};

use shared::events::Trouble;
use shared::ids::MailboxAddress;

use crate::event::{Notice, What};
use crate::invocation::Invocation;
use crate::mail::{Item, Mail, Section};
use crate::settings::Addresses;
use crate::words::{self, Message, Urgency, for_somebody_else, genuine, message, place, reference};

/// A mail, to whom, and of which events (by their place).
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) to: Recipient,
    pub(crate) mail: Mail,
    pub(crate) of: Vec<usize>,
}

/// Who gets a mail.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Recipient {
    /// Whoever is subscribed to the topic.
    Administrator,
    /// This address, by Amazon SES.
    Contact(String),
}

/// For whom an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Audience {
    /// Who looks after the mailbox.
    Contact,
    /// Who runs the system.
    Administrator,
    /// Both.
    Both,
}

/// One event for one recipient.
struct Entry<'n> {
    place: usize,
    notice: &'n Notice,
    message: Message,
}

/// SNS takes 256 KiB, and a link has up to 2 KiB: what asks for more than this goes into another mail.
const LINKS: usize = 100;

/// What the causes of one mail may take, in bytes: it has 256 KB (SNS API reference, *Publish*).
const ROOM: usize = 200 * 1024;

/// In whose place a command has the mailbox's address.
pub(crate) const MAILBOX: &str = "MAILBOX";

/// So many of those that nobody is asked anything for are named with what is so for each; the rest by name alone.
const IN_WORDS: usize = 50;

pub(crate) fn compose(invocation: &Invocation, addresses: &Addresses) -> Vec<Outgoing> {
    let mut mails = of_mailboxes(&invocation.notices(), addresses);
    let weekly = invocation.weekly_reports().into_iter();
    mails.extend(weekly.map(|(place, weekly)| Outgoing {
        to: Recipient::Administrator,
        mail: words::weekly(weekly),
        of: vec![place],
    }));
    mails
}

fn of_mailboxes(notices: &[(usize, &Notice)], addresses: &Addresses) -> Vec<Outgoing> {
    let mut by_recipient: BTreeMap<Recipient, Vec<Entry<'_>>> = BTreeMap::new();
    for (place, notice) in notices {
        for (to, passed_on) in recipients(notice, addresses) {
            let mut message = message(notice);
            let own = to == Recipient::Administrator && passed_on.is_none();
            if let Some(to_do) = message.for_administrator.take().filter(|_| own) {
                message.to_do = to_do;
            }
            message.particular.extend(passed_on);
            if let (Recipient::Contact(_), Some(address)) = (&to, &addresses.administrator) {
                message.names_administrator(address);
            }
            by_recipient.entry(to).or_default().push(Entry {
                place: *place,
                notice,
                message,
            });
        }
    }
    let mails = by_recipient.into_iter().flat_map(|(to, entries)| {
        let parts = in_parts(entries).into_iter();
        let mails = parts.map(|causes| outgoing(to.clone(), &causes, addresses));
        mails.collect::<Vec<_>>()
    });
    mails.collect()
}

/// Who gets it, with what is to be said besides where it goes to somebody else than it is for.
fn recipients(notice: &Notice, addresses: &Addresses) -> Vec<(Recipient, Option<String>)> {
    let own = |contact: &str| {
        MailboxAddress::read(contact).is_some_and(|c| notice.mailbox.mailboxes.contains(&c))
    };
    let contact = notice.mailbox.contact.as_deref();
    let contact = contact.filter(|contact| !own(contact));
    let is_administrator = |contact: &str| {
        let administrator = addresses.administrator.as_deref().unwrap_or_default();
        administrator.eq_ignore_ascii_case(contact)
    };
    let to_contact = match contact {
        None => (Recipient::Administrator, None),
        Some(contact) if is_administrator(contact) => (Recipient::Administrator, None),
        Some(contact) if addresses.sender.is_none() || MailboxAddress::read(contact).is_none() => {
            (Recipient::Administrator, Some(for_somebody_else(contact)))
        }
        Some(contact) => (Recipient::Contact(contact.to_owned()), None),
    };
    let to_administrator = (Recipient::Administrator, None);
    match audience(&notice.what) {
        Audience::Contact => vec![to_contact],
        Audience::Administrator => vec![to_administrator],
        Audience::Both if to_contact.0 == Recipient::Administrator => vec![to_contact],
        Audience::Both => {
            let too = Some(words::BOTH_HAVE_IT.to_owned());
            vec![(to_contact.0, too), to_administrator]
        }
    }
}

fn audience(what: &What) -> Audience {
    match what {
        What::SignInNeeded(_)
        | What::HandOverNeeded(_)
        | What::PermissionEnding(_)
        | What::Expiring(_)
        | What::SupersededEnding(_)
        | What::Revealed(_) => Audience::Contact,
        What::Failed(_) | What::Drift(_) => Audience::Administrator,
        What::Expired(_) | What::Stalled(_) | What::Stopped(_) => Audience::Both,
        What::Rotated(rotated) => {
            let mut closes = rotated.closes.iter().map(|open| of_trouble(&open.trouble));
            let first = closes.next().unwrap_or(Audience::Contact);
            match closes.all(|audience| audience == first) {
                true => first,
                false => Audience::Both,
            }
        }
        What::Recovered(recovered) => of_trouble(&recovered.closes.trouble),
    }
}

/// Who was told of it hears that it is over.
fn of_trouble(trouble: &Trouble) -> Audience {
    match trouble {
        Trouble::WaitingForPerson | Trouble::PermissionEnding | Trouble::Expiring => {
            Audience::Contact
        }
        Trouble::RotationFailed | Trouble::Drift { .. } => Audience::Administrator,
        Trouble::Stalled | Trouble::Expired => Audience::Both,
    }
}

/// By cause, the most urgent first, and no more at once than fits into a mail.
fn in_parts(entries: Vec<Entry<'_>>) -> Vec<Vec<Vec<Entry<'_>>>> {
    let mut causes: Vec<Vec<Entry<'_>>> = Vec::new();
    for entry in entries {
        let same = |cause: &&mut Vec<Entry<'_>>| {
            let first = cause.first().map(|first| &first.message);
            first.is_some_and(|first| is_same_cause(first, &entry.message)) && links(cause) < LINKS
        };
        match causes.iter_mut().find(same) {
            Some(cause) => cause.push(entry),
            None => causes.push(vec![entry]),
        }
    }
    causes.sort_by_key(|cause| cause.first().map(rank));
    let mut parts: Vec<Vec<Vec<Entry<'_>>>> = Vec::new();
    let mut last = (0, 0);
    for cause in causes {
        let more = (links(&cause), bytes(&cause));
        let with_it = (last.0 + more.0, last.1 + more.1);
        let fits = with_it.0 <= LINKS && with_it.1 <= ROOM;
        match parts.last_mut().filter(|_| fits) {
            Some(part) => {
                part.push(cause);
                last = with_it;
            }
            None => {
                parts.push(vec![cause]);
                last = more;
            }
        }
    }
    parts
}

/// The most urgent first; that a client secret has ended says more than what follows from it.
fn rank(entry: &Entry<'_>) -> (Urgency, bool) {
    let follows = !matches!(entry.notice.what, What::Expired(_));
    (entry.message.urgency, follows)
}

fn links(cause: &[Entry<'_>]) -> usize {
    let with_link = cause.iter().filter(|entry| entry.message.link.is_some());
    with_link.count()
}

fn bytes(cause: &[Entry<'_>]) -> usize {
    let Section {
        heading,
        paragraphs,
        to_do,
        commands,
        items,
    } = section(cause);
    let texts = items.iter().filter_map(|item| item.text.as_ref());
    let links = items.iter().filter_map(|item| item.link.as_ref());
    let links = links.map(|link| link.address.len() + link.behind.len());
    let texts = paragraphs.iter().chain(&commands).chain(texts);
    let texts = texts.map(String::len);
    // The heading is underlined.
    2 * heading.len() + to_do.len() + texts.chain(links).sum::<usize>()
}

fn is_same_cause(one: &Message, other: &Message) -> bool {
    one.urgency == other.urgency
        && one.of_many == other.of_many
        && one.general == other.general
        && one.to_do == other.to_do
}

fn outgoing(to: Recipient, causes: &[Vec<Entry<'_>>], addresses: &Addresses) -> Outgoing {
    let entries = || causes.iter().flatten();
    let notices: Vec<&Notice> = entries().map(|entry| entry.notice).collect();
    let has_link = entries().any(|entry| entry.message.link.is_some());
    let administrator = addresses.administrator.as_deref();
    // Who is asked is somebody else.
    let administrator = administrator.filter(|_| to != Recipient::Administrator);
    Outgoing {
        mail: Mail {
            subject: subject(causes),
            sections: causes.iter().map(|cause| section(cause)).collect(),
            footer: vec![
                genuine(has_link, addresses.pages.as_ref(), administrator),
                reference(&notices),
            ],
        },
        of: entries().map(|entry| entry.place).collect(),
        to,
    }
}

/// "Subjects must be UTF-8 text with no line breaks or control characters, and less than 100 characters long" (SNS API
/// reference, *Publish*).
fn subject(causes: &[Vec<Entry<'_>>]) -> String {
    let Some(cause) = causes.first() else {
        return String::new();
    };
    let urgent = cause
        .first()
        .is_some_and(|first| first.message.urgency == Urgency::StandsStill);
    let prefix = if urgent { "MAIL STANDS STILL: " } else { "" };
    let more = match causes.len() {
        1 => String::new(),
        2 => ", and another message".to_owned(),
        n => format!(", and {} other messages", n - 1),
    };
    let room = 99 - prefix.len() - more.len();
    let heading: String = heading(cause).chars().filter(|c| !c.is_control()).collect();
    let heading = match heading.chars().count() > room {
        true => {
            let cut: String = heading.chars().take(room - 3).collect();
            format!("{}...", cut.trim_end())
        }
        false => heading,
    };
    format!("{prefix}{heading}{more}")
}

fn heading(cause: &[Entry<'_>]) -> String {
    match cause {
        [] => String::new(),
        [one, ..] => match mailboxes(cause) {
            1 => format!("{}: {}", place(&one.notice.mailbox), one.message.headline),
            several => format!("{several} mailboxes {}", one.message.of_many),
        },
    }
}

fn mailboxes(cause: &[Entry<'_>]) -> usize {
    let secrets = cause.iter().map(|entry| &entry.notice.mailbox.secret);
    secrets.collect::<BTreeSet<_>>().len()
}

fn section(cause: &[Entry<'_>]) -> Section {
    let first = cause.first().map(|entry| &entry.message);
    let mut paragraphs = first.map_or(Vec::new(), |message| message.general.clone());
    let items = match cause {
        [one] => {
            paragraphs.extend(one.message.particular.iter().cloned());
            let link = one.message.link.clone();
            let items = link.map(|link| Item {
                text: None,
                link: Some(link),
            });
            items.into_iter().collect()
        }
        several if links(several) > 0 => several.iter().map(item).collect(),
        several => {
            let in_words = several.iter().take(IN_WORDS).map(item);
            let rest = several.get(IN_WORDS..).unwrap_or_default();
            in_words.chain(by_name(rest)).collect()
        }
    };
    let to_do = first.map_or(String::new(), |message| message.to_do.clone());
    let to_do = match only_address(cause) {
        Some(address) => to_do.replace(MAILBOX, address.as_str()),
        None => to_do,
    };
    Section {
        heading: heading(cause),
        paragraphs,
        commands: to_do.contains('`').then(|| words::commands(&to_do)),
        to_do,
        items,
    }
}

/// The mailbox that it is about, where there is one alone.
fn only_address<'n>(cause: &[Entry<'n>]) -> Option<&'n MailboxAddress> {
    let mut all = cause
        .iter()
        .flat_map(|entry| &entry.notice.mailbox.mailboxes);
    let first = all.next()?;
    all.all(|address| address == first).then_some(first)
}

fn item(entry: &Entry<'_>) -> Item {
    let particular = entry.message.particular.join(" ");
    Item {
        text: Some(format!("{}: {particular}", place(&entry.notice.mailbox))),
        link: entry.message.link.clone(),
    }
}

fn by_name(rest: &[Entry<'_>]) -> Option<Item> {
    let names: Vec<String> = rest.iter().map(|one| place(&one.notice.mailbox)).collect();
    let text = format!("And {} more: {}.", names.len(), names.join("; "));
    (!names.is_empty()).then_some(Item {
        text: Some(text),
        link: None,
    })
}

impl Message {
    /// To a contact, who may not know who runs the system.
    fn names_administrator(&mut self, address: &str) {
        let texts = self.general.iter_mut().chain(&mut self.particular);
        for text in texts.chain([&mut self.to_do]) {
            *text = text.replace("whoever runs this system", address);
        }
    }
}

impl Mail {
    /// The same to the administrator, where its contact could not be mailed.
    pub(crate) fn passed_on(&self, contact: &str, code: &str) -> Self {
        let mut mail = self.clone();
        if let Some(first) = mail.sections.first_mut() {
            let passed_on = words::not_mailed(contact, code);
            first.paragraphs.insert(0, passed_on);
        }
        mail
    }
}
