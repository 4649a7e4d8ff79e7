//! Two texts side by side, for a person who is asked whether to write the second.

/// Most lines that are shown.
const LINES_MAX: usize = 200;
/// Lines around a change.
const AROUND: usize = 2;
/// Beyond this much work the whole middle is shown as changed.
const WORK_MAX: usize = 4_000_000;

/// Changed lines with `-` and `+`, and two lines around them.
pub(super) fn lines(before: &str, after: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - same;
    let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let mut all: Vec<(char, &str)> = old[..same].iter().map(|line| (' ', *line)).collect();
    all.extend(middle(&old[same..old.len() - tail], &new[same..new.len() - tail]));
    all.extend(old[old.len() - tail..].iter().map(|line| (' ', *line)));
    shown(&all)
}

fn middle<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    let replaced = || {
        let gone = old.iter().map(|line| ('-', *line));
        gone.chain(new.iter().map(|line| ('+', *line))).collect()
    };
    if old.len() * new.len() > WORK_MAX {
        return replaced();
    }
    // Longest common subsequence of what begins at each pair.
    let width = new.len() + 1;
    let mut common = vec![0u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = match old[i] == new[j] {
                true => common[(i + 1) * width + j + 1] + 1,
                false => common[(i + 1) * width + j].max(common[i * width + j + 1]),
            };
        }
    }
    let (mut i, mut j, mut all) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            all.push((' ', old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j < new.len() && (i == old.len() || common[i * width + j + 1] > common[(i + 1) * width + j])
        {
            all.push(('+', new[j]));
            j += 1;
        } else {
            all.push(('-', old[i]));
            i += 1;
        }
    }
    all
}

fn shown(all: &[(char, &str)]) -> String {
    let near = |at: usize| {
        let (from, to) = (at.saturating_sub(AROUND), (at + AROUND + 1).min(all.len()));
        all[from..to].iter().any(|(mark, _)| *mark != ' ')
    };
    let (mut out, mut gap, mut count) = (Vec::new(), false, 0);
    for (at, (mark, line)) in all.iter().enumerate() {
        if !near(at) {
            gap = true;
            continue;
        }
        if std::mem::take(&mut gap) {
            out.push("  …".to_owned());
        }
        count += 1;
        if count > LINES_MAX {
            out.push("  … and more".to_owned());
            break;
        }
        out.push(format!("{mark} {line}"));
    }
    out.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_is_shown_with_its_neighbours() {
        let before = "a\nb\nc\nd\ne\nf\n";
        assert_eq!(lines(before, "a\nb\nc\nd\nX\ne\nf\n"), "  …\n  c\n  d\n+ X\n  e\n  f");
        assert_eq!(lines("", "x\ny\n"), "+ x\n+ y");
        assert_eq!(lines("x\n", ""), "- x");
        assert_eq!(lines("1\n2\n3\n", "1\nB\n3\n"), "  1\n- 2\n+ B\n  3");
    }

    #[test]
    fn a_long_difference_is_cut() {
        let long = "x\n".repeat(LINES_MAX * 2);
        let shown = lines("", &long);
        assert_eq!(shown.lines().count(), LINES_MAX + 1);
        assert!(shown.ends_with("and more"));
    }
}
