//! The oracle: what the actors wrote down, judged without a look at the database.
//!
//! A lock is *certainly held* from the moment its grant came back until the release was begun, the holder
//! was killed, or the lease it was promised ended; all by the uptime the actors share. Nothing that happens in such an interval
//! may contradict it.

use crate::actor::FILES;
use bus::Pattern;
use std::collections::BTreeMap;
use std::path::Path;

/// A lock as its holder saw it.
#[derive(Debug, Clone)]
struct Tenure {
    holder: String,
    token: u64,
    exclusive: bool,
    advisory: bool,
    path: String,
    from: u64,
    until: u64,
    over: bool,
}

/// A granted lock that was not held before, for the order of tokens and of the queue.
#[derive(Debug)]
struct Grant {
    holder: String,
    token: u64,
    exclusive: bool,
    pattern: Pattern,
    called: u64,
    back: u64,
    /// When it joined the queue; 0 when it did not have to.
    queued: u64,
    /// The holder held nothing when it asked.
    free: bool,
}

/// A passed fencing check.
#[derive(Debug)]
struct Pass {
    token: u64,
    file: usize,
    began: u64,
    ended: u64,
}

#[derive(Debug, Default)]
pub(crate) struct History {
    tenures: Vec<Tenure>,
    grants: Vec<Grant>,
    passes: Vec<Pass>,
    pub(crate) counts: BTreeMap<String, usize>,
    pub(crate) violations: Vec<String>,
}

/// Operations an actor has finished, by its journal.
pub(crate) fn operations(journal: &Path) -> usize {
    let text = std::fs::read_to_string(journal).unwrap_or_default();
    text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase() && c != 'V')).count()
}

impl History {
    pub(crate) fn read(&mut self, journal: &Path) {
        let text = std::fs::read_to_string(journal).unwrap();
        // Where the tenures of the present holder begin.
        let mut born = self.tenures.len();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let number = |index: usize| words[index].parse::<u64>().unwrap();
            if matches!(words[0], "N" | "R") {
                *self.counts.entry(line.to_owned()).or_default() += 1;
            }
            *self.counts.entry(words[0].to_owned()).or_default() += 1;
            match words[0] {
                "A" => self.granted(born, &words),
                "E" => {
                    let bound = number(2);
                    self.tenure(born, number(1), |tenure| tenure.until = tenure.until.max(bound));
                }
                "L" | "r" => {
                    let at = number(2);
                    self.tenure(born, number(1), |tenure| tenure.end(at));
                }
                "k" => {
                    let at = number(1);
                    self.tenures[born..].iter_mut().for_each(|tenure| tenure.end(at));
                    born = self.tenures.len();
                }
                "W" => self.passes.push(Pass {
                    token: number(1),
                    file: usize::try_from(number(2)).unwrap(),
                    began: number(3),
                    ended: number(4),
                }),
                "V" => self.violations.push(line.to_owned()),
                _ => {}
            }
        }
    }

    fn tenure(&mut self, born: usize, token: u64, change: impl FnOnce(&mut Tenure)) {
        let found = self.tenures[born..].iter_mut().rev().find(|tenure| tenure.token == token);
        if let Some(tenure) = found.filter(|tenure| !tenure.over) {
            change(tenure);
        }
    }

    /// `A holder call back bound queued free token,mode,path,fresh…`
    fn granted(&mut self, born: usize, words: &[&str]) {
        let number = |index: usize| words[index].parse::<u64>().unwrap();
        let (called, back, bound, queued, free) = (number(2), number(3), number(4), number(5), number(6));
        for lock in &words[7..] {
            let parts: Vec<&str> = lock.split(',').collect();
            let token: u64 = parts[0].parse().unwrap();
            if parts[3] == "0" {
                self.tenure(born, token, |tenure| tenure.until = tenure.until.max(bound));
                continue;
            }
            let exclusive = parts[1] == "exclusive";
            if exclusive {
                // The holder's own shared lock on the path is gone with an upgrade.
                for tenure in &mut self.tenures[born..] {
                    if tenure.path == parts[2] && !tenure.exclusive && !tenure.advisory {
                        tenure.end(called);
                    }
                }
            }
            self.tenures.push(Tenure {
                holder: words[1].to_owned(),
                token,
                exclusive,
                advisory: parts[1] == "advisory",
                path: parts[2].to_owned(),
                from: back,
                until: bound,
                over: false,
            });
            if parts[1] != "advisory" {
                let (holder, pattern) = (words[1].to_owned(), Pattern::parse(parts[2]).unwrap());
                self.grants.push(Grant {
                    holder,
                    token,
                    exclusive,
                    pattern,
                    called,
                    back,
                    queued,
                    free: free == 1,
                });
            }
        }
    }

    pub(crate) fn judge(&mut self) {
        self.tokens_rise();
        self.one_writer_at_a_time();
        self.nobody_overtakes();
    }

    /// A token that was handed out before another was asked for is the lower one; none comes twice.
    fn tokens_rise(&mut self) {
        self.grants.sort_by_key(|grant| grant.token);
        let mut latest_call = 0;
        for pair in self.grants.windows(2) {
            if pair[0].token == pair[1].token {
                self.violations.push(format!("token twice: {pair:?}"));
            }
            latest_call = latest_call.max(pair[0].called);
            if pair[1].back < latest_call {
                self.violations
                    .push(format!("a higher token came before a lower one was asked for: {pair:?}"));
            }
        }
    }

    fn one_writer_at_a_time(&mut self) {
        let mut found = Vec::new();
        for (index, file) in FILES.iter().enumerate() {
            let mut on: Vec<&Tenure> = self
                .tenures
                .iter()
                .filter(|t| !t.advisory && t.from < t.until && Pattern::parse(&t.path).unwrap().matches(file))
                .collect();
            on.sort_by_key(|tenure| tenure.from);
            found.extend(held_twice(file, &on));
            on.retain(|tenure| tenure.exclusive);
            found.extend(self.passed_wrongly(index, &on));
        }
        self.violations.extend(found);
    }

    /// Passed checks that fall whole into the time another certainly held the file; `exclusive` by its beginning.
    fn passed_wrongly(&self, file: usize, exclusive: &[&Tenure]) -> Vec<String> {
        let mut passes: Vec<&Pass> = self.passes.iter().filter(|pass| pass.file == file).collect();
        passes.sort_by_key(|pass| pass.began);
        let mut found = Vec::new();
        let mut open: Vec<&Tenure> = Vec::new();
        let mut next = exclusive.iter().copied().peekable();
        for pass in passes {
            while let Some(tenure) = next.next_if(|tenure| tenure.from <= pass.began) {
                open.push(tenure);
            }
            open.retain(|tenure| tenure.until >= pass.began);
            for tenure in open.iter().filter(|tenure| tenure.until >= pass.ended) {
                if tenure.token != pass.token && !self.same_holder(tenure, pass.token) {
                    found.push(format!("{pass:?} passed while {tenure:?} was certainly held"));
                }
            }
        }
        found
    }

    fn same_holder(&self, tenure: &Tenure, token: u64) -> bool {
        self.tenures.iter().any(|other| other.token == token && other.holder == tenure.holder)
    }

    /// Whoever was in line before another even asked has the lower token, when the two conflict. The other held
    /// nothing: who is waited for may go ahead.
    fn nobody_overtakes(&mut self) {
        let mut found = Vec::new();
        self.grants.sort_by_key(|grant| grant.called);
        for waited in self.grants.iter().filter(|grant| grant.queued > 0) {
            let first = self.grants.partition_point(|grant| grant.called <= waited.queued);
            for grant in self.grants[first..].iter().take_while(|grant| grant.called < waited.back) {
                if grant.free
                    && grant.token < waited.token
                    && grant.holder != waited.holder
                    && (grant.exclusive || waited.exclusive)
                    && grant.pattern.overlaps(&waited.pattern)
                {
                    found.push(format!("{grant:?} overtook {waited:?}"));
                }
            }
        }
        self.violations.extend(found);
    }

    pub(crate) fn count(&self, what: &str) -> usize {
        self.counts.get(what).copied().unwrap_or(0)
    }

    pub(crate) fn waited(&self) -> usize {
        self.grants.iter().filter(|grant| grant.queued > 0).count()
    }
}

/// Conflicting tenures of two holders at one time; `on` by its beginning.
fn held_twice(file: &str, on: &[&Tenure]) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Vec<&Tenure> = Vec::new();
    for tenure in on {
        open.retain(|other| other.until > tenure.from);
        for other in &open {
            if other.holder != tenure.holder && (other.exclusive || tenure.exclusive) {
                found.push(format!("{file} certainly held twice: {other:?} and {tenure:?}"));
            }
        }
        open.push(tenure);
    }
    found
}

impl Tenure {
    fn end(&mut self, at: u64) {
        self.until = self.until.min(at);
        self.over = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(lines: &[&str]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let mut history = History::default();
        // One journal per holder.
        for holder in ["h1", "h2"] {
            let own: Vec<&str> =
                lines.iter().filter_map(|line| line.strip_prefix(holder)).map(str::trim).collect();
            let path = dir.path().join(holder);
            std::fs::write(&path, own.join("\n")).unwrap();
            history.read(&path);
        }
        history.judge();
        history.violations
    }

    #[test]
    fn the_oracle_sees_two_holders() {
        let fine = [
            "h1 A h1 10 11 90 0 1 5,exclusive,d/0,1",
            "h1 r 5 50",
            "h2 A h2 40 60 99 45 1 6,exclusive,d/0,1",
        ];
        assert!(judge(&fine).is_empty());
        let early = ["h1 A h1 10 11 90 0 1 5,exclusive,d/0,1", "h2 A h2 40 60 99 45 1 6,exclusive,d/*,1"];
        assert_eq!(judge(&early).len(), 1);
        let reader = ["h1 A h1 10 11 90 0 1 5,exclusive,d/0,1", "h2 A h2 40 60 99 45 1 6,shared,d/0,1"];
        assert_eq!(judge(&reader).len(), 1);
        let expired = ["h1 A h1 10 11 50 0 1 5,exclusive,d/0,1", "h2 A h2 40 60 99 45 1 6,exclusive,d/0,1"];
        assert!(judge(&expired).is_empty());
        let killed =
            ["h1 A h1 10 11 90 0 1 5,exclusive,d/0,1", "h1 k 30", "h2 A h2 40 60 99 45 1 6,exclusive,d/0,1"];
        assert!(judge(&killed).is_empty());
        let renewed = [
            "h1 A h1 10 11 50 0 1 5,exclusive,d/0,1",
            "h1 E 5 80",
            "h2 A h2 40 60 99 45 1 6,exclusive,d/0,1",
        ];
        assert_eq!(judge(&renewed).len(), 1);
    }

    #[test]
    fn the_oracle_sees_a_check_that_should_not_have_passed() {
        let grants = ["h1 A h1 10 11 20 0 1 5,exclusive,d/0,1", "h2 A h2 30 31 99 0 1 6,exclusive,d/0,1"];
        assert!(judge(&[grants[0], "h1 W 5 0 12 13", grants[1]]).is_empty());
        assert_eq!(judge(&[grants[0], grants[1], "h1 W 5 0 40 41"]).len(), 1);
    }

    #[test]
    fn the_oracle_sees_tokens_out_of_order_and_overtaking() {
        let back = ["h1 A h1 10 11 20 0 1 6,exclusive,d/0,1", "h2 A h2 30 31 40 0 1 5,exclusive,d/1,1"];
        assert_eq!(judge(&back).len(), 1);
        let twice = ["h1 A h1 10 11 20 0 1 6,exclusive,d/0,1", "h2 A h2 30 31 40 0 1 6,exclusive,d/1,1"];
        assert_eq!(judge(&twice).len(), 1);
        let overtaken = [
            "h1 A h1 10 50 60 12 1 6,exclusive,d/0,1",
            "h2 A h2 20 21 40 0 1 5,exclusive,d/0,1",
            "h2 r 5 22",
        ];
        assert_eq!(judge(&overtaken).len(), 1);
    }
}
