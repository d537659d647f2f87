//! Queries of real sequences that find something with each program.

use std::collections::HashMap;

use elb_core::search::Program;

use super::support::{PROTEINS, genes, records};

/// Queries that find something: nucleotide ones are genes of the database and, for blastx, proteins
/// translated back with one codon an amino acid.
pub fn query(program: Program) -> String {
    match program {
        Program::Blastn => genes(100, 16),
        Program::Tblastx => genes(100, 14),
        Program::Blastp => records(PROTEINS, 40, 60),
        Program::Blastx => back_translated(&records(PROTEINS, 40, 30)),
        Program::Tblastn => translated(&genes(100, 60)),
    }
}

fn back_translated(fasta: &str) -> String {
    let codon = |letter: char| match letter {
        'A' => "GCT",
        'R' => "CGT",
        'N' => "AAT",
        'D' => "GAT",
        'C' => "TGT",
        'Q' => "CAA",
        'E' => "GAA",
        'G' => "GGT",
        'H' => "CAT",
        'I' => "ATT",
        'L' => "CTT",
        'K' => "AAA",
        'M' => "ATG",
        'F' => "TTT",
        'P' => "CCT",
        'S' => "TCT",
        'T' => "ACT",
        'W' => "TGG",
        'Y' => "TAT",
        'V' => "GTT",
        _ => "NNN",
    };
    // Every other one as reverse complement, so that minus frames are tested too.
    let complement = |letter: char| match letter {
        'A' => 'T',
        'T' => 'A',
        'G' => 'C',
        'C' => 'G',
        other => other,
    };
    each_record(fasta, |index, letters| {
        let forward: String = letters.chars().map(codon).collect();
        if index % 2 == 0 {
            forward
        } else {
            forward.chars().rev().map(complement).collect()
        }
    })
}

/// Genes read as proteins in their first frame.
fn translated(fasta: &str) -> String {
    let table: HashMap<&str, char> = [
        ("TTT", 'F'),
        ("TTC", 'F'),
        ("TTA", 'L'),
        ("TTG", 'L'),
        ("CTT", 'L'),
        ("CTC", 'L'),
        ("CTA", 'L'),
        ("CTG", 'L'),
        ("ATT", 'I'),
        ("ATC", 'I'),
        ("ATA", 'I'),
        ("ATG", 'M'),
        ("GTT", 'V'),
        ("GTC", 'V'),
        ("GTA", 'V'),
        ("GTG", 'V'),
        ("TCT", 'S'),
        ("TCC", 'S'),
        ("TCA", 'S'),
        ("TCG", 'S'),
        ("CCT", 'P'),
        ("CCC", 'P'),
        ("CCA", 'P'),
        ("CCG", 'P'),
        ("ACT", 'T'),
        ("ACC", 'T'),
        ("ACA", 'T'),
        ("ACG", 'T'),
        ("GCT", 'A'),
        ("GCC", 'A'),
        ("GCA", 'A'),
        ("GCG", 'A'),
        ("TAT", 'Y'),
        ("TAC", 'Y'),
        ("CAT", 'H'),
        ("CAC", 'H'),
        ("CAA", 'Q'),
        ("CAG", 'Q'),
        ("AAT", 'N'),
        ("AAC", 'N'),
        ("AAA", 'K'),
        ("AAG", 'K'),
        ("GAT", 'D'),
        ("GAC", 'D'),
        ("GAA", 'E'),
        ("GAG", 'E'),
        ("TGT", 'C'),
        ("TGC", 'C'),
        ("TGG", 'W'),
        ("CGT", 'R'),
        ("CGC", 'R'),
        ("CGA", 'R'),
        ("CGG", 'R'),
        ("AGT", 'S'),
        ("AGC", 'S'),
        ("AGA", 'R'),
        ("AGG", 'R'),
        ("GGT", 'G'),
        ("GGC", 'G'),
        ("GGA", 'G'),
        ("GGG", 'G'),
    ]
    .into();
    each_record(fasta, |_, letters| {
        let codons = letters.as_bytes().chunks_exact(3);
        codons
            .map(|codon| {
                table
                    .get(String::from_utf8_lossy(codon).as_ref())
                    .copied()
                    .unwrap_or('X')
            })
            .collect()
    })
}

fn each_record(fasta: &str, make: impl Fn(usize, &str) -> String) -> String {
    let mut out = String::new();
    for (index, record) in fasta.split('>').skip(1).enumerate() {
        let (header, letters) = record.split_once('\n').unwrap();
        let letters: String = letters.split_whitespace().collect();
        let id = header.split_whitespace().next().unwrap();
        out.push_str(&format!(
            ">{id}\n{}\n",
            make(index, &letters.to_uppercase())
        ));
    }
    out
}
