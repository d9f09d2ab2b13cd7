//! What is taken away, and how it is given back.

use serde_json::{Value, json};
use simulators::aws::sns::Subscribed;
use simulators::microsoft::directory::account::SecretsBlocked;
use simulators::microsoft::directory::application::Registration;
use simulators::world::SHOPCTRL_LOGIN;

use crate::mails::ADMINISTRATOR;
use crate::narration::text;
use crate::stop::Stop;
use crate::story::Story;

/// Something that a renewal needs, or a mail.
#[derive(Clone, Copy)]
pub(super) struct Lack {
    /// A code that stays the same.
    pub(super) name: &'static str,
    /// The chapter's.
    pub(super) headline: &'static str,
    /// What somebody did.
    pub(super) taken: &'static str,
    /// The same in the world.
    pub(super) take: fn(&Story) -> Result<(), Stop>,
    /// The dry run's rows.
    pub(super) requirements: &'static [&'static str],
    /// And what they say.
    pub(super) state: State,
    /// How else people hear of it.
    pub(super) noticed: Noticed,
    /// What somebody does about it.
    pub(super) given_back: &'static str,
    /// The same in the world.
    pub(super) give_back: fn(&Story) -> Result<(), Stop>,
}

/// What a dry run says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Missing,
    NotVisible,
}

/// How people hear of it.
#[derive(Clone, Copy)]
pub(super) enum Noticed {
    /// The second check that sees it publishes it, with the day from which on it matters.
    ByMail,
    /// Checks see it too, and publish what is not in order for a day.
    ByMailAfterADay,
    /// Only so; and this is when it matters.
    InADryRun(&'static str),
}

impl Noticed {
    pub(super) fn by_mail(self) -> bool {
        match self {
            Self::ByMail | Self::ByMailAfterADay => true,
            Self::InADryRun(_) => false,
        }
    }
}

impl State {
    pub(super) fn is_of(self, row: &Value) -> bool {
        match self {
            Self::Missing => text(row, "seen") == "missing",
            Self::NotVisible => row.pointer("/seen/not_visible").is_some(),
        }
    }

    pub(super) fn headline(self) -> &'static str {
        match self {
            Self::Missing => "A dry run says what is missing, and below it what mends that:",
            Self::NotVisible => "A dry run says what it cannot see, and below it what lets it:",
        }
    }
}

/// In this order.
pub(super) const ALL: [Lack; 9] = [
    Lack {
        name: "owner",
        headline: "The rotator is no owner of the app any more",
        taken: "Somebody tidies up in Entra and takes the rotator, as whom this system adds client secrets, from the owners of the app registration. Mail flows on.",
        take: |story| {
            change_app(story, |app, rotator| {
                app.owners.retain(|owner| *owner != rotator)
            })
        },
        requirements: &["rotator_owns_app"],
        state: State::Missing,
        noticed: Noticed::ByMail,
        given_back: "An administrator of the tenant makes it an owner again.",
        give_back: |story| {
            change_app(story, |app, rotator| {
                app.owners.insert(rotator);
            })
        },
    },
    Lack {
        name: "role",
        headline: "The rotator loses its role",
        taken: "Somebody withdraws the rotator's application permission in Entra.",
        take: |story| {
            change_rotator(story, |rotator| {
                rotator.app_roles.remove(OWNED_BY);
            })
        },
        requirements: &["rotator_role"],
        state: State::Missing,
        noticed: Noticed::ByMail,
        given_back: "An administrator of the tenant grants it again.",
        give_back: |story| {
            change_rotator(story, |rotator| {
                rotator.app_roles.insert(OWNED_BY.to_owned());
            })
        },
    },
    Lack {
        name: "policy",
        headline: "A policy forbids new client secrets",
        taken: "Somebody switches on a policy for the whole tenant: apps get no new client secrets.",
        take: |story| {
            block_secrets(
                story,
                Some(SecretsBlocked {
                    apps_since: None,
                    excepted_callers: [].into(),
                }),
            )
        },
        requirements: &["secrets_allowed"],
        state: State::Missing,
        noticed: Noticed::ByMail,
        given_back: "Whoever made the policy takes it back.",
        give_back: |story| block_secrets(story, None),
    },
    Lack {
        name: "redirect_uri",
        headline: "A redirect URI is removed",
        taken: "Somebody removes a redirect URI from the app registration that nobody seems to use. It is that of this system's sign-in page.",
        take: |story| {
            let ours = redirect_uri(story);
            change_app(story, |app, _| app.redirect_uris.retain(|uri| *uri != ours))
        },
        requirements: &["redirect_uri"],
        state: State::Missing,
        noticed: Noticed::ByMail,
        given_back: "Somebody adds it again.",
        give_back: |story| {
            let ours = redirect_uri(story);
            change_app(story, |app, _| app.redirect_uris.push(ours))
        },
    },
    Lack {
        name: "contact",
        headline: "Nobody is named who is asked",
        taken: "Somebody removes the tag of the secret in AWS that names the mailbox's contact.",
        take: |story| {
            let secrets = &story.world.secrets_manager;
            let removed = secrets.remove_tag(&story.mailbox.secret, CONTACT);
            removed.map_err(|error| Stop::World(error.message))
        },
        requirements: &["contact"],
        state: State::Missing,
        noticed: Noticed::InADryRun(
            "It matters when a person has to do something: the mail would go to whoever runs the system instead.",
        ),
        given_back: "Somebody sets the tag again.",
        give_back: |story| {
            let tag = (CONTACT, "owner@agency.example");
            let secrets = &story.world.secrets_manager;
            let tagged = secrets.put_tags(&story.mailbox.secret, &[tag]);
            tagged.map_err(|error| Stop::World(error.message))
        },
    },
    Lack {
        name: "shopctrl_login",
        headline: "The ShopCtrl login is wrong",
        taken: "Somebody stores the password of the ShopCtrl login in AWS anew, and mistypes it.",
        take: |story| store_login(story, "a typo"),
        requirements: &["shopctrl_login"],
        state: State::Missing,
        noticed: Noticed::ByMailAfterADay,
        given_back: "Somebody stores the right one.",
        give_back: |story| store_login(story, SHOPCTRL_LOGIN.1),
    },
    Lack {
        name: "subscription",
        headline: "The subscription was never confirmed",
        taken: "The address of whoever runs the system is subscribed anew, and nobody follows the link in AWS's mail.",
        take: |story| subscribe(story, Subscribed::Pending),
        requirements: &["topic_confirmed"],
        state: State::Missing,
        noticed: Noticed::InADryRun(
            "It matters at once, and no mail can say so: alarms, and what only an administrator can mend, would reach nobody.",
        ),
        given_back: "The command sends AWS's mail once more, and the link in it is followed.",
        give_back: |story| subscribe(story, Subscribed::Confirmed),
    },
    Lack {
        name: "sandbox",
        headline: "Amazon SES is still in its sandbox",
        taken: "The account is new in this region: Amazon SES mails verified addresses only.",
        take: |story| set_sandbox(story, true),
        requirements: &["out_of_sandbox"],
        state: State::Missing,
        noticed: Noticed::InADryRun(
            "It matters with the first mail to a contact: it would go to whoever runs the system instead.",
        ),
        given_back: "AWS grants what the command asks for.",
        give_back: |story| set_sandbox(story, false),
    },
    Lack {
        name: "policies_not_visible",
        headline: "What may not be seen is not said to be missing",
        taken: "Somebody takes Policy.Read.All from the rotator. It renews without it.",
        take: |story| {
            change_rotator(story, |rotator| {
                rotator.app_roles.remove(POLICIES);
            })
        },
        requirements: &["secrets_allowed", "lifetime_allowed"],
        state: State::NotVisible,
        noticed: Noticed::InADryRun(
            "No renewal fails by it. But a policy that forbids client secrets would not be found before the renewal that it refuses.",
        ),
        given_back: "An administrator of the tenant grants the permission again.",
        give_back: show_policies,
    },
];

const OWNED_BY: &str = "Application.ReadWrite.OwnedBy";
const POLICIES: &str = "Policy.Read.All";
const APPS: &str = "Application.Read.All";
const CONTACT: &str = "shopmail:contact";

/// The rotator may read the tenant's policies, and which of them an app has of its own.
pub(super) fn show_policies(story: &Story) -> Result<(), Stop> {
    change_rotator(story, |rotator| {
        let roles = [POLICIES, APPS].map(str::to_owned);
        rotator.app_roles.extend(roles);
    })
}

/// Changes the mailbox's app registration; with the rotator's service principal.
fn change_app(
    story: &Story,
    change: impl FnOnce(&mut Registration, uuid::Uuid),
) -> Result<(), Stop> {
    let rotator = story.world.rotator().service_principal_id;
    let directory = &story.world.directory;
    directory.change(story.mailbox.app.app_id, |app| change(app, rotator));
    Ok(())
}

fn change_rotator(story: &Story, change: impl FnOnce(&mut Registration)) -> Result<(), Stop> {
    let rotator = story.world.rotator().app_id;
    story.world.directory.change(rotator, change);
    Ok(())
}

fn block_secrets(story: &Story, blocked: Option<SecretsBlocked>) -> Result<(), Stop> {
    let tenant = story.world.tenant();
    let directory = &story.world.directory;
    directory.change_tenant(tenant, |tenant| tenant.secrets_blocked = blocked);
    Ok(())
}

fn redirect_uri(story: &Story) -> String {
    format!("{}/callback", story.world.callback_url)
}

fn store_login(story: &Story, password: &str) -> Result<(), Stop> {
    let (username, _) = SHOPCTRL_LOGIN;
    let login = json!({"username": username, "password": password}).to_string();
    let secrets = &story.world.secrets_manager;
    let stored = secrets.store_value("shopmail-shopctrl/shop.example", &login);
    let stored = stored.map_err(|error| Stop::World(error.message));
    stored.map(|_| ())
}

fn subscribe(story: &Story, subscribed: Subscribed) -> Result<(), Stop> {
    story.world.sns.set_subscription(ADMINISTRATOR, subscribed);
    Ok(())
}

fn set_sandbox(story: &Story, sandbox: bool) -> Result<(), Stop> {
    story.world.ses.set_sandbox(sandbox);
    Ok(())
}
