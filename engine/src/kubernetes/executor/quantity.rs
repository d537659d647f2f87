//! Amounts as Kubernetes writes them.

/// Thousandths: `2` is 2,000, `500m` is 500.
pub(super) fn milli(text: &str) -> Option<u64> {
    scaled(text, 1_000)
}

/// Whole ones, rounded down: `4Gi` is 4,294,967,296.
pub(super) fn bytes(text: &str) -> Option<u64> {
    scaled(text, 1)
}

// docs: kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity
fn scaled(text: &str, by: u64) -> Option<u64> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let (number, unit) = text.split_at_checked(digits.unwrap_or(text.len()))?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let power = |base: u128, exponent: u32| base.checked_pow(exponent);
    let (up, down) = match unit {
        "" => (1, 1),
        "n" => (1, power(10, 9)?),
        "u" => (1, power(10, 6)?),
        "m" => (1, 1_000),
        "k" => (power(10, 3)?, 1),
        "M" => (power(10, 6)?, 1),
        "G" => (power(10, 9)?, 1),
        "T" => (power(10, 12)?, 1),
        "P" => (power(10, 15)?, 1),
        "Ki" => (power(2, 10)?, 1),
        "Mi" => (power(2, 20)?, 1),
        "Gi" => (power(2, 30)?, 1),
        "Ti" => (power(2, 40)?, 1),
        "Pi" => (power(2, 50)?, 1),
        _ => return None,
    };
    if whole.is_empty() && part.is_empty() {
        return None;
    }
    let parts = power(10, u32::try_from(part.len()).ok()?)?;
    let digits: u128 = format!("{whole}{part}").parse().ok()?;
    let scaled = digits.checked_mul(up)?.checked_mul(u128::from(by))?;
    u64::try_from(scaled / down / parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_kubernetes_writes_them() {
        for (text, expected) in [
            ("2", 2_000),
            ("500m", 500),
            ("0.5", 500),
            (".5", 500),
            ("1k", 1_000_000),
            ("1500000u", 1_500),
        ] {
            assert_eq!(milli(text), Some(expected), "{text}");
        }
        for (text, expected) in [
            ("128974848", 128_974_848),
            ("4Gi", 4 << 30),
            ("1.5Gi", 3 << 29),
            ("129M", 129_000_000),
            ("128974848000m", 128_974_848),
        ] {
            assert_eq!(bytes(text), Some(expected), "{text}");
        }
        for wrong in ["", ".", "Gi", "4GB", "-1", "1e3x", "four", "1..2"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }
}
