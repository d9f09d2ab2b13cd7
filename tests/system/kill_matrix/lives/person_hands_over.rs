//! The connections are attended: the renewal waits for the hand-over; a person signs in, asks for the
//! secret, enters it in ShopCtrl and says what Status shows, for each direction.

use jiff::SignedDuration;
use serde_json::Value;

use crate::kill_matrix::life::Life;
use crate::kill_matrix::site::{Part, Site};
use crate::kill_matrix::trouble::Trouble;
use crate::support::Scenario;
use crate::support::hand_over::{ASKED, attended, field, reveal, say};
use simulators::browser::Page;

pub const LIFE: Life = Life {
    name: "a person hands over",
    told: "Both connections are attended. A person opens the link, signs in, has the secret shown, enters it in ShopCtrl\n\
        and says what Status shows, for receiving and then for sending; where a page says that something failed, the\n\
        link is opened again. The rotator may read Entra's report of the old secret's use, so it goes after its quarantine.\n\
        Tried are the first screen's calls, those of the first steps, of the secret's showing and of every statement, and\n\
        those of the steps that the first life does not make.",
    plan: attended,
    prepare: |Scenario { world, .. }| {
        let rotator = world.rotator().app_id;
        world.directory.change(rotator, |app| {
            app.app_roles.insert("AuditLog.Read.All".to_owned());
        });
        Box::pin(async {})
    },
    person: Some((ASKED, |scenario| Box::pin(hand_over(scenario)))),
    person_tells: &[
        "Client Secret Revealed",
        "Hand-over Attested",
        "Reveal Refused",
    ],
    stands,
    attended: true,
    reattempt_after: SignedDuration::ZERO,
    tries,
    troubles: Trouble::some_of,
    twice: false,
    ends_with: |scenario| {
        scenario.assert_granted();
        scenario.assert_foreign_is_untouched();
    },
};

fn tries(site: &Site, first: &[Site]) -> bool {
    let like = |other: &Site| (&other.step, &other.operation) == (&site.step, &site.operation);
    let of_the_sign_in = ["authorize", "callback"].contains(&site.step.as_str());
    let again = ["handover", "reveal"].contains(&site.step.as_str()) && site.nth > 1;
    !of_the_sign_in && !again && !first.iter().any(like)
        || site.part == Part::Retirement && site.operation.contains("reports")
}

fn stands(scenario: &Scenario) -> &'static str {
    let grants = scenario.current_text(&format!("{}/grants", scenario.mailbox.secret));
    let grants: Value = serde_json::from_str(&grants).unwrap();
    let said = grants["handover"].as_object().into_iter().flatten();
    match said
        .flat_map(|(_, all)| all.as_object())
        .map(|all| all.len())
        .sum()
    {
        0 => "nothing said yet",
        1 => "said of receiving",
        _ => "said of both, not gone on",
    }
}

async fn hand_over(scenario: Scenario) -> bool {
    let mut visitor = scenario.visitor();
    let start = visitor.open(&scenario.link_in(ASKED)).await;
    let Some(sign_in) = start.way_on() else {
        return is_done(&start);
    };
    let mut page = visitor.sign_in_as_owner(&sign_in, &scenario.mailbox).await;
    for (heading, id) in [("Receiving", "orders-in"), ("Sending", "orders-out")] {
        if page.heading().starts_with(heading) {
            let shown = reveal(&mut visitor, &page).await;
            let Some(secret) = field(&shown, "client-secret") else {
                return false;
            };
            scenario.paste(id, &secret);
            page = say(&mut visitor, &shown, "authorized").await;
        }
    }
    is_done(&page)
}

fn is_done(page: &Page) -> bool {
    let ends = [
        "Thank you: now it is proved",
        "Done: mail goes on with the new secret",
        "Nothing left to do",
    ];
    ends.contains(&page.heading())
}
