//! testSecret: proves the pending secret: sign-ins, the mailbox with the stored grant, ShopCtrl's own
//! test, and that ShopCtrl goes on checking mail.

use jiff::Timestamp;
use shared::attestations::Attestations;
use shared::companion::Companion;
use shared::drift::DriftKind;
use shared::entra::sign_in::connection_scope;
use shared::entra::token::{TokenError, Tokens};
use shared::events::EventKind;
use shared::failure::{Failure, Kind};
use shared::grants::{Grant, Grants};
use shared::graph::account;
use shared::ids::MailboxAddress;
use shared::mailbox_secret::{Connection, Delivery, Direction, MailboxSecret, Proof, Protocol};
use shared::retry::{Deadline, Retry, backoff, with_retries};
use shared::secret_store::versions::PROVED;
use shared::secret_store::{LabelSwap, MoveLabel};
use shared::shopctrl::ShopCtrl;
use shared::shopctrl::connections::Tested;
use shared::shopctrl::status::LastMailCheck;
use shared::ticket::Purpose;
use tracing::{info, warn};

use crate::begin::Begun;
use crate::call::StepCall;
use crate::connections::ShopCtrls;
use crate::failed::Failed;
use crate::person::{Need, Request};
use crate::set_secret::Delivered;
use crate::{Invocation, Rotation};

/// Why a mailbox was not proved.
pub(crate) enum Unproved {
    /// Its owner has to sign in; with Entra's code, or `no_grant`.
    OwnerNeeded(String),
    /// Anything else.
    Failed(Failure),
}

impl Rotation {
    pub(crate) async fn test_secret(
        &self,
        call: &StepCall,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let (run, pending, current) = match self.begin(call, deadline).await? {
            Begun::Stored {
                run,
                pending,
                current,
                ..
            } => (run, *pending, current),
            Begun::ConfigurationTest(run) => return self.configuration_test(&run).await,
            Begun::Empty { .. } | Begun::AlreadyCurrent { .. } => return Ok(()),
        };
        let now = self.wait_until_signs_in(&pending, deadline).await?;
        let store = self.companion(&run.secret);
        let (logins, companion) = tokio::join!(self.shopctrls(&pending), store.read());
        let Companion {
            grants,
            attestations,
            ..
        } = companion?;
        let (connections, mailboxes) = tokio::join!(
            self.prove_connections(&run, &logins, &pending, &attestations, now),
            self.prove_mailboxes(&run, &pending, &grants),
        );
        // A person is asked at once, whatever the connections say, and the connections' failure
        // comes before the waiting: it is what has to be looked at.
        let needs = mailboxes.clone().unwrap_or_default();
        let waiting = if needs.is_empty() {
            None
        } else {
            let request = Request {
                purpose: Purpose::Rotate,
                now,
                due_by: current.expires_at,
            };
            Some(self.ask(&run, &pending, needs, request).await?)
        };
        connections?;
        mailboxes?;
        match waiting {
            Some(waiting) => Err(waiting),
            None => self.record_proof(&run).await,
        }
    }

    /// The label without which finishSecret promotes nothing: no stale read can stand for a proof.
    async fn record_proof(&self, run: &Invocation) -> Result<(), Failure> {
        if run.secret.versions.has(&run.token, PROVED) {
            return Ok(());
        }
        let proved = MoveLabel {
            secret: &run.secret.arn,
            label: PROVED,
            to: Some(&run.token),
            // Of a rotation that was given up.
            from: run.secret.versions.with_label(PROVED),
        };
        match self.store.swap_label(proved).await? {
            LabelSwap::Done => Ok(()),
            LabelSwap::Lost => Err(Failure::new(
                Kind::Temporary,
                "recording the proof: its label was moved by somebody else meanwhile",
            )),
        }
    }

    // === The mailboxes, with their owners' grants ===

    /// Proves every mailbox; returns the sign-ins that only an owner can make.
    pub(crate) async fn prove_mailboxes(
        &self,
        run: &Invocation,
        document: &MailboxSecret,
        grants: &Grants,
    ) -> Result<Vec<Need>, Failure> {
        let proofs = document
            .probed_mailboxes()
            .into_iter()
            .map(async |mailbox| {
                let proof = self.prove_mailbox(run, document, grants, mailbox).await;
                (mailbox, proof)
            });
        let mut needs = Vec::new();
        let mut failure = None;
        for (mailbox, proof) in futures_util::future::join_all(proofs).await {
            match proof {
                Ok(()) => info!(%mailbox, "the mailbox works with the grant"),
                Err(Unproved::OwnerNeeded(reason)) => needs.push(Need::SignIn {
                    mailbox: mailbox.clone(),
                    reason,
                }),
                Err(Unproved::Failed(error)) => failure = Some(error),
            }
        }
        match failure {
            Some(failure) if needs.is_empty() => Err(failure),
            _ => Ok(needs),
        }
    }

    pub(crate) async fn prove_mailbox(
        &self,
        run: &Invocation,
        document: &MailboxSecret,
        grants: &Grants,
        mailbox: &MailboxAddress,
    ) -> Result<(), Unproved> {
        let Some(grant) = grants.of(mailbox) else {
            return Err(Unproved::OwnerNeeded("no_grant".to_owned()));
        };
        let of_mailbox = |c: &&Connection| c.mailbox == *mailbox && c.proof == Proof::Probe;
        let (by_graph, by_protocol): (Vec<_>, Vec<_>) = document
            .connections
            .iter()
            .filter(of_mailbox)
            .partition(|c| c.protocol == Protocol::Graph);
        // One token request names one resource: Graph's scopes and the mail protocols' apart.
        for connections in [by_graph, by_protocol] {
            if !connections.is_empty() {
                self.prove_with_grant(run, document, mailbox, grant, &connections)
                    .await?;
            }
        }
        Ok(())
    }

    async fn prove_with_grant(
        &self,
        run: &Invocation,
        document: &MailboxSecret,
        mailbox: &MailboxAddress,
        grant: &Grant,
        connections: &[&Connection],
    ) -> Result<(), Unproved> {
        let app = self.app(document);
        let mut scopes = vec!["openid".to_owned(), "offline_access".to_owned()];
        for connection in connections {
            let scope = connection_scope(&app, connection);
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        let tokens = self.redeem(run, document, mailbox, grant, &scopes).await?;
        for connection in connections {
            let scope = connection_scope(&app, connection);
            if !tokens.grants(&scope) {
                return Err(Unproved::OwnerNeeded("consent_required".to_owned()));
            }
        }
        let reads =
            |c: &&&Connection| c.protocol == Protocol::Graph && c.direction == Direction::Receiving;
        if connections.iter().any(|c| reads(&c)) {
            let opened = with_retries(run.deadline, async || {
                account::open_inbox(&self.http, &app.endpoints, &tokens.access).await
            });
            let opened = opened.await;
            opened
                .map_err(|error| Unproved::Failed(error.failure.while_doing(mailbox.as_str())))?;
        }
        Ok(())
    }

    /// Redeems a stored grant and stores its replacement.
    async fn redeem(
        &self,
        run: &Invocation,
        document: &MailboxSecret,
        mailbox: &MailboxAddress,
        grant: &Grant,
        scopes: &[String],
    ) -> Result<Tokens, Unproved> {
        let endpoint = self.token_endpoint(document);
        let mut owner_needed = None;
        let tokens = with_retries(run.deadline, async || {
            endpoint
                .refresh(&grant.refresh_token, scopes)
                .await
                .map_err(|error| {
                    if let TokenError::PersonNeeded(trouble) = &error {
                        owner_needed = Some(trouble.code());
                    }
                    // A replica that lags: the secret has signed in a moment ago.
                    let lags = matches!(error, TokenError::ClientRefused(_));
                    let mut error = error.into_call_error("redeeming the stored grant");
                    if lags {
                        error.retry = Retry::Backoff;
                        error.failure.kind = Kind::Temporary;
                    }
                    error
                })
        })
        .await;
        let tokens = match (tokens, owner_needed) {
            (Ok(tokens), _) => tokens,
            (Err(_), Some(code)) => return Err(Unproved::OwnerNeeded(code)),
            (Err(error), None) => return Err(Unproved::Failed(error.failure)),
        };
        if let Some(refresh_token) = &tokens.refresh {
            let redeemed = Grant {
                refresh_token: refresh_token.clone(),
                redeemed_at: tokens.now,
                ..grant.clone()
            };
            // One writer at a time: side by side they would only lose races to each other.
            let _one_writer = self.grants_writer.lock().await;
            let store = self.companion(&run.secret);
            let stored = store.update(|companion| {
                let grants = &mut companion.grants;
                // A sign-in that came meanwhile brought a newer one.
                let newer = grants
                    .of(mailbox)
                    .is_some_and(|g| g.redeemed_at > redeemed.redeemed_at);
                if !newer {
                    grants.set(mailbox, redeemed.clone());
                }
            });
            stored.await.map_err(Unproved::Failed)?;
        }
        Ok(tokens)
    }

    // === The connections, in ShopCtrl's own eyes ===

    async fn prove_connections(
        &self,
        run: &Invocation,
        logins: &ShopCtrls,
        pending: &MailboxSecret,
        attestations: &Attestations,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let proofs = pending.connections.iter().map(async |connection| {
            let shopctrl = self.shopctrl(logins, connection)?;
            let since = match connection.delivery {
                Delivery::Api => {
                    self.prove_api(run, logins, &shopctrl, connection, pending, now)
                        .await?
                }
                Delivery::Attended => attested_at(attestations, &run.token, connection)?,
            };
            match connection.direction {
                Direction::Receiving => {
                    self.wait_for_mail_check(&shopctrl, connection, since, run.deadline)
                        .await
                }
                // ShopCtrl shows nothing of sending but its own test.
                Direction::Sending => Ok(()),
            }
        });
        let failures = futures_util::future::join_all(proofs)
            .await
            .into_iter()
            .filter_map(Result::err);
        failures.reduce(|first, _| first).map_or(Ok(()), Err)
    }

    /// An `api` connection holds the new secret, is switched on and passes ShopCtrl's own test.
    /// Returns when it took the secret, by ShopCtrl's clock. Where it took it and fails its test, it
    /// is put back to the current secret, which still works.
    async fn prove_api(
        &self,
        run: &Invocation,
        logins: &ShopCtrls,
        shopctrl: &ShopCtrl,
        connection: &Connection,
        pending: &MailboxSecret,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Failure> {
        let held = with_retries(run.deadline, async || shopctrl.connection(connection).await);
        let held = held.await?;
        let id = &connection.id;
        if !held.has(pending.key_id) {
            let what = format!("proving connection {id}: it does not hold the new secret");
            return Err(Failure::new(Kind::Temporary, what));
        }
        if !held.enabled {
            let since = held.secret_changed_at.unwrap_or(now);
            return Err(self.tell_disabled(run, connection, since).await?);
        }
        if self.passes_test(run, shopctrl, connection).await? {
            return Ok(held.secret_changed_at);
        }
        let what = format!(
            "testing connection {id} in ShopCtrl: it took the new secret, and its test failed"
        );
        let current = self.current_document(run).await?;
        if current.expires_at <= now {
            return Err(Failure::new(Kind::Temporary, what));
        }
        let outcome = match self.deliver(run, logins, connection, &current).await? {
            Delivered::Yes => "it was put back to the current one",
            Delivered::PersonNeeded => "putting it back needs a person",
        };
        warn!(connection = %id, outcome, "ShopCtrl cannot use the new secret");
        let failure = Failure::new(Kind::Temporary, format!("{what}; {outcome}"))
            .next_step("It is tried again; if it goes on, test the connection in ShopCtrl.");
        // After "Connection Delivered" nobody else would hear of it.
        let failed = Failed {
            step: "testSecret",
            token: &run.token,
            failure: &failure,
        };
        self.tell_failure(&run.secret, failed).await?;
        Err(failure)
    }

    async fn passes_test(
        &self,
        run: &Invocation,
        shopctrl: &ShopCtrl,
        connection: &Connection,
    ) -> Result<bool, Failure> {
        for attempt in 1..=TESTS {
            let tested = with_retries(run.deadline, async || {
                shopctrl.test_connection(connection).await
            });
            match tested.await? {
                Tested::Passed => return Ok(true),
                Tested::Failed => {
                    info!(connection = %connection.id, attempt, "ShopCtrl's test failed");
                    if attempt < TESTS && !run.deadline.sleep(backoff(attempt)).await {
                        break;
                    }
                }
            }
        }
        Ok(false)
    }

    /// A connection that somebody switched off cannot be proved, and a direction that is not proved
    /// never turns green. It holds the new secret already, so no mail is lost by waiting.
    async fn tell_disabled(
        &self,
        run: &Invocation,
        connection: &Connection,
        since: Timestamp,
    ) -> Result<Failure, Failure> {
        let drift = run.event(EventKind::DriftFound {
            what: DriftKind::ConnectionDisabled,
            connection: Some(connection.id.clone()),
            found_at: since,
            mended: false,
            // Once in a rotation, whose token is in the id.
            time: String::new(),
        });
        self.events.publish(&[drift]).await?;
        let what = format!("proving connection {}: it is switched off", connection.id);
        Ok(Failure::new(Kind::WaitingForPerson, what).next_step(
            "Switch Enable on in ShopCtrl, or take the connection out of the mailbox document.",
        ))
    }

    /// Waits until ShopCtrl has checked the shop's mail since it took the secret, by ShopCtrl's own
    /// clock; where it does not say when that was, until the time of the last check moves.
    async fn wait_for_mail_check(
        &self,
        shopctrl: &ShopCtrl,
        connection: &Connection,
        since: Option<Timestamp>,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let deadline = deadline.at_most(self.settings.mail_check_wait.duration());
        let shop_id = connection.shopctrl.shop_id;
        let status =
            async || with_retries(deadline, async || shopctrl.shop_status(shop_id).await).await;
        let first = status().await?;
        if !first.active {
            info!(connection = %connection.id, "the shop is not active in ShopCtrl: it checks no mail");
            return Ok(());
        }
        let mut last = match first.last_mail_check {
            LastMailCheck::At(last) => last,
            LastMailCheck::NotSaid => {
                // Builds differ in their fields; ShopCtrl's own test has passed.
                info!(connection = %connection.id, "ShopCtrl does not say when it checked mail");
                return Ok(());
            }
            LastMailCheck::Unreadable => return Err(unreadable_mail_check(connection)),
        };
        let since = since.unwrap_or(last);
        let mut attempt = 1;
        while last <= since {
            if !deadline.sleep(backoff(attempt)).await {
                return Err(Failure::new(
                    Kind::Temporary,
                    format!("proving connection {}: ShopCtrl has not checked the shop's mail since it took the secret", connection.id),
                )
                .next_step("It is tried again; if it goes on, look at Check mail in the shop's e-mail settings."));
            }
            attempt += 1;
            last = match status().await?.last_mail_check {
                LastMailCheck::At(at) => at,
                LastMailCheck::NotSaid => last,
                LastMailCheck::Unreadable => return Err(unreadable_mail_check(connection)),
            };
        }
        Ok(())
    }
}

/// A proof is not skipped because its answer is odd.
fn unreadable_mail_check(connection: &Connection) -> Failure {
    Failure::new(
        Kind::Misconfigured,
        format!(
            "proving connection {}: LastMailCheck in ShopCtrl's ShopStatus is not a time",
            connection.id
        ),
    )
    .next_step("Compare GET v1/Shops/ShopStatus with the documented form, and tell whoever runs that ShopCtrl.")
}

fn attested_at(
    attestations: &Attestations,
    token: &str,
    connection: &Connection,
) -> Result<Option<Timestamp>, Failure> {
    match attestations.of(token, &connection.id) {
        Some(said) if attestations.attested(token, &connection.id) => Ok(Some(said.at)),
        _ => Err(Failure::new(
            Kind::WaitingForPerson,
            format!(
                "proving connection {}: nobody attested it yet",
                connection.id
            ),
        )),
    }
}

/// ShopCtrl's test is asked for this often before a connection is put back.
const TESTS: u32 = 2;
