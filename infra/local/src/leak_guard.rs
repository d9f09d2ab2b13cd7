//! No secret value is printed: every line is searched for each of them before it goes out.

use std::sync::Arc;

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, Encoding};
use simulators::world::World;

use crate::stop::Stop;

/// Knows the world's secrets, as they are at the time of asking.
#[derive(Default)]
pub struct LeakGuard {
    world: Option<Arc<World>>,
    meant_to_be_shown: Vec<String>,
    searched: usize,
}

impl LeakGuard {
    /// From now on lines are searched for the secrets of this world.
    pub fn watch(&mut self, world: Arc<World>) {
        self.world = Some(world);
    }

    /// Leaves out a password that a person has to type.
    pub fn allow(&mut self, password: &str) {
        self.meant_to_be_shown.push(password.to_owned());
    }

    /// What was searched so far.
    pub fn searched(&self) -> usize {
        self.searched
    }

    /// Searches what is about to be printed.
    ///
    /// # Errors
    /// [`Stop::Leak`] when a secret is in it.
    pub fn check(&mut self, line: &str) -> Result<(), Stop> {
        let Some(world) = &self.world else {
            return Ok(());
        };
        self.searched += 1;
        let secrets = world.secret_strings();
        let mut secrets = secrets
            .iter()
            .filter(|secret| !self.meant_to_be_shown.contains(secret));
        match secrets.any(|secret| holds(line, secret)) {
            true => Err(Stop::Leak),
            false => Ok(()),
        }
    }
}

/// Whether the secret is in the line: as it is, percent-encoded, or in base64, alone or amid other
/// text.
fn holds(line: &str, secret: &str) -> bool {
    line.contains(secret)
        || percent_decoded(line).contains(secret)
        || [BASE64_NOPAD, BASE64URL_NOPAD]
            .iter()
            .flat_map(|encoding| in_base64(encoding, secret))
            .any(|encoded| line.contains(&encoded))
}

fn percent_decoded(line: &str) -> String {
    // A form's decoder takes these three for something of its own.
    let plain = line
        .replace('+', "%2B")
        .replace('&', "%26")
        .replace('=', "%3D");
    url::form_urlencoded::parse(plain.as_bytes())
        .map(|(text, _)| text.into_owned())
        .collect()
}

/// The characters that stand for the secret alone, for each of the three places at which it may begin
/// in what was encoded.
fn in_base64(encoding: &Encoding, secret: &str) -> Vec<String> {
    let encoded_after = |before: usize| {
        let bytes = [vec![0; before], secret.as_bytes().to_vec()].concat();
        let encoded = encoding.encode(&bytes);
        let (first, last) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        encoded.get(first..last).map(str::to_owned)
    };
    (0..3).filter_map(encoded_after).collect()
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;

    use super::*;

    const SECRET: &str = "abc8Q~DEFGHIJ.KLM_NOP-qr+st/uv";

    #[test]
    fn a_secret_is_found_in_every_dress() {
        let form: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
        let mut dresses = vec![SECRET.to_owned(), form];
        for around in ["", "u:", "user:", "ab:"] {
            let text = format!("{around}{SECRET}!");
            dresses.push(BASE64.encode(text.as_bytes()));
            dresses.push(BASE64URL_NOPAD.encode(text.as_bytes()));
        }
        for dress in dresses {
            assert!(
                holds(&format!("{{\"a\":\"x {dress} y\"}}"), SECRET),
                "{dress}"
            );
        }
    }

    #[test]
    fn innocent_lines_pass() {
        for line in [
            "",
            "100 % of it",
            "a+b=c&d",
            "abc8Q~DEFGHIJ.KLM_NOP",
            "%7E%",
        ] {
            assert!(!holds(line, SECRET), "{line}");
        }
    }
}
