//! ask: sends the link anew of what a person is waited for, because somebody has none that works: a mail was lost, or
//! its link has ended. Nothing is tried again for it, and nothing is changed but the note of what was asked.

use jiff::Timestamp;
use shared::failure::{Failure, Kind};
use shared::grants::GrantsDocument;
use shared::ids::MailboxAddress;
use shared::mailbox_secret::{Connection, Delivery, MailboxSecret};
use shared::retry::Deadline;
use shared::rotation::{ActionCall, AskedAgain};
use shared::secret_store::SecretMetadata;
use shared::secret_store::versions::CURRENT;
use shared::tags;
use shared::tags::state::{Asked, State};
use shared::ticket::Purpose;
use tracing::info;

use crate::ask_person::{Need, Request, Signing, ask_again};
use crate::clients::Clients;
use crate::context::{Context, is_left_alone};

pub(super) async fn run(
    clients: &Clients,
    call: &ActionCall,
    deadline: Deadline,
) -> Result<AskedAgain, Failure> {
    let secret = clients.store.describe(&call.secret).await?;
    if is_left_alone(&secret) {
        return Ok(AskedAgain::NobodyWaitedFor);
    }
    let state = State::read(secret.tags.get(tags::STATE).map(String::as_str));
    let Some((version, purpose)) = waiting_version(&secret, state.as_ref()) else {
        return Ok(AskedAgain::NobodyWaitedFor);
    };
    let asked = state.as_ref().and_then(|state| state.asked(&version));
    let store = clients.grants(&secret);
    let (value, current, grants_document) = tokio::join!(
        clients.store.value_of(&secret.arn, &version),
        clients.store.value_with_label(&secret.arn, CURRENT),
        store.read(),
    );
    let value = value?.ok_or_else(|| {
        let what = "reading the version that waits: it shows no value";
        Failure::new(Kind::Temporary, what)
    })?;
    let request = Request {
        purpose,
        due_by: MailboxSecret::read(&current?.text)?
            .credential
            .end(secret.tags.get(tags::EXPIRES_AT)),
        half_done: None,
    };
    let context = Context {
        clients,
        secret,
        version,
        document: MailboxSecret::read(&value.text)?,
        deadline,
    };
    // Without a client secret of ours no code can be redeemed: no link would open anything.
    if context.document.credential.stored().is_none() {
        return Ok(AskedAgain::NobodyWaitedFor);
    }
    let needs = needs(&context, purpose, &grants_document?, asked);
    let links = needs.len();
    if links == 0 {
        return Ok(AskedAgain::NobodyWaitedFor);
    }
    let signing = Signing::begin(clients).await?;
    if let Some(not_before) = pause(clients, &signing, asked) {
        info!(%not_before, "the links were sent a short while ago");
        return Ok(AskedAgain::NotBefore(not_before));
    }
    ask_again(&context, &signing, needs, request, asked).await?;
    info!(links, "the links were sent anew");
    Ok(AskedAgain::Sent(links))
}

/// The version that waits for a person, by what was last noted. A rotation that does not wait asks by itself once it
/// does; where nothing is under way, a mailbox without a grant is waited for, whether that was noted or not.
fn waiting_version(secret: &SecretMetadata, state: Option<&State>) -> Option<(String, Purpose)> {
    let versions = &secret.versions;
    match versions.in_progress() {
        Some(token) => {
            let waits = state.is_some_and(|state| state.asked(token).is_some());
            waits.then(|| (token.to_owned(), Purpose::Rotate))
        }
        None => Some((versions.current()?.to_owned(), Purpose::Connect)),
    }
}

/// Until when they may not be sent again, if so. What another key signed may open nothing, and nobody has to wait for.
fn pause(clients: &Clients, signing: &Signing, asked: Option<&Asked>) -> Option<Timestamp> {
    let asked = asked.filter(|asked| asked.is_signed_with(&signing.key_id))?;
    let not_before = asked.not_before(clients.settings.ask_again_after.signed())?;
    (signing.now < not_before).then_some(not_before)
}

fn needs(
    context: &Context<'_>,
    purpose: Purpose,
    known: &GrantsDocument,
    asked: Option<&Asked>,
) -> Vec<Need> {
    let document = &context.document;
    let sign_ins = document.probed_mailboxes().into_iter();
    let sign_ins = sign_ins.filter_map(|mailbox| sign_in(mailbox, purpose, known, asked));
    let api = |c: &&Connection| c.delivery == Delivery::Api;
    if purpose == Purpose::Connect {
        let mut needs: Vec<Need> = sign_ins.collect();
        if needs.is_empty() {
            // ShopCtrl wanted a sign-in of its own, for one of them or for all of a mailbox.
            let each = document.connections.iter().filter(api);
            let each = each.flat_map(|connection| Need::hand_overs([connection]));
            let all = Need::hand_overs(document.connections.iter().filter(api));
            let was_asked = |need: &Need| asked.is_some_and(|asked| asked.has(&need.hash()));
            needs.extend(all.into_iter().chain(each).filter(was_asked));
        }
        return needs;
    }
    let open = |c: &&Connection| {
        c.delivery == Delivery::Attended && !known.attestations.attested(&context.version, &c.id)
    };
    let hand_overs = Need::hand_overs(document.connections.iter().filter(open));
    let mut needs = Need::together(sign_ins.collect(), hand_overs);
    if needs.is_empty() {
        // What is left to wait for: ShopCtrl wants a sign-in of its own.
        needs = Need::hand_overs(document.connections.iter().filter(api));
    }
    needs
}

/// The sign-in of a mailbox that was asked for and has not come, or whose grant is missing.
fn sign_in(
    mailbox: &MailboxAddress,
    purpose: Purpose,
    known: &GrantsDocument,
    asked: Option<&Asked>,
) -> Option<Need> {
    let grant = known.grants.of(mailbox);
    let at = asked.and_then(|asked| Timestamp::from_second(asked.at?).ok());
    let has_come = grant.is_some_and(|grant| at.is_some_and(|at| grant.redeemed_at >= at));
    let mailbox = mailbox.clone();
    let need = match (grant, purpose) {
        (None, _) => {
            let reason = "no_grant".to_owned();
            return Some(Need::SignIn { mailbox, reason });
        }
        (Some(_), Purpose::Rotate) => Need::SignIn {
            mailbox,
            reason: ASKED_AGAIN.to_owned(),
        },
        (Some(grant), Purpose::Connect) => Need::Renewal {
            mailbox,
            reason: ASKED_AGAIN.to_owned(),
            redeemed_at: Some(grant.redeemed_at),
        },
    };
    let was_asked = asked.is_some_and(|asked| asked.has(&need.hash()));
    (was_asked && !has_come).then_some(need)
}

/// The reason of a sign-in that was asked for before: the first message has Entra's code.
const ASKED_AGAIN: &str = "asked_again";
