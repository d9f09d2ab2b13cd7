//! No secret is found outside its place: after a run with all that can go wrong, everything that the
//! functions wrote, told, answered or sent is searched for every secret that there was, in every guise.

mod guises;
mod run;

use crate::support::visitor::ticket_of;
use std::collections::BTreeSet;

use http::header::SET_COOKIE;
use jiff::SignedDuration;
use simulators::browser::Page;

use guises::Guises;
use run::{Found, QUOTED, Run};

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_found_outside_its_place_in_any_guise() {
    let mut run = Run::start().await;
    run.check().await;
    run.failing_sign_ins().await;
    run.sign_in().await;
    run.hand_over().await;
    run.orders.assert_whole();
    run.sales.assert_whole();
    run.world.clock.advance(SignedDuration::from_hours(8 * 24));
    run.check().await;
    run.failing_rotations().await;
    run.check().await;
    run.check().await;
    run.sales.assert_whole();
    run.world.lambda.end_all().await;

    // It was a run in which all of it happened.
    let world = &run.world;
    assert!(!world.event_bridge.details("Credential Retired").is_empty());
    let failed = run.orders.failures().len();
    assert!(failed >= 8, "{failed} attempts failed");
    let quoted =
        |call: &simulators::gate::Call| String::from_utf8_lossy(&call.answer).contains(QUOTED);
    assert!(
        world
            .gate
            .calls()
            .iter()
            .filter(|call| quoted(call))
            .count()
            >= 7
    );

    let all = run.all();
    let secrets = world.secret_strings();
    assert!(secrets.len() > 50, "{}", secrets.len());
    let guises: Vec<Guises> = secrets.iter().map(|secret| Guises::of(secret)).collect();
    assert_shown_in_one_answer(&run);
    let mut leaks = Vec::new();
    let mut seen = BTreeSet::new();
    for found in all.iter().filter(|found| seen.insert(found.text.as_str())) {
        for guise in &guises {
            let its_answer = ["the page at /reveal", "the answer to POST /reveal"];
            let shown = guise.secret == run.shown && its_answer.contains(&found.place.as_str());
            if guise.is_in(&found.text) && !shown {
                leaks.push(format!(
                    "{} in {}: {}",
                    guise.secret, found.place, found.text
                ));
            }
        }
    }
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    assert_places_of_links(&run, &all);
    assert_nobody_gets_anothers(&run, &guises);
    let panicked = |found: &&Found| found.text.contains("panicked");
    assert_eq!(all.iter().filter(panicked).count(), 0);
    // Nor the first characters of a secret, which Graph calls its hint.
    let hinted = |found: &&Found| found.place.starts_with("the log") && found.text.contains("hint");
    assert_eq!(all.iter().filter(hinted).count(), 0);
}

/// The secret that was handed over is in the answer to the one POST that asked for it rightly.
fn assert_shown_in_one_answer(run: &Run) {
    assert!(!run.shown.is_empty());
    let answers = run.answers.iter();
    let shown: Vec<&Page> = answers
        .filter(|answer| answer.body.contains(&run.shown))
        .collect();
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].url.path(), "/reveal");
    assert_eq!(shown[0].headers["cache-control"], "no-store");
    assert_eq!(shown[0].body.matches(&run.shown).count(), 1);
}

/// A ticket is in links, on the page behind it and in the form for a new one: nowhere else.
fn assert_places_of_links(run: &Run, all: &[Found]) {
    for kind in ["Authorization Required", "Hand-over Required"] {
        let events = run.world.event_bridge.details(kind);
        assert!(!events.is_empty());
        for event in events {
            let ticket = ticket_of(event["link"].as_str().unwrap());
            assert_places_of_ticket(kind, &ticket, all);
        }
    }
    assert_places_of_sessions(run, all);
}

fn assert_places_of_ticket(kind: &str, ticket: &str, all: &[Found]) {
    let told = [
        format!("the event \"{kind}\""),
        "the body of events PutEvents".to_owned(),
    ];
    let on_page = [
        format!("name=\"ticket\" value=\"{ticket}\""),
        format!("href=\"authorize?ticket={ticket}\""),
        format!("href=\"authorize?ticket={ticket}&amp;anew=1\""),
    ];
    let start = ["the page at /start", "the answer to GET /start"];
    // The signature is what makes it one.
    let signature = ticket.rsplit('.').next().unwrap();
    for part in [ticket, signature] {
        for found in all.iter().filter(|found| found.text.contains(part)) {
            let times = found.text.matches(part).count();
            let link = told.contains(&found.place) && times == 1;
            let way_on = on_page.iter().any(|place| found.text.contains(place)) && times == 1;
            // The first screen has its own link to copy too, for a private window.
            let itself = start.contains(&found.place.as_str()) && times == 2;
            assert!(
                link || way_on || itself,
                "a ticket in {}: {}",
                found.place,
                found.text
            );
        }
    }
}

/// A session is in its cookie, what ties its forms to it in its pages, state and nonce on the way to
/// Microsoft: nowhere else.
fn assert_places_of_sessions(run: &Run, all: &[Found]) {
    for page in &run.answers {
        let forms = page.forms().into_iter().flat_map(|form| form.fields);
        for (_, value) in forms.filter(|(name, _)| name == "form") {
            for found in all.iter().filter(|found| found.text.contains(&value)) {
                let place = found.place.split(" /").next().unwrap();
                let known = [
                    "the page at",
                    "the answer to GET",
                    "the answer to POST",
                    "the request POST",
                ];
                assert!(known.contains(&place), "{}", found.place);
            }
        }
    }
    let mut sessions = 0;
    for page in &run.answers {
        for cookie in page.headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let value = cookie.split(';').next().unwrap().split_once('=').unwrap().1;
            if value.is_empty() {
                continue;
            }
            sessions += 1;
            for found in all.iter().filter(|found| found.text.contains(value)) {
                assert!(
                    found.place.starts_with("the header set-cookie"),
                    "{}",
                    found.place
                );
            }
        }
        let Some(location) = page.location() else {
            continue;
        };
        let location = url::Url::parse(&location).unwrap();
        let secrets = location
            .query_pairs()
            .filter(|(name, _)| ["state", "nonce", "code_challenge"].contains(&name.as_ref()));
        for (name, value) in secrets {
            for found in all
                .iter()
                .filter(|found| found.text.contains(value.as_ref()))
            {
                assert!(
                    found.place.starts_with("the header location"),
                    "{name} in {}",
                    found.place
                );
            }
        }
    }
    assert!(sessions >= 3, "{sessions}");
}

/// Each service gets its own secrets and nobody else's: ShopCtrl client secrets and never a token of
/// ours, Entra neither ShopCtrl's password nor the key of our links.
fn assert_nobody_gets_anothers(run: &Run, guises: &[Guises]) {
    let world = &run.world;
    let password = simulators::world::SHOPCTRL_LOGIN.1;
    let key = simulators::world::TICKET_KEY;
    for call in world.gate.calls() {
        let body = String::from_utf8_lossy(&call.body).into_owned();
        let forbidden: Vec<&Guises> = match call.service {
            "shopctrl" => guises
                .iter()
                .filter(|guise| {
                    world
                        .directory
                        .credential_with_value(&guise.secret)
                        .is_none()
                })
                .collect(),
            "entra" => guises
                .iter()
                .filter(|guise| [password, key].contains(&guise.secret.as_str()))
                .collect(),
            _ => continue,
        };
        for guise in forbidden {
            assert!(
                !guise.is_in(&body),
                "{} {} gets {}",
                call.service,
                call.operation,
                guise.secret
            );
        }
    }
}
