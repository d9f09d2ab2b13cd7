//! Values that are read many at once.

use secrecy::ExposeSecret;
use shared::failure::Kind;
use simulators::gate::Fault;
use simulators::world::InProcess;

use crate::support::in_process::{in_virtual_time, store};

/// So many secrets that `rotation` may read, and one that it may not.
fn fill(world: &InProcess, count: usize) -> Vec<String> {
    let secrets = &world.world.secrets_manager;
    secrets.create("somebody-elses", "hunter2", &[]).unwrap();
    let name = |n| format!("shopmail-shopctrl/{n:02}");
    let names: Vec<String> = (0..count).map(name).collect();
    for name in &names {
        secrets
            .create(name, &format!("value of {name}"), &[])
            .unwrap();
    }
    names
}

fn batches(world: &InProcess) -> usize {
    let operations = world.world.gate.operations();
    let batch = |o: &&String| *o == "secretsmanager BatchGetSecretValue";
    let batches = operations.iter().filter(batch).count();
    assert_eq!(batches, operations.len(), "and no others: {operations:?}");
    batches
}

#[test]
fn twenty_values_come_in_a_call_and_each_is_found_by_what_was_asked_for() {
    in_virtual_time(async |world| {
        let names = fill(&world, 45);
        let secrets = &world.world.secrets_manager;
        let arn = secrets.arn_and_tags(&names[7]).unwrap().0;
        let mut asked: Vec<&str> = names.iter().map(String::as_str).collect();
        asked[7] = &arn;
        asked.push(&names[0]);
        let values = store(&world).values(&asked).await.unwrap();
        assert_eq!((values.len(), batches(&world)), (45, 3));
        for (n, name) in names.iter().enumerate() {
            let value = values[asked[n]].as_ref().unwrap();
            assert_eq!(value.text.expose_secret(), format!("value of {name}"));
        }
        assert!(store(&world).values(&[]).await.unwrap().is_empty());
        assert_eq!(batches(&world), 3);
    });
}

#[test]
fn what_may_not_be_read_or_is_not_there_does_not_keep_the_others() {
    in_virtual_time(async |world| {
        let names = fill(&world, 1);
        let asked = [
            names[0].as_str(),
            "somebody-elses",
            "shopmail-shopctrl/none",
        ];
        let values = store(&world).values(&asked).await.unwrap();
        assert!(values[asked[0]].is_ok());
        for (id, code) in [
            (asked[1], "AccessDeniedException"),
            (asked[2], "ResourceNotFoundException"),
        ] {
            let refused = values[id].as_ref().unwrap_err();
            assert_eq!(refused.failure.code.as_deref(), Some(code));
            assert_eq!(refused.failure.kind, Kind::Misconfigured);
        }
    });
}

#[test]
fn a_call_that_fails_is_the_failure_of_its_own_secrets_and_of_all_only_alone() {
    in_virtual_time(async |world| {
        let names = fill(&world, 21);
        let asked: Vec<&str> = names.iter().map(String::as_str).collect();
        let refused = Fault::Answer {
            effect: false,
            status: 400,
            headers: vec![],
            body: r#"{"__type": "DecryptionFailure"}"#.to_owned(),
        };
        let gate = &world.world.gate;
        gate.fail_next("secretsmanager", "BatchGetSecretValue", refused.clone());
        let values = store(&world).values(&asked).await.unwrap();
        let failed = values.values().filter(|value| value.is_err()).count();
        assert!(failed == 20 || failed == 1, "{failed}");
        gate.fail_next("secretsmanager", "BatchGetSecretValue", refused);
        let alone = store(&world).values(&asked[..2]).await;
        assert!(alone.unwrap_err().has_code("DecryptionFailure"));
    });
}
