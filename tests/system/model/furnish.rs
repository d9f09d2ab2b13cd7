//! The world of a schedule, as its setting has it.

use jiff::SignedDuration;
use simulators::microsoft::directory::application::Audience;
use simulators::microsoft::directory::replication::{Lag, Replica};
use simulators::world::{Mailbox, MailboxPlan};

use super::schedule::Setting;
use super::{ModelWorld, deeds};

/// A mailbox with the same app and first client secret, whose connections need nobody.
pub fn add_neighbour(world: &ModelWorld, mailbox: &Mailbox, plan: &MailboxPlan) -> Mailbox {
    let plan = MailboxPlan {
        name: "support".to_owned(),
        address: "support@shop.example".to_owned(),
        shop_id: 13,
        delivery: "api".to_owned(),
        granted: true,
        beside: Some(mailbox.clone()),
        ..plan.clone()
    };
    world.add_mailbox(&plan).unwrap()
}

pub fn furnish(world: &ModelWorld, mailbox: &Mailbox, setting: &Setting) {
    let app = mailbox.app.app_id;
    if setting.two_places {
        world
            .directory
            .change(app, |app| app.sign_in_audience = Audience::AnyAndPersonal);
    }
    if !setting.foreign {
        world.directory.delete_secret(app, mailbox.foreign_key);
    }
    if setting.lag > 0 {
        let slow = Lag::Time(SignedDuration::from_secs(setting.lag));
        let replicas = vec![
            Replica::default(),
            Replica {
                learns: slow,
                forgets: slow,
            },
        ];
        world.directory.set_token_replicas(replicas.clone());
        world.directory.set_graph_replicas(replicas);
    }
    world.directory.set_graph_habits(|habits| {
        habits.shows_hint = setting.hints;
        habits.reads_by_connection = setting.by_connection;
    });
    deeds::take_labels(world, mailbox, setting.labels_taken);
    // What was made just now has spread when the schedule begins.
    world.clock.advance(SignedDuration::from_hours(1));
    world.secrets_manager.configure(|settings| {
        settings.pending_lag_reads = setting.lagging_reads;
        settings.leave_pending_on_current = setting.pending_stays;
        settings.lagging_describes = setting.late_labels;
        settings.lagging_values = setting.late_labels;
        settings.custom_labels_stay = setting.labels_stay;
        settings.reattempts = setting.reattempts;
        settings.reattempt_delay = std::time::Duration::from_secs(3600);
    });
}
