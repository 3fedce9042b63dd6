use std::collections::BTreeMap;
use std::path::PathBuf;

use proptest::prelude::*;

use super::super::{Key, Origin, Sources, Typed, load};

/// Which layers have a value for a key: file, environment, flag.
type Said = BTreeMap<Key, (bool, bool, bool)>;

fn said() -> impl Strategy<Value = Said> {
    let key = proptest::sample::select(Key::ALL.to_vec());
    proptest::collection::btree_map(key, any::<(bool, bool, bool)>(), 0..Key::ALL.len())
}

/// Sources in which the value of every layer is the layer's name.
fn sources(said: &Said, file: PathBuf) -> Sources {
    let (mut text, mut env, mut flags) = (String::new(), BTreeMap::new(), Typed::default());
    for (&key, &(in_file, in_env, by_flag)) in said {
        if in_file && key.in_file() {
            text.push_str(&format!("{key} = \"file\"\n"));
        }
        if in_env {
            env.insert(key.env(), "env".to_owned());
        }
        flags.flag(key, by_flag.then(|| "flag".to_owned()));
    }
    std::fs::write(&file, text).unwrap();
    Sources { file: Some(file), default_file: None, env, flags }
}

proptest! {
    #[test]
    fn the_highest_layer_that_says_something_counts(said in said()) {
        let dir = tempfile::tempdir().unwrap();
        let loaded = load(&sources(&said, dir.path().join("ringmon.toml"))).unwrap();
        for &key in Key::ALL {
            let (in_file, in_env, by_flag) = said.get(&key).copied().unwrap_or_default();
            let expected = match (by_flag, in_env, in_file && key.in_file()) {
                (true, _, _) => Some("flag"),
                (false, true, _) => Some("env"),
                (false, false, true) => Some("file"),
                (false, false, false) => key.default_text(),
            };
            let word = loaded.typed.get(key);
            prop_assert_eq!(word.map(|word| word.text.as_str()), expected, "{}", key);
            let origin = word.map(|word| &word.origin);
            let fits = match expected {
                None => origin.is_none(),
                Some("flag") => origin == Some(&Origin::Flag(key.flag())),
                Some("env") => origin == Some(&Origin::Env(key.env())),
                Some("file") => matches!(origin, Some(Origin::File { .. })),
                Some(_) => origin == Some(&Origin::Default),
            };
            prop_assert!(fits, "{}: {:?}", key, origin);
        }
        prop_assert!(loaded.warnings.is_empty());
    }

    #[test]
    fn a_value_from_a_file_keeps_its_line(blank in 0_usize..30) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ringmon.toml");
        std::fs::write(&file, "\n".repeat(blank) + "pool = \"p\"\nweight = 7\nrealtime = false\n").unwrap();
        let loaded = load(&Sources { file: Some(file.clone()), ..Sources::default() }).unwrap();
        for (key, offset, text) in [(Key::Pool, 1, "p"), (Key::Weight, 2, "7"), (Key::Realtime, 3, "false")] {
            let word = loaded.typed.get(key).unwrap();
            prop_assert_eq!(&word.text, text);
            prop_assert_eq!(word.origin.to_string(), format!("{}, line {}", file.display(), blank + offset));
        }
    }
}

#[test]
fn a_file_that_nobody_named_need_not_exist() {
    let nowhere = PathBuf::from("/nowhere/ringmon.toml");
    let sources = Sources { default_file: Some(nowhere.clone()), ..Sources::default() };
    assert_eq!(load(&sources).unwrap().typed, Typed::defaults());
    let named = load(&Sources { file: Some(nowhere), ..Sources::default() }).unwrap_err();
    assert_eq!(named.to_string(), "cannot read /nowhere/ringmon.toml: No such file or directory (os error 2)");
}

#[test]
fn the_environment_can_name_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("other.toml");
    std::fs::write(&file, "pool = \"p\"\n").unwrap();
    let env = BTreeMap::from([("RINGMON_CONFIG".to_owned(), file.display().to_string())]);
    let loaded = load(&Sources { env, ..Sources::default() }).unwrap();
    assert_eq!(loaded.typed.get(Key::Pool).unwrap().text, "p");
}

#[test]
fn an_empty_variable_says_nothing_and_a_misspelt_one_is_warned_of() {
    let env = [("RINGMON_PROFILE", ""), ("RINGMON_POOOL", "p"), ("RINGMON_pool", "p"), ("RINGMON_XYZZY_THING", "1")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let loaded = load(&Sources { env: env.into(), ..Sources::default() }).unwrap();
    assert_eq!(loaded.typed, Typed::defaults());
    assert_eq!(
        loaded.warnings,
        [
            "RINGMON_POOOL means nothing to ringmon; did you mean RINGMON_POOL?",
            "RINGMON_pool means nothing to ringmon; did you mean RINGMON_POOL?"
        ]
    );
}
