use bytes::Bytes;
use http::Request;

use super::super::client::Client;
use super::super::{PREVIOUS, SecretValue};
use super::*;

const TOKEN: &str = "00000000-0000-4000-8000-000000000001";

#[tokio::test]
async fn a_secret_is_found_by_name_and_arn_and_its_times_are_epoch_seconds() {
    let client = Client::new();
    let created = client
        .call(
            "CreateSecret",
            json!({"Name": "shopmail/a", "SecretString": "v1"}),
        )
        .await
        .unwrap();
    let arn = created["ARN"].as_str().unwrap();
    let (partial, random) = arn.rsplit_once('-').unwrap();
    assert_eq!(
        partial,
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shopmail/a"
    );
    assert_eq!(random.len(), 6);
    for id in ["shopmail/a", arn, partial] {
        let got = client
            .call("GetSecretValue", json!({"SecretId": id}))
            .await
            .unwrap();
        assert_eq!(got["SecretString"], "v1");
        assert_eq!(
            got["CreatedDate"].as_f64().unwrap().floor(),
            1_798_761_600.0
        );
    }
    let again = client
        .call(
            "CreateSecret",
            json!({"Name": "shopmail/a", "SecretString": "v2"}),
        )
        .await;
    assert_eq!(again.unwrap_err(), "ResourceExistsException");
    let operations = client.gate.operations();
    assert_eq!(operations[0], "secretsmanager CreateSecret");
}

#[tokio::test]
async fn an_unsigned_request_is_refused() {
    let client = Client::new();
    let request = Request::post("/")
        .header("x-amz-target", "secretsmanager.ListSecrets")
        .body(Bytes::from("{}"))
        .unwrap();
    let refused = client.send(request).await.unwrap_err();
    assert_eq!(refused, "MissingAuthenticationTokenException");
}

#[tokio::test]
async fn a_value_is_read_by_version_label_or_both() {
    let client = Client::new();
    client.manager.create("a", "v1", &[]).unwrap();
    client
        .call(
            "PutSecretValue",
            json!({"SecretId": "a", "ClientRequestToken": TOKEN, "SecretString": "v2",
                "VersionStages": ["AWSPENDING", "key-1"], "RotationToken": "t"}),
        )
        .await
        .unwrap();
    let read = async |version: Option<&str>, stage: Option<&str>| {
        let mut asked = json!({"SecretId": "a"});
        for (field, value) in [("VersionId", version), ("VersionStage", stage)] {
            if let Some(value) = value {
                asked[field] = value.into();
            }
        }
        let got = client.call("GetSecretValue", asked).await;
        got.map(|got| got["SecretString"].as_str().unwrap().to_owned())
    };
    assert_eq!(read(None, None).await.unwrap(), "v1");
    assert_eq!(read(None, Some("key-1")).await.unwrap(), "v2");
    assert_eq!(read(Some(TOKEN), Some("AWSPENDING")).await.unwrap(), "v2");
    let mismatch = read(Some(TOKEN), Some("AWSCURRENT")).await.unwrap_err();
    assert_eq!(mismatch, "InvalidRequestException");
    let missing = read(None, Some("AWSPREVIOUS")).await.unwrap_err();
    assert_eq!(missing, "ResourceNotFoundException");
    let secret = client.manager.snapshot("a").unwrap();
    let version = secret.version(TOKEN).unwrap();
    assert_eq!(version.rotation_token.as_deref(), Some("t"));
}

#[tokio::test]
async fn a_pending_value_can_lag_its_writing() {
    let client = Client::new();
    client.manager.create("a", "v1", &[]).unwrap();
    client
        .manager
        .configure(|settings| settings.pending_lag_reads = 2);
    let put = json!({"SecretId": "a", "ClientRequestToken": TOKEN, "SecretString": "v2",
        "VersionStages": ["AWSPENDING"]});
    client.call("PutSecretValue", put).await.unwrap();
    let read = json!({"SecretId": "a", "VersionStage": "AWSPENDING"});
    for _ in 0..2 {
        let lagging = client.call("GetSecretValue", read.clone()).await;
        assert_eq!(lagging.unwrap_err(), "ResourceNotFoundException");
    }
    assert!(client.call("GetSecretValue", read).await.is_ok());
}

#[tokio::test]
async fn a_deprecated_version_is_not_described_but_can_be_read_and_listed() {
    let client = Client::new();
    client.manager.create("a", "v1", &[]).unwrap();
    client
        .manager
        .place_version("a", TOKEN, Some("old"), &[])
        .unwrap();
    let described = client
        .call("DescribeSecret", json!({"SecretId": "a"}))
        .await
        .unwrap();
    assert_eq!(
        described["VersionIdsToStages"].as_object().unwrap().len(),
        1
    );
    let read = json!({"SecretId": "a", "VersionId": TOKEN});
    assert_eq!(
        client.call("GetSecretValue", read).await.unwrap()["SecretString"],
        "old"
    );
    for (deprecated, count) in [(false, 1), (true, 2)] {
        let asked = json!({"SecretId": "a", "IncludeDeprecated": deprecated});
        let listed = client.call("ListSecretVersionIds", asked).await.unwrap();
        assert_eq!(listed["Versions"].as_array().unwrap().len(), count);
    }
}

#[tokio::test]
async fn a_deleted_secret_can_be_described_and_restored_until_its_window_ends() {
    let client = Client::new();
    client.manager.create("a", "v1", &[]).unwrap();
    let delete = json!({"SecretId": "a", "RecoveryWindowInDays": 7});
    client.call("DeleteSecret", delete.clone()).await.unwrap();
    let read = json!({"SecretId": "a"});
    let refused = client
        .call("GetSecretValue", read.clone())
        .await
        .unwrap_err();
    assert_eq!(refused, "InvalidRequestException");
    let described = client.call("DescribeSecret", read.clone()).await.unwrap();
    assert!(described["DeletedDate"].is_f64());
    client.call("RestoreSecret", read.clone()).await.unwrap();
    assert!(client.call("GetSecretValue", read.clone()).await.is_ok());
    client.call("DeleteSecret", delete).await.unwrap();
    client.clock.advance(SignedDuration::from_hours(7 * 24));
    let gone = client.call("DescribeSecret", read).await.unwrap_err();
    assert_eq!(gone, "ResourceNotFoundException");
}

#[tokio::test]
async fn a_replica_names_its_primary_region_and_refuses_writes_until_it_is_promoted() {
    let client = Client::new();
    client.manager.create("a", "v1", &[]).unwrap();
    let read = json!({"SecretId": "a"});
    let described = client.call("DescribeSecret", read.clone()).await.unwrap();
    assert_eq!(described.get("PrimaryRegion"), None, "not replicated");
    client.manager.make_replica("a", "eu-central-1").unwrap();
    let described = client.call("DescribeSecret", read.clone()).await.unwrap();
    assert_eq!(described["PrimaryRegion"], "eu-central-1");
    assert!(client.call("GetSecretValue", read.clone()).await.is_ok());
    let tag = json!({"SecretId": "a", "Tags": [{"Key": "k", "Value": "v"}]});
    for (operation, body) in [
        (
            "PutSecretValue",
            json!({"SecretId": "a", "ClientRequestToken": TOKEN, "SecretString": "v2"}),
        ),
        ("TagResource", tag.clone()),
        (
            "RotateSecret",
            json!({"SecretId": "a", "ClientRequestToken": TOKEN,
            "RotationLambdaARN": "arn:lambda"}),
        ),
    ] {
        let refused = client.call(operation, body).await.unwrap_err();
        assert_eq!(refused, "InvalidParameterException", "{operation}");
    }
    client.manager.promote_replica("a").unwrap();
    assert!(client.call("TagResource", tag).await.is_ok());
}

#[tokio::test]
async fn labels_tags_and_values_show_late_where_the_service_lags() {
    let client = Client::new();
    client.manager.create("a", "v1", &[]).unwrap();
    client.manager.configure(|settings| {
        settings.lagging_describes = 2;
        settings.lagging_values = 1;
    });
    let put = json!({"SecretId": "a", "ClientRequestToken": TOKEN, "SecretString": "v2"});
    client.call("PutSecretValue", put).await.unwrap();
    let tag = json!({"SecretId": "a", "Tags": [{"Key": "k", "Value": "v"}]});
    client.call("TagResource", tag).await.unwrap();
    let read = json!({"SecretId": "a"});
    let old = client.call("GetSecretValue", read.clone()).await.unwrap();
    assert_eq!(old["SecretString"], "v1");
    let new = client.call("GetSecretValue", read.clone()).await.unwrap();
    assert_eq!(new["SecretString"], "v2");
    for late in [true, true, false] {
        let described = client.call("DescribeSecret", read.clone()).await.unwrap();
        let shown = described["VersionIdsToStages"].get(TOKEN).is_some();
        let tagged = !described["Tags"].as_array().unwrap().is_empty();
        assert_eq!((shown, tagged), (!late, !late));
    }
}

#[tokio::test]
async fn custom_labels_stay_or_go_as_awscurrent_moves_away() {
    for stay in [true, false] {
        let client = Client::new();
        client.manager.create("a", "v1", &[]).unwrap();
        client
            .manager
            .configure(|settings| settings.custom_labels_stay = stay);
        let first = client.manager.snapshot("a").unwrap();
        let first = first.labelled(CURRENT).unwrap().id.clone();
        client
            .manager
            .move_label("a", "key-1", Some(&first))
            .unwrap();
        client
            .manager
            .place_version("a", TOKEN, Some("v2"), &[PENDING, "key-2"])
            .unwrap();
        let promote = json!({"SecretId": "a", "VersionStage": CURRENT,
            "MoveToVersionId": TOKEN, "RemoveFromVersionId": first});
        client
            .call("UpdateSecretVersionStage", promote)
            .await
            .unwrap();
        let secret = client.manager.snapshot("a").unwrap();
        assert_eq!(secret.labelled("key-1").is_some(), stay);
        assert_eq!(secret.labelled("key-2").unwrap().id, TOKEN);
        assert_eq!(secret.labelled(PREVIOUS).unwrap().id, first);
    }
}

#[tokio::test]
async fn a_value_has_at_most_65536_bytes() {
    let client = Client::new();
    client.manager.create("a", "v1", &[]).unwrap();
    let put = |value: String| json!({"SecretId": "a", "SecretString": value});
    let two_byte_characters = "ü".repeat(32_769);
    assert!(
        client
            .call("PutSecretValue", put(two_byte_characters))
            .await
            .is_err()
    );
    assert!(
        client
            .call("PutSecretValue", put("a".repeat(65_536)))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_plain_put_becomes_current_and_counts_as_a_rotation() {
    let client = Client::new();
    client.manager.create("a", "v1", &[]).unwrap();
    client
        .manager
        .set_rotation("a", "arn:lambda", None)
        .unwrap();
    let put = json!({"SecretId": "a", "ClientRequestToken": TOKEN, "SecretString": "v2"});
    client.call("PutSecretValue", put).await.unwrap();
    let secret = client.manager.snapshot("a").unwrap();
    assert_eq!(secret.labelled(CURRENT).unwrap().text(), Some("v2"));
    assert_eq!(secret.labelled(PREVIOUS).unwrap().text(), Some("v1"));
    assert!(secret.rotation.last_rotated.is_some());
    let values: Vec<_> = client.manager.stored_values();
    assert_eq!(values.len(), 2);
    assert_eq!(values[1].value, SecretValue::Text("v2".to_owned()));
}
