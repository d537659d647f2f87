//! Numbers with a fraction, read and written.
//!
//! In the browser its own reader and writer are used: Rust's, with their tables, weigh a tenth of all that
//! a first visit loads. Both sides read the nearest number and write the shortest text that is read back
//! as the same number, so that a command is the same on both.

/// Reads a number such as `10`, `-2.5`, `.5` or `1e-10`; `None` for anything else, infinity too.
#[must_use]
pub fn parse(text: &str) -> Option<f64> {
    has_form(text).then(|| host::parse(text)).flatten()
}

/// A number as BLAST+ and people read it: plain where short, else with an exponent.
#[must_use]
pub fn number(value: f64) -> String {
    if value == 0.0 {
        // Minus zero would get a hyphen.
        "0".to_owned()
    } else if (0.001..1e7).contains(&value.abs()) {
        host::write(value)
    } else {
        with_exponent(&host::write(value))
    }
}

/// Digits, at most one point among them, perhaps with a sign in front and an exponent behind.
fn has_form(text: &str) -> bool {
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, Some(exponent)),
        None => (text, None),
    };
    let number = unsigned(number);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    are_digits(whole)
        && are_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent
            .map(unsigned)
            .is_none_or(|exponent| !exponent.is_empty() && are_digits(exponent))
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['+', '-']).unwrap_or(text)
}

fn are_digits(text: &str) -> bool {
    text.bytes().all(|letter| letter.is_ascii_digit())
}

/// `1234.5`, or `1.2345e3` already, as `1.2345e3`.
fn with_exponent(text: &str) -> String {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let (number, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0');
    let zeros = digits.len() - significant.len();
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let exponent = exponent + whole.len() as i64 - zeros as i64 - 1;
    let mut letters = significant.trim_end_matches('0').chars();
    let first = letters.next().unwrap_or('0');
    let rest = letters.as_str();
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{first}{point}{rest}e{exponent}")
}

#[cfg(not(target_arch = "wasm32"))]
mod host {
    //! Rust's own reader and writer.

    pub fn parse(text: &str) -> Option<f64> {
        text.parse().ok()
    }

    pub fn write(value: f64) -> String {
        value.to_string()
    }
}

#[cfg(target_arch = "wasm32")]
mod host {
    //! Those of the browser.

    pub fn parse(text: &str) -> Option<f64> {
        let value = js_sys::parse_float(text);
        (!value.is_nan()).then_some(value)
    }

    pub fn write(value: f64) -> String {
        let text = js_sys::Number::from(value).to_string_with_radix(10);
        text.map_or_else(|_| String::new(), String::from)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_read_in_every_form_that_people_write() {
        for (text, value) in [
            ("10", 10.0),
            ("+5", 5.0),
            ("-2.5", -2.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e-10", 1e-10),
            ("1E+3", 1_000.0),
            ("0.00001", 1e-5),
        ] {
            assert_eq!(parse(text), Some(value), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_not_read() {
        for text in [
            "", ".", "-", "e5", "1e", "1e-", "1.2.3", "1e5.", "0x10", "inf", "NaN", " 1", "1 ",
            "1,5", "--1", "1e5e5", "٣",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_written_plainly_where_that_is_short() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (10.0, "10"),
            (0.05, "0.05"),
            (0.001, "0.001"),
            (0.0001, "1e-4"),
            (1e-10, "1e-10"),
            (-2.5e-7, "-2.5e-7"),
            (9_999_999.0, "9999999"),
            (1e7, "1e7"),
            (1.25e22, "1.25e22"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    /// What the writer of a browser makes of numbers that it does not write plainly.
    #[test]
    fn texts_with_an_exponent_are_taken_as_browsers_write_them() {
        assert_eq!(with_exponent("1e-7"), "1e-7");
        assert_eq!(with_exponent("1.5e-10"), "1.5e-10");
        assert_eq!(with_exponent("1.25e+22"), "1.25e22");
        assert_eq!(with_exponent("0.000015"), "1.5e-5");
        assert_eq!(with_exponent("10000000"), "1e7");
    }

    proptest! {
        #[test]
        fn every_number_is_read_back_as_it_was(value in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL) {
            let text = number(value);
            prop_assert_eq!(parse(&text), Some(value), "{}", text);
            if !(0.001..1e7).contains(&value.abs()) {
                prop_assert_eq!(text, format!("{value:e}"));
            }
        }
    }
}
