//! The fields of a query or a form, decoded.

/// The fields in their order.
///
/// # Panics
/// If it is not encoded as a form is.
pub(crate) fn fields(text: &str) -> impl Iterator<Item = (String, String)> + '_ {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex = |byte: u8| {
            char::from(byte)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
        };
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = (rest.next().and_then(hex), rest.next().and_then(hex));
                let (Some(high), Some(low)) = digits else {
                    panic!("a form that is not encoded as one: {text}");
                };
                high << 4 | low
            }
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded() {
        let found: Vec<_> = fields("a=b+c%2F%3D&d").collect();
        let wanted = [("a", "b c/="), ("d", "")];
        assert_eq!(
            found,
            wanted.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }
}
