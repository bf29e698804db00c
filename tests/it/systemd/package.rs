//! The Debian package on a machine that never had it: installed, started, reloaded, stopped by
//! its watchdog, upgraded while mails wait, backed up, restored, removed and purged, with every
//! mail going through a real Postfix.
//!
//! The steps are in `tests/systemd/package.sh`; here the mails are counted that came of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use mail_parser::MessageParser;
use serde_json::Value;

use crate::package::deb::{built, dpkg_deb};
use crate::support::postfix::Postfix;
use crate::support::program::said;
use crate::support::systemd::Machine;

/// Who gets how many mails. The last three: what left after the backup is not known any more
/// when that is restored, so each of them gets one more, and nobody else.
const MAILS: [(&str, usize); 7] = [
    ("c.martin@ville.example", 1),
    ("d.petit@ville.example", 1),
    ("e.roux@ville.example", 1),
    ("tech@editeur.example", 1),
    ("f.blanc@ville.example", 2),
    ("g.noir@ville.example", 2),
    ("h.vert@ville.example", 2),
];

/// Those whose mails waited for the relay, in the backup too.
const WAITED: [&str; 2] = ["f.blanc@ville.example", "g.noir@ville.example"];

/// Gets notes, the weekly report of a Monday for one.
const CONTACT: &str = "dsi@ville.example";

/// The package again, with a higher version, and with a line more in the config that it brings.
fn next_version(package: &Path, place: &Path) -> PathBuf {
    let tree = place.join("next");
    dpkg_deb("--raw-extract", package, &[tree.to_str().unwrap()]);
    let control = tree.join("DEBIAN/control");
    let fields = std::fs::read_to_string(&control).unwrap();
    let version = format!("\nVersion: {}-1\n", env!("CARGO_PKG_VERSION"));
    assert!(fields.contains(&version), "{fields}");
    std::fs::write(&control, fields.replace(&version, "\nVersion: 99-1\n")).unwrap();
    let config = tree.join("usr/share/jetond/config.toml");
    let lines = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, lines + "# A key of the next version.\n").unwrap();
    let next = place.join("next.deb");
    let output = Command::new("dpkg-deb")
        // Nobody keeps it: packing it well would take longer than all the rest.
        .args(["-Znone", "--root-owner-group", "--build"])
        .args([&tree, &next])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    next
}

/// What came to the Maildir: who got which Message-IDs.
fn arrived(messages: &[Vec<u8>]) -> BTreeMap<String, Vec<String>> {
    let mut arrived: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for bytes in messages {
        let message = MessageParser::default().parse(bytes).unwrap();
        let to = message.header("Delivered-To").unwrap().as_text().unwrap();
        let id = message.message_id().unwrap();
        arrived
            .entry(to.to_owned())
            .or_default()
            .push(id.to_owned());
    }
    arrived.remove(CONTACT);
    arrived
}

/// What `outbox list --json` told of the mails of people.
fn listed<const N: usize>(json: &str, keys: [&str; N]) -> BTreeSet<[String; N]> {
    let json: Value = serde_json::from_str(json).unwrap();
    let rows = json["data"].as_array().unwrap().iter();
    rows.filter(|row| row["recipient"] != CONTACT)
        .map(|row| keys.map(|key| row[key].to_string().replace('"', "")))
        .collect()
}

#[test]
fn the_package_lives_from_its_installation_to_its_purge() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let Some(postfix) = Postfix::delivering_to(machine.collected().join("mail")) else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let package = built(place.path());
    let next = next_version(&package, place.path());
    machine
        .copy(&package, "/opt/jetond.deb", 0o644)
        .copy(&next, "/opt/next.deb", 0o644)
        .file("/opt/port", postfix.port().to_string().as_bytes(), 0o644)
        .reach(postfix.port());

    let ran = machine.run("package.sh");
    assert_eq!(ran.code, 0, "{}", ran.output);
    assert!(ran.output.ends_with("--- all done\n"), "{}", ran.output);

    let expected: usize = MAILS.iter().map(|(_, n)| n).sum();
    let arrived = arrived(&postfix.messages(expected));
    let counts: BTreeMap<&str, usize> = arrived
        .iter()
        .map(|(to, ids)| (to.as_str(), ids.len()))
        .collect();
    assert_eq!(counts, BTreeMap::from(MAILS), "{arrived:?}");

    // The upgrade found the same mails; the copies that the restore cost are known as such.
    let keys = ["mail", "recipient", "message_id"];
    let waiting = listed(&ran.collected("waiting.json"), keys);
    assert_eq!(listed(&ran.collected("still.json"), keys), waiting);
    let waited: BTreeSet<&str> = waiting.iter().map(|[_, to, _]| to.as_str()).collect();
    assert_eq!(waited, BTreeSet::from(WAITED), "{waiting:?}");
    for [_, to, id] in &waiting {
        let id = id.trim_matches(['<', '>']);
        assert_eq!(arrived[to], [id, id]);
    }

    // The record outlived the removal, and every mail in it is one that arrived.
    let keys = ["recipient", "message_id", "state"];
    let record = listed(&ran.collected("record.json"), keys);
    assert_eq!(record.len(), MAILS.len(), "{record:?}");
    for [to, id, state] in &record {
        assert_eq!(state, "sent", "{record:?}");
        let id = id.trim_matches(['<', '>']);
        assert!(arrived[to].iter().any(|a| a == id), "{id} in {arrived:?}");
    }
}
