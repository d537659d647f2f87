//! The genetic codes that BLAST+ knows: NCBI's numbers and names.

/// Number and name of each code that `-query_gencode` and `-db_gencode` take (BLAST+ 2.12).
pub const GENETIC_CODES: [(u8, &str); 26] = [
    (1, "Standard"),
    (2, "Vertebrate mitochondrial"),
    (3, "Yeast mitochondrial"),
    (4, "Mold, protozoan, coelenterate mitochondrial; Mycoplasma"),
    (5, "Invertebrate mitochondrial"),
    (6, "Ciliate, dasycladacean and Hexamita nuclear"),
    (9, "Echinoderm and flatworm mitochondrial"),
    (10, "Euplotid nuclear"),
    (11, "Bacterial, archaeal and plant plastid"),
    (12, "Alternative yeast nuclear"),
    (13, "Ascidian mitochondrial"),
    (14, "Alternative flatworm mitochondrial"),
    (15, "Blepharisma nuclear"),
    (16, "Chlorophycean mitochondrial"),
    (21, "Trematode mitochondrial"),
    (22, "Scenedesmus obliquus mitochondrial"),
    (23, "Thraustochytrium mitochondrial"),
    (24, "Rhabdopleuridae mitochondrial"),
    (25, "Candidate division SR1 and Gracilibacteria"),
    (26, "Pachysolen tannophilus nuclear"),
    (27, "Karyorelict nuclear"),
    (28, "Condylostoma nuclear"),
    (29, "Mesodinium nuclear"),
    (30, "Peritrich nuclear"),
    (31, "Blastocrithidia nuclear"),
    (33, "Cephalodiscidae mitochondrial"),
];

/// Whether BLAST+ takes this number.
#[must_use]
pub fn is_known(code: u8) -> bool {
    GENETIC_CODES.iter().any(|(number, _)| *number == code)
}
