//! What a person still does: counted in the simulated screens for one hand-over, and by the product's own policy
//! for ten years.

use jiff::{SignedDuration, Timestamp};
use shared::config::Reader;
use shared::mailbox_secret::MailboxSecret;
use shared::policy::Policy;
use simulators::aws::secrets_manager::CURRENT;
use simulators::shopctrl::habits::{BackTo, ScreenHabits};
use simulators::world::MailboxPlan;

use crate::support::Scenario;
use crate::support::hand_over::attended;
use crate::support::person::Person;
use crate::support::person::Step::{self, Line, Press, Status};
use crate::support::scenario::days;

const README: &str = include_str!("../../README.md");
const TEN_YEARS: i64 = 3652;

fn plan(settings_links: bool) -> MailboxPlan {
    MailboxPlan {
        settings_links,
        // The default.
        document: |document| drop(document.as_object_mut().unwrap().remove("lifetime")),
        ..attended()
    }
}

/// A whole hand-over: what the person did.
async fn steps(settings_links: bool, habits: ScreenHabits) -> (Scenario, Vec<Step>) {
    let scenario = Scenario::with(&plan(settings_links)).await;
    scenario.world.shopctrl.set_screen_habits(habits);
    scenario.check().await;
    scenario.assert_waits();
    let mut person = Person::with_link(&scenario).await;
    person.hand_over().await;
    scenario.assert_whole();
    let steps = std::mem::take(&mut person.steps);
    drop(person);
    (scenario, steps)
}

/// How often a person is asked in ten years, where each secret lives as long as the one that was just issued and is
/// renewed when the policy says so.
fn hand_overs(scenario: &Scenario) -> usize {
    let policy = Policy::read(&mut Reader::new(|_| None));
    let secret = scenario.secret();
    let text = secret.labelled(CURRENT).and_then(|version| version.text());
    let document = MailboxSecret::read(&text.unwrap().to_owned().into()).unwrap();
    let issued = scenario.world.clock.now();
    let end = document.credential.end(None).unwrap();
    let lives = end.duration_since(issued);
    assert!(lives > days(729), "{lives:#}");
    let renewal =
        |issued: &Timestamp| policy.renewal(document.lifetime().signed(), *issued + lives);
    let until = issued + SignedDuration::from_hours(24 * TEN_YEARS);
    std::iter::successors(Some(renewal(&issued)), |issued| Some(renewal(issued)))
        .take_while(|at| *at < until)
        .count()
}

/// At most so many in ten years, and no more than README says of one hand-over.
fn assert_few(scenario: &Scenario, steps: &[Step], most_a_year: usize) {
    let in_ten_years = steps.len() * hand_overs(scenario);
    assert!(
        in_ten_years <= 10 * most_a_year,
        "{in_ten_years}: {steps:?}"
    );
    let presses = steps.iter().filter(|step| matches!(step, Press(_))).count();
    let (all, lines) = (steps.len(), steps.len() - presses);
    let row = format!("**{all}**: {lines} lines of the page, {presses} presses on ours");
    assert!(README.contains(&row), "README does not say {row}");
}

const SAID: Step = Press("Status shows Authorized");

#[tokio::test(flavor = "multi_thread")]
async fn with_deep_links_a_hand_over_takes_eighteen_steps_and_a_year_nine() {
    let (scenario, steps) = steps(true, ScreenHabits::default()).await;
    let expected = [
        vec![
            Line(19),
            Line(11),
            Line(12),
            Line(15),
            Press("Show"),
            Line(16),
        ],
        vec![Line(17), Line(18), Line(22), SAID],
        vec![Press("open Sending email"), Line(25), Line(26), Line(27)],
        vec![Line(28), Line(32), Line(33), SAID],
    ];
    assert_eq!(steps, expected.concat());
    assert_few(&scenario, &steps, 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_deep_links_a_hand_over_takes_twenty_steps_and_a_year_ten() {
    let (scenario, steps) = steps(false, ScreenHabits::default()).await;
    let expected = [
        vec![Line(19), Line(11), Line(12), Line(13), Line(14), Line(15)],
        vec![Press("Show"), Line(16), Line(17), Line(18), Line(22), SAID],
        vec![Line(24), Line(25), Line(26), Line(27), Line(28)],
        vec![Line(32), Line(33), SAID],
    ];
    assert_eq!(steps, expected.concat());
    assert_few(&scenario, &steps, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_shopctrl_comes_back_to_the_list_status_is_looked_at_by_one_step_more_for_each_direction()
 {
    for (settings_links, as_a_rule) in [(true, 18), (false, 20)] {
        let habits = ScreenHabits {
            back_to: BackTo::List,
            ..ScreenHabits::default()
        };
        let (_, steps) = steps(settings_links, habits).await;
        let looks = steps.iter().filter(|step| **step == Status).count();
        assert_eq!((looks, steps.len()), (2, as_a_rule + 2), "{steps:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deep_link_that_the_login_page_forgets_is_pressed_once_more() {
    let habits = ScreenHabits {
        login_keeps_link: false,
        ..ScreenHabits::default()
    };
    let (_, steps) = steps(true, habits).await;
    let again = steps
        .iter()
        .filter(|step| **step == Press("open it once more"));
    assert_eq!((again.count(), steps.len()), (1, 19), "{steps:?}");
}
