//! Sets of the names in code, and maps by such names.
//!
//! Reading the code of a module puts each of its names into several sets while the program waits for
//! the import, so they hash by a few multiplications. The standard hash resists keys that are chosen
//! to collide, and the names in a program's own source are not.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// Names, `{"register", "app"}`.
pub type Names = HashSet<String, BuildHasherDefault<NameHasher>>;
/// Names that were loaded, each with the attributes that are taken at once: `["pk", "sub", "go"]`.
pub type Chains = HashSet<Vec<String>, BuildHasherDefault<NameHasher>>;
/// A map by name.
pub type ByName<K, V> = HashMap<K, V, BuildHasherDefault<NameHasher>>;
/// Text and numbers (`plain_values::worth`).
pub type Constants = HashSet<u64, BuildHasherDefault<NameHasher>>;

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// A hash of short text.
#[derive(Default)]
pub struct NameHasher(u64);

impl NameHasher {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    }
}

impl Hasher for NameHasher {
    fn finish(&self) -> u64 {
        // The table takes the highest and the lowest bits, and products vary in the high ones.
        self.0.rotate_left(26)
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            self.mix(word.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
        let rest = words.remainder().iter();
        self.mix(rest.fold(bytes.len() as u64, |word, byte| word << 8 | u64::from(*byte)));
    }

    fn write_u8(&mut self, byte: u8) {
        self.mix(u64::from(byte));
    }

    fn write_u64(&mut self, number: u64) {
        self.mix(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }
}
