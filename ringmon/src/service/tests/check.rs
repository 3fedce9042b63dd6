use super::super::check::{Check, Kind, Unfit};
use super::super::http::Target;
use super::check;

fn http(at: &str, host: &str, path: &str, status: (u16, u16)) -> Kind {
    Kind::Http(Target { at: at.parse().unwrap(), host: host.to_owned(), path: path.to_owned(), status })
}

#[test]
fn every_form_is_understood() {
    for (text, kind) in [
        ("tcp:127.0.0.1:8080", Kind::Tcp("127.0.0.1:8080".parse().unwrap())),
        ("tcp:localhost:1", Kind::Tcp("127.0.0.1:1".parse().unwrap())),
        ("tcp:[::1]:65535", Kind::Tcp("[::1]:65535".parse().unwrap())),
        ("http://127.0.0.1:8080/healthz", http("127.0.0.1:8080", "127.0.0.1:8080", "/healthz", (200, 399))),
        ("http://127.0.0.1", http("127.0.0.1:80", "127.0.0.1", "/", (200, 399))),
        ("http://[::1]/a?b=c:1", http("[::1]:80", "[::1]", "/a?b=c:1", (200, 399))),
        ("http://localhost:81/x  status=204", http("127.0.0.1:81", "localhost:81", "/x", (204, 204))),
        ("http://10.0.0.1/ status=200-299", http("10.0.0.1:80", "10.0.0.1", "/", (200, 299))),
        ("exec:/bin/true", Kind::Exec(vec!["/bin/true".to_owned()])),
        ("exec: /usr/lib/check.sh  a b:c ", Kind::Exec(["/usr/lib/check.sh", "a", "b:c"].map(str::to_owned).into())),
        ("systemd:nginx.service", Kind::Systemd("nginx.service".to_owned())),
        ("systemd:foo@bar", Kind::Systemd("foo@bar.service".to_owned())),
        ("systemd:php-fpm.socket", Kind::Systemd("php-fpm.socket".to_owned())),
    ] {
        assert_eq!(check(text).kind, kind, "{text}");
    }
    assert_eq!(check(" tcp:[::1]:80 ").to_string(), "tcp:[::1]:80");
}

#[test]
fn nonsense_is_told_apart() {
    for (text, why) in [
        ("", Unfit::Kind),
        ("ping", Unfit::Kind),
        ("udp:127.0.0.1:53", Unfit::Kind),
        ("http:127.0.0.1", Unfit::Kind),
        ("https://127.0.0.1/", Unfit::Tls),
        ("tcp:", Unfit::Address),
        ("tcp:127.0.0.1", Unfit::Address),
        ("tcp:127.0.0.1:0", Unfit::Address),
        ("tcp:127.0.0.1:65536", Unfit::Address),
        ("tcp:::1:80", Unfit::Address),
        ("tcp:example.com:80", Unfit::Address),
        ("http://", Unfit::Address),
        ("http://user@127.0.0.1/", Unfit::Address),
        ("http://127.0.0.1:x/", Unfit::Address),
        ("http://127.0.0.1/ status=99", Unfit::Status),
        ("http://127.0.0.1/ status=300-200", Unfit::Status),
        ("http://127.0.0.1/ 200", Unfit::Further),
        ("http://127.0.0.1/ status=200 more", Unfit::Further),
        ("http://127.0.0.1/\u{e9}", Unfit::Further),
        ("exec:", Unfit::Program),
        ("exec:check.sh", Unfit::Program),
        ("systemd:", Unfit::Unit),
        ("systemd:a b", Unfit::Unit),
        ("systemd:../x/", Unfit::Unit),
    ] {
        assert_eq!(text.parse::<Check>().map(|check| check.to_string()), Err(why), "{text}");
    }
}
