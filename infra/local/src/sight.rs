//! How a story sees for itself.

use jiff::Timestamp;
use serde_json::Value;
use simulators::aws::secrets_manager::CURRENT;
use simulators::gate::Call;
use simulators::shopctrl::{Connection, Status};
use uuid::Uuid;

use crate::narration::{text, time};
use crate::outage_watch::direction;
use crate::stop::Stop;
use crate::story::Story;

/// Holds the story to what was seen.
///
/// # Errors
/// [`Stop::NotSeen`] when it was not.
pub fn see(seen: bool, what: &str) -> Result<(), Stop> {
    match seen {
        true => Ok(()),
        false => Err(Stop::NotSeen(what.to_owned())),
    }
}

impl Story {
    /// The credential that the current version of the mailbox secret holds.
    pub fn current_key(&self) -> Option<Uuid> {
        text(&self.current_document()?, "key_id").parse().ok()
    }

    /// When that ends, as the document says.
    ///
    /// # Errors
    /// [`Stop::NotSeen`] when it does not.
    pub fn current_end(&self) -> Result<Timestamp, Stop> {
        let document = self.current_document();
        let end = document.and_then(|document| time(&document, "expires_at"));
        end.ok_or_else(|| Stop::NotSeen("when the secret ends".to_owned()))
    }

    fn current_document(&self) -> Option<Value> {
        let secret = self.world.secrets_manager.snapshot(&self.mailbox.secret)?;
        serde_json::from_str(secret.labelled(CURRENT)?.text()?).ok()
    }

    /// The credentials that Entra lists for the app.
    pub fn listed(&self) -> Vec<Uuid> {
        let credentials = self.world.directory.credentials(self.mailbox.app.app_id);
        let keys = credentials.iter().map(|credential| credential.key_id);
        keys.collect()
    }

    /// Whether Entra still lists this credential.
    pub fn entra_lists(&self, key: Uuid) -> bool {
        self.listed().contains(&key)
    }

    /// How many connections of the shop hold this credential's secret.
    pub fn holding(&self, key: Uuid) -> usize {
        let connections = self.connections().into_iter();
        connections
            .filter(|connection| connection.key_id == Some(key))
            .count()
    }

    /// The shop's connections.
    pub fn connections(&self) -> Vec<Connection> {
        let mut connections = self.world.shopctrl.connections();
        connections.retain(|connection| connection.shop_id == self.mailbox.shop_id);
        connections
    }

    /// How many calls were made whose operation fits.
    pub fn calls(&self, fits: impl Fn(&Call) -> bool) -> usize {
        let calls = self.world.gate.calls();
        calls.iter().filter(|call| fits(call)).count()
    }

    /// Looks at the shop's connections: each holds this secret, and works.
    ///
    /// # Errors
    /// [`Stop::NotSeen`] when one does not.
    pub fn see_delivered(&self, key: Uuid) -> Result<(), Stop> {
        for connection in self.connections() {
            let good = connection.status == Status::Authorized && connection.key_id == Some(key);
            let what = format!(
                "the {} connection, Authorized with the new secret",
                direction(connection.direction)
            );
            see(good, &what)?;
        }
        Ok(())
    }

    /// In how many directions mail stands still now.
    pub fn standing_still(&self) -> usize {
        let now = self.world.shopctrl.outages();
        let of_the_shop = |shop_id| shop_id == self.mailbox.shop_id;
        now.iter()
            .filter(|outage| of_the_shop(outage.shop_id))
            .count()
    }

    /// Whether mail flows in both directions, and has done so all the time.
    ///
    /// # Errors
    /// [`Stop::NotSeen`] when it did not.
    pub fn see_mail_flowing(&self) -> Result<(), Stop> {
        let seen = self.mail.seen();
        let flows = self.standing_still() == 0 && seen.first.is_none();
        let what = format!(
            "mail flowing without a break ({:.1} s of outage, first: {})",
            seen.seconds,
            seen.first.unwrap_or_else(|| "none".to_owned())
        );
        see(flows, &what)
    }
}
