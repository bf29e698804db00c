//! The package itself, built of the program under test: what it holds, with which rights; and
//! what lintian says. Only with `JETOND_TEST_REAL=1`, because cargo-deb may have to be built.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::package::source;
use crate::support::debian;
use crate::support::program::said;

/// What must be there, with its rights.
const FILES: [(&str, &str); 28] = [
    ("./usr/bin/jetond", "-rwxr-xr-x"),
    ("./usr/lib/systemd/system/jetond.service", "-rw-r--r--"),
    ("./usr/lib/systemd/system/jetond-once.service", "-rw-r--r--"),
    ("./usr/lib/systemd/system/jetond-once.timer", "-rw-r--r--"),
    ("./usr/lib/sysusers.d/jetond.conf", "-rw-r--r--"),
    ("./etc/jetond/", "drwxr-xr-x"),
    ("./usr/share/jetond/config.toml", "-rw-r--r--"),
    ("./etc/jetond/conf.d/README", "-rw-r--r--"),
    (
        "./usr/share/jetond/prometheus/jetond.rules.yml",
        "-rw-r--r--",
    ),
    (
        "./usr/share/jetond/prometheus/jetond.rules.test.yml",
        "-rw-r--r--",
    ),
    ("./usr/share/man/man1/jetond.1.gz", "-rw-r--r--"),
    ("./usr/share/man/man1/jetond-outbox-list.1.gz", "-rw-r--r--"),
    ("./usr/share/man/man5/jetond.toml.5.gz", "-rw-r--r--"),
    ("./usr/share/man/fr/man5/jetond.toml.5.gz", "-rw-r--r--"),
    (
        "./usr/share/bash-completion/completions/jetond",
        "-rw-r--r--",
    ),
    ("./usr/share/zsh/vendor-completions/_jetond", "-rw-r--r--"),
    (
        "./usr/share/fish/vendor_completions.d/jetond.fish",
        "-rw-r--r--",
    ),
    ("./usr/share/doc/jetond/copyright", "-rw-r--r--"),
    ("./usr/share/doc/jetond/changelog.gz", "-rw-r--r--"),
    ("./usr/share/doc/jetond/changelog.Debian.gz", "-rw-r--r--"),
    ("./usr/share/doc/jetond/README.md", "-rw-r--r--"),
    ("./usr/share/doc/jetond/docs/rules.md", "-rw-r--r--"),
    ("./usr/share/doc/jetond/docs/monitoring.md", "-rw-r--r--"),
    ("./usr/share/doc/jetond/docs/api.md", "-rw-r--r--"),
    ("./usr/share/doc/jetond/docs/notify.md", "-rw-r--r--"),
    ("./usr/share/doc/jetond/libraries", "-rw-r--r--"),
    ("./usr/share/doc/jetond/config.example.toml", "-rw-r--r--"),
    ("./usr/share/doc/jetond/examples/tokens.toml", "-rw-r--r--"),
];

const SCRIPTS: [&str; 5] = ["config", "preinst", "postinst", "prerm", "postrm"];

/// Builds the package in a directory.
pub(crate) fn built(directory: &Path) -> PathBuf {
    let output = Command::new(source("packaging/build-deb.sh"))
        .args(["--binary", env!("CARGO_BIN_EXE_jetond"), "--out"])
        .arg(directory)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

/// What dpkg-deb says of a package; it must end well.
pub(crate) fn dpkg_deb(option: &str, package: &Path, more: &[&str]) -> String {
    let output = Command::new("dpkg-deb")
        .arg(option)
        .arg(package)
        .args(more)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Lintian: the machine's, else one that was unpacked.
fn lintian(root: &Path) -> Command {
    let is_there = Command::new("lintian").arg("--version").output();
    if is_there.is_ok_and(|o| o.status.success()) {
        return Command::new("lintian");
    }
    let mut lintian = Command::new(root.join("usr/bin/lintian"));
    let compiled = format!("usr/lib/{}-linux-gnu/perl5", std::env::consts::ARCH);
    let mut modules = vec![root.join("usr/share/perl5")];
    if let Ok(versions) = std::fs::read_dir(root.join(compiled)) {
        modules.extend(versions.map(|v| v.unwrap().path()));
    }
    let path = std::env::var_os("PATH").unwrap();
    let path = std::iter::once(root.join("usr/bin")).chain(std::env::split_paths(&path));
    lintian
        .env("PATH", std::env::join_paths(path).unwrap())
        .env("PERL5LIB", std::env::join_paths(modules).unwrap())
        .env("MAGIC", root.join("usr/lib/file/magic.mgc"))
        .env("LINTIAN_BASE", root.join("usr/share/lintian"));
    lintian
}

#[test]
fn the_package_is_whole_and_lintian_has_nothing_to_say() {
    let Some(root) = debian::unpacked(&["lintian", "file"]) else {
        return;
    };
    let (place, again) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let package = built(place.path());
    let version = format!("{}-1", env!("CARGO_PKG_VERSION"));
    let name = package.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with(&format!("jetond_{version}_")), "{name}");

    contents(&package);
    control(&package, &version);
    let output = lintian(&root)
        .args(["--allow-root", "--fail-on", "error,warning"])
        .arg(&package)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(said(&output), "");

    // Nothing of the moment of building is in it.
    let twin = built(again.path());
    assert!(std::fs::read(&package).unwrap() == std::fs::read(twin).unwrap());
}

fn contents(package: &Path) {
    let listed = dpkg_deb("--contents", package, &[]);
    let files: BTreeMap<&str, &str> = listed
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(words[1], "0/0", "{line}");
            (words[5], words[0])
        })
        .collect();
    for (file, rights) in FILES {
        assert_eq!(files.get(file), Some(&rights), "{file}");
    }
    assert!(files.keys().all(|f| !f.starts_with("./var")), "{files:?}");
}

fn control(package: &Path, version: &str) {
    let fields = dpkg_deb("--field", package, &[]);
    assert!(
        fields.contains(&format!("\nVersion: {version}\n")),
        "{fields}"
    );
    assert!(fields.contains("libc6 (>= "), "{fields}");
    let (_, description) = fields.split_once("\nDescription: ").unwrap();
    let synopsis = description.lines().next().unwrap();
    assert!(synopsis.ends_with("API Entreprise"), "{synopsis}");

    let place = tempfile::tempdir().unwrap();
    dpkg_deb("--control", package, &[place.path().to_str().unwrap()]);
    let read = |name| std::fs::read_to_string(place.path().join(name)).unwrap();
    // Not what everyone changes: an upgrade would stop with a question.
    assert_eq!(read("conffiles"), "/etc/jetond/conf.d/README\n");
    assert!(read("templates").contains("Default: false"));
    assert!(read("templates").contains("Description-fr.UTF-8:"));
}

#[test]
fn the_changelog_is_of_this_version() {
    let changelog = std::fs::read_to_string(source("packaging/debian/changelog")).unwrap();
    let head = format!("jetond ({}-1) ", env!("CARGO_PKG_VERSION"));
    assert!(changelog.starts_with(&head), "{changelog}");
}

#[test]
fn the_scripts_are_shell_and_end_at_the_first_fault() {
    for name in SCRIPTS {
        let script = source("packaging/debian/scripts").join(name);
        let text = std::fs::read_to_string(&script).unwrap();
        assert!(text.starts_with("#!/bin/sh\n"), "{name}");
        assert!(text.contains("\nset -e\n"), "{name}");
        let parsed = Command::new("sh").arg("-n").arg(&script).output().unwrap();
        assert!(parsed.status.success(), "{name}: {}", said(&parsed));
    }
}

#[test]
fn what_the_config_says_of_the_service_is_what_its_unit_and_user_say() {
    let read = |path: &str| std::fs::read_to_string(source(path)).unwrap();
    for unit in ["jetond.service", "jetond-once.service"] {
        let unit = read(&format!("packaging/systemd/{unit}"));
        assert!(unit.contains("\nStateDirectory=jetond\n"), "{unit}");
        assert!(unit.contains("\nUser=jetond\n"), "{unit}");
    }
    let config = read("packaging/debian/config.toml");
    assert!(config.contains("\"sqlite:/var/lib/jetond/jetond.db\""));
    assert!(read("packaging/systemd/jetond.sysusers").contains("\nu jetond - "));
}
