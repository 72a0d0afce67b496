//! Which attributes does a module's code take of the modules that it imports?
//!
//! A submodule that code reaches as an attribute of its package, `shop.prices` after `import shop`,
//! leaves no import behind. Functions count, because module-level code anywhere may call them. What
//! follows from it is `effects/submodule_use.rs`'s.

use crate::code::bytecode::Binding;
use crate::code::names::{ByName, Chains, Name, Names};

/// The attributes that the code of one module takes of its imports.
#[derive(Clone, Default)]
pub struct AttributeUse {
    /// The last part of an imported name -> the attributes taken of it, `shop -> {prices}`. An
    /// empty name stands for all, because the module is passed on; `*` for a star import.
    taken: ByName<Names>,
    /// The last parts of names that functions import, `shop`. The variables of functions are not
    /// followed, so each attribute that the module mentions may be taken of these.
    late: Names,
}

impl AttributeUse {
    pub fn read<'a>(
        imports: &[Binding],
        star_imports: &[String],
        loaded: impl Iterator<Item = &'a Vec<Name>>,
        late: &Names,
    ) -> Self {
        let mut uses = Uses::default();
        uses.read(imports, loaded);
        let mut taken: ByName<Names> = ByName::default();
        for Binding { imported, attribute, .. } in imports {
            let whole = attribute.iter().map(String::as_str);
            for part in imported.split('.').chain(whole) {
                taken.entry(part).or_default();
            }
        }
        for (name, attributes) in uses.used.iter().chain(uses.reached.iter()) {
            taken.entry(tail(name.text())).or_default().extend(attributes.names());
        }
        for name in star_imports {
            taken.entry(tail(name)).or_default().insert("*");
        }
        AttributeUse { taken, late: late.iter().map(tail).collect() }
    }

    /// Whether the code takes `attribute` of the module whose name ends in `module`; none if it does
    /// not import one of that name by a statement that can be followed.
    pub fn takes(&self, module: &str, attribute: &str) -> Option<bool> {
        let taken = self.taken.get(module);
        let any = |taken: &Names| taken.contains("") || taken.contains("__dict__");
        if taken.is_some_and(|taken| taken.contains(attribute) || any(taken)) {
            return Some(true);
        }
        if self.late.contains(module) { None } else { taken.map(|_| false) }
    }

    /// The attributes that the code takes of such a module, as far as it shows.
    pub fn of(&self, module: &str) -> impl Iterator<Item = &'static str> {
        self.taken.get(module).into_iter().flat_map(Names::iter)
    }

    /// Whether a star takes the names of such a module.
    pub fn takes_names(&self, module: &str) -> bool {
        self.taken.get(module).is_some_and(|taken| taken.contains("*"))
    }
}

fn tail(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Which attributes of imports are used.
#[derive(Default)]
pub struct Uses {
    pub used: ByName<Names>,
    pub reached: ByName<Names>,
}

impl Uses {
    /// The uses of these imports by the names that are loaded; a star takes all.
    pub fn of(imports: &[Binding], star_imports: Vec<String>, loaded: &Chains) -> Uses {
        let mut uses = Uses::default();
        uses.read(imports, loaded.iter());
        for imported in star_imports {
            note(&mut uses.used, &imported, "*");
        }
        uses
    }

    pub fn read<'a>(&mut self, imports: &[Binding], loaded: impl Iterator<Item = &'a Vec<Name>>) {
        let mut by_name: ByName<Vec<&[Name]>> = ByName::default();
        for chain in loaded {
            by_name.entry(chain[0]).or_default().push(&chain[1..]);
        }
        for Binding { imported, attribute, bound } in imports {
            for taken in by_name.get(bound.as_str()).into_iter().flatten() {
                match attribute {
                    Some(attribute) => {
                        note(&mut self.used, imported, attribute);
                        self.reach(&format!("{imported}.{attribute}"), taken);
                    }
                    None => self.follow(imported, taken),
                }
            }
        }
    }

    /// `import a.b.c` binds `a`: how far does the code follow these names?
    fn follow(&mut self, imported: &str, mut taken: &[Name]) {
        let mut of = imported.split('.').next().unwrap_or(imported).to_owned();
        for part in imported.split('.').skip(1) {
            match taken.first() {
                Some(next) if next.text() == part => taken = &taken[1..],
                Some(_) => break,
                // Code that holds a package may take any of these of it.
                None => note(&mut self.used, &of, ""),
            }
            of = format!("{of}.{part}");
        }
        note(&mut self.used, &of, taken.first().map_or("", |first| first.text()));
        if let Some((first, rest)) = taken.split_first() {
            self.reach(&format!("{of}.{}", first.text()), rest);
        }
    }

    /// Records the attributes taken of an attribute, and of those in turn.
    fn reach(&mut self, of: &str, taken: &[Name]) {
        let mut of = of.to_owned();
        for attribute in taken {
            note(&mut self.reached, &of, attribute.text());
            of = format!("{of}.{}", attribute.text());
        }
        note(&mut self.reached, &of, "");
    }
}

fn note(of: &mut ByName<Names>, name: &str, attribute: &str) {
    of.entry(name).or_default().insert(attribute);
}
