//! The weekly report, for whoever runs the system.

use shared::events::{FleetState, NotWell, Urgent, WeeklyReport};

use super::common::{day, genuine, sentence, time};
use crate::event::Weekly;
use crate::mail::{Item, Mail, Section};

/// Its mail.
pub(crate) fn weekly(weekly: &Weekly) -> Mail {
    let Weekly { id, report } = weekly;
    let mut sections = vec![summary(report)];
    let states = [
        FleetState::Failed,
        FleetState::Unreachable,
        FleetState::Due,
        FleetState::WaitingForPerson,
    ];
    sections.extend(
        states
            .into_iter()
            .filter_map(|state| not_well(report, state)),
    );
    sections.extend(most_urgent(&report.most_urgent));
    Mail {
        subject: format!("Weekly report: {}", headline(report)),
        sections,
        footer: vec![
            genuine(false, None, None),
            format!("For whoever is asked about this mail: Weekly Report {id}"),
        ],
    }
}

fn mailboxes(count: usize) -> String {
    match count {
        1 => "1 mailbox".to_owned(),
        count => format!("{count} mailboxes"),
    }
}

fn unwell(report: &WeeklyReport) -> usize {
    let named = report.not_well.iter().map(|some| some.secrets.len());
    named.sum::<usize>() + report.left_out
}

fn headline(report: &WeeklyReport) -> String {
    let all = mailboxes(report.counts.checked);
    match unwell(report) {
        0 => format!("{all}, nothing to do"),
        unwell => format!("{all}, {unwell} not well"),
    }
}

fn summary(report: &WeeklyReport) -> Section {
    let counts = &report.counts;
    let states = [
        (counts.healthy, "in order"),
        (counts.due, "being renewed"),
        (counts.waiting_for_person, "waiting for a person"),
        (counts.failed, "broken"),
        (counts.unreachable, "could not be looked at"),
        (counts.replicas, "looked after in another region"),
    ];
    let states = states.into_iter().filter(|(count, _)| *count > 0);
    let states: Vec<String> = states
        .map(|(count, state)| format!("{count} {state}"))
        .collect();
    let mut paragraphs = vec![format!(
        "The check of {} looked at {}: {}.",
        time(report.time),
        mailboxes(counts.checked),
        states.join(", ")
    )];
    if report.left_out > 0 {
        paragraphs.push(format!(
            "{} more are not named below: a report has no more room. A dry run of one tenant after the other names them all (runbook, What would the checker do).",
            report.left_out
        ));
    }
    let to_do = match unwell(report) {
        0 => "Nothing.",
        _ => "What is said below.",
    };
    Section {
        heading: headline(report),
        paragraphs,
        to_do: to_do.to_owned(),
        commands: None,
        items: Vec::new(),
    }
}

fn not_well(report: &WeeklyReport, state: FleetState) -> Option<Section> {
    let groups = report.not_well.iter().filter(|some| some.state == state);
    let groups: Vec<&NotWell> = groups.collect();
    let count = groups.iter().map(|some| some.secrets.len()).sum();
    if count == 0 {
        return None;
    }
    let (is, are, to_do) = match state {
        FleetState::Failed => (
            "is broken",
            "are broken",
            "Mend what is said below. The mail that each had when it began says how (runbook, MailboxesNotWell).",
        ),
        FleetState::Unreachable => (
            "could not be looked at",
            "could not be looked at",
            "See whether what is named below can be reached (runbook, Out of reach).",
        ),
        FleetState::Due => (
            "has a renewal that stands still",
            "have a renewal that stands still",
            "Read why (runbook, A rotation that stands still).",
        ),
        FleetState::WaitingForPerson => (
            "waits for a person",
            "wait for a person",
            "See that those who were mailed act. The system waits, and goes on by itself then.",
        ),
        FleetState::Healthy | FleetState::Replica => return None,
    };
    let verb = if count == 1 { is } else { are };
    Some(Section {
        heading: format!("{} {verb}", mailboxes(count)),
        paragraphs: Vec::new(),
        to_do: to_do.to_owned(),
        commands: None,
        items: groups.into_iter().map(group).collect(),
    })
}

fn group(some: &NotWell) -> Item {
    let cause = some.cause.as_deref().map(sentence);
    let since = some.since.map(|since| format!("Since {}:", day(since)));
    let names = some.secrets.join(", ");
    let words: Vec<String> = cause.into_iter().chain(since).chain([names]).collect();
    item(words.join(" "))
}

fn most_urgent(most_urgent: &[Urgent]) -> Option<Section> {
    let heading = match most_urgent.len() {
        0 => return None,
        1 => "The client secret that ends first".to_owned(),
        count => format!("The {count} client secrets that end first"),
    };
    let items = most_urgent.iter().map(|urgent| {
        let state = match urgent.state {
            FleetState::Healthy | FleetState::Replica => "",
            FleetState::Due => ", being renewed",
            FleetState::WaitingForPerson => ", waits for a person",
            FleetState::Failed => ", broken",
            FleetState::Unreachable => ", could not be looked at",
        };
        item(format!(
            "{}: {}{state}",
            day(urgent.expires_at),
            urgent.secret
        ))
    });
    Some(Section {
        heading,
        paragraphs: Vec::new(),
        to_do: "Nothing, as long as they are renewed before. An alarm sounds where one ends within 7 days and is not.".to_owned(),
        commands: None,
        items: items.collect(),
    })
}

fn item(text: String) -> Item {
    Item {
        text: Some(text),
        link: None,
    }
}
