//! What a person types, and what is refused.

use super::super::{NoTarget, SocketAt, Target};

#[test]
fn the_last_colon_splits() {
    let path: Target = "/run/haproxy/admin.sock:web".parse().unwrap();
    assert_eq!((path.socket.clone(), path.backend.as_str()), (SocketAt::Path("/run/haproxy/admin.sock".into()), "web"));
    assert_eq!(path.to_string(), "/run/haproxy/admin.sock:web");
    let tcp: Target = "lb1.example:9999:web_1".parse().unwrap();
    assert_eq!((tcp.socket, tcp.backend.as_str()), (SocketAt::Tcp("lb1.example:9999".into()), "web_1"));
    let v6: Target = "[::1]:9999:web".parse().unwrap();
    assert_eq!(v6.socket, SocketAt::Tcp("[::1]:9999".into()));
}

#[test]
fn what_is_no_target_says_what_one_is() {
    for word in ["", "web", ":web", "/run/a.sock:"] {
        assert_eq!(word.parse::<Target>(), Err(NoTarget::Shape(word.into())), "{word}");
    }
    for (word, socket) in [
        ("run/a.sock:web", "run/a.sock"),
        ("host:0:web", "host:0"),
        ("host:99999:w", "host:99999"),
        ("::1:9:w", "::1:9"),
    ] {
        assert_eq!(word.parse::<Target>(), Err(NoTarget::Socket(socket.into())), "{word}");
    }
    let error = "/a:web;show env".parse::<Target>().unwrap_err();
    assert_eq!(error, NoTarget::Backend("web;show env".into()));
    let error = "web".parse::<Target>().unwrap_err().to_string();
    assert!(error.contains("SOCKET:BACKEND") && error.contains("127.0.0.1:9999:web"), "{error}");
}
