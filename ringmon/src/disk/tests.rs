use std::os::unix::fs::PermissionsExt as _;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::*;

/// The names that appear in a folder, in order, and `.` each time the folder itself is opened, which is to sync it.
pub fn seen_in(folder: &Path, run: impl FnOnce()) -> Vec<String> {
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
    let flags = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_OPEN;
    inotify.add_watch(folder, flags).unwrap();
    run();
    let events = match inotify.read_events() {
        Err(nix::Error::EAGAIN) => Vec::new(),
        events => events.unwrap(),
    };
    let appears = |mask: AddWatchFlags| mask.intersects(AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO);
    let seen = events.into_iter().filter_map(|event| match event.name {
        Some(name) => appears(event.mask).then(|| name.to_string_lossy().into_owned()),
        None => Some(".".to_owned()),
    });
    seen.collect()
}

#[test]
fn a_file_is_replaced_whole_and_its_folder_is_synced_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept");
    fs::write(&path, "old").unwrap();
    let seen = seen_in(folder.path(), || write(&path, b"new").unwrap());
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(seen[1..], ["kept", "."], "first of all comes another name: {seen:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing half-written is left");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn new_folders_are_synced_into_those_above_them() {
    let base = tempfile::tempdir().unwrap();
    let seen = seen_in(base.path(), || make(&base.path().join("web/a")).unwrap());
    assert_eq!(seen, ["web", "."]);
    let seen = seen_in(&base.path().join("web"), || make(&base.path().join("web/b")).unwrap());
    assert_eq!(seen, ["b", "."]);
    assert_eq!(seen_in(base.path(), || make(&base.path().join("web/b")).unwrap()), Vec::<String>::new());
}
