//! Where a list of sessions goes on, as text that faces hand out and take back.
//!
//! Invariant: a place is good only for a list in the order it was made for.

use model::Refusal;
use store::{SessionFilter, SessionMark, SessionSort, SortValue};

/// Longest one that is looked at, in bytes.
const CURSOR_MAX: usize = 2 * 1024;

/// The place as text.
pub(crate) fn text(filter: &SessionFilter, mark: &SessionMark) -> String {
    let mut text = format!("{}.{}.", order(filter), mark.seq);
    match &mark.value {
        SortValue::Number(number) => text.push_str(&number.to_string()),
        SortValue::Text(title) => title.bytes().for_each(|byte| text.push_str(&format!("{byte:02x}"))),
    }
    text
}

/// The place a text stands for, in the list the filter asks for.
pub(crate) fn mark(filter: &SessionFilter, text: &str) -> Result<SessionMark, Refusal> {
    let malformed = || {
        Refusal::invalid("cursor_malformed", "that is no place of a list of sessions")
            .hint("give `next` of the page before, as it was")
    };
    if text.len() > CURSOR_MAX {
        return Err(malformed());
    }
    let mut parts = text.splitn(3, '.');
    let (Some(made_for), Some(seq), Some(value)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(malformed());
    };
    if made_for != order(filter) {
        let known = SORTS.iter().any(|(letter, _)| made_for.starts_with(*letter)) && made_for.len() == 2;
        return Err(match known {
            false => malformed(),
            true => Refusal::invalid("cursor_of_another_order", "the page before was sorted in another way")
                .hint("keep `sort` and `ascending` as they were, or begin anew without a cursor"),
        });
    }
    let value = match filter.sort {
        SessionSort::Title => SortValue::Text(unhexed(value).ok_or_else(malformed)?),
        _ => SortValue::Number(value.parse().map_err(|_| malformed())?),
    };
    Ok(SessionMark { value, seq: seq.parse().map_err(|_| malformed())? })
}

const SORTS: [(char, SessionSort); 4] = [
    ('c', SessionSort::Created),
    ('u', SessionSort::Updated),
    ('t', SessionSort::Title),
    ('m', SessionSort::Cost),
];

fn order(filter: &SessionFilter) -> String {
    let letter = SORTS.iter().find(|(_, sort)| *sort == filter.sort).map_or('c', |(letter, _)| *letter);
    format!("{letter}{}", if filter.ascending { 'a' } else { 'd' })
}

fn unhexed(text: &str) -> Option<String> {
    let digits = text.as_bytes();
    if digits.len() % 2 == 1 {
        return None;
    }
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    String::from_utf8(digits.chunks(2).map(byte).collect::<Option<Vec<u8>>>()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(sort: SessionSort, ascending: bool) -> SessionFilter {
        SessionFilter { sort, ascending, ..SessionFilter::default() }
    }

    #[test]
    fn a_place_comes_back_as_it_went_and_only_into_its_own_list() {
        let title = SortValue::Text("ä. [x]".to_owned());
        let places = [
            (SessionSort::Created, SortValue::Number(7)),
            (SessionSort::Updated, SortValue::Number(-1)),
            (SessionSort::Title, title),
            (SessionSort::Cost, SortValue::Number(i64::MAX)),
        ];
        for (sort, value) in places {
            let place = SessionMark { value, seq: 42 };
            for ascending in [false, true] {
                let text = text(&filter(sort, ascending), &place);
                assert_eq!(mark(&filter(sort, ascending), &text), Ok(place.clone()), "{text}");
                let other = mark(&filter(sort, !ascending), &text).unwrap_err();
                assert_eq!(other.code, "cursor_of_another_order");
            }
        }
    }

    #[test]
    fn what_is_no_place_is_called_malformed() {
        let long = "c".repeat(CURSOR_MAX + 1);
        for bad in ["", "cd", "cd.1", "cd.x.1", "cd.1.x", "xx.1.1", "ses_018f", &long] {
            let refusal = mark(&filter(SessionSort::Created, false), bad).unwrap_err();
            assert_eq!(refusal.code, "cursor_malformed", "{bad}");
        }
        for bad in ["td.1.6", "td.1.zz", "td.1.ff", "td.1.ää"] {
            let refusal = mark(&filter(SessionSort::Title, false), bad).unwrap_err();
            assert_eq!(refusal.code, "cursor_malformed", "{bad}");
        }
    }
}
