//! What is wrong, or may be.

use jiff::Timestamp;
use shared::drift::DriftKind;
use shared::events::MailFlow;
use shared::out_of_reach::OutOfReach;

use super::common::{self, day, half_done, mail_until, now, sentence, time, urgency};
use super::over::had_been;
use super::{Message, Urgency};
use crate::event::{Drift, Failed, Revealed, Stalled, Stops};

pub(super) fn failed(failed: &Failed) -> Message {
    let mut message = failure(failed);
    message.headline = failing(&failed.step).to_owned();
    message.of_many = "cannot be renewed".into();
    message
}

pub(super) fn stalled(stalled: &Stalled) -> Message {
    let Stalled {
        since,
        failed,
        out_of_reach,
    } = stalled;
    if let Some(out_of_reach) = out_of_reach {
        return unreachable(*since, failed, out_of_reach);
    }
    let mut message = failure(failed);
    let looks = ["inspect", "sweep", "retire", "check"].contains(&failed.step.as_str());
    (message.headline, message.of_many) = if looks {
        let headline = format!("could not be checked since {}", day(*since));
        (headline, "could not be checked".into())
    } else {
        let headline = format!("the renewal stands still since {}", day(*since));
        (headline, "have a renewal that stands still".into())
    };
    let since = format!("It has been so since {}.", time(*since));
    message.particular.insert(0, since);
    message.to_do = now(&message.to_do);
    message
}

/// The same for all behind what cannot be reached, whatever the calls to it ended in.
fn unreachable(since: Timestamp, failed: &Failed, out_of_reach: &OutOfReach) -> Message {
    let (cause, meaning) = match out_of_reach {
        OutOfReach::Tenant(tenant) => (
            format!("no answer from Entra for {tenant}"),
            "Microsoft Entra could not be asked for this tenant, at four checks running or for a day. That says nothing of the mail: it may work.",
        ),
        OutOfReach::ShopCtrl(host) => (
            format!("no answer from ShopCtrl at {host}"),
            "ShopCtrl could not be asked at this address, at four checks running or for a day. Whether it gets and sends mail is not known.",
        ),
        OutOfReach::MailServer(host) => (
            format!("no answer from the mail server {host}"),
            "The mailbox could not be opened, as a test, at four checks running or for a day. That says nothing of ShopCtrl: its mail may flow.",
        ),
    };
    let mut particular = vec![format!("Since {}.", time(since))];
    particular.extend(failed.expires_at.map(|end| match failed.mail {
        MailFlow::StandsStill => format!("Its client secret has ended on {}.", time(end)),
        MailFlow::Flows | MailFlow::NotKnown => format!("Its client secret ends on {}.", time(end)),
    }));
    Message {
        urgency: urgency(failed.mail, Urgency::Wrong),
        headline: format!("could not be checked since {}", day(since)),
        of_many: format!("could not be checked: {cause}").into(),
        general: vec![format!("{} {meaning}", sentence(&cause))],
        particular,
        to_do: now(&failed.next_step),
        for_administrator: None,
        link: None,
    }
}

fn failure(failed: &Failed) -> Message {
    let Failed {
        step,
        what,
        code,
        half_done: half,
        next_step,
        mail,
        expires_at,
    } = failed;
    let (what, connection) = without_connection(what);
    let code = code.as_ref().map(|code| format!(" ({code})"));
    let what = sentence(&format!("{what}{}", code.unwrap_or_default()));
    let mut particular: Vec<String> = connection
        .map(|id| format!("The connection is {id}."))
        .into_iter()
        .collect();
    particular.extend(half.map(half_done));
    particular.push(mail_until(*mail, *expires_at));
    Message {
        urgency: urgency(*mail, Urgency::Wrong),
        headline: String::new(),
        of_many: "".into(),
        general: vec![format!("{} {what}", while_doing(step))],
        particular,
        to_do: next_step.clone(),
        for_administrator: None,
        link: None,
    }
}

fn failing(step: &str) -> &'static str {
    match step {
        "createSecret" => "no new client secret can be made",
        "setSecret" => "ShopCtrl does not get the new client secret",
        "testSecret" => "a test of the client secret fails",
        _ => "the renewal fails",
    }
}

fn while_doing(step: &str) -> &'static str {
    match step {
        "createSecret" => "A new client secret could not be made in Entra.",
        "setSecret" => "The new client secret could not be given to ShopCtrl.",
        "testSecret" => "A test before the client secret is used, or renewed, failed.",
        "finishSecret" => "The new client secret could not be made the current one.",
        "rotate" => "The renewal could not be started.",
        "sweep" | "retire" => "What was left behind could not be put in order.",
        _ => "The mailbox could not be looked at in full.",
    }
}

/// What was being done, the same for all connections, and the connection that it names.
fn without_connection(what: &str) -> (String, Option<String>) {
    let Some((before, behind)) = what.split_once("connection ") else {
        return (what.to_owned(), None);
    };
    let is_of_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let id: String = behind.chars().take_while(|c| is_of_id(*c)).collect();
    let rest = behind.strip_prefix(&id).unwrap_or(behind);
    match rest.starts_with(':') {
        true => {
            let before = before.strip_suffix("the ").unwrap_or(before);
            (format!("{before}a connection{rest}"), Some(id))
        }
        false => (what.to_owned(), None),
    }
}

pub(super) fn drift(drift: &Drift) -> Message {
    let Drift {
        what,
        meaning,
        next_step,
        mail,
        connection,
        matters_from,
        mended,
    } = drift;
    let mut particular: Vec<String> = connection
        .iter()
        .map(|id| format!("The connection is {id}."))
        .collect();
    if *mended {
        particular.push("The same check put it right.".to_owned());
        return Message {
            urgency: Urgency::Over,
            headline: format!("put right ({})", had_been(*what)),
            of_many: "were put right".into(),
            general: vec![format!("A check found something: {}.", had_been(*what))],
            particular,
            to_do: "Nothing. If it comes again, ask who changes it in ShopCtrl.".to_owned(),
            for_administrator: None,
            link: None,
        };
    }
    particular.push(mail_until(*mail, None));
    particular.extend(matters_from.map(|begins| {
        format!(
            "It matters from {} on, when the client secret is to be renewed.",
            day(begins)
        )
    }));
    Message {
        urgency: urgency(*mail, Urgency::Wrong),
        headline: common::drift(*what).to_owned(),
        of_many: match what {
            DriftKind::Unusable(_) => format!("cannot be used: {}", common::drift(*what)).into(),
            _ => "are not as they were left".into(),
        },
        general: vec![sentence(meaning.as_deref().unwrap_or(what.meaning()))],
        particular,
        to_do: next_step.as_deref().unwrap_or(what.next_step()).to_owned(),
        for_administrator: None,
        link: None,
    }
}

pub(super) fn revealed(revealed: &Revealed) -> Message {
    let Revealed { connection, by, at } = revealed;
    Message {
        urgency: Urgency::Wrong,
        headline: "the new client secret was shown on the page".to_owned(),
        of_many: "had their new client secret shown on the page".into(),
        general: vec![
            "The page that leads through ShopCtrl showed the new client secret, as it does to the mailbox's own account after a sign-in, so that it can be entered there.".to_owned(),
        ],
        particular: vec![
            format!("It was shown on {}, for {connection}, to the account with the object ID {by}.", time(*at)),
        ],
        to_do: "If you or a colleague entered it in ShopCtrl at that time, nothing: that is how it goes. If nobody did, tell whoever runs this system at once.".to_owned(),
        for_administrator: Some("If nobody entered it in ShopCtrl at that time: runbook, A secret leaked.".to_owned()),
        link: None,
    }
}

pub(super) fn stopped(stops: &Stops) -> Message {
    Message {
        urgency: Urgency::NeedsSomebody,
        headline: "leaked client secret removed, mail may stand still".to_owned(),
        of_many: "had a leaked client secret removed, and may have no mail".into(),
        general: vec![
            "A client secret that leaked was replaced and removed from Entra at once. Where ShopCtrl does not have the new one, mail stands still.".to_owned(),
        ],
        particular: vec![sentence(&stops.summary)],
        to_do: "Now: look at these connections in ShopCtrl, and have the new client secret entered where Status does not show Authorized (runbook, Hand-over by hand).".to_owned(),
        for_administrator: None,
        link: None,
    }
}
