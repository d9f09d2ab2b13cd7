//! What people were told is wrong is told to be over, once, and nothing else is.

use std::collections::BTreeSet;

use serde_json::Value as Json;
use simulators::aws::secrets_manager::CURRENT;
use simulators::world::Mailbox;

use super::schedule::{Deed, Tag};
use super::watch::Watch;
use super::{ModelWorld, standing, telling};

/// What a person hears of, as it begins and as it ends: that they were asked for something is one thing, whether a
/// rotation waits for it or not.
fn trouble(of: &Json, trouble: &str) -> String {
    match trouble {
        "waiting_for_person" | "permission_ending" => "asked".to_owned(),
        "expiring" | "expired" => "its end".to_owned(),
        "drift" => format!("drift {} {}", of["what"], of["connection"]),
        other => other.to_owned(),
    }
}

/// What an event says begins.
fn begins(event: &Json) -> Option<String> {
    let detail = &event["detail"];
    let begins = match event["detail-type"].as_str()? {
        "Authorization Required" | "Hand-over Required" | "Grant Expiring" => "waiting_for_person",
        "Rotation Failed" => "rotation_failed",
        "Rotation Stalled" => "stalled",
        "Client Secret Expiring" => "expiring",
        "Client Secret Expired" => "expired",
        "Drift Found" if detail["mended"] != true => "drift",
        _ => return None,
    };
    Some(trouble(detail, begins))
}

/// What an event says is over.
fn ends(event: &Json) -> Vec<String> {
    let detail = &event["detail"];
    let one = |of: &Json| trouble(of, of["trouble"].as_str().unwrap_or_default());
    match event["detail-type"].as_str() {
        Some("Mailbox Recovered") => vec![one(detail)],
        Some("Client Secret Rotated") => {
            let closes = detail["closes"].as_array().into_iter().flatten();
            closes.map(one).collect()
        }
        _ => Vec::new(),
    }
}

/// What is wrong with that, at the end of a run after which all is whole.
pub fn wrong(world: &ModelWorld, mailbox: &Mailbox, watch: &Watch) -> Vec<String> {
    // Who edits what the system notes hears of it again, or not; on a replica nothing is noted; and a promotion by
    // hand, of what was perhaps delivered to nobody, is not published until it was.
    if watch.deeds.iter().any(edits_a_note) || promoted_by_hand(world, mailbox) {
        return Vec::new();
    }
    let mut open: BTreeSet<String> = BTreeSet::new();
    let mut closed_by: BTreeSet<String> = BTreeSet::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut wrong = Vec::new();
    for event in world.event_bridge.events() {
        let detail = &event["detail"];
        let id = detail["id"].as_str().unwrap_or_default().to_owned();
        if detail["secret"] != mailbox.secret.as_str() || !seen.insert(id) {
            continue;
        }
        open.extend(begins(&event));
        // Told to be put right: the beginning and the end in one.
        if detail["mended"] == true {
            let mended = trouble(detail, "drift");
            open.remove(&mended);
            // A check that ran beside, and did not see it mended, tells later that it is over.
            closed_by.insert(mended);
        }
        for ended in ends(&event) {
            // Told again by the same promotion, or the next one, after a kill; or once more by a check that ran beside
            // another one, and noted what the promotion had closed.
            let again = closed_by.contains(&ended);
            if event["detail-type"] == "Client Secret Rotated" {
                closed_by.insert(ended.clone());
            }
            if !open.remove(&ended) && !again {
                wrong.push(format!(
                    "told to be over, and was not told to be so: {ended}"
                ));
            }
        }
    }
    // Such as a policy that nobody corrected.
    if telling::reported_as_failed(world, mailbox) {
        return wrong;
    }
    // That it nears its end is a reminder, and told to be over only where it was noted.
    let ended = world.event_bridge.details("Client Secret Expired");
    if ended
        .iter()
        .all(|detail| detail["secret"] != mailbox.secret.as_str())
    {
        open.remove("its end");
    }
    // Whoever asked was killed before it was noted, and so was the next attempt before it asked again.
    let calls = world.gate.calls();
    let mut bodies = calls.iter().map(|call| String::from_utf8_lossy(&call.body));
    if !bodies.any(|body| body.contains("waiting:")) {
        open.remove("asked");
    }
    // Nobody here sets another schedule, nor removes by hand what leaked and is not known to be ours.
    let stands = ["backstop", "leaked_secret_still_valid"];
    open.retain(|trouble| !stands.iter().any(|what| trouble.contains(what)));
    // And nobody takes away what people made and is not known to be this mailbox's.
    let full = standing::place_stays_taken(world, mailbox);
    open.retain(|trouble| !(full && trouble.contains("no_room_for_a_client_secret")));
    wrong.extend(
        open.into_iter()
            .map(|trouble| format!("never told to be over: {trouble}")),
    );
    wrong
}

fn promoted_by_hand(world: &ModelWorld, mailbox: &Mailbox) -> bool {
    let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    let current = secret.labelled(CURRENT).map(|version| version.id.clone());
    let rotated = world.event_bridge.details("Client Secret Rotated");
    let published = |id: &String| rotated.iter().any(|detail| detail["token"] == id.as_str());
    let started = world.event_bridge.details("Rotation Started");
    let issued = |id: &String| started.iter().any(|detail| detail["token"] == id.as_str());
    current.is_some_and(|id| issued(&id) && !published(&id))
}

fn edits_a_note(deed: &Deed) -> bool {
    matches!(
        deed,
        Deed::MakeReplica
            | Deed::EditTag(
                Tag::State | Tag::RotatedVersion | Tag::Reminded | Tag::Drift,
                _
            )
    )
}
