use super::*;

async fn greeted(place: &Place) -> Client {
    let mut client = place.connect(Protocol::Imap).await;
    client.line().await;
    client
}

async fn signed_in(place: &Place) -> Client {
    let mut client = greeted(place).await;
    let response = place.response(Protocol::Imap);
    let done = client
        .imap(&format!("AUTHENTICATE XOAUTH2 {response}"))
        .await;
    assert_eq!(done, ["A1 OK AUTHENTICATE completed."]);
    client
}

#[tokio::test]
async fn a_sign_in_takes_its_response_at_once_or_in_the_next_line() {
    let place = Place::new();
    let mut client = greeted(&place).await;
    let before = client.imap("CAPABILITY").await;
    assert!(before[0].contains(" SASL-IR UIDPLUS ID ") && before[0].contains("AUTH=XOAUTH2"));
    assert_eq!(
        client.imap("EXAMINE INBOX").await,
        ["A1 BAD Command received in Invalid state."]
    );
    assert_eq!(client.ask("A2 AUTHENTICATE XOAUTH2").await, "+ ");
    let response = place.response(Protocol::Imap);
    assert_eq!(client.ask(&response).await, "A2 OK AUTHENTICATE completed.");
    assert!(client.imap("CAPABILITY").await[0].contains(" UIDPLUS MOVE ID "));
    let end = client.imap("LOGOUT").await;
    assert!(end[0].starts_with("* BYE ") && end[1] == "A1 OK LOGOUT completed.");
    assert_eq!(client.line().await, "");
    signed_in(&place).await;
    let asked = place.exchange.asked(Protocol::Imap);
    assert!(
        asked.contains(&"AUTHENTICATE XOAUTH2".to_owned()),
        "{asked:?}"
    );
}

#[tokio::test]
async fn examine_changes_nothing_and_select_takes_recent_and_marks_what_is_read() {
    let place = Place::new();
    let directory = &place.fixture.directory;
    directory.receive_mail("a@b.example", MAILBOX, "one");
    directory.receive_mail("a@b.example", MAILBOX, "two");
    let before = directory.mails(MAILBOX);
    let mut client = signed_in(&place).await;
    let examined = client.imap("EXAMINE INBOX").await;
    assert_eq!(examined[..2], ["* 2 EXISTS", "* 2 RECENT"]);
    assert_eq!(
        examined.last().unwrap(),
        "A1 OK [READ-ONLY] EXAMINE completed."
    );
    assert!(examined.contains(&"* OK [PERMANENTFLAGS ()] Permanent flags".to_owned()));
    client.imap("UID FETCH 1:* (FLAGS BODY[])").await;
    let refused = client.imap(r"UID STORE 1 +FLAGS (\Deleted)").await;
    assert!(refused[0].starts_with("A1 NO "), "{refused:?}");
    assert_eq!(directory.mails(MAILBOX), before, "all is as it was");
    let selected = client.imap("SELECT inbox").await;
    assert_eq!(selected[1], "* 2 RECENT");
    assert_eq!(
        selected.last().unwrap(),
        "A1 OK [READ-WRITE] SELECT completed."
    );
    client.imap("UID FETCH 1 (BODY.PEEK[])").await;
    let read = client.imap("UID FETCH 2 BODY[TEXT]").await;
    assert!(
        read[0].starts_with("* 2 FETCH (UID 2 BODY[TEXT] {8}"),
        "{read:?}"
    );
    let flags = directory.mails(MAILBOX);
    let flags: Vec<_> = flags.iter().map(|mail| (mail.recent, mail.seen)).collect();
    assert_eq!(flags, [(false, false), (false, true)]);
    let again = signed_in(&place).await.imap("EXAMINE INBOX").await;
    assert_eq!(again[1], "* 0 RECENT");
}

#[tokio::test]
async fn one_mail_is_searched_shown_and_removed_and_the_others_stay() {
    let place = Place::new();
    let directory = &place.fixture.directory;
    for subject in ["one", "[check] 4711", "three"] {
        directory.receive_mail("a@b.example", MAILBOX, subject);
    }
    let mut client = signed_in(&place).await;
    client.imap("SELECT INBOX").await;
    let found = client.imap(r#"UID SEARCH SUBJECT "[check] 4711""#).await;
    assert_eq!(found, ["* SEARCH 2", "A1 OK SEARCH completed."]);
    client.send("A1 UID SEARCH HEADER Subject {5}").await;
    assert_eq!(client.line().await, "+ Ready for additional command text.");
    assert_eq!(client.ask("three").await, "* SEARCH 3");
    client.line().await;
    assert_eq!(
        client.imap("UID SEARCH SUBJECT nothing").await[0],
        "* SEARCH"
    );
    let shown = client
        .imap("UID FETCH 2:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        .await;
    assert_eq!(
        shown[0],
        "* 2 FETCH (UID 2 BODY[HEADER.FIELDS (SUBJECT)] {25}"
    );
    assert_eq!(shown[1], "Subject: [check] 4711");
    let stored = client.imap(r"UID STORE 2 +FLAGS.SILENT (\Deleted)").await;
    assert_eq!(stored, ["A1 OK STORE completed."]);
    assert_eq!(
        client.imap("UID EXPUNGE 3").await,
        ["A1 OK EXPUNGE completed."]
    );
    assert_eq!(
        client.imap("UID EXPUNGE 2").await,
        ["* 2 EXPUNGE", "A1 OK EXPUNGE completed."]
    );
    let uids: Vec<u32> = directory
        .mails(MAILBOX)
        .iter()
        .map(|mail| mail.uid)
        .collect();
    assert_eq!(uids, [1, 3]);
    directory.receive_mail("a@b.example", MAILBOX, "four");
    assert_eq!(client.imap("NOOP").await[0], "* 3 EXISTS");
    directory
        .set_exchange_habits(|habits| habits.search_takes = jiff::SignedDuration::from_mins(1));
    assert_eq!(client.imap("UID SEARCH SUBJECT four").await[0], "* SEARCH");
    place.fixture.wait(61);
    assert_eq!(
        client.imap("UID SEARCH SUBJECT four").await[0],
        "* SEARCH 4"
    );
}

#[tokio::test]
async fn an_ok_is_no_proof_of_a_mailbox() {
    let place = Place::new();
    let response = place.response(Protocol::Imap);
    let not_connected = async |response: &str, why: &str| {
        let mut client = greeted(&place).await;
        let done = client
            .imap(&format!("AUTHENTICATE XOAUTH2 {response}"))
            .await;
        assert_eq!(done, ["A1 OK AUTHENTICATE completed."], "{why}");
        assert!(client.imap("CAPABILITY").await[0].starts_with("* CAPABILITY"));
        let first = client.imap("EXAMINE INBOX").await;
        assert_eq!(
            first,
            ["A1 BAD User is authenticated but not connected."],
            "{why}"
        );
        assert_eq!(
            client.ask("A2 EXAMINE INBOX").await,
            "* BYE Connection closed. 14"
        );
        assert_eq!(client.line().await, "");
    };
    let shared = shared_mailbox(&place);
    let others = xoauth2(shared, &place.fixture.signed_in(scope(Protocol::Imap)));
    not_connected(&others, "no right").await;
    place.change(|person| person.full_access.push("Info@shop.example".to_owned()));
    let mut client = greeted(&place).await;
    client.imap(&format!("AUTHENTICATE XOAUTH2 {others}")).await;
    assert_eq!(client.imap("EXAMINE INBOX").await[0], "* 0 EXISTS");
    place.change(|person| person.email_apps.imap = false);
    not_connected(&response, "off").await;
    place.change(|person| {
        person.email_apps.imap = true;
        person.has_mailbox = false;
    });
    not_connected(&response, "no mailbox").await;
}

#[tokio::test]
async fn a_token_of_another_audience_or_scope_or_an_ended_one_is_no_sign_in() {
    let place = Place::new();
    let response = place.response(Protocol::Imap);
    for token in [
        place
            .fixture
            .signed_in("https://graph.microsoft.com/IMAP.AccessAsUser.All"),
        place.fixture.signed_in(scope(Protocol::Pop3)),
        "made-up".to_owned(),
    ] {
        let mut client = greeted(&place).await;
        let blob = xoauth2(MAILBOX, &token);
        let refused = client.imap(&format!("AUTHENTICATE XOAUTH2 {blob}")).await;
        assert_eq!(refused, ["A1 NO AUTHENTICATE failed."]);
    }
    let mut client = signed_in(&place).await;
    client.imap("EXAMINE INBOX").await;
    place.fixture.wait(3700);
    let ended = client.ask("A1 NOOP").await;
    assert_eq!(ended, "* BYE Session invalidated - AccessTokenExpired");
    let refused = greeted(&place)
        .await
        .imap(&format!("AUTHENTICATE XOAUTH2 {response}"))
        .await;
    assert_eq!(refused, ["A1 NO AUTHENTICATE failed."]);
}

#[tokio::test]
async fn too_many_commands_are_told_to_wait() {
    let place = Place::new();
    let mut client = signed_in(&place).await;
    let directory = &place.fixture.directory;
    directory.set_exchange_habits(|habits| habits.throttled_imap_commands = 1);
    let refused = client.imap("EXAMINE INBOX").await;
    assert_eq!(
        refused,
        ["A1 BAD Request is throttled. Suggested Backoff Time: 89117 milliseconds"]
    );
    assert_eq!(client.line().await, "* BYE Connection closed. 14");
}
