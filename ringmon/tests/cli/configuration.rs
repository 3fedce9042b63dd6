//! Layers, sentences and exit codes of the configuration, and of the command line itself.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::kit::{ringmon, ringmon_on_e0, run, says};

#[test]
fn every_command_is_in_the_help() {
    let help = says(&["--help"]);
    assert_eq!(help.code, 0);
    for command in ["init", "agent", "status", "ring", "events", "leave", "pool", "sim", "replay", "config"] {
        assert!(help.out.contains(&format!("\n  {command} ")), "{command}: {}", help.out);
    }
    for (command, flags) in [
        (
            &["agent"][..],
            "config pool name interface address database-url profile datapath mode events record record-limit http \
             state-dir on-stop drain check check-interval check-timeout check-rise check-fall check-need",
        ),
        (&["init"], "database-url pool quorum"),
        (&["status"], "json"),
        (&["ring", "show"], "json svg"),
        (&["ring", "check"], "json"),
        (&["events"], "follow limit json"),
        (&["leave"], "pool"),
        (&["pool", "show"], "json"),
        (&["pool", "set"], "pool"),
        (&["pool", "freeze"], "pool"),
        (&["pool", "thaw"], "pool"),
        (
            &["sim"],
            "servers seed profile loss delay-us jitter-us statement-us seeds threads without log markdown json svg",
        ),
        (&["replay"], "why from until all check json"),
        (&["config", "check"], "config"),
        (&["config", "show"], "origin json"),
    ] {
        let help = says(&[command, &["--help"]].concat());
        for flag in flags.split(' ') {
            assert!(help.code == 0 && help.out.contains(&format!("--{flag}")), "{command:?} --{flag}: {}", help.out);
        }
    }
}

#[test]
fn mistakes_of_usage_exit_with_2() {
    for wrong in [
        &[][..],
        &["ring"],
        &["ring", "show", "--pool", "p", "--svg", "--json"],
        &["agnet"],
        &["status", "--colour"],
        &["agent", "--profile", "fats"],
        &["agent", "--pool", "p", "--dscp", "64"],
        &["pool", "set", "--pool", "p"],
        &["events", "--limit", "many"],
        &["status", "--log", "loud"],
    ] {
        let said = says(wrong);
        assert_eq!(said.code, 2, "{wrong:?}: {}", said.err);
    }
}

#[test]
fn mistakes_of_configuration_exit_with_78() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.toml");
    std::fs::write(&file, "pool = \"p\"\nprofil = \"fast\"\n").unwrap();
    let path = file.display().to_string();
    let said = says(&["config", "check", "--config", &path]);
    assert_eq!(
        (said.code, said.err),
        (78, format!("ringmon: {path}, line 2: unknown key \"profil\"; did you mean \"profile\"?\n"))
    );
    let said = says(&["agent", "--config", "/nowhere/r.toml"]);
    assert_eq!(
        (said.code, said.err.as_str()),
        (78, "ringmon: cannot read /nowhere/r.toml: No such file or directory (os error 2)\n")
    );
    let said = says(&["agent", "--pool", "p", "--interface", "nosuch0", "--wait-address", "0"]);
    assert_eq!(said.code, 69);
    let begin = "ringmon: interface is \"nosuch0\" (flag --interface): this machine has no such interface; it has ";
    assert!(said.err.starts_with(begin), "{}", said.err);
    let said = says(&["ring", "show"]);
    assert_eq!((said.code, said.err.starts_with("ringmon: pool is not set: ")), (78, true));
    let said = run(ringmon(&["ring", "show"]).env("RINGMON_POOL", "a b"));
    assert_eq!((said.code, said.err.starts_with("ringmon: pool is \"a b\" (environment RINGMON_POOL): ")), (78, true));
}

/// Each program is judged by what it reads, and everything that is wrong with its files is said at once.
#[test]
fn check_judges_the_program_that_a_file_is_for() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.toml");
    let at = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(at("db"), "SQLite format 3\0").unwrap();
    let common = format!("pool = \"p\"\ndatabase_url = \"sqlite://{}\"\nstate_dir = {:?}\n", at("db"), dir.path());
    let check = |more: &str, words: &[&str]| {
        std::fs::write(&file, format!("{common}{more}\n")).unwrap();
        run(ringmon_on_e0(&["config", "check", "--config"]).arg(&file).args(words))
    };
    let [agent, router] = ["for an agent: server ", "for a router: pool p, which tells "];
    let good = check("interface = \"e0\"", &[]);
    assert!(good.code == 0 && good.out.contains(agent) && !good.out.contains(router), "{good:?}");
    assert!(good.out.contains(&format!("# {}, line 1\n", file.display())), "who said it: {good:?}");
    let good = check("hook = \"true\"", &[]);
    assert!(good.code == 0 && good.out.contains(router) && !good.out.contains(agent), "{good:?}");
    let both = check("hook = \"true\"\ninterface = \"e0\"", &[]);
    assert!(both.code == 0 && both.out.contains(router) && both.out.contains(agent), "{both:?}");
    // An agent reads none of this.
    let wrong = "haproxy = \"nonsense\"\ninterface = \"e0\"";
    let said = check(wrong, &["--for", "agent"]);
    assert!(said.code == 0 && said.out.contains(agent), "{said:?}");
    let said = check(wrong, &["--for", "router"]);
    assert!(said.code == 78 && said.err.contains("haproxy is \"nonsense\""), "{said:?}");
    let said = check("hook = \"/no/such\"\nfile_sd = \"/no/such/sd.json\"", &[]);
    assert!(said.code == 78 && said.out.is_empty(), "{said:?}");
    let named: Vec<bool> = ["hook is ", "file_sd is "].iter().map(|key| said.err.contains(key)).collect();
    assert_eq!(named, [true, true], "{said:?}");
    // Wrong values keep no other one from being judged, and no other program.
    let said = check("weight = 99999\nprofile = \"x\"\nhook = \"/no/such\"", &[]);
    let keys = ["weight is ", "profile is ", "hook is "];
    assert!(said.code == 78 && keys.iter().all(|key| said.err.contains(key)), "{said:?}");
    let said = check("interface = \"lo\"", &["--address", "127.0.0.1"]);
    assert!(said.code == 78 && said.err.contains("it is the loopback"), "{said:?}");
    let said = check("interface = \"e9\"\nhook = \"/no/such\"", &[]);
    assert!(said.code == 78 && said.err.contains("no such interface") && said.err.contains("hook is "), "{said:?}");
    let said = check("interface = \"e9\"", &[]);
    assert!(said.code == 69 && said.err.contains("no such interface"), "{said:?}");
}

#[test]
fn show_has_every_layer_with_its_origin() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.toml");
    std::fs::write(&file, "# ours\npool = \"from-file\"\nprofile = \"fast\"\nweight = 7\n").unwrap();
    let path = file.display().to_string();
    let show = |more: &[&str]| {
        let arguments = [&["config", "show", "--config", &path, "--mode", "observe"], more].concat();
        run(ringmon(&arguments).env("RINGMON_PROFILE", "turbo").env("RINGMON_DATABASE_PASSWORD", "hunter2"))
    };
    let json: Value = serde_json::from_str(&show(&["--origin", "--json"]).out).unwrap();
    let of = |key: &str| (json[key]["value"].as_str(), json[key]["origin"].as_str());
    assert_eq!(of("pool"), (Some("from-file"), Some(format!("{path}, line 2").as_str())));
    assert_eq!(of("weight"), (Some("7"), Some(format!("{path}, line 4").as_str())));
    assert_eq!(of("profile"), (Some("turbo"), Some("environment RINGMON_PROFILE")));
    assert_eq!(of("mode"), (Some("observe"), Some("flag --mode")));
    assert_eq!(of("state_dir"), (Some("/var/lib/ringmon"), Some("default")));
    assert_eq!(of("database_password"), (Some("***"), Some("environment RINGMON_DATABASE_PASSWORD")));
    assert_eq!(of("name"), (None, None));
    let text = show(&["--origin"]);
    assert!(text.out.contains("mode = \"observe\"") && text.out.contains("# flag --mode\n"), "{}", text.out);
    assert!(!text.out.contains("hunter2") && !text.err.contains("hunter2"));
}

#[test]
fn what_show_prints_can_be_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.toml");
    let shown = says(&["config", "show", "--pool", "p", "--profile", "gentle", "--events", "/tmp/a b\"c"]).out;
    std::fs::write(&file, &shown).unwrap();
    let again = says(&["config", "show", "--config", &file.display().to_string()]);
    assert_eq!((again.code, again.out), (0, shown));
}

#[test]
fn passwords_are_never_shown() {
    let url = "mysql://ringmon:hunter2@127.0.0.1:1/d";
    for arguments in
        [&["config", "show", "--origin"][..], &["config", "show", "--json"], &["ring", "show", "--pool", "p"]]
    {
        let said = says(&[arguments, &["--database-url", url]].concat());
        assert!(!said.out.contains("hunter2") && !said.err.contains("hunter2"), "{said:?}");
        assert!(said.err.contains("the password in --database-url can be read by every user"), "{}", said.err);
    }
    let said = run(ringmon(&["config", "show"]).env("RINGMON_DATABASE_URL", url));
    assert!(said.out.contains("mysql://ringmon:***@127.0.0.1:1/d") && said.err.is_empty(), "{said:?}");
}

#[test]
fn no_flag_takes_a_password() {
    for command in [
        &["agent"][..],
        &["init"],
        &["status"],
        &["ring", "show"],
        &["events"],
        &["leave", "x"],
        &["pool", "set", "quorum=both"],
        &["config", "show"],
    ] {
        let said = says(&[command, &["--database-password", "hunter2"]].concat());
        assert_eq!(said.code, 2, "{command:?}: {}", said.err);
        assert!(said.err.contains("unexpected argument '--database-password'"), "{command:?}: {}", said.err);
    }
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmon"));
    command.args(["config", "show"]).env("RINGMON_CONFIG", "/dev/null").stdout(writer).stderr(Stdio::piped());
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
}

#[test]
fn a_log_of_json_lines_has_one_object_a_line() {
    let mut command = ringmon(&["--log-format", "json", "config", "example"]);
    let said = run(command.env("RINGMON_POOOL", "x"));
    let line: serde_json::Value = serde_json::from_str(said.err.trim()).unwrap_or_else(|why| panic!("{why}: {said:?}"));
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["message"], "RINGMON_POOOL means nothing to ringmon; did you mean RINGMON_POOL?");
    let said = says(&["--log-format", "xml", "config", "example"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("auto, text or json"), "{said:?}");
}

#[test]
fn the_statements_for_the_users_name_the_database_that_is_meant() {
    let said = says(&["init", "--pool", "web", "--print-grants", "--database-url", "mysql://root@db.example/other"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.out.matches("CREATE USER ").count(), 3, "{said:?}");
    assert!(said.out.contains("GRANT INSERT, UPDATE, DELETE ON `other`.server TO 'ringmon_agent'@'%';"), "{said:?}");
    assert!(!said.out.contains("ringmon."), "{said:?}");
    let said = says(&["init", "--pool", "web", "--print-grants"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("an embedded database has no users"), "{said:?}");
}
