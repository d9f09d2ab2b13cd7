//! Client secrets that end.

use shared::events::MailFlow;

use super::common::{OLD_LINKS, day, mail_until, time};
use super::requests::directions;
use super::{Message, Urgency};
use crate::event::{Expired, Expiring, SupersededEnding};

fn newest_mail() -> String {
    format!(
        "Open the link in the newest mail that asked for something at this mailbox. {OLD_LINKS} If there is no such mail, whoever runs this system has to look (runbook, Mail is down)."
    )
}

pub(super) fn expiring(expiring: &Expiring) -> Message {
    let Expiring {
        expires_at,
        days_left,
    } = expiring;
    let left = match days_left {
        0 => "in less than a day".to_owned(),
        1 => "in 1 day".to_owned(),
        days => format!("in {days} days"),
    };
    Message {
        urgency: Urgency::NeedsSomebody,
        headline: format!("mail stops {left}, on {}", day(*expires_at)),
        of_many: "have a client secret that ends soon",
        general: vec![
            "The client secret with which ShopCtrl reaches the mailbox ends, and its renewal is not finished.".to_owned(),
        ],
        particular: vec![mail_until(MailFlow::Flows, Some(*expires_at))],
        to_do: format!(
            "If you have done what you were asked for, nothing. Otherwise: {}",
            newest_mail()
        ),
        link: None,
    }
}

pub(super) fn expired(expired: &Expired) -> Message {
    Message {
        urgency: Urgency::StandsStill,
        headline: format!("the client secret ended on {}", day(expired.expires_at)),
        of_many: "have a client secret that has ended",
        general: vec![
            "The client secret with which ShopCtrl reaches the mailbox has ended, so the shop gets and sends no mail. A renewal is tried by each check.".to_owned(),
        ],
        particular: vec![format!("It ended on {}.", time(expired.expires_at))],
        to_do: newest_mail(),
        link: None,
    }
}

pub(super) fn superseded(ending: &SupersededEnding) -> Message {
    let end = ending.ends_at;
    match ending.threshold_days {
        Some(_) => Message {
            urgency: Urgency::NeedsSomebody,
            headline: format!("look in ShopCtrl once more, by {}", day(end)),
            of_many: "want one more look in ShopCtrl",
            general: vec![format!(
                "The client secret was replaced, and somebody said that ShopCtrl has the new one, for {}. Nothing else shows it: until the old one ends, mail works with either.",
                directions(&ending.connections)
            )],
            particular: vec![format!(
                "Mail works now. If ShopCtrl still uses the old client secret, it stops on {}.",
                time(end)
            )],
            to_do: "Open the mailbox settings of this shop in ShopCtrl and look at Status: it has to show Authorized, since the day on which the new client secret was entered. If you are not sure that it was, tell whoever runs this system.".to_owned(),
            link: None,
        },
        None => Message {
            urgency: Urgency::Wrong,
            headline: format!("an old client secret goes on {}", day(end)),
            of_many: "have an old client secret that goes",
            general: vec![
                "A client secret that a person made was replaced. It is removed from Entra when nothing of ours uses it any more.".to_owned(),
            ],
            particular: vec![
                format!("It goes on {}; its Secret ID is {}.", time(end), ending.key_id),
                "ShopCtrl has the new one, and mail works.".to_owned(),
            ],
            to_do: "Ask whether anything beside ShopCtrl uses it, and give that another one. If nothing does, nothing.".to_owned(),
            link: None,
        },
    }
}
