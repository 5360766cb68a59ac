#![allow(clippy::unwrap_used)]

use super::*;

/// As a process on another machine, which this one cannot ask, leaves its file.
fn on_another_machine(path: &Path, alive: &str, locked: bool) {
    let owner = Owner {
        host: "node7".into(),
        process: process::id(),
        number: 0,
        machine: "another".into(),
        locked,
    };
    let alive = alive.to_owned();
    fs::write(path, serde_json::to_vec(&Text { owner, alive }).unwrap()).unwrap();
}

#[test]
fn one_has_it_until_it_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.lock");
    let (mut others, now) = (Others::default(), Instant::now());
    let lock = others.take(&path, now).unwrap().unwrap();
    // However long it takes: this machine knows that the process lives.
    for later in [0, 1, 1000] {
        let later = now + later * PATIENCE;
        assert!(Others::default().take(&path, later).unwrap().is_none());
        assert!(others.take(&path, later).unwrap().is_none());
    }
    drop(lock);
    assert!(!path.exists());
    assert!(others.take(&path, now).unwrap().is_some());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn on_another_machine_the_signs_of_life_decide() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.lock");
    let second = Duration::from_secs(1);
    // Whether anybody has the system's lock makes no difference: NFS may keep that of a dead node.
    for kept in [false, true] {
        on_another_machine(&path, "2026-11-30T18:00:00.000Z", true);
        let lock = kept.then(|| File::open(&path).unwrap());
        lock.iter().for_each(|file| file.lock().unwrap());
        let (mut others, now) = (Others::default(), Instant::now());
        assert!(others.take(&path, now).unwrap().is_none());
        // A sign of life, be it from a clock that is hours behind.
        on_another_machine(&path, "2026-11-30T11:00:00.000Z", true);
        let beat = now + PATIENCE - second;
        assert!(others.take(&path, beat).unwrap().is_none());
        let almost = beat + PATIENCE - second;
        assert!(others.take(&path, almost).unwrap().is_none());
        // Who has only just begun to look waits as long.
        let mut newcomer = Others::default();
        assert!(newcomer.take(&path, beat + PATIENCE).unwrap().is_none());
        let taken = others.take(&path, beat + PATIENCE).unwrap().unwrap();
        assert!(newcomer.take(&path, beat + 9 * PATIENCE).unwrap().is_none());
        drop(taken);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn without_locks_and_without_a_text_the_signs_of_life_decide_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.lock");
    let owner = Owner {
        host: here().0,
        process: 1,
        number: 0,
        machine: here().1,
        locked: false,
    };
    let alive = "2026-11-30T18:00:00.000Z".to_owned();
    let unlocked = serde_json::to_vec(&Text { owner, alive }).unwrap();
    // The empty file is that of an earlier version, or of a process that has died between two system calls.
    for text in [unlocked, Vec::new()] {
        fs::write(&path, text).unwrap();
        let (mut others, now) = (Others::default(), Instant::now());
        assert!(others.take(&path, now).unwrap().is_none());
        assert!(others.take(&path, now + PATIENCE).unwrap().is_some());
    }
}

#[test]
fn only_the_file_that_was_meant_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.lock");
    on_another_machine(&path, "2026-11-30T18:00:00.000Z", true);
    let meant = read(&path).unwrap().1;
    // Another process was faster, and has it now.
    fs::remove_file(&path).unwrap();
    let lock = Lock::create(&path).unwrap().unwrap();
    bury(&path, &meant).unwrap();
    assert_eq!(owner_in(&read(&path).unwrap().1), Some(lock.owner.clone()));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn who_was_taken_for_dead_removes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.lock");
    let late = Lock::create(&path).unwrap().unwrap();
    fs::remove_file(&path).unwrap();
    let lock = Lock::create(&path).unwrap().unwrap();
    drop(late);
    assert!(path.exists());
    drop(lock);
    assert!(!path.exists());
}

#[test]
fn a_beat_changes_the_text_and_nothing_of_its_length() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.lock");
    let lock = Lock::create(&path).unwrap().unwrap();
    let before = read(&path).unwrap().1;
    thread::sleep(Duration::from_millis(2));
    beat(&mut lock._file.try_clone().unwrap(), &lock.owner).unwrap();
    let after = read(&path).unwrap().1;
    assert_ne!(before, after);
    assert_eq!(before.len(), after.len());
    assert_eq!(owner_in(&after), Some(lock.owner.clone()));
}
