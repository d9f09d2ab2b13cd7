//! The form in which a person says what ShopCtrl shows of a connection.

use shared::grants::attestations::HandOverState;

/// The field with the connection's id.
pub(crate) const CONNECTION: &str = "connection";
/// The field with what it shows.
pub(crate) const STATE: &str = "said";

pub(crate) fn value(state: HandOverState) -> &'static str {
    match state {
        HandOverState::Attested => "authorized",
        HandOverState::Failed => "other",
    }
}

pub(crate) fn read(text: &str) -> Option<HandOverState> {
    let mut states = [HandOverState::Attested, HandOverState::Failed].into_iter();
    states.find(|state| value(*state) == text)
}
