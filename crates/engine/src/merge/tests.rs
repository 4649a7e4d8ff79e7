//! The merge by example, and its invariants on whatever is proposed.

use super::check::*;
use super::*;
use model::{
    PLANNED_DEPENDENCIES_MAX, PLANNED_FILES_MAX, PLANNED_INSTRUCTIONS_MAX, PLANNED_NAME_MAX,
    PLANNED_TASKS_MAX, PLANNED_TITLE_MAX, ParticipantId, PlanId, SessionId,
};
use proptest::prelude::*;

pub(super) fn agents(names: &[&str]) -> Vec<AgentName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn task(name: &str, files: &[&str], depends_on: &[&str], priority: i32) -> PlannedTask {
    PlannedTask {
        name: name.to_owned(),
        title: format!("Do {name}"),
        instructions: format!("how to do {name}"),
        files: files.iter().map(|file| file.parse().unwrap()).collect(),
        depends_on: depends_on.iter().map(|on| (*on).to_owned()).collect(),
        priority,
    }
}

pub(super) fn proposal(agent: &str, tasks: Vec<PlannedTask>) -> Proposal {
    let agent = agent.parse().unwrap();
    let (plan, session, participant) =
        (zero_id::<PlanId>("pln"), zero_id::<SessionId>("ses"), zero_id::<ParticipantId>("par"));
    Proposal { plan, session, participant, agent, tasks }
}

fn zero_id<I: std::str::FromStr>(prefix: &str) -> I
where
    I::Err: std::fmt::Debug,
{
    format!("{prefix}_{}", "0".repeat(32)).parse().unwrap()
}

fn shape(plan: &MergedPlan) -> Vec<(String, Vec<String>, Vec<String>)> {
    let files = |task: &MergedTask| task.files.iter().map(ToString::to_string).collect();
    let reviewers = |task: &MergedTask| task.reviewers.iter().map(ToString::to_string).collect();
    plan.tasks.iter().map(|task| (task.name.clone(), files(task), reviewers(task))).collect()
}

fn row(name: &str, files: &[&str], reviewers: &[&str]) -> (String, Vec<String>, Vec<String>) {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    (name.to_owned(), owned(files), owned(reviewers))
}

#[test]
fn disjoint_tasks_stay_as_they_are() {
    let plan = merge(
        &agents(&["claude", "kimi"]),
        &[
            proposal("kimi", vec![task("b", &["y"], &[], 0)]),
            proposal("claude", vec![task("a", &["x"], &[], 0)]),
        ],
    )
    .unwrap();
    assert_eq!(shape(&plan), [row("claude/a", &["x"], &[]), row("kimi/b", &["y"], &[])]);
    assert_eq!(plan.tasks[0].instructions, "how to do a");
    assert_eq!(plan.explanation, [] as [String; 0]);
}

#[test]
fn of_two_on_one_file_one_does_it_and_the_other_reviews_with_notes() {
    let plan = merge(
        &agents(&["claude", "gemini"]),
        &[
            proposal("claude", vec![task("fix", &["x"], &[], 0)]),
            proposal("gemini", vec![task("mend", &["x"], &[], 0)]),
        ],
    )
    .unwrap();
    assert_eq!(shape(&plan), [row("claude/fix", &["x"], &["gemini"])]);
    assert_eq!(plan.tasks[0].instructions, "how to do fix\n\nNotes of gemini/mend on `x`:\nhow to do mend");
    assert_eq!(
        plan.explanation,
        [
            "`x` is wanted by claude and gemini. claude does it, because it comes first in the list of agents; gemini reviews."
        ]
    );
}

#[test]
fn the_rule_is_load_then_files_then_priority_then_order() {
    let decided = |claude: Vec<PlannedTask>, kimi: Vec<PlannedTask>| {
        let plan = merge(&agents(&["claude", "kimi"]), &[proposal("claude", claude), proposal("kimi", kimi)])
            .unwrap();
        let owner = plan.tasks.iter().find(|task| task.files.iter().any(|f| f.as_str() == "x")).unwrap();
        (owner.assignee.to_string(), plan.explanation.join(" "))
    };
    let x = |priority| task("x", &["x"], &[], priority);
    let (owner, why) = decided(vec![task("own", &["o"], &[], 0), x(9)], vec![x(0)]);
    assert!(owner == "kimi" && why.contains("fewer tasks so far (0 against 1)"), "{why}");
    // A file nobody else wants makes a task sure, and so it counts.
    let (owner, why) = decided(vec![x(0)], vec![task("xz", &["x", "z"], &[], 9)]);
    assert!(owner == "claude" && why.contains("fewer tasks so far (0 against 1)"), "{why}");
    let two = vec![task("x", &["x"], &[], 0), task("y", &["y"], &[], 0)];
    let (owner, why) = decided(vec![task("xy", &["x", "y"], &[], 9)], two);
    assert!(owner == "kimi" && why.contains("names fewer files (1 against 2)"), "{why}");
    let (owner, why) = decided(vec![x(1)], vec![x(2)]);
    assert!(owner == "kimi" && why.contains("higher priority (2 against 1)"), "{why}");
    assert_eq!(decided(vec![x(1)], vec![x(1)]).0, "claude");
}

#[test]
fn tasks_on_the_same_files_are_not_torn_apart() {
    let plan = merge(
        &agents(&["claude", "gemini"]),
        &[
            proposal("claude", vec![task("t", &["a", "b", "c"], &[], 0)]),
            proposal("gemini", vec![task("t", &["c", "b", "a"], &[], 0)]),
        ],
    )
    .unwrap();
    assert_eq!(shape(&plan), [row("claude/t", &["a", "b", "c"], &["gemini"])]);
    // The same words need no notes.
    assert_eq!(plan.tasks[0].instructions, "how to do t");
}

#[test]
fn who_loses_one_file_keeps_the_others_and_is_told() {
    let plan = merge(
        &agents(&["claude", "gemini"]),
        &[
            proposal("claude", vec![task("t", &["a", "shared"], &[], 0)]),
            proposal("gemini", vec![task("u", &["b", "shared"], &[], 5)]),
        ],
    )
    .unwrap();
    assert_eq!(shape(&plan), [row("gemini/u", &["b", "shared"], &["claude"]), row("claude/t", &["a"], &[])]);
    assert!(plan.tasks[1].instructions.contains("Leave `shared` alone"), "{}", plan.tasks[1].instructions);
}

#[test]
fn one_agents_tasks_on_one_file_become_one() {
    let tasks = vec![task("first", &["x"], &[], 0), task("then", &["x"], &["first"], 0)];
    let plan = merge(&agents(&["claude"]), &[proposal("claude", tasks)]).unwrap();
    assert_eq!(shape(&plan), [row("claude/first", &["x"], &[])]);
    assert!(plan.tasks[0].instructions.ends_with("how to do then"));
    assert_eq!(plan.tasks[0].depends_on, [] as [String; 0]);
}

#[test]
fn tasks_without_files_collapse_when_they_say_the_same() {
    let plan = merge(
        &agents(&["claude", "kimi"]),
        &[
            proposal("kimi", vec![task("test", &[], &[], 0), task("b", &["b"], &["test"], 0)]),
            proposal("claude", vec![task("test", &[], &[], 0)]),
        ],
    )
    .unwrap();
    assert_eq!(shape(&plan), [row("claude/test", &[], &[]), row("kimi/b", &["b"], &[])]);
    assert_eq!(plan.tasks[1].depends_on, ["claude/test"]);
}

#[test]
fn order_is_by_dependency_then_priority_then_agent() {
    let plan = merge(
        &agents(&["claude", "kimi"]),
        &[
            proposal("claude", vec![task("late", &["a"], &["early"], 9), task("early", &["b"], &[], 0)]),
            proposal("kimi", vec![task("low", &["c"], &[], -1), task("high", &["d"], &[], 5)]),
        ],
    )
    .unwrap();
    let names: Vec<&str> = plan.tasks.iter().map(|task| task.name.as_str()).collect();
    assert_eq!(names, ["kimi/high", "claude/early", "claude/late", "kimi/low"]);
    assert_eq!(plan.tasks[2].depends_on, ["claude/early"]);
}

#[test]
fn a_cycle_that_only_the_merge_made_is_broken_and_explained() {
    // Each wants the other's second file first.
    let plan = merge(
        &agents(&["claude", "kimi"]),
        &[
            proposal("claude", vec![task("x", &["x"], &[], 1), task("y", &["y"], &["x"], 0)]),
            proposal("kimi", vec![task("y", &["y"], &[], 1), task("x", &["x"], &["y"], 0)]),
        ],
    )
    .unwrap();
    assert_eq!(shape(&plan), [row("kimi/y", &["y"], &["claude"]), row("claude/x", &["x"], &["kimi"])]);
    assert_eq!(plan.tasks[0].depends_on, [] as [String; 0]);
    assert_eq!(plan.tasks[1].depends_on, ["kimi/y"]);
    assert!(plan.explanation.last().unwrap().contains("would wait for each other"));
}

#[test]
fn what_one_agent_can_mend_is_refused_by_type() {
    let claude: AgentName = "claude".parse().unwrap();
    let refused = |tasks: Vec<PlannedTask>| check(&claude, &tasks).unwrap_err();
    let many: Vec<_> = (0..=PLANNED_TASKS_MAX).map(|i| task(&i.to_string(), &[], &[], 0)).collect();
    assert!(check(&claude, &many[1..]).is_ok());
    assert!(matches!(refused(many), MergeError::TooManyTasks { .. }));
    for name in ["", " x", "a\nb", &"n".repeat(PLANNED_NAME_MAX + 1)] {
        assert!(matches!(refused(vec![task(name, &[], &[], 0)]), MergeError::Name { .. }), "{name:?}");
    }
    assert!(matches!(
        refused(vec![task("a", &[], &[], 0), task("a", &[], &[], 0)]),
        MergeError::SameName { .. }
    ));
    assert!(matches!(refused(vec![task("a", &[], &["b"], 0)]), MergeError::UnknownDependency { .. }));
    let ring = refused(vec![task("a", &[], &["b"], 0), task("b", &[], &["a"], 0), task("c", &[], &["a"], 0)]);
    assert_eq!(
        ring,
        MergeError::Cycle { agent: claude.clone(), tasks: vec!["a".to_owned(), "b".to_owned()] }
    );
    assert!(matches!(refused(vec![task("a", &[], &["a"], 0)]), MergeError::Cycle { .. }));
    let base = task("a", &[], &[], 0);
    let files = (0..=PLANNED_FILES_MAX).map(|i| format!("f{i}").parse().unwrap()).collect();
    let named = |i: usize| format!("d{i}");
    for (what, long) in [
        ("files", PlannedTask { files, ..base.clone() }),
        (
            "dependencies",
            PlannedTask { depends_on: (0..=PLANNED_DEPENDENCIES_MAX).map(named).collect(), ..base.clone() },
        ),
        ("characters of title", PlannedTask { title: "é".repeat(PLANNED_TITLE_MAX + 1), ..base.clone() }),
        (
            "bytes of instructions",
            PlannedTask { instructions: "x".repeat(PLANNED_INSTRUCTIONS_MAX + 1), ..base },
        ),
    ] {
        assert!(matches!(refused(vec![long]), MergeError::TooMany { what: w, .. } if w == what), "{what}");
    }
}

#[test]
fn what_no_agent_can_mend_is_refused_too() {
    let known = agents(&["claude", "kimi"]);
    assert_eq!(merge(&known, &[]), Err(MergeError::Nothing));
    assert_eq!(merge(&known, &[proposal("claude", vec![])]), Err(MergeError::Nothing));
    let one = || proposal("kimi", vec![task("a", &[], &[], 0)]);
    assert!(matches!(merge(&known[..1], &[one()]), Err(MergeError::UnknownAgent(_))));
    assert!(matches!(merge(&known, &[one(), one()]), Err(MergeError::TwoProposals(_))));
    assert!(merge(&known, &[one()]).unwrap().explanation.contains(&"claude proposed no task.".to_owned()));
}

#[test]
fn notes_end_at_the_limit() {
    let names: Vec<String> = (0..6).map(|i| format!("a{i}")).collect();
    let known: Vec<AgentName> = names.iter().map(|name| name.parse().unwrap()).collect();
    let proposals: Vec<Proposal> = names
        .iter()
        .map(|name| {
            let instructions = format!("{name}{}", "é".repeat(PLANNED_INSTRUCTIONS_MAX / 2 - 1));
            proposal(name, vec![PlannedTask { instructions, ..task("t", &["x"], &[], 0) }])
        })
        .collect();
    let plan = merge(&known, &proposals).unwrap();
    let text = &plan.tasks[0].instructions;
    assert!(text.len() <= MERGED_INSTRUCTIONS_MAX && text.ends_with("[cut]"));
    assert_eq!(plan.tasks[0].reviewers.len(), 5);
}

/// Up to five agents with up to five tasks each on eight files; dependencies go back in the list,
/// so that each proposal is sound by itself.
fn any_proposals() -> impl Strategy<Value = Vec<Proposal>> {
    let any_task = (
        proptest::collection::btree_set(0u8..8, 0..4),
        proptest::collection::vec(any::<proptest::sample::Index>(), 0..3),
        -2i32..3,
        0u8..3,
    );
    let tasks = proptest::collection::vec(any_task, 0..6);
    proptest::collection::vec(tasks, 1..6).prop_map(|all| {
        all.into_iter()
            .enumerate()
            .map(|(a, tasks)| {
                let tasks = tasks.into_iter().enumerate().map(|(i, (files, on, priority, words))| {
                    let files: Vec<String> = files.iter().map(|f| format!("f{f}")).collect();
                    let files: Vec<&str> = files.iter().map(String::as_str).collect();
                    let on: BTreeSet<String> =
                        on.iter().filter(|_| i > 0).map(|on| format!("t{}", on.index(i))).collect();
                    let on: Vec<&str> = on.iter().map(String::as_str).collect();
                    let mut task = task(&format!("t{i}"), &files, &on, priority);
                    (task.title, task.instructions) = (words.to_string(), words.to_string());
                    task
                });
                proposal(&format!("agent{a}"), tasks.collect())
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn the_order_of_arrival_does_not_matter(
        (proposals, shuffled) in any_proposals().prop_flat_map(|p| (Just(p.clone()), Just(p).prop_shuffle()))
    ) {
        let known: Vec<AgentName> = proposals.iter().map(|p| p.agent.clone()).collect();
        prop_assert_eq!(merge(&known, &proposals), merge(&known, &shuffled));
    }

    #[test]
    fn every_file_has_one_task_and_every_dependency_comes_before(proposals in any_proposals()) {
        let known: Vec<AgentName> = proposals.iter().map(|p| p.agent.clone()).collect();
        let Ok(plan) = merge(&known, &proposals) else {
            prop_assert!(proposals.iter().all(|p| p.tasks.is_empty()));
            return Ok(());
        };
        let proposed: BTreeSet<&RepoPath> = proposals.iter().flat_map(|p| &p.tasks).flat_map(|t| &t.files).collect();
        let mut covered: Vec<&RepoPath> = plan.tasks.iter().flat_map(|t| &t.files).collect();
        covered.sort();
        prop_assert_eq!(covered, proposed.into_iter().collect::<Vec<_>>());
        let mut before = BTreeSet::new();
        for task in &plan.tasks {
            for on in &task.depends_on {
                prop_assert!(before.contains(on), "{} comes before {}", task.name, on);
            }
            prop_assert!(before.insert(task.name.clone()), "{} twice", task.name);
            prop_assert!(!task.reviewers.contains(&task.assignee));
            // Nobody is given a task that is not theirs.
            let (agent, name) = task.name.split_once('/').unwrap();
            prop_assert_eq!(agent, task.assignee.as_str());
            let own = proposals.iter().find(|p| p.agent == task.assignee).unwrap();
            prop_assert!(own.tasks.iter().any(|t| t.name == name && t.instructions == task.instructions.split("\n\n").next().unwrap()));
        }
        // Whoever wanted a file another does reviews it.
        for proposal in &proposals {
            for file in proposal.tasks.iter().flat_map(|t| &t.files) {
                let owner = plan.tasks.iter().find(|t| t.files.contains(file)).unwrap();
                prop_assert!(owner.assignee == proposal.agent || owner.reviewers.contains(&proposal.agent));
            }
        }
    }
}
