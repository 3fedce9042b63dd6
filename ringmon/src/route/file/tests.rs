use std::os::unix::fs::{chown, symlink};

use nix::unistd::{Uid, setfsuid};

use super::*;

fn put_now(path: &Path, content: &str) -> Result<bool, Error> {
    Candidate::write(path, content.as_bytes())?.map_or(Ok(false), |candidate| candidate.commit().map(|()| true))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// If these tests run as root, who may do everything, it does the work as a user who may do nothing.
fn as_nobody(work: impl FnOnce() -> Result<bool, Error> + Send) -> Result<bool, Error> {
    let work = move || {
        if Uid::effective().is_root() {
            // It changes only this thread, unlike the other user ids.
            setfsuid(Uid::from_raw(65534));
        }
        work()
    };
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

#[tokio::test]
async fn a_new_file_can_be_read_by_all_and_leaves_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list.json");
    assert!(put(path.clone(), "one".to_owned()).await.unwrap());
    assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("one", 0o644));
    assert!(put(path.clone(), "two".to_owned()).await.unwrap());
    assert_eq!(names(folder.path()), ["list.json"]);
}

#[test]
fn owner_and_mode_stay() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    fs::write(&path, "one").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o4640)).unwrap();
    let root = Uid::effective().is_root();
    if root {
        chown(&path, Some(12), Some(34)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o4640)).unwrap();
    } else {
        println!("skipped: only root can give a file to somebody else");
    }
    assert!(put_now(&path, "two").unwrap());
    assert_eq!(mode(&path), 0o4640);
    let there = fs::metadata(&path).unwrap();
    assert!(!root || (there.uid(), there.gid()) == (12, 34));
}

#[test]
fn the_same_content_is_not_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    assert!(put_now(&path, "one").unwrap());
    let inode = fs::metadata(&path).unwrap().ino();
    assert!(!put_now(&path, "one").unwrap());
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
    assert!(put_now(&path, "two").unwrap(), "as long, and another");
    assert_ne!(fs::metadata(&path).unwrap().ino(), inode);
}

#[test]
fn a_link_stays_and_its_file_changes() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("real")).unwrap();
    symlink("real/f", at("link")).unwrap();
    symlink(at("link"), at("link to link")).unwrap();
    for content in ["it was not there", "it was there"] {
        assert!(put_now(&at("link to link"), content).unwrap());
        assert_eq!(fs::read_to_string(at("real/f")).unwrap(), content);
        assert!(fs::symlink_metadata(at("link")).unwrap().is_symlink());
    }
    symlink("circle", at("circle")).unwrap();
    assert!(put_now(&at("circle"), "x").unwrap_err().to_string().starts_with("cannot find "));
}

#[test]
fn a_candidate_is_beside_the_file_and_no_pattern_of_its_readers_matches_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list.conf");
    let candidate = Candidate::write(&path, b"x").unwrap().unwrap();
    assert_eq!(candidate.path().parent(), path.parent());
    let name = candidate.path().file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with(".list.conf.") && name.ends_with(".ringmon"), "{name}");
    drop(candidate);
    assert!(names(folder.path()).is_empty());
}

#[test]
fn what_stands_in_the_way_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing/f");
    let said = put_now(&path, "x").unwrap_err().to_string();
    let missing = path.parent().unwrap().display();
    assert!(said.starts_with(&format!("cannot write {}: ", path.display())), "{said}");
    assert!(said.ends_with(&format!("; is there a folder {missing}?")), "{said}");
    let said = put_now(folder.path(), "x").unwrap_err().to_string();
    assert!(said.contains("it is not a plain file; name a plain file"), "{said}");
}

#[test]
fn a_folder_that_may_not_be_written_to_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o555)).unwrap();
    let said = as_nobody(|| put_now(&path, "new")).unwrap_err().to_string();
    assert!(said.starts_with(&format!("cannot write {}: Permission denied", path.display())), "{said}");
    assert!(said.contains(&format!("needs to write in {}", folder.path().display())), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
}

#[test]
fn an_owner_who_cannot_be_kept_keeps_the_file() {
    if !Uid::effective().is_root() {
        println!("skipped: only root can own a file that others try to replace");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    let said = as_nobody(|| put_now(&path, "new")).unwrap_err().to_string();
    assert!(said.starts_with("cannot keep owner and mode of ") && said.contains("own what it replaces"), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(names(folder.path()), ["f"]);
}

#[test]
fn a_reader_never_sees_a_part() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    let content = |letter: &str, length| letter.repeat(length);
    let (short, long) = (content("a", 10_000), content("b", 1_000_000));
    assert!(put_now(&path, &short).unwrap());
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..50 {
                assert!(put_now(&path, &long).unwrap());
                assert!(put_now(&path, &short).unwrap());
            }
        });
        let mut seen = [0, 0];
        while !writer.is_finished() || seen.contains(&0) {
            let read = fs::read_to_string(&path).unwrap();
            assert!(read == short || read == long, "{} bytes", read.len());
            seen[usize::from(read == long)] += 1;
            // The writer may finish before the reader saw both; the last content is the short one.
            if writer.is_finished() && seen[1] == 0 {
                put_now(&path, &long).unwrap();
            }
        }
        writer.join().unwrap();
        println!("{seen:?} reads of the short and the long one");
    });
}
