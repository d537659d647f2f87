//! Words of an option text: split at blanks, held together by quotes.
//!
//! Knows no option. Not a shell: nothing is expanded, and a backslash is a letter like any other.

/// Whether a word is meant as a flag: a hyphen, and what follows is no digit. A hyphen and a digit
/// is a negative number.
pub(super) fn is_flag(word: &str) -> bool {
    word.strip_prefix('-')
        .is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
}

/// Splits at blanks; single and double quotes hold blanks together.
pub(super) fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut open: Option<char> = None;
    let mut quoted = false;
    for letter in text.chars() {
        match open {
            Some(quote) if letter == quote => open = None,
            None if letter == '"' || letter == '\'' => {
                open = Some(letter);
                quoted = true;
            }
            None if letter.is_whitespace() => {
                if !word.is_empty() || quoted {
                    words.push(std::mem::take(&mut word));
                }
                quoted = false;
            }
            _ if letter.is_control() => {
                return Err("The text has a control character. Type it anew.".to_owned());
            }
            _ => word.push(letter),
        }
    }
    if open.is_some() {
        return Err("A quotation mark is not closed. Close it or remove it.".to_owned());
    }
    if !word.is_empty() || quoted {
        words.push(word);
    }
    Ok(words)
}

/// A value as one word. No typed value holds a quotation mark.
pub(super) fn quoted(value: &str) -> String {
    if value.contains(char::is_whitespace) {
        format!("\"{value}\"")
    } else {
        value.to_owned()
    }
}
