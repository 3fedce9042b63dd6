//! What a path means: where the thing is defined, whichever way it is named.

use super::house::{House, Id, Mention, Module, Names, ROOT};

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Something in a module of this crate: its name and what follows, empty if the module itself is meant.
    Inside(Id, Names),
    /// Another crate's, or a name that is nobody's (a variable, a type's parameter).
    Outside(Names),
}

/// More aliases of aliases are a circle of them.
const ALIASES: u8 = 16;

impl House {
    /// What is meant as it is written: up to the name that another module has, whatever that hands on.
    pub fn written(&self, mention: &Mention) -> Place {
        Search { house: self, from: mention.module, through: false }.place(&mention.path)
    }

    /// What is meant in the end, through everything that is handed on.
    pub fn meant(&self, mention: &Mention) -> Place {
        Search { house: self, from: mention.module, through: true }.place(&mention.path)
    }

    /// The whole path: `crate::store::Store`, `serde_json::Value`.
    pub fn spelt(&self, place: &Place) -> String {
        match place {
            Place::Inside(module, rest) => {
                let inside = self.modules[*module].path.iter().chain(rest);
                inside.fold("crate".to_owned(), |path, name| format!("{path}::{name}"))
            }
            Place::Outside(path) => path.join("::"),
        }
    }
}

struct Search<'a> {
    house: &'a House,
    from: Id,
    /// Whether what other modules hand on is followed.
    through: bool,
}

impl Search<'_> {
    fn place(&self, path: &[String]) -> Place {
        self.at_home(self.from, path, None, ALIASES).unwrap_or_else(|| Place::Outside(path.to_vec()))
    }

    /// A path as it stands in this module. `but`: the alias that is being read, which is not what it is read by.
    fn at_home(&self, module: Id, path: &[String], but: Option<&str>, left: u8) -> Option<Place> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "" => Some(Place::Outside(rest.to_vec())),
            "crate" => Some(self.down(ROOT, rest, left)),
            "self" | "super" => Some(self.down(module, path, left)),
            name => self.find(module, name, rest, but, left),
        }
    }

    /// Into modules, as far as there are any.
    fn down(&self, module: Id, path: &[String], left: u8) -> Place {
        let Some((first, rest)) = path.split_first() else { return Place::Inside(module, Names::new()) };
        match first.as_str() {
            "self" => self.down(module, rest, left),
            "super" => self.down(self.house.modules[module].parent.unwrap_or(ROOT), rest, left),
            name => self.find(module, name, rest, None, left).unwrap_or_else(|| Place::Inside(module, path.to_vec())),
        }
    }

    /// What this name is in this module; `None` if it has no such name.
    fn find(&self, module: Id, name: &str, rest: &[String], but: Option<&str>, left: u8) -> Option<Place> {
        let Module { items, children, aliases, globs, .. } = &self.house.modules[module];
        let left = left.checked_sub(1)?;
        let alias = aliases.get(name).filter(|_| (module == self.from || self.through) && but != Some(name));
        let own = || items.contains(name).then(|| Place::Inside(module, [&[name.to_owned()], rest].concat()));
        let child = || children.get(name).map(|child| self.down(*child, rest, left));
        let renamed = || {
            let path = [alias?, rest].concat();
            Some(self.at_home(module, &path, Some(name), left).unwrap_or(Place::Outside(path)))
        };
        let by_glob = || {
            globs.iter().filter(|_| module == self.from || self.through).find_map(|glob| {
                match self.at_home(module, glob, Some(name), left)? {
                    Place::Inside(there, inside) if inside.is_empty() && there != module => {
                        self.find(there, name, rest, None, left)
                    }
                    _ => None,
                }
            })
        };
        // At home `type A = B` is B; to all others it is something of this module.
        if module == self.from { renamed().or_else(own) } else { own().or_else(renamed) }
            .or_else(child)
            .or_else(by_glob)
    }
}

/// The files of a small crate; `HERE` is where a test writes.
#[cfg(test)]
const FILES: &[(&str, &str)] = &[
    ("src/lib.rs", "mod store; mod show; pub use show::Board; use std::fmt;"),
    ("src/store.rs", "mod deep; pub use deep::Row as Line; pub struct Store; pub type Rows = Vec<deep::Row>;"),
    ("src/store/deep.rs", "pub struct Row; mod inner { HERE }"),
    ("src/show/mod.rs", "mod board; pub use board::*; pub enum Mode { Fast }"),
    ("src/show/board.rs", "pub struct Board; pub const fn new() {}"),
];

/// What this path means there, as it is written and in the end.
#[cfg(test)]
fn meanings(code: &str, path: &str) -> [String; 2] {
    let deep = FILES[2].1.replace("HERE", code);
    let files: Vec<(&str, &str)> =
        FILES.iter().map(|(file, code)| (*file, if code.contains("HERE") { &deep } else { *code })).collect();
    let house = House::built_of(&files);
    let inside = |m: &&Mention| house.modules[m.module].path.last().is_some_and(|name| name == "inner");
    let mention = house.mentions.keys().filter(inside).find(|m| m.path.join("::") == path);
    let mention = mention.unwrap_or_else(|| panic!("no {path} found in: {code}"));
    [house.written(mention), house.meant(mention)].map(|place| house.spelt(&place))
}

#[test]
fn paths_are_followed_to_what_they_mean() {
    let cases = [
        ("use super::Row;", "super::Row", ["crate::store::deep::Row"; 2]),
        ("fn f() { self::super::super::Store }", "self::super::super::Store", ["crate::store::Store"; 2]),
        (
            "use super::super::super::show::Board;",
            "super::super::super::show::Board",
            ["crate::show::Board", "crate::show::board::Board"],
        ),
        (
            "use crate::{show::{self as s}, store}; fn f() { s::Board }",
            "s::Board",
            ["crate::show::Board", "crate::show::board::Board"],
        ),
        ("use super::super::Line as L; fn f(l: L) {}", "L", ["crate::store::Line", "crate::store::deep::Row"]),
        ("use crate::*; fn f() { show::Mode::Fast }", "show::Mode::Fast", ["crate::show::Mode::Fast"; 2]),
        ("fn f() -> crate::Board {}", "crate::Board", ["crate::Board", "crate::show::board::Board"]),
        ("fn f() { vec![0..crate::show::new()] }", "crate::show::new", ["crate::show::new", "crate::show::board::new"]),
        (
            "macro_rules! m { () => { use $crate::{store::Store, show}; } }",
            "crate::store::Store",
            ["crate::store::Store"; 2],
        ),
        ("#[derive(crate::show::Mode)] struct S;", "crate::show::Mode", ["crate::show::Mode"; 2]),
        ("type S = crate::store::Store; fn f() { S::open() }", "S::open", ["crate::store::Store::open"; 2]),
        ("use crate::store::Rows; fn f(r: Rows) {}", "Rows", ["crate::store::Rows"; 2]),
        ("fn f() { <crate::store::Store>::open() }", "crate::store::Store::open", ["crate::store::Store::open"; 2]),
        ("use std::fmt as f; fn x() -> f::Result {}", "f::Result", ["std::fmt::Result"; 2]),
        ("use super::super::super::fmt;", "super::super::super::fmt", ["crate::fmt", "std::fmt"]),
        ("use store; fn f() { store::x() }", "store::x", ["store::x"; 2]),
        ("use ::serde::Value;", "::serde::Value", ["serde::Value"; 2]),
        ("extern crate std as own; fn f() { own::fs::read() }", "own::fs::read", ["std::fs::read"; 2]),
        ("fn f<T>() { T::new() }", "T::new", ["T::new"; 2]),
    ];
    for (code, path, meant) in cases {
        assert_eq!(meanings(code, path), meant, "{path} in: {code}");
    }
}
