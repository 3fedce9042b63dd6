use std::fs;

use super::super::kit::{EAGER, PATIENT, Wires, active, lines, script};
use super::*;
use crate::show::listed;
use ringmon_core::route::{Panic, Standing};

const NGINX: &str = "upstream {{ pool }} {
{% for s in routed %}
    server {{ s.address }}:{{ s.port or 8080 }} weight={{ s.weight }};
{% else %}
    server unix:/nobody down;
{% endfor %}
}
";

/// A template, a file and the output of their commands, in one folder.
struct Kit {
    folder: tempfile::TempDir,
    wires: Wires,
}

impl Kit {
    /// A target with this template, check and reload; the file contains `old`.
    fn start(template: &str, check: &str, reload: &str, pace: Pace, first: Routes) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("template"), template).unwrap();
        fs::write(at("file"), "old").unwrap();
        let mut target = TemplateTarget::new(at("template"), at("file"));
        target.check = Some(script(folder.path(), check));
        target.reload = Some(script(folder.path(), reload));
        let (wires, lists, report) = Wires::new(first);
        tokio::spawn(paced(target, pace, lists, "web".to_owned(), report));
        Self { folder, wires }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    fn lines(&self, name: &str) -> Vec<String> {
        lines(&self.folder.path().join(name))
    }

    fn touch(&self, name: &str) {
        fs::write(self.folder.path().join(name), "").unwrap();
    }
}

async fn rendered(template: &str, routes: &Routes) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.conf.j2");
    fs::write(&path, template).unwrap();
    render(&path, "web", routes).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_template_sees_the_pool_its_servers_and_the_panic() {
    let mut routes = listed(&[("a", Standing::Active), ("b", Standing::Draining), ("c", Standing::Kept)]);
    routes.servers[2].port = None;
    let text = rendered(NGINX, &routes).await.unwrap();
    let expected = "upstream web {\n    server 10.0.0.1:80 weight=100;\n    server 10.0.0.3:8080 weight=100;\n}\n";
    assert_eq!(text, expected);
    let nobody = listed(&[("b", Standing::Draining)]);
    assert_eq!(rendered(NGINX, &nobody).await.unwrap(), "upstream web {\n    server unix:/nobody down;\n}\n");
    routes.panic = Some(Panic { left: 1, of: 3 });
    let all = "{% for s in servers %}{{ s.id }} {{ s.name }} {{ s.standing }} {{ s.routed }} & {% endfor %}\
               {% if panic %}{{ panic.left }} of {{ panic.of }}{% endif %}";
    let expected = "1 a active True & 2 b draining False & 3 c kept True & 1 of 3";
    assert_eq!(rendered(all, &routes).await.unwrap(), expected);
}

/// Each server's peers: as many steps as there are pairs.
#[tokio::test]
async fn a_long_list_may_be_looped_over_in_a_loop() {
    let mut routes = active(&["a"]);
    let one = routes.servers[0].clone();
    routes.servers = (1..=1100).map(|id| Route { id: ServerId(id), ..one.clone() }).collect();
    let peers = "{% for a in routed %}{% for b in routed %}{% if b.id != a.id %}{{ b.name }} {% endif %}\
                 {% endfor %}{% endfor %}";
    assert!(rendered(peers, &routes).await.is_ok());
    let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}";
    let said = rendered(endless, &active(&["a"])).await.unwrap_err();
    assert!(said.ends_with("it runs too long"), "{said}");
}

#[tokio::test]
async fn a_wrong_template_is_named_with_its_line() {
    let routes = active(&["a"]);
    let said = rendered("one\n{{ poool }}\n", &routes).await.unwrap_err();
    assert!(said.contains("web.conf.j2: ") && said.contains("undefined") && said.contains("web.conf.j2:2"), "{said}");
    let said = rendered("{% for s in routed %}", &routes).await.unwrap_err();
    assert!(said.contains("syntax error"), "{said}");
    let said = render(Path::new("/no/such"), "web", &routes).await.unwrap_err().to_string();
    assert!(said.starts_with("cannot read the template /no/such: No such file"), "{said}");
}

#[tokio::test]
async fn the_check_sees_the_candidate_and_the_reload_the_file() {
    let check = r#"cp "$1" $D/checked; [ "$1" = "$RINGMON_CANDIDATE" ] || exit 1; cp $D/file $D/before"#;
    let mut kit = Kit::start("{{ routed[0].name }}", check, "cp $D/file $D/reloaded", EAGER, active(&["a"]));
    kit.wires.in_step(1).await;
    assert_eq!([kit.read("checked"), kit.read("before"), kit.read("reloaded")], ["a", "old", "a"]);
}

#[tokio::test]
async fn a_check_that_fails_keeps_the_old_file_until_a_list_that_it_takes() {
    let check = r#"grep -q bad "$1" && { echo "$1:1: bad server" >&2; exit 1; }; true"#;
    let template = "{% for s in routed %}{{ s.name }} {% endfor %}";
    let mut kit = Kit::start(template, check, "echo x >> $D/reloads", PATIENT, active(&["bad"]));
    let said = kit.wires.problem("the check `sh` failed (exit status: 1)").await;
    let file = kit.folder.path().join("file");
    assert!(said.ends_with(&format!(": {}:1: bad server", file.display())), "{said}");
    assert_eq!((kit.read("file").as_str(), kit.lines("reloads").len()), ("old", 0));
    let mut there: Vec<_> = fs::read_dir(kit.folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    there.sort();
    assert_eq!(there, ["file", "template"], "the candidate is gone");
    kit.wires.send(active(&["good"]));
    assert_eq!(kit.wires.in_step(1).await.problem, None);
    assert_eq!((kit.read("file").as_str(), kit.lines("reloads").len()), ("good ", 1));
}

#[tokio::test]
async fn a_check_that_fails_is_tried_again_by_itself() {
    let mut kit = Kit::start("{{ pool }}", "test -e $D/fine", "true", EAGER, active(&["a"]));
    kit.wires.problem("the check").await;
    assert_eq!(kit.read("file"), "old");
    kit.touch("fine");
    kit.wires.in_step(1).await;
    assert_eq!(kit.read("file"), "web");
}

#[tokio::test]
async fn a_reload_that_fails_is_owed() {
    let reload = "echo x >> $D/reloads; test -e $D/fine";
    let mut kit = Kit::start("{{ pool }}", "echo x >> $D/checks", reload, EAGER, active(&["a"]));
    kit.wires.problem("the reload `sh` failed").await;
    assert_eq!(kit.read("file"), "web", "it was found good");
    kit.touch("fine");
    kit.wires.in_step(1).await;
    assert_eq!(kit.lines("checks").len(), 1);
    let reloads = kit.lines("reloads").len();
    assert!(reloads >= 2, "{reloads}");
    // Another list that makes the same file: there is no news.
    kit.wires.status.mark_unchanged();
    kit.wires.send(active(&["a", "b"]));
    kit.wires.status.changed().await.unwrap();
    kit.wires.in_step(1).await;
    assert_eq!(kit.lines("reloads").len(), reloads);
}

/// The router before this one may have ended between the file and its reader.
#[tokio::test]
async fn a_start_reloads_once_though_the_file_is_as_it_should_be() {
    let mut kit = Kit::start("old", "echo x >> $D/checks", "echo x >> $D/reloads", EAGER, active(&["a"]));
    kit.wires.in_step(1).await;
    assert_eq!((kit.lines("checks").len(), kit.lines("reloads").len()), (0, 1));
}

#[tokio::test]
async fn many_changes_are_few_reloads_and_the_last_one_is_not_lost() {
    let interval = Duration::from_millis(200);
    let pace = Pace { min_interval: interval, ..EAGER };
    let begin = std::time::Instant::now();
    let template = "{{ routed|length }}";
    let mut kit = Kit::start(template, "true", "cat $D/file >> $D/reloads; echo >> $D/reloads", pace, active(&["a"]));
    let names: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for length in 1..=names.len() {
        kit.wires.send(active(&names[..length]));
        tokio::task::yield_now().await;
    }
    let path = kit.folder.path().join("file");
    kit.wires.until("the last", |status| status.in_step && lines(&path) == ["200"]).await;
    let reloads = kit.lines("reloads");
    assert_eq!(reloads.last().map(String::as_str), Some("200"));
    let most = begin.elapsed().as_millis() / interval.as_millis() + 1;
    assert!(reloads.len() as u128 <= most, "{} reloads, at most {most}", reloads.len());
}
