//! A command of IMAP in its words (RFC 3501, 9).

/// A command. Of `UID SEARCH` and its like both words are the name.
#[derive(Debug, Default)]
pub(super) struct Command {
    pub(super) tag: String,
    pub(super) name: String,
    /// What follows: atoms, strings without their quotes, and lists with their parentheses.
    pub(super) words: Vec<String>,
}

impl Command {
    pub(super) fn read(line: &[u8]) -> Self {
        let text = String::from_utf8_lossy(line);
        let mut words = words(&text).into_iter();
        let tag = words.next().unwrap_or_default();
        let mut name = words.next().unwrap_or_default().to_ascii_uppercase();
        let mut words: Vec<String> = words.collect();
        if name == "UID" && !words.is_empty() {
            name = format!("UID {}", words.remove(0).to_ascii_uppercase());
        }
        Self { tag, name, words }
    }

    /// The name and so many of the words that follow.
    pub(super) fn named_with(&self, words: usize) -> String {
        let name = std::iter::once(self.name.as_str());
        let words = self.words.iter().take(words).map(String::as_str);
        name.chain(words).collect::<Vec<_>>().join(" ")
    }
}

/// Splits at spaces, but for what is between quotes, parentheses and brackets, and in literals.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start_matches(' ');
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_string(quoted),
            None => match literal(rest) {
                Some(found) => found,
                None => atom(rest),
            },
        };
        words.push(word);
        rest = after.trim_start_matches(' ');
    }
    words
}

fn quoted_string(text: &str) -> (String, &str) {
    let mut word = String::new();
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return (word, text.get(at + 1..).unwrap_or_default()),
            letter => {
                escaped = false;
                word.push(letter);
            }
        }
    }
    (word, "")
}

fn literal(text: &str) -> Option<(String, &str)> {
    let (length, after) = text.strip_prefix('{')?.split_once("}\r\n")?;
    let length: usize = length.trim_end_matches('+').parse().ok()?;
    let (word, after) = after.split_at_checked(length)?;
    Some((word.to_owned(), after))
}

fn atom(text: &str) -> (String, &str) {
    let mut depth = 0;
    let end = text.find(|letter| {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            _ => {}
        }
        letter == ' ' && depth <= 0
    });
    let (word, after) = text.split_at(end.unwrap_or(text.len()));
    (word.to_owned(), after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_lists_and_literals_are_words() {
        let line = br#"a1 uid search HEADER "Message-ID" "a \"b\" c" SUBJECT {7}
one two (\Seen \Deleted) BODY.PEEK[HEADER.FIELDS (SUBJECT)]"#;
        let line = String::from_utf8_lossy(line).replace('\n', "\r\n");
        let command = Command::read(line.as_bytes());
        assert_eq!(
            (command.tag.as_str(), command.name.as_str()),
            ("a1", "UID SEARCH")
        );
        assert_eq!(
            command.words,
            [
                "HEADER",
                "Message-ID",
                "a \"b\" c",
                "SUBJECT",
                "one two",
                r"(\Seen \Deleted)",
                "BODY.PEEK[HEADER.FIELDS (SUBJECT)]",
            ]
        );
        assert_eq!(command.named_with(1), "UID SEARCH HEADER");
    }
}
