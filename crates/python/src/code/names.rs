//! Sets of the names in code, and maps by such names.
//!
//! Reading the code of a module puts each of its names into several sets while the program waits for
//! the import, and the sets stay for as long as the module. So a name is a number, the same in all
//! modules, and its text is kept once.

use std::collections::{HashMap, HashSet, hash_map};
use std::hash::{BuildHasherDefault, Hasher};

use transfuse_engine::sync::Mutex;

/// A name in code, `register`, or several, `shop.prices`: equal ones are the same number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(u32);

/// Each text that became a name -> its number, and the texts by number. Entries never leave: a program
/// has a limited number of names, and nearly all of them are in the next version of its code, too. A
/// lock because threads import at the same time; nothing else is asked for under it.
static KNOWN: Mutex<Known> = Mutex::new(Known {
    numbers: HashMap::with_hasher(BuildHasherDefault::new()),
    texts: Vec::new(),
});

struct Known {
    numbers: HashMap<&'static str, u32, BuildHasherDefault<NameHasher>>,
    texts: Vec<&'static str>,
}

impl Known {
    fn name(&mut self, text: &str) -> Name {
        if let Some(number) = self.numbers.get(text) {
            return Name(*number);
        }
        let text: &'static str = Box::leak(text.into());
        let number = self.texts.len() as u32;
        self.numbers.insert(text, number);
        self.texts.push(text);
        Name(number)
    }
}

impl Name {
    /// The names that these texts are, in one go.
    pub fn all<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<Name> {
        let mut known = KNOWN.lock();
        texts.map(|text| known.name(text)).collect()
    }

    /// The name that a text is, if it has become one; otherwise it is in no set.
    fn known(text: &str) -> Option<Name> {
        KNOWN.lock().numbers.get(text).map(|number| Name(*number))
    }

    pub fn text(self) -> &'static str {
        KNOWN.lock().texts[self.0 as usize]
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Name {
        KNOWN.lock().name(text)
    }
}

/// Names, `{"register", "app"}`.
#[derive(Clone, Default)]
pub struct Names(HashSet<Name, BuildHasherDefault<NameHasher>>);

impl Names {
    pub fn contains(&self, text: &str) -> bool {
        !self.0.is_empty() && Name::known(text).is_some_and(|name| self.has(name))
    }

    pub fn has(&self, name: Name) -> bool {
        self.0.contains(&name)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn insert(&mut self, name: impl Into<Name>) {
        self.0.insert(name.into());
    }

    pub fn remove(&mut self, text: &str) {
        Name::known(text).map(|name| self.0.remove(&name));
    }

    pub fn names(&self) -> impl Iterator<Item = Name> {
        self.0.iter().copied()
    }

    /// Their texts.
    pub fn iter(&self) -> impl Iterator<Item = &'static str> {
        self.names().map(Name::text)
    }

    /// Those that `other` does not have.
    pub fn without(&self, other: &Names) -> Names {
        self.0.difference(&other.0).copied().collect()
    }
}

impl<N: Into<Name>> Extend<N> for Names {
    fn extend<I: IntoIterator<Item = N>>(&mut self, names: I) {
        self.0.extend(names.into_iter().map(Into::into));
    }
}

impl<N: Into<Name>> FromIterator<N> for Names {
    fn from_iter<I: IntoIterator<Item = N>>(names: I) -> Names {
        Names(names.into_iter().map(Into::into).collect())
    }
}

/// Names that were loaded, each with the attributes that are taken at once: `["pk", "sub", "go"]`.
pub type Chains = HashSet<Vec<Name>, BuildHasherDefault<NameHasher>>;

/// A map by name.
#[derive(Clone)]
pub struct ByName<V>(HashMap<Name, V, BuildHasherDefault<NameHasher>>);

impl<V> Default for ByName<V> {
    fn default() -> Self {
        ByName(HashMap::default())
    }
}

impl<V> ByName<V> {
    pub fn get(&self, text: &str) -> Option<&V> {
        self.0.get(&Name::known(text)?)
    }

    pub fn of(&self, name: Name) -> Option<&V> {
        self.0.get(&name)
    }

    pub fn entry(&mut self, name: impl Into<Name>) -> hash_map::Entry<'_, Name, V> {
        self.0.entry(name.into())
    }

    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.values()
    }

    pub fn iter(&self) -> impl Iterator<Item = (Name, &V)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }
}

/// Text and numbers (`plain_values::worth`).
pub type Constants = HashSet<u64, BuildHasherDefault<NameHasher>>;

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// A hash of names and short text, by a few multiplications: the standard hash resists keys that are
/// chosen to collide, and the names in a program's own source are not.
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

    fn write_u32(&mut self, number: u32) {
        self.mix(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.mix(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }
}
