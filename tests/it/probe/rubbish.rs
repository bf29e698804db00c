//! Whatever sequence of faults and rubbish comes over the wire, no token is called dead: through
//! the whole asker, with its record. [`super::beliefs`] says it of the pure rules.

use chrono::Duration;
use jetond::domain::verdict::{Bearing, Verdict};
use jetond::probe::{Asker, Told};

use super::Asking;
use crate::oracle::random::Dice;
use crate::support::api_server::{Does, alive, error, gateway_error, over_volume, page, ping};

const MORNING: &str = "2026-11-16T09:00:00+01:00";

/// Codes of deaths, and of others.
const CODES: [&str; 6] = ["00101", "00103", "00105", "00106", "00100", "00429"];

fn pick<'a, T: ?Sized>(dice: &mut Dice, of: &[&'a T]) -> &'a T {
    of[usize::try_from(dice.within(0, i64::try_from(of.len()).unwrap())).unwrap()]
}

/// A body of a 401, or of anything else, that proves nothing.
fn unproven(dice: &mut Dice) -> String {
    let code = pick(dice, &CODES);
    let other = if code == "00103" { "00105" } else { "00103" };
    match dice.within(0, 12) {
        0 => format!("<html><h1>401</h1>{code}</html>"),
        1 => format!(r#"{{"errors":[{{"code":{code}}}]}}"#),
        2 => format!(r#"{{"errors":[{{"code":"{code}"}}],"gateway_error":true}}"#),
        3 => format!(r#"{{"errors":["Jeton {code}"],"gateway_error":true}}"#),
        4 => format!(r#"{{"errors":[{{"code":"{code}"}},{{"code":"{other}"}}]}}"#),
        5 => format!(r#"{{"errors":{{"code":"{code}"}}}}"#),
        6 => format!(r#"{{"errors":[{{"code":"{code}"}}],"data":{{"privileges":["a"]}}}}"#),
        7 => format!(r#"{{"errors":[{{"code":"{code}","title":"cut o"#),
        8 => format!(r#"[{{"code":"{code}"}}]"#),
        9 => format!(r#"{{"errors":["{code}",{{"code":"{code}"}}]}}"#),
        10 => format!(r#"{{"errors":null,"message":"{code}"}}"#),
        _ => format!(r#"{{"error":"invalid_token","error_description":"{code}"}}"#),
    }
}

fn bytes(dice: &mut Dice) -> Vec<u8> {
    let length = dice.within(0, 300);
    (0..length)
        .map(|_| u8::try_from(dice.within(0, 256)).unwrap())
        .collect()
}

/// What comes of a bad day.
fn fault(dice: &mut Dice) -> Does {
    let (code, server) = (
        pick(dice, &CODES),
        u16::try_from(dice.within(500, 600)).unwrap(),
    );
    match dice.within(0, 14) {
        0 => error(server, code),
        1 => gateway_error(server),
        2 => gateway_error(401),
        3 => over_volume(""),
        4 => over_volume(&format!("Retry-After: {}\r\n", dice.within(-5, 90_000))),
        5 => page(u16::try_from(dice.within(200, 600)).unwrap()),
        6 => Does::Drops,
        7 => Does::Garbage,
        8 => Does::Writes(bytes(dice)),
        9 => {
            let head = format!(
                "HTTP/1.1 {} so\r\n\r\n",
                pick(dice, &["401", "200", "403", "500"])
            );
            Does::Writes([head.into_bytes(), bytes(dice)].concat())
        }
        10 if dice.happens(20) => Does::Hangs,
        // A code of death behind another status.
        11 => error(*pick(dice, &[&200, &400, &403, &404, &429, &500]), code),
        _ => Does::Says(401, String::new(), unproven(dice)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_sequence_of_faults_and_rubbish_ever_ends_in_a_death() {
    let ids: Vec<String> = (0..200).map(|n| format!("t{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut asking = Asking::start(&ids, "2027-12-01", MORNING).await;
    let asker = asking.asker();
    let mut dice = Dice(11);
    for (n, id) in ids.iter().enumerate() {
        // Some lived, some were told dead once, of some nothing was known.
        let first = [None, Some(alive(&["a"])), Some(error(401, "00105"))][n % 3].clone();
        if let Some(first) = first {
            asking.server.will([first]);
            ask(&mut asking, &asker, id).await;
        }
        let before = asking
            .town
            .store()
            .probed(id)
            .await
            .unwrap()
            .map(|p| p.known.suspicion);
        for _ in 0..dice.within(1, 6) {
            let does = fault(&mut dice);
            asking.server.will([does.clone()]);
            asking.server.pings(
                pick(
                    &mut dice,
                    &[
                        &ping("ok", None),
                        &page(200),
                        &error(503, "1"),
                        &Does::Drops,
                    ],
                )
                .clone(),
            );
            ask(&mut asking, &asker, id).await;
            let probed = asking.probed(id).await;
            let belief = probed.known.belief.map(|b| b.verdict.bearing());
            assert_ne!(belief, Some(Bearing::Dead), "{id} by {does:?}");
            // A right that is missing takes it back: the token was looked at.
            let suspicion = probed.known.suspicion;
            assert!(
                suspicion.is_none() || suspicion == before.flatten(),
                "{id} by {does:?}"
            );
            let last = probed.last.unwrap().case.verdict();
            let dead = [Verdict::Expired, Verdict::Revoked, Verdict::Unknown];
            assert!(!dead.contains(&last), "{id} by {does:?}");
        }
    }
    let notes = asking.town.notes().await;
    assert!(notes.is_empty(), "{notes:?}");
}

/// Asks two hours later, or when the service may be asked.
async fn ask(asking: &mut Asking, asker: &Asker, id: &str) {
    asking.town.now += Duration::hours(2);
    let rests = asking.town.store().service().await.unwrap().not_before;
    asking.town.now = asking.town.now.max(rests.unwrap_or(asking.town.now));
    let told = asker.ask_now(id, asking.town.now).await.unwrap();
    assert!(matches!(told, Told::Heard(_)), "{told:?}");
}
