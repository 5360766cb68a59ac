//! Ctrl-C on a terminal, with the `reproduce` example as the program.
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

fn reproduce(out: &Path) -> Command {
    // target/PROFILE/deps/it-…, and beside it what Cargo makes of the examples.
    let program: PathBuf = env::current_exe()
        .unwrap()
        .ancestors()
        .nth(2)
        .unwrap()
        .join("examples/reproduce");
    let mut command = Command::new(program);
    command
        .args(["--models", "1", "--epochs", "6", "--out"])
        .arg(out)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn table_of(out: &Path) -> String {
    let output = reproduce(out).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    // The seconds differ from run to run.
    let csv = fs::read_dir(out)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let csv: Vec<_> = csv
        .filter(|path| path.extension().is_some_and(|it| it == "csv"))
        .collect();
    let rows = fs::read_to_string(&csv[0]).unwrap();
    rows.lines()
        .map(|row| row.splitn(7, ',').take(6).collect::<Vec<_>>().join(",") + "\n")
        .collect()
}

#[test]
fn ctrl_c_ends_training_and_the_same_command_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (stopped, undisturbed) = (
        folder.path().join("stopped"),
        folder.path().join("undisturbed"),
    );
    let program = reproduce(&stopped).spawn().unwrap();
    let started = Instant::now();
    let is_there = |kind: &str| {
        fs::read_dir(&stopped).is_ok_and(|files| {
            files.into_iter().any(|file| {
                file.unwrap()
                    .path()
                    .extension()
                    .is_some_and(|it| it == kind)
            })
        })
    };
    while !is_there("csv") {
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "no epoch has ended"
        );
        thread::sleep(Duration::from_millis(10));
    }
    let kill = Command::new("kill")
        .args(["-INT", &program.id().to_string()])
        .status()
        .unwrap();
    assert!(kill.success());
    let output = program.wait_with_output().unwrap();
    let (printed, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(130), "{printed}{errors}");
    assert!(
        printed.contains("Interrupted: the model keeps what it has learned"),
        "{printed}"
    );
    assert!(
        errors.contains("run the same command again to go on"),
        "{errors}"
    );
    assert_eq!(table_of(&stopped), table_of(&undisturbed));
}
