//! Substitution matrices, reduced to what an alignment shows: which pairs of letters score above zero.
//!
//! Owns one line a matrix. Taken from the public matrices that NCBI ships with BLAST+; a golden test
//! of the engine holds every pair of letters in every matrix against `blastp`'s own midlines.
//! A pair is kept once, under the letter that comes first in the alphabet, and no letter with itself.

// Each word is a letter followed by its partners further on in the alphabet.
const BLOSUM45: &str = "AS BDENZ DENZ EKQZ FJLWY HNQY IJLMV JLMV KQRZ LMV MV NS QRZ RZ ST WY";
const BLOSUM50: &str = "AS BDENZ DENZ EKQZ FJLWY HNQY IJLMV JLMV KQRZ LMV MV NS QRZ ST WY";
const BLOSUM62: &str = "AS BDEN DENZ EKQZ FWY HNY IJLMV JLMV KQRZ LMV MV NS QRZ ST WY";
const BLOSUM80: &str = "AS BDEN DENZ EKQZ FY HQY IJLMV JLMV KQRZ LMV MV QRZ ST WY";
const BLOSUM90: &str = "AS BDEN DENZ EQZ FY HQY IJLMV JLMV KQRZ LM QRZ ST WY";
const PAM30: &str = "BDEN DENZ EQZ FY HQ IJV JL LM QZ";
const PAM70: &str = "AST BDENZ DENZ EQZ FY HNQZ IJLMV JLMV KR LM NS QZ ST";
const PAM250: &str =
    "AGPST BDEHKNQZ DEGHNQZ EHNQZ FIJLY GS HNQRZ IJLMV JLMV KNQR LMV MV NQSZ PS QRZ RW ST";

/// Whether two different letters score above zero in the named matrix, whatever their case.
///
/// `U`, `O` and the stop `*` stand in no matrix with another letter, so they are never positive. The
/// same holds for a name that is not listed (BLAST+'s `IDENTITY` among them): better no `+` than a
/// wrong one.
#[must_use]
pub fn is_positive(matrix: &str, left: u8, right: u8) -> bool {
    let pairs = match matrix {
        "BLOSUM45" => BLOSUM45,
        "BLOSUM50" => BLOSUM50,
        "BLOSUM62" => BLOSUM62,
        "BLOSUM80" => BLOSUM80,
        "BLOSUM90" => BLOSUM90,
        "PAM30" => PAM30,
        "PAM70" => PAM70,
        "PAM250" => PAM250,
        _ => return false,
    };
    let (left, right) = (left.to_ascii_uppercase(), right.to_ascii_uppercase());
    let (first, second) = (left.min(right), left.max(right));
    pairs.split(' ').any(|word| match word.as_bytes() {
        [letter, partners @ ..] => *letter == first && partners.contains(&second),
        [] => false,
    })
}
