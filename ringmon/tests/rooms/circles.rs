//! No circle of more than two files in the core: who reads one file of it need not read them all.
//!
//! An arrow leads from a file that names something to the file where that is defined, through whatever hands it on.
//! A module that only declares another, or hands on what is in it, has no arrow to it; neither has code under
//! `cfg(test)`. Files that can be reached from each other are one circle, however many small ones it is made of.

use std::collections::{BTreeMap, BTreeSet};

use super::house::{CORE, House};
use super::meaning::Place;

/// From a file to a file, and the names for which it goes there.
type Arrows = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

#[test]
fn no_more_than_two_files_of_the_core_import_each_other() {
    let arrows = arrows(&CORE);
    assert!(arrows.len() > 20, "only {} files import another: is this test looking at it?", arrows.len());
    let found: Vec<String> = circles(&arrows).iter().map(|circle| drawn(circle, &arrows)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn arrows(house: &House) -> Arrows {
    let mut arrows = Arrows::new();
    for mention in house.mentions.keys().filter(|m| !m.test && !m.handed_on) {
        let from = &house.modules[mention.module].file;
        // A module alone is a way to something, and the something is named as well.
        if let Place::Inside(module, rest) = house.meant(mention)
            && let Some(name) = rest.first()
            && house.modules[module].file != *from
        {
            let to = house.modules[module].file.clone();
            arrows.entry(from.clone()).or_default().entry(to).or_default().insert(name.clone());
        }
    }
    arrows
}

/// Sets of more than two files each of which leads to all others.
fn circles(arrows: &Arrows) -> Vec<BTreeSet<&str>> {
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        arrows.keys().map(|file| (file.as_str(), reached(file, arrows))).collect();
    let leads = |from: &str, to: &str| reach.get(from).is_some_and(|there| there.contains(to));
    let each = reach.iter().map(|(file, there)| there.iter().copied().filter(|to| leads(to, file)).collect());
    let all: BTreeSet<BTreeSet<&str>> = each.collect();
    all.into_iter().filter(|circle| circle.len() > 2).collect()
}

fn reached<'a>(file: &'a str, arrows: &'a Arrows) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut next = vec![file];
    while let Some(file) = next.pop() {
        next.extend(
            arrows
                .get(file)
                .into_iter()
                .flat_map(BTreeMap::keys)
                .filter(|to| found.insert(to.as_str()))
                .map(String::as_str),
        );
    }
    found
}

/// The files of a circle, and what ties it.
fn drawn(circle: &BTreeSet<&str>, arrows: &Arrows) -> String {
    let mut text = format!("a circle of {} files:", circle.len());
    for file in circle {
        text += &format!("\n  {file}");
        for (to, names) in arrows[*file].iter().filter(|(to, _)| circle.contains(to.as_str())) {
            text += &format!("\n    -> {to}: {}", names.iter().cloned().collect::<Vec<_>>().join(", "));
        }
    }
    text
}

/// The circles in a crate of these modules.
fn found(modules: &[(&str, &str)]) -> Vec<String> {
    let top = modules.iter().filter(|(name, _)| !name.contains('/'));
    let lib: String = top.map(|(name, _)| format!("mod {name};")).collect();
    let names: Vec<String> = modules.iter().map(|(name, _)| format!("src/{name}.rs")).collect();
    let files = names.iter().map(String::as_str).zip(modules.iter().map(|(_, code)| *code));
    let files: Vec<(&str, &str)> = files.chain([("src/lib.rs", lib.as_str())]).collect();
    let arrows = arrows(&House::built_of(&files));
    circles(&arrows).iter().map(|circle| drawn(circle, &arrows)).collect()
}

#[test]
fn circles_are_found_whichever_way_a_name_is_written() {
    for to_a in [
        "use crate::a::A;",
        "use super::a::A;",
        "use self::super::a::A;",
        "use crate::{a::{A}};",
        "use crate::a as x; fn f() -> x::A {}",
        "use crate::a::*; fn f() -> A {}",
        "fn f() { vec![crate::a::A] }",
        "use crate::d::A;",
        "use crate::d::Other;",
    ] {
        let c = format!("pub struct C; {to_a}");
        let circles = found(&[
            ("a", "pub struct A; use crate::b::B;"),
            ("b", "pub struct B; fn f() -> super::c::C {}"),
            ("c", &c),
            ("d", "pub use crate::a::A; pub use crate::a::A as Other;"),
        ]);
        assert_eq!(circles.len(), 1, "{to_a}");
        for line in [
            "a circle of 3 files",
            "  src/a.rs\n    -> src/b.rs: B",
            "  src/b.rs\n    -> src/c.rs: C",
            "  src/c.rs\n    -> src/a.rs: A",
        ] {
            assert!(circles[0].contains(line), "{line} is not in: {}", circles[0]);
        }
    }
}

#[test]
fn two_files_and_tests_and_what_is_only_declared_are_no_circle() {
    let none: &[&[(&str, &str)]] = &[
        // Two that know each other.
        &[("a", "pub struct A; use super::b::B;"), ("b", "pub struct B; use super::a::A;"), ("c", "use super::a::A;")],
        // A parent that declares its children, and hands on what is theirs.
        &[
            ("a", "mod b; mod c; pub use b::B; pub use c::C; pub struct A;"),
            ("a/b", "pub struct B(super::A, super::C);"),
            ("a/c", "pub struct C(super::A);"),
        ],
        // Who says how far a name is seen looks at nobody.
        &[
            ("a", "mod b; mod c; use c::C;"),
            ("a/b", "pub(in crate::a) struct B;"),
            ("a/c", "pub(super) struct C(super::b::B);"),
        ],
        // A test knows everybody.
        &[
            ("a", "pub struct A; use super::b::B;"),
            ("b", "pub struct B; use super::c::C;"),
            ("c", "pub struct C; #[cfg(test)] mod tests { use crate::a::A; }"),
        ],
    ];
    for modules in none {
        assert_eq!(found(modules), Vec::<String>::new(), "{modules:?}");
    }
}
