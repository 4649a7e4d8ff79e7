//! One measured figure, as it is printed.

use serde_json::{Map, Value, json};

#[derive(Clone, Debug)]
pub(crate) struct Row {
    bench: String,
    case: String,
    unit: &'static str,
    stat: &'static str,
    ours: Option<f64>,
    peers: Vec<(String, f64)>,
    /// What the figure may be at most.
    target: Option<f64>,
    note: String,
}

impl Row {
    pub(crate) fn new(bench: &str, case: &str, unit: &'static str, stat: &'static str, ours: f64) -> Row {
        let (bench, case) = (bench.to_owned(), case.to_owned());
        Row {
            bench,
            case,
            unit,
            stat,
            ours: Some(ours),
            peers: Vec::new(),
            target: None,
            note: String::new(),
        }
    }

    /// A case that could not run.
    pub(crate) fn missing(bench: &str, case: &str, why: &str) -> Row {
        let row = Row::new(bench, case, "", "", 0.0).note(why);
        Row { ours: None, ..row }
    }

    pub(crate) fn peer(mut self, name: &str, figure: Option<f64>) -> Row {
        self.peers.extend(figure.map(|figure| (name.to_owned(), figure)));
        self
    }

    pub(crate) fn at_most(mut self, target: f64) -> Row {
        self.target = Some(target);
        self
    }

    pub(crate) fn note(mut self, note: &str) -> Row {
        if !self.note.is_empty() && !note.is_empty() {
            self.note.push_str("; ");
        }
        self.note.push_str(note);
        self
    }

    /// Without a figure or a target there is nothing to be met.
    fn met(&self) -> Option<bool> {
        Some(self.ours? <= self.target?)
    }

    pub(crate) fn json(&self) -> String {
        let peers: Map<String, Value> =
            self.peers.iter().map(|(name, figure)| (name.clone(), round(*figure))).collect();
        let target = self.target.map(round);
        let note = match (self.ours, self.target) {
            (Some(_), None) => self.clone().note("no target").note,
            _ => self.note.clone(),
        };
        json!({
            "bench": self.bench,
            "case": self.case,
            "unit": self.unit,
            "stat": self.stat,
            "ours": self.ours.map(round),
            "peers": peers,
            "target": target,
            "met": self.met(),
            "note": note,
        })
        .to_string()
    }
}

/// Three digits that mean something, and no more; nothing for what has no end.
pub(crate) fn round(figure: f64) -> Value {
    if !figure.is_finite() {
        return Value::Null;
    }
    if figure.abs() >= 100.0 {
        return json!(figure.round() as i64);
    }
    let scale = if figure.abs() >= 10.0 { 10.0 } else { 1000.0 };
    json!((figure * scale).round() / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_one_object_in_the_agreed_order() {
        let row = Row::new("bus", "10x5_bcast", "us", "p99", 812.3)
            .peer("redis_pubsub", Some(537.2))
            .at_most(1_500.0);
        assert_eq!(
            row.json(),
            r#"{"bench":"bus","case":"10x5_bcast","unit":"us","stat":"p99","ours":812,"peers":{"redis_pubsub":537},"target":1500,"met":true,"note":""}"#
        );
    }

    #[test]
    fn what_could_not_run_is_neither_met_nor_missed() {
        let row: Value =
            serde_json::from_str(&Row::missing("daemon", "x", "no such program").json()).unwrap();
        assert_eq!((&row["met"], &row["ours"]), (&Value::Null, &Value::Null));
        assert_eq!(row["note"], "no such program");
    }

    #[test]
    fn a_target_is_a_ceiling() {
        let row = |ours| Row::new("b", "c", "ratio", "p50", ours);
        assert_eq!(row(1.3).at_most(1.2).met(), Some(false));
        assert_eq!(row(1.2).at_most(1.2).met(), Some(true));
        assert_eq!(row(1.3).met(), None);
    }
}
