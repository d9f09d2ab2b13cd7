//! What may be said of a foreign answer: a bounded code, and nothing else of it.

use shared::failure::Failure;
use shared::retry::CallError;

/// Entra's `error`, ` AADSTS` and a number, at the longest.
const LONGEST_CODE: usize = 64 + 7 + 20;
/// Our own sentences, a code in them; the longest names three causes, each with what to look at.
const LONGEST_SENTENCE: usize = 1000;

/// No control character, no markup, nothing long.
pub fn assert_fit_for_logs_and_mails(failure: &Failure) {
    let said = failure.to_string();
    assert!(said.len() <= LONGEST_SENTENCE, "{} bytes", said.len());
    assert!(!said.chars().any(char::is_control), "{said:?}");
    if let Some(code) = &failure.code {
        assert!(code.len() <= LONGEST_CODE, "{code}");
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
        assert!(code.chars().all(plain), "{code:?}");
    }
}

/// The error is the same as that of an answer which says the code and nothing else: so nothing else
/// of the answer got into it. But for an answer of success: there the error names the field that cannot be read.
pub fn assert_all_comes_of_the_code(error: &CallError, of_the_code_alone: &CallError) {
    let names_a_field = error
        .status
        .is_some_and(|status| (200..300).contains(&status));
    let (error, alone) = (
        known(error, names_a_field),
        known(of_the_code_alone, names_a_field),
    );
    assert_eq!(error, alone);
}

fn known(error: &CallError, without_words: bool) -> String {
    let mut error = error.clone();
    if without_words {
        error.failure.what.clear();
    }
    format!("{error:?}")
}
