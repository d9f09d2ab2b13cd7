//! What `SEARCH` asks for (RFC 3501, 6.4.4), as far as it is asked here.

use crate::microsoft::exchange::message;
use crate::microsoft::exchange::store::Mail;

/// The mails that fit all keys, of those with their numbers; none where a key is not known.
pub(super) fn search<'a>(
    words: &[String],
    mails: impl Iterator<Item = (u32, &'a Mail)>,
    by_uid: bool,
    last_uid: u32,
) -> Option<Vec<u32>> {
    let keys = keys(words, last_uid)?;
    let fitting = mails.filter(|(number, mail)| keys.iter().all(|key| key.fits(*number, mail)));
    let number = |(number, mail): (u32, &Mail)| if by_uid { mail.uid } else { number };
    Some(fitting.map(number).collect())
}

enum Key {
    All,
    Seen(bool),
    Deleted(bool),
    Header(String, String),
    Uids(Vec<(u32, u32)>),
    Numbers(Vec<(u32, u32)>),
}

impl Key {
    fn fits(&self, number: u32, mail: &Mail) -> bool {
        match self {
            Self::All => true,
            Self::Seen(seen) => mail.seen == *seen,
            Self::Deleted(deleted) => mail.deleted == *deleted,
            // "contains the specified string in the text of the header"; an empty one fits wherever the field is.
            Self::Header(name, part) => {
                let mut fields = message::headers(&mail.message).into_iter();
                fields.any(|(known, value)| {
                    let contains = || value.to_lowercase().contains(&part.to_lowercase());
                    known.eq_ignore_ascii_case(name) && contains()
                })
            }
            Self::Uids(set) => is_in(set, mail.uid),
            Self::Numbers(set) => is_in(set, number),
        }
    }
}

fn keys(words: &[String], last_uid: u32) -> Option<Vec<Key>> {
    let mut words = words.iter();
    let mut keys = Vec::new();
    while let Some(word) = words.next() {
        keys.push(match word.to_ascii_uppercase().as_str() {
            "CHARSET" => {
                words.next()?;
                continue;
            }
            "ALL" => Key::All,
            "SEEN" => Key::Seen(true),
            "UNSEEN" => Key::Seen(false),
            "DELETED" => Key::Deleted(true),
            "UNDELETED" => Key::Deleted(false),
            field @ ("SUBJECT" | "FROM" | "TO") => {
                Key::Header(field.to_owned(), words.next()?.clone())
            }
            "HEADER" => Key::Header(words.next()?.clone(), words.next()?.clone()),
            "UID" => Key::Uids(set(words.next()?, last_uid)?),
            numbers => Key::Numbers(set(numbers, last_uid)?),
        });
    }
    (!keys.is_empty()).then_some(keys)
}

/// `1,3:5,7:*`
pub(super) fn set(text: &str, last: u32) -> Option<Vec<(u32, u32)>> {
    let number = |text: &str| match text {
        "*" => Some(last),
        text => text.parse::<u32>().ok(),
    };
    let range = |text: &str| {
        let (first, second) = text.split_once(':').unwrap_or((text, text));
        let (first, second) = (number(first)?, number(second)?);
        Some((first.min(second), first.max(second)))
    };
    text.split(',').map(range).collect()
}

pub(super) fn is_in(set: &[(u32, u32)], number: u32) -> bool {
    set.iter()
        .any(|(first, last)| (*first..=*last).contains(&number))
}
