//! The same beginning, and then a real person at a real browser.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;
use simulators::browser::{heading, unescaped};
use simulators::world::{Mailbox, MailboxPlan, SHOPCTRL_ADMIN};
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;

use crate::chapters::Asked;
use crate::fact::Fact;
use crate::narration::{of_event, text};
use crate::scenario::{QUARANTINE_DAYS, let_entra_lag};
use crate::scenarios::mail_protocols;
use crate::stop::Stop;
use crate::story::Story;
use crate::told::{Told, Tone};

const CHECK_EVERY: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// So long after the promotion the clock is set forward.
const PAUSE_BEFORE_TIME_PASSES: Duration = Duration::from_secs(5);

/// Prints the link, and tells what happens until somebody stops it.
///
/// # Errors
/// [`Stop`].
pub async fn stay(story: &mut Story, asked: &Asked) -> Result<(), Stop> {
    story.chapter("your_turn", "Your turn", &[]).await?;
    let [attended, by_protocols] = put_other_mailboxes(story).await?;
    invite(story, asked)?;
    invite_to_hand_over(story, &attended)?;
    invite_by_protocols(story, &by_protocols)?;
    say_that_it_stays(story)?;
    let mut seen = Visits::from_now(story);
    story.untold();
    let mailboxes = [story.mailbox.clone(), attended, by_protocols.clone()];
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next_check = Instant::now() + CHECK_EVERY;
    let mut promoted: Option<Instant> = None;
    let mut time_has_passed = false;
    loop {
        looks.tick().await;
        seen.tell_new(story)?;
        for event in story.untold() {
            let address = address_of(&event, &mailboxes);
            tell_event(story, &event, address)?;
            if text(&event, "detail-type") != "Client Secret Rotated" {
                continue;
            }
            if address == Some(&story.mailbox.address) {
                promoted = Some(Instant::now());
                tell_promoted(story)?;
            }
            if address == Some(&by_protocols.address) {
                mail_protocols::tell_proved(story, key_of(&event)?)?;
            }
        }
        story.tell_mails()?;
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

/// The address of the mailbox that an event is of.
fn address_of<'a>(event: &Value, mailboxes: &'a [Mailbox]) -> Option<&'a str> {
    let secret = event.pointer("/detail/secret").and_then(Value::as_str);
    let mut mailboxes = mailboxes.iter();
    let mailbox = mailboxes.find(|mailbox| secret == Some(&mailbox.secret));
    Some(&mailbox?.address)
}

/// The credential that an event is of.
fn key_of(event: &Value) -> Result<Uuid, Stop> {
    let key = event.pointer("/detail/key_id").and_then(Value::as_str);
    let key = key.and_then(|key| key.parse().ok());
    key.ok_or_else(|| Stop::NotSeen("the key id in an event".to_owned()))
}

/// The event, with its mailbox before it where it is of one, and its link if it has one.
fn tell_event(story: &mut Story, event: &Value, address: Option<&str>) -> Result<(), Stop> {
    let mut told = of_event(event);
    let Some(address) = address else {
        return story.tell(told);
    };
    told.text = format!("{address}: {}", told.text);
    story.tell(told)?;
    match link_of(event) {
        "" => Ok(()),
        link => story
            .teller
            .link(link, &format!("a newer one for {address}")),
    }
}

fn invite(story: &mut Story, asked: &Asked) -> Result<(), Stop> {
    let (address, password) = (
        story.mailbox.address.clone(),
        story.mailbox.password.clone(),
    );
    story.teller.allow(&password);
    story.tell(
        Told::new(
            "open_this",
            "Open link 1 in a browser on this machine, and sign in with this invented account:",
        )
        .tone(Tone::Person)
        .fact(Fact::new("account", address.as_str()))
        .fact(Fact::new("password", password))
        .fact(Fact::new("link", asked.link.clone()).quiet()),
    )?;
    let is_for = format!("sign in once as {address}");
    story.teller.link(&asked.link, &is_for)
}

fn say_that_it_stays(story: &mut Story) -> Result<(), Stop> {
    let seconds = CHECK_EVERY.as_secs();
    story.tell(
        Told::new(
            "stays",
            format!("This goes on telling what happens; the check, which is scheduled every 6 hours, comes every {seconds} s here. Press Ctrl-C to stop."),
        )
        .tone(Tone::Waiting),
    )
}

/// A second mailbox, whose secret a person enters in ShopCtrl, led by our pages; and a third, which ShopCtrl reaches by
/// IMAP and SMTP.
async fn put_other_mailboxes(story: &mut Story) -> Result<[Mailbox; 2], Stop> {
    let attended = story.add_mailbox(&MailboxPlan {
        name: "sales".to_owned(),
        address: "sales@shop.example".to_owned(),
        shop_id: 13,
        delivery: "attended".to_owned(),
        reveal_to_owner: true,
        settings_links: true,
        ..MailboxPlan::default()
    })?;
    let by_protocols = story.add_mailbox(&MailboxPlan {
        granted: false,
        ..mail_protocols::plan()
    })?;
    let_entra_lag(&story.world);
    for mailbox in [&attended, &by_protocols] {
        let rotate = story.world.secrets_manager.rotate(&mailbox.secret);
        rotate.map_err(|error| Stop::World(error.message))?;
    }
    let world = Arc::clone(&story.world);
    let rest = async move { world.secrets_manager.all_settled().await };
    story
        .patiently("the renewals of two more mailboxes, up to a person", rest)
        .await?;
    Ok([attended, by_protocols])
}

/// The link that this mailbox's owner was sent.
fn link_for(story: &Story, mailbox: &Mailbox, detail_type: &str) -> Result<String, Stop> {
    let events = story.world.event_bridge.events();
    let asked = events.iter().find(|event| {
        text(event, "detail-type") == detail_type
            && event.pointer("/detail/secret").and_then(Value::as_str) == Some(&mailbox.secret)
    });
    let link = asked.map(link_of).filter(|link| !link.is_empty());
    let link = link.ok_or_else(|| Stop::NotSeen(format!("{detail_type} with a link")))?;
    Ok(link.to_owned())
}

fn invite_to_hand_over(story: &mut Story, mailbox: &Mailbox) -> Result<(), Stop> {
    let link = link_for(story, mailbox, "Hand-over Required")?;
    story.teller.allow(&mailbox.password);
    story.tell(
        Told::new(
            "hand_over_this",
            "A second mailbox is attended: ShopCtrl gets its new secret from a person. Open link 2 in a private window, and use this invented account where Microsoft is to sign in:",
        )
        .tone(Tone::Person)
        .fact(Fact::new("account", mailbox.address.clone()))
        .fact(Fact::new("password", mailbox.password.clone()))
        .fact(Fact::new("link", link.as_str()).quiet()),
    )?;
    let is_for = format!(
        "hand the new secret of {} over to ShopCtrl",
        mailbox.address
    );
    story.teller.link(&link, &is_for)?;
    show_shopctrl(story)
}

fn invite_by_protocols(story: &mut Story, mailbox: &Mailbox) -> Result<(), Stop> {
    let link = link_for(story, mailbox, "Authorization Required")?;
    story.teller.allow(&mailbox.password);
    story.tell(
        Told::new(
            "by_protocols",
            "ShopCtrl reaches a third mailbox by IMAP and SMTP. Its renewal needs a sign-in too, and is then proved by these: in a private window, with this invented account:",
        )
        .tone(Tone::Person)
        .fact(Fact::new("account", mailbox.address.clone()))
        .fact(Fact::new("password", mailbox.password.clone()))
        .fact(Fact::new("link", link.as_str()).quiet()),
    )?;
    let is_for = format!("sign in once as {}", mailbox.address);
    story.teller.link(&link, &is_for)
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
            "The page leads straight to ShopCtrl's screens. Log in there as this invented user with Shop owner admin permissions:",
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
    )?;
    story.show_state()
}

/// What came to the callback's address, as far as it was told.
struct Visits(usize);

impl Visits {
    fn from_now(story: &Story) -> Self {
        Self(story.world.gate.calls().len())
    }

    fn tell_new(&mut self, story: &mut Story) -> Result<(), Stop> {
        let calls = story.world.gate.calls();
        let answered = |call: &simulators::gate::Call| call.status.is_some();
        // In order: one that is not answered yet holds the later ones back.
        let new: Vec<_> = calls
            .into_iter()
            .skip(self.0)
            .take_while(answered)
            .collect();
        self.0 += new.len();
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
