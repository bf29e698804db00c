//! Runs a target on its seeds and on what becomes of them at random.
//!
//! A case is a seed file that was changed one to eight times: a bit or a byte changed, a stretch
//! cut, doubled, moved or taken from another seed, a word of the target's dictionary put in, a
//! number made extreme. Which changes follows from the run's number and the case's alone, so
//! `RUN:CASE` repeats a case. There is no feedback from coverage: the seeds and the dictionary
//! lead deep, and each target reads its bytes so that most changes stay meaningful.
//!
//! `JETOND_FUZZ_SECONDS`: for so long, instead of the number of cases a test has time for.
//! `JETOND_FUZZ_RUN`: another run. `JETOND_FUZZ_CASE=RUN:CASE`: that case only.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What is run.
pub(super) struct Target {
    /// The directory of its seeds.
    pub(super) name: &'static str,
    /// Words that mean something to it.
    pub(super) words: &'static [&'static [u8]],
    /// Cases in a test, some seconds of them unoptimised.
    pub(super) cases: u64,
    /// The longest input.
    pub(super) longest: usize,
}

impl Target {
    /// Runs cases; a failure is told with what repeats it, and its input is kept.
    pub(super) fn run(&self, mut one: impl FnMut(&[u8])) {
        let seeds = self.seeds();
        let asked = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
        if let Some(case) = asked("JETOND_FUZZ_CASE") {
            let (run, case) = case.split_once(':').expect("JETOND_FUZZ_CASE is RUN:CASE");
            let (run, case) = (run.parse().unwrap(), case.parse().unwrap());
            one(&self.input(&seeds, run, case));
            return;
        }
        let run = asked("JETOND_FUZZ_RUN").map_or(1, |run| run.parse().unwrap());
        let limit = asked("JETOND_FUZZ_SECONDS").map(|s| Duration::from_secs(s.parse().unwrap()));
        let started = Instant::now();
        let going = |case: u64| match limit {
            Some(limit) => started.elapsed() < limit,
            None => case < self.cases,
        };
        for seed in &seeds {
            self.try_one(&mut one, seed, "a seed as it is");
        }
        let mut case = 0;
        while going(case) {
            let input = self.input(&seeds, run, case);
            self.try_one(&mut one, &input, &format!("{run}:{case}"));
            case += 1;
        }
        if limit.is_some() {
            let name = self.name;
            let seconds = started.elapsed().as_secs();
            tell(&format!(
                "{name}: {case} executions in {seconds} s, run {run}, no failure"
            ));
        }
    }

    fn try_one(&self, one: &mut impl FnMut(&[u8]), input: &[u8], case: &str) {
        if let Err(panicked) = catch_unwind(AssertUnwindSafe(|| one(input))) {
            let name = self.name;
            let kept = kept(name, input);
            tell(&format!(
                "{name}: case {case} fails; its {} bytes are in {}\n\
                 repeat it with: tests/fuzz.sh {name} --case {case}",
                input.len(),
                kept.display()
            ));
            resume_unwind(panicked);
        }
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        let place = Path::new(env!("CARGO_MANIFEST_DIR"));
        let place = place.join("tests/it/fuzz/seeds").join(self.name);
        let mut files: Vec<PathBuf> = std::fs::read_dir(place)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        // The order of a directory is nobody's; a case must be the same everywhere.
        files.sort();
        assert!(!files.is_empty(), "{} has seeds", self.name);
        files.iter().map(|f| std::fs::read(f).unwrap()).collect()
    }

    /// The input of a case: a seed, changed.
    fn input(&self, seeds: &[Vec<u8>], run: u64, case: u64) -> Vec<u8> {
        let mut dice = Dice(run.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ case);
        let mut input = dice.one_of(seeds).clone();
        for _ in 0..=dice.below(8) {
            change(&mut input, &mut dice, seeds, self.words);
        }
        input.truncate(self.longest);
        input
    }
}

/// For the person at the terminal; a test that passes is not heard otherwise.
fn tell(line: &str) {
    let line = format!("{line}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

fn kept(name: &str, input: &[u8]) -> PathBuf {
    let place = std::env::temp_dir().join(format!("jetond-fuzz-{name}-{}", std::process::id()));
    std::fs::write(&place, input).unwrap();
    place
}

fn change(input: &mut Vec<u8>, dice: &mut Dice, seeds: &[Vec<u8>], words: &[&[u8]]) {
    let at = dice.below(input.len() + 1);
    let stretch = |dice: &mut Dice, length: usize| {
        let from = dice.below(length + 1);
        let most = (length - from).min(if dice.below(4) == 0 { length } else { 16 });
        from..from + dice.below(most + 1)
    };
    match dice.below(10) {
        0 | 1 if at < input.len() => input[at] ^= 1 << dice.below(8),
        2 if at < input.len() => input[at] = dice.byte(),
        3 if at < input.len() => input[at] = *dice.one_of(b"\0\x01\x7f\x80\xff\r\n .-<>@:09"),
        4 => {
            let gone = stretch(dice, input.len());
            input.drain(gone);
        }
        5 => {
            let again = input[stretch(dice, input.len())].to_vec();
            input.splice(at..at, again);
        }
        6 => {
            let other = dice.one_of(seeds);
            let taken = other[stretch(dice, other.len())].to_vec();
            input.splice(at..at, taken);
        }
        7 | 8 if !words.is_empty() => {
            let word = dice.one_of(words).to_vec();
            let over = if dice.below(2) == 0 { word.len() } else { 0 };
            let end = (at + over).min(input.len());
            input.splice(at..end, word);
        }
        _ => {
            let byte = dice.byte();
            let times = [1, 2, 70, 1000][dice.below(4)];
            input.splice(at..at, std::iter::repeat_n(byte, times));
        }
    }
}

/// Numbers that look random and follow from the first (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap();
        usize::try_from(self.next() % limit).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}
