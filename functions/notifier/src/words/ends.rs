//! Client secrets that end.

use shared::events::Renewal;

use super::common::{OLD_LINKS, day, last_day_before, now, time};
use super::requests::directions;
use super::{Message, Urgency};
use crate::event::{Expired, Expiring, SupersededEnding};

fn newest_mail() -> String {
    format!(
        "Find our last mail about this mailbox that has a link, and open that link. {OLD_LINKS} If there is no such mail, or you have done what it asked, tell whoever runs this system."
    )
}

const FOR_ADMINISTRATOR: &str = "Have the contact open the link of our last mail that has one. If none was sent, or it was done: runbook, Mail is down.";

pub(super) fn expiring(expiring: &Expiring) -> Message {
    let Expiring {
        expires_at,
        days_left,
        renewal,
    } = expiring;
    let left = match days_left {
        0 => "in less than a day".to_owned(),
        1 => "in 1 day".to_owned(),
        days => format!("in {days} days"),
    };
    let (stops, becomes, to_do, for_administrator) = match renewal {
        Renewal::WaitsForPerson => (
            "mail stops",
            "its renewal waits: what was asked for has not arrived.",
            newest_mail(),
            Some(FOR_ADMINISTRATOR.to_owned()),
        ),
        Renewal::UnderWay => (
            "the client secret ends",
            "its renewal is under way.",
            "Before that day: see whether a mail with a link came from us, and open that link. If none came, nothing: we write if a person is needed.".to_owned(),
            None,
        ),
        Renewal::Frozen => (
            "the client secret ends",
            "its renewal was put off, by a freeze that whoever runs this system has set.",
            "Ask whoever runs this system whether the freeze ends before that day: if it does not, mail stops.".to_owned(),
            Some("Nothing, if the freeze (the tag shopmail:policy) ends before that day. If it does not, shorten it now.".to_owned()),
        ),
        Renewal::SwitchedOff => (
            "mail stops",
            "nothing renews it: the rotation of its secret is switched off in AWS.",
            "Now: forward this mail to whoever runs this system, for it has to be switched on again.".to_owned(),
            Some("Now: ask who switched it off, and switch it on again (runbook, Stop and go on).".to_owned()),
        ),
        Renewal::NotDue => (
            "the client secret ends",
            "its renewal is begun in time by a check.",
            "Nothing.".to_owned(),
            None,
        ),
    };
    Message {
        urgency: Urgency::NeedsSomebody,
        headline: format!("{stops} {left}, on {}", day(*expires_at)),
        of_many: "have a client secret that ends soon".into(),
        general: vec![format!(
            "The client secret with which ShopCtrl reaches the mailbox ends, and {becomes}"
        )],
        particular: vec![match renewal {
            Renewal::WaitsForPerson | Renewal::SwitchedOff => {
                format!(
                    "The client secret is valid until {}. After that mail stands still.",
                    time(*expires_at)
                )
            }
            Renewal::UnderWay | Renewal::Frozen | Renewal::NotDue => {
                format!(
                    "The client secret is valid until {}. If it is not renewed by then, mail stops.",
                    time(*expires_at)
                )
            }
        }],
        to_do,
        for_administrator,
        link: None,
    }
}

pub(super) fn expired(expired: &Expired) -> Message {
    Message {
        urgency: Urgency::StandsStill,
        headline: format!("the client secret ended on {}", day(expired.expires_at)),
        of_many: "have a client secret that has ended".into(),
        general: vec![
            "The client secret with which ShopCtrl reaches the mailbox has ended, so the shop gets and sends no mail.".to_owned(),
        ],
        particular: vec![format!("It ended on {}.", time(expired.expires_at))],
        to_do: now(&newest_mail()),
        for_administrator: Some(now(FOR_ADMINISTRATOR)),
        link: None,
    }
}

pub(super) fn superseded(ending: &SupersededEnding) -> Message {
    let end = ending.ends_at;
    match ending.threshold_days {
        Some(_) => Message {
            urgency: Urgency::NeedsSomebody,
            headline: format!("look in ShopCtrl once more, by {}", last_day_before(end)),
            of_many: "want one more look in ShopCtrl".into(),
            general: vec![format!(
                "The client secret was replaced, and somebody said that the new one was entered in ShopCtrl, for {}. We cannot see whether that is so: mail works with the old one too, until that ends.",
                directions(&ending.connections)
            )],
            particular: vec![format!(
                "Mail works now. If ShopCtrl still uses the old client secret, it stops on {}.",
                time(end)
            )],
            to_do: format!(
                "Ask whoever entered it whether it was saved for {}, and look at Status there in ShopCtrl: it has to show Authorized. If it does not, or nobody is sure, tell whoever runs this system by {}.",
                directions(&ending.connections),
                last_day_before(end)
            ),
            for_administrator: None,
            link: None,
        },
        None => Message {
            urgency: Urgency::Wrong,
            headline: format!("an old client secret stops on {}", day(end)),
            of_many: "have an old client secret that stops".into(),
            general: vec![
                "A client secret that a person had made in Entra was replaced by a new one, which ShopCtrl has. The old one will be removed.".to_owned(),
            ],
            particular: vec![
                format!("It works until {}. Its Secret ID in Entra is {}.", time(end), ending.key_id),
                "Mail works.".to_owned(),
            ],
            to_do: format!(
                "If another program uses it too, tell whoever runs this system by {}: that program needs a client secret of its own. If you know of none, nothing.",
                last_day_before(end)
            ),
            for_administrator: None,
            link: None,
        },
    }
}
