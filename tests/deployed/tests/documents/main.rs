//! Each command that README and `docs/` have for a person is run as it stands, in MiniStack and with the simulators, or is
//! in [the list](../../commands-not-run.md) with its reason. The one that a template has, a mailbox's `PutCommand`, is run
//! as the stack gives it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::rc::Rc;

mod commands;
mod front;
mod ground;
mod not_run;
mod onboarding;
mod others;
mod part;
mod reader;
mod runbook;
mod shell;
mod system;

use commands::{Command, of_all};
use deployed::Site;
use ground::Ground;
use part::Part;
use system::System;
use tokio::sync::Semaphore;
use tokio::task::{LocalSet, spawn_local};

/// So many parts are read at the same time.
const AT_ONCE: usize = 2;

/// All that is read here.
fn parts() -> impl Iterator<Item = &'static Part> {
    runbook::PARTS.iter().chain(others::PARTS)
}

fn is_run(command: &Command) -> bool {
    let by_part = parts().any(|part| part.has(command));
    by_part || onboarding::has(command) || ground::is_in_readme(command)
}

#[test]
fn every_command_of_a_document_is_run_or_in_the_list_with_its_reason() {
    let list = not_run::list();
    let commands = of_all().unwrap();
    let listed = |command: &&Command| list.iter().any(|entry| entry.names(command));
    let neither: Vec<String> = commands
        .iter()
        .filter(|command| !listed(command) && !is_run(command))
        .map(ToString::to_string)
        .collect();
    assert!(
        neither.is_empty(),
        "neither run nor in the list: {neither:#?}"
    );
    let unused = list
        .iter()
        .find(|entry| !commands.iter().any(|c| entry.names(c)));
    assert!(unused.is_none(), "no document has {unused:?}");
}

/// What is in the list makes no other AWS CLI call but that one.
#[tokio::test(flavor = "multi_thread")]
async fn no_aws_call_that_is_not_run_is_known_to_the_emulator() {
    let Some(site) = Site::start_or_say().await else {
        return;
    };
    let list = not_run::list();
    let commands = of_all().unwrap().into_iter();
    let listed = commands.filter(|command| list.iter().any(|entry| entry.names(command)));
    let calls = |command: &Command| command.text.matches("aws ").count();
    for command in listed.filter(|command| calls(command) > 0) {
        assert_eq!(calls(&command), 1, "{command} makes other calls too");
        let ran = site.terminal.try_to_run(&command.text).await;
        let unknown = ["Unknown IAM action", "Unknown action", "Invalid choice"];
        let refused = unknown.iter().any(|words| ran.errors.contains(words));
        assert!(refused, "{command}: {}{}", ran.output, ran.errors);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_runbook_does_what_it_says() {
    let Some(ground) = Ground::or_say().await else {
        return;
    };
    let system = System::on(ground).await;
    let system = Rc::new(system);
    let owns: Vec<_> = parts().map(|part| system.add(part)).collect();
    system.check().await;
    let shells = Rc::new(Semaphore::new(AT_ONCE));
    let all = async {
        let read = |(part, own): (&'static Part, _)| {
            let (shells, system) = (Rc::clone(&shells), Rc::clone(&system));
            let task = spawn_local(async move {
                let _shell = shells.acquire().await;
                let mut reader = system.reader(part, &own);
                (part.read)(&system, &own, &mut reader).await;
                reader.ends();
            });
            (part.headings[0], task)
        };
        let tasks: Vec<_> = parts().zip(owns).map(read).collect();
        let mut failed = Vec::new();
        for (part, task) in tasks {
            failed.extend(task.await.err().map(|_| part));
        }
        assert!(failed.is_empty(), "{failed:#?}");
    };
    LocalSet::new().run_until(all).await;
}
