//! Who may name what: holds every path of the agent's crate and of the core against the plan.

use std::collections::BTreeSet;
use std::fs;

use super::house::{AGENT, CORE, House, Mention, workspace};
use super::meaning::Place;
use super::plan::{ARROWS, BELOW_CORE, IMPURE, OWNED, SHARED, SIMULATION};
use super::shape::sources;

#[test]
fn imports_follow_the_plan_of_the_house() {
    none(&agent_findings(&AGENT));
}

#[test]
fn the_core_names_nothing_that_is_not_a_function_of_its_inputs() {
    none(&core_findings(&CORE));
}

#[test]
fn every_source_file_is_read() {
    let read: BTreeSet<String> = [("ringmon", &AGENT), ("ringmon/core", &CORE)]
        .into_iter()
        .flat_map(|(folder, house)| house.modules.iter().map(move |module| format!("{folder}/{}", module.file)))
        .collect();
    let is_ours = |name: &str| name.starts_with("ringmon/src/") || name.starts_with("ringmon/core/src/");
    let all: BTreeSet<String> = sources().into_iter().map(|(name, _)| name).filter(|name| is_ours(name)).collect();
    let unread: Vec<&String> = all.difference(&read).collect();
    assert_eq!(unread, ["ringmon/src/main.rs"], "the binary's few lines are a crate of their own");
}

#[test]
fn the_core_is_built_on_crates_that_are_known() {
    let manifest = fs::read_to_string(workspace().join("ringmon/core/Cargo.toml")).expect("the core has a manifest");
    let manifest: toml::Table = manifest.parse().expect("a manifest is TOML");
    let dependencies = manifest["dependencies"].as_table().expect("a table of dependencies");
    assert_eq!(dependencies.keys().collect::<Vec<_>>(), BELOW_CORE);
}

fn none(findings: &[String]) {
    assert!(findings.is_empty(), "{} holes:\n{}", findings.len(), findings.join("\n"));
}

/// Everything in the agent's crate that is not as planned.
fn agent_findings(house: &House) -> Vec<String> {
    let each = house.mentions.keys().flat_map(|mention| {
        let room = house.modules[mention.module].path.first().map_or("lib.rs", String::as_str);
        let wrong = agent_wrong(house, mention, room).into_iter().chain(simulation_wrong(house, mention));
        wrong.map(|what| format!("{}: {what}", house.place(mention))).collect::<Vec<_>>()
    });
    each.collect()
}

fn agent_wrong(house: &House, mention: &Mention, room: &str) -> Option<String> {
    let written = house.written(mention);
    let meant = house.spelt(&house.meant(mention));
    let to = match &written {
        Place::Inside(module, _) => house.modules[*module].path.first().map(String::as_str),
        Place::Outside(_) => None,
    };
    let shared = SHARED.iter().find(|(path, _)| is_in(&meant, path)).filter(|_| !mention.test);
    let owned = OWNED.iter().find(|(path, _)| is_in(&meant, path));
    match (to, shared, owned) {
        (Some(to), _, _) if room != "lib.rs" && to != room && !may_import(room, to) => {
            Some(format!("room `{room}` imports room `{to}`: {}", house.spelt(&written)))
        }
        (_, Some((path, rooms)), _) if !rooms.contains(&room) => {
            Some(format!("`{path}` is for {}, not for `{room}`: {meant}", rooms.join(" and ")))
        }
        (_, _, Some((path, owner))) if *owner != room => {
            Some(format!("`{path}` belongs to `{owner}`, not to `{room}`: {meant}"))
        }
        _ => None,
    }
}

/// # Panics
/// The room is not on the plan.
fn may_import(room: &str, to: &str) -> bool {
    let arrows = ARROWS.iter().find(|(name, _)| *name == room);
    let (_, arrows) = arrows.unwrap_or_else(|| panic!("`{room}` is a room that ARCHITECTURE.md does not know"));
    arrows.contains(&to)
}

/// Everything in the core that would make it impure.
fn core_findings(house: &House) -> Vec<String> {
    let each = house.mentions.keys().flat_map(|mention| {
        let meant = house.spelt(&house.meant(mention));
        let impure = IMPURE.iter().find(|path| is_in(&meant, path)).filter(|_| !mention.test);
        let impure = impure.map(|path| format!("the core is pure and knows no `{path}`: {meant}"));
        let wrong = impure.into_iter().chain(simulation_wrong(house, mention));
        wrong.map(|what| format!("{}: {what}", house.place(mention))).collect::<Vec<_>>()
    });
    each.collect()
}

/// Nobody but the simulator takes a rule out.
fn simulation_wrong(house: &House, mention: &Mention) -> Option<String> {
    let meant = house.spelt(&house.meant(mention));
    let own = house.modules[mention.module].path.first().is_some_and(|room| SIMULATION.contains(&room.as_str()));
    let named = SIMULATION.iter().find(|path| format!("::{meant}::").contains(&format!("::{path}::")));
    let named = named.filter(|_| !mention.test && !own)?;
    Some(format!("`{named}` is for the simulator and tests alone: {meant}"))
}

fn is_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The agent's crate with this code deep inside a room.
fn in_room(room: &str, code: &str) -> House {
    let rooms: Vec<String> = ARROWS.iter().map(|(name, _)| format!("src/{name}.rs")).collect();
    let lib: String = ARROWS.iter().map(|(name, _)| format!("mod {name};")).collect();
    let (own, deep) = (format!("src/{room}.rs"), format!("src/{room}/deep.rs"));
    let mut files = vec![("src/lib.rs", lib.as_str()), (&own, "mod deep;"), (&deep, code)];
    files.extend(rooms.iter().map(|file| (file.as_str(), "")));
    House::built_of(&files)
}

#[test]
fn holes_in_walls_are_found() {
    let holes = [
        ("show", "use crate::store::Store;"),
        ("store", "use crate::{show::Board, agent::run};"),
        ("store", "use crate::{show::Board, agent::{self, run}};"),
        ("store", "use super::super::agent::run;"),
        ("store", "mod inner { fn f() { super::super::super::agent::run() } }"),
        ("store", "use self::super::super::notice;"),
        ("store", "use crate as house; fn f() { house::agent::run() }"),
        ("store", "use super::super::*; fn f() { agent::run() }"),
        ("store", "fn f() { crate::notice::send() }"),
        ("store", "fn f() { println!(\"{}\", crate::notice::send()) }"),
        ("store", "#[cfg(test)] mod tests { use crate::notice::send; }"),
        ("record", "use crate::observe::EventLog;"),
        ("observe", "use crate::record::Recorder;"),
        ("service", "use crate::observe::EventLog;"),
        ("agent", "use sea_orm::{Database, DbErr};"),
        ("agent", "use ::sea_orm::Database;"),
        ("agent", "extern crate sea_orm as orm;"),
        ("agent", "#[derive(sea_orm::DeriveEntityModel)] struct Row;"),
        ("observe", "use aya::Ebpf;"),
        ("cli", "use axum::Router;"),
        ("agent", "use ringmon_sim::recording::Header;"),
        ("record", "use ringmon_sim::World;"),
        ("cli", "use ringmon_core::Without; fn f() { Without::rules(&[]) }"),
        ("cli", "use ringmon_core::{Without as W}; fn f() { W::rules(&[]) }"),
        ("cli", "type W = ringmon_core::Without; fn f() { W::rules(&[]) }"),
        ("cli", "fn f() { <ringmon_core::Without>::rules(&[]) }"),
        ("agent", "use ringmon_core::virtual_table::VirtualTable;"),
    ];
    for (room, code) in holes {
        assert!(!agent_findings(&in_room(room, code)).is_empty(), "not found in `{room}`: {code}");
    }
}

#[test]
fn what_is_as_planned_is_let_through() {
    let sound = [
        ("store", "use ringmon_core::{Time, edit::Plan}; use sea_orm::DbErr; use crate::show::Board;"),
        ("agent", "// use sea_orm::x\nfn f() { \"sea_orm::x\" } use crate::store::Store;"),
        ("record", "use super::super::show; use ringmon_sim::recording::Header;"),
        ("cli", "use ringmon_sim::World; pub struct Args { pub without: Vec<ringmon_core::Rule> }"),
        ("store", "#[cfg(test)] mod tests { use ringmon_core::virtual_table::VirtualTable; use ringmon_sim::World; }"),
        ("store", "fn agent() {} fn f() { agent() }"),
    ];
    for (room, code) in sound {
        assert_eq!(agent_findings(&in_room(room, code)), Vec::<String>::new(), "in `{room}`: {code}");
    }
}

#[test]
fn only_what_is_under_cfg_test_is_a_test() {
    const IMPURE: &str = "use std::fs;";
    let of = |files: &[(&str, &str)]| core_findings(&House::built_of(files)).len();
    let tests: &[&[(&str, &str)]] = &[
        &[("src/lib.rs", "#[cfg(test)] mod a;"), ("src/a.rs", IMPURE)],
        &[("src/lib.rs", "#[cfg(test)] mod a;"), ("src/a/mod.rs", "mod b;"), ("src/a/b.rs", IMPURE)],
        &[("src/lib.rs", "#[cfg(test)] #[path = \"b.rs\"] mod a;"), ("src/b.rs", IMPURE)],
        &[("src/lib.rs", "#[cfg(test)] mod a { use std::fs; }")],
        &[("src/lib.rs", "#[cfg(all(unix, test))] fn f() { std::fs::read() }")],
        &[("src/lib.rs", "impl S { #[cfg(test)] fn f() { std::fs::read() } }")],
    ];
    for files in tests {
        assert_eq!(of(files), 0, "{files:?}");
    }
    let code: &[&[(&str, &str)]] = &[
        &[("src/lib.rs", "mod contest;"), ("src/contest.rs", IMPURE)],
        &[("src/lib.rs", "mod attest;"), ("src/attest/mod.rs", "mod tests;"), ("src/attest/tests.rs", IMPURE)],
        &[("src/lib.rs", "mod tests { use std::fs; }")],
        &[("src/lib.rs", "#[cfg(any(test, feature = \"simulation\"))] mod a { use std::fs; }")],
        &[("src/lib.rs", "#[cfg(not(test))] mod a { use std::fs; }")],
        &[("src/lib.rs", "#[cfg(test)] mod a {} use std::fs;")],
        &[("src/lib.rs", "struct S { #[cfg(test)] a: u8, b: std::fs::File }")],
        &[("src/lib.rs", "extern crate std as own; use own::fs;")],
        &[("src/lib.rs", "fn f() { core::sync::atomic::fence() }")],
        &[("src/lib.rs", "mod without { pub struct Without; } fn f() { without::Without::rules(&[]) }")],
        &[("src/lib.rs", "mod a { use super::virtual_table::VirtualTable; } mod virtual_table {}")],
    ];
    for files in code {
        assert_ne!(of(files), 0, "{files:?}");
    }
}
