//! The same beginning, and then a real person at a real browser.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;
use simulators::browser::{heading, unescaped};
use simulators::world::{Mailbox, MailboxPlan, SHOPCTRL_ADMIN};
use tokio::time::{Instant, MissedTickBehavior};

use crate::chapters::Asked;
use crate::fact::Fact;
use crate::narration::{of_event, text};
use crate::stop::Stop;
use crate::story::{QUARANTINE_DAYS, Story};
use crate::teller::{Told, Tone};

const CHECK_EVERY: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// So long after the promotion the clock is set forward.
const PAUSE_BEFORE_TIME_PASSES: Duration = Duration::from_secs(5);

/// Prints the link, and tells what happens until somebody stops it.
///
/// # Errors
/// [`Stop`].
pub async fn stay(story: &mut Story, asked: &Asked) -> Result<(), Stop> {
    let attended = put_attended_mailbox(story).await?;
    invite(story, asked)?;
    invite_to_hand_over(story, &attended)?;
    say_that_it_stays(story)?;
    let mut seen = Seen::new(story);
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next_check = Instant::now() + CHECK_EVERY;
    let mut promoted: Option<Instant> = None;
    let mut time_has_passed = false;
    loop {
        looks.tick().await;
        seen.tell_visits(story)?;
        for event in story.untold() {
            if seen.is_news(&event) {
                story.tell(of_event(&event))?;
            }
            if text(&event, "detail-type") == "Hand-over Required" {
                story.teller.link(link_of(&event))?;
            }
            let of_the_story = event.pointer("/detail/secret").and_then(Value::as_str)
                == Some(&story.mailbox.secret);
            if of_the_story && text(&event, "detail-type") == "Client Secret Rotated" {
                promoted = Some(Instant::now());
                tell_promoted(story)?;
            }
        }
        let settled = promoted.is_some_and(|at| at.elapsed() > PAUSE_BEFORE_TIME_PASSES);
        if settled && !time_has_passed {
            time_has_passed = true;
            let days = QUARANTINE_DAYS + 1;
            story
                .world
                .clock
                .advance(SignedDuration::from_hours(24 * days));
            story.tell(
                Told::new(
                    "time_passes",
                    format!("The simulated clock is set forward by {days} days."),
                )
                .tone(Tone::Waiting),
            )?;
            next_check = Instant::now();
        }
        if Instant::now() >= next_check {
            story.check().await?;
            next_check = Instant::now() + CHECK_EVERY;
        }
    }
}

fn invite(story: &mut Story, asked: &Asked) -> Result<(), Stop> {
    story.teller.chapter("your_turn", "Your turn", &[])?;
    let (address, password) = (
        story.mailbox.address.clone(),
        story.mailbox.password.clone(),
    );
    story.teller.allow(&password);
    story.tell(
        Told::new(
            "open_this",
            "Open this link in a browser on this machine, and sign in with this invented account:",
        )
        .tone(Tone::Person)
        .fact(Fact::new("account", address))
        .fact(Fact::new("password", password))
        .fact(Fact::new("link", asked.link.clone()).shown_as("below")),
    )?;
    story.teller.link(&asked.link)
}

fn say_that_it_stays(story: &mut Story) -> Result<(), Stop> {
    let seconds = CHECK_EVERY.as_secs();
    story.tell(
        Told::new(
            "stays",
            format!("This goes on telling what happens; the daily check comes every {seconds} s. Press Ctrl-C to stop."),
        )
        .tone(Tone::Waiting),
    )
}

/// A second mailbox, whose secret a person enters in ShopCtrl, led by our pages.
async fn put_attended_mailbox(story: &mut Story) -> Result<Mailbox, Stop> {
    let plan = MailboxPlan {
        name: "sales".to_owned(),
        address: "sales@shop.example".to_owned(),
        shop_id: 13,
        delivery: "attended".to_owned(),
        reveal_to_owner: true,
        ..MailboxPlan::default()
    };
    let mailbox = story.add_mailbox(&plan)?;
    let rotate = story.world.secrets_manager.rotate(&mailbox.secret);
    rotate.map_err(|error| Stop::World(error.message))?;
    let (world, secret) = (Arc::clone(&story.world), mailbox.secret.clone());
    let rests = async move { world.secrets_manager.settled(&secret).await };
    story
        .patiently(
            "the renewal of a second mailbox, up to its hand-over",
            rests,
        )
        .await?;
    Ok(mailbox)
}

fn invite_to_hand_over(story: &mut Story, mailbox: &Mailbox) -> Result<(), Stop> {
    let asks = story.world.event_bridge.events();
    let asked = asks.iter().find(|event| {
        text(event, "detail-type") == "Hand-over Required"
            && event.pointer("/detail/secret").and_then(Value::as_str) == Some(&mailbox.secret)
    });
    let asked = asked.ok_or_else(|| Stop::NotSeen("the request for a hand-over".to_owned()))?;
    story.teller.allow(&mailbox.password);
    story.tell(
        Told::new(
            "hand_over_this",
            "A second mailbox is attended: ShopCtrl gets its new secret from a person. Open this link in a private window, and use this invented account where Microsoft is to sign in:",
        )
        .tone(Tone::Person)
        .fact(Fact::new("account", mailbox.address.clone()))
        .fact(Fact::new("password", mailbox.password.clone()))
        .fact(Fact::new("link", link_of(asked)).shown_as("below")),
    )?;
    story.teller.link(link_of(asked))?;
    show_shopctrl(story)
}

fn link_of(event: &Value) -> &str {
    event
        .pointer("/detail/link")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// ShopCtrl's screens are there to look at, and to do there what the manual page says.
fn show_shopctrl(story: &mut Story) -> Result<(), Stop> {
    let (login, password) = SHOPCTRL_ADMIN;
    story.teller.allow(password);
    let screens = story.world.shopctrl_url.clone();
    story.tell(
        Told::new(
            "shopctrl_screens",
            "The page leads through ShopCtrl's screens. Log in there as this invented user with Shop owner admin permissions:",
        )
        .tone(Tone::Person)
        .fact(Fact::new("screens", screens))
        .fact(Fact::new("login", login))
        .fact(Fact::new("password", password)),
    )
}

fn tell_promoted(story: &mut Story) -> Result<(), Stop> {
    story.see_mail_flowing()?;
    let outage = story.mail.seen().seconds;
    story.tell(
        Told::new(
            "unbroken",
            format!("Mail flowed all the time: {outage:.0} seconds of outage."),
        )
        .tone(Tone::Good)
        .fact(Fact::new("outage_s", outage).quiet()),
    )
}

/// What was told already.
struct Seen {
    calls: usize,
    report: Value,
}

impl Seen {
    fn new(story: &mut Story) -> Self {
        story.untold();
        Self {
            calls: story.world.gate.calls().len(),
            report: Value::Null,
        }
    }

    /// A report that says the same as the last one is none.
    fn is_news(&mut self, event: &Value) -> bool {
        if text(event, "detail-type") != "Fleet Report" {
            return true;
        }
        let report = event
            .pointer("/detail/secrets")
            .cloned()
            .unwrap_or_default();
        let news = report != self.report;
        self.report = report;
        news
    }

    /// What came to the callback's address.
    fn tell_visits(&mut self, story: &mut Story) -> Result<(), Stop> {
        let calls = story.world.gate.calls();
        let answered = |call: &simulators::gate::Call| call.status.is_some();
        // In order: one that is not answered yet holds the later ones back.
        let new: Vec<_> = calls
            .into_iter()
            .skip(self.calls)
            .take_while(answered)
            .collect();
        self.calls += new.len();
        for call in new.into_iter().filter(|call| call.service == "api-gateway") {
            let status = call.status.unwrap_or_default();
            let told = match call.operation.as_str() {
                "GET /authorize" if status == 303 => Told::new(
                    "link_opened",
                    "Somebody opened the link and is on Microsoft's sign-in page now.",
                ),
                _ => match heading(&String::from_utf8_lossy(&call.answer)).map(unescaped) {
                    Some(heading) => {
                        Told::new("page_shown", format!("The browser shows: \"{heading}\"."))
                            .fact(Fact::new("heading", heading).quiet())
                    }
                    None => continue,
                },
            };
            let told = told.fact(Fact::new("status", status).quiet());
            story.tell(told.tone(Tone::Person))?;
        }
        Ok(())
    }
}
