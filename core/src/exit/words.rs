//! What BLAST+ says on its error output: its warnings, and its reason among all the rest.

use crate::text;

/// How much of BLAST+'s own words is shown, in characters.
const MAX_WORDS: usize = 1_200;

/// BLAST+'s own message without its usage text and its warnings.
#[must_use]
pub fn own_words(stderr: &str) -> String {
    let lines = stderr.lines().map(str::trim).filter(|line| {
        let noise = line.is_empty()
            || line.starts_with("USAGE")
            || line.starts_with("DESCRIPTION")
            || line.starts_with("Use '-help'")
            || line.starts_with("Please refer to the BLAST+ user manual")
            || line.starts_with("Warning:")
            || line.starts_with('[')
            || line.starts_with("====");
        !noise && !line.starts_with("Nucleotide-") && !line.starts_with("Protein-")
    });
    // The last lines carry the reason; the ones before are usage.
    let lines: Vec<&str> = lines.collect();
    let tail = lines.len().saturating_sub(6);
    let words = lines.get(tail..).unwrap_or_default().join(" ");
    text::cap(&words, MAX_WORDS)
}

/// What BLAST+ warned of, without the program's name and without repetition.
#[must_use]
pub fn warnings(stderr: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in stderr.lines() {
        let Some(warning) = line.trim().strip_prefix("Warning:") else {
            continue;
        };
        let warning = warning.trim();
        let warning = match warning
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
        {
            Some((_, rest)) => rest.trim(),
            None => warning,
        };
        if !warning.is_empty() && !found.iter().any(|known| known == warning) {
            found.push(warning.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_told_once_and_without_the_program() {
        let stderr = "Warning: [blastn] Examining 5 or more matches is recommended\nWarning: [blastn] Examining 5 or more matches is recommended\nWarning: [blastn] Query_1 a: Could not calculate\n";
        assert_eq!(
            warnings(stderr),
            [
                "Examining 5 or more matches is recommended",
                "Query_1 a: Could not calculate"
            ]
        );
    }

    #[test]
    fn the_reason_is_found_among_usage_and_warnings() {
        let stderr = "USAGE\n  blastn [-h]\n\nDESCRIPTION\n   Nucleotide-Nucleotide BLAST\n\nWarning: [blastn] x\nError: Unknown argument: \"nope\"\n";
        let words = own_words(stderr);
        assert!(
            words.ends_with("Error: Unknown argument: \"nope\""),
            "{words}"
        );
        assert!(
            !words.contains("Warning") && !words.contains("USAGE"),
            "{words}"
        );
    }
}
