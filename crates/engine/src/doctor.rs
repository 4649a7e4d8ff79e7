//! Doctor: what could be wrong on this machine, and what to do about it.

use crate::Engine;
use crate::engine::Shared;
use model::{AgentName, Isolation, TurnOutcome};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Ok,
    Warning,
    Error,
}

#[derive(Debug, Clone)]
pub struct Finding {
    pub severity: Severity,
    /// `snake_case`, stable.
    pub check: &'static str,
    pub message: String,
    pub hint: Option<String>,
}

/// How agents' programs failed in their last turns, since the daemon was started. What went well since is not among it.
#[derive(Default)]
pub(crate) struct Failures {
    last: Mutex<BTreeMap<AgentName, (String, String)>>,
}

impl Failures {
    /// A turn of the agent has ended so. What is not about its program changes nothing.
    pub(crate) fn note(&self, agent: &AgentName, outcome: &TurnOutcome) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            TurnOutcome::Completed { .. } => drop(last.remove(agent)),
            TurnOutcome::Failed { code, message } if is_the_programs(code) => {
                last.insert(agent.clone(), (code.clone(), message.clone()));
            }
            TurnOutcome::Failed { .. } | TurnOutcome::Canceled => {}
        }
    }

    fn findings(&self) -> Vec<Finding> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let finding = |(agent, (code, message)): (&AgentName, &(String, String))| Finding {
            severity: Severity::Warning,
            check: "agent_turn",
            message: format!("the last turn of {agent} failed ({code}): {message}"),
            hint: Some(format!("mend that; it is gone from here when a turn of {agent} goes well")),
        };
        last.iter().map(finding).collect()
    }
}

/// Whether a failure with this code says something about the agent's program.
fn is_the_programs(code: &str) -> bool {
    code.starts_with("vendor_") || matches!(code, "agent_command_missing" | "crashed" | "stalled")
}

impl Engine {
    /// Looks at everything a turn needs.
    pub async fn doctor(&self) -> Vec<Finding> {
        let mut findings = self.agents_found();
        findings.extend(self.shared.failures.findings());
        findings.extend(self.shared.bridge.finding());
        findings.extend(self.shared.held.reasons().into_iter().map(|reason| Finding {
            severity: Severity::Warning,
            check: "work_held",
            message: format!("work waits: {}", reason.message),
            hint: reason.hint,
        }));
        findings.extend(self.agents().into_iter().filter_map(|agent| {
            agent.paused.map(|pause| Finding {
                severity: Severity::Warning,
                check: "vendor_paused",
                message: format!("{} works again at {}: {}", agent.name, pause.until, pause.reason),
                hint: Some(format!("`coditect agent resume {}` tries before", pause.vendor.as_str())),
            })
        }));
        let looked = self.shared.blocking(|shared| Ok(look(shared))).await;
        findings.extend(looked.unwrap_or_else(|error| vec![bad("doctor", error.to_string(), None)]));
        findings
    }

    fn agents_found(&self) -> Vec<Finding> {
        let agents = self.agents();
        if agents.is_empty() {
            return vec![bad("agents", "no agent is configured".into(), Some("add one to config.json"))];
        }
        let finding = |agent: crate::AgentView| {
            if agent.api_key_env.is_empty() {
                good("agent_key", format!("{} ({}) uses its program's own login", agent.name, agent.model))
            } else if agent.key_present {
                good("agent_key", format!("{} ({}) has its key", agent.name, agent.model))
            } else {
                Finding {
                    severity: Severity::Warning,
                    check: "agent_key",
                    message: format!("{} cannot work: {} is not set", agent.name, agent.api_key_env),
                    hint: Some(format!("set {} and run `coditect daemon restart`", agent.api_key_env)),
                }
            }
        };
        let (programs, unpriced, uncounted) = (self.programs(), self.unpriced(), self.uncounted());
        agents.into_iter().map(finding).chain(programs).chain(unpriced).chain(uncounted).collect()
    }

    /// Whether the programs are there that agents are driven by.
    fn programs(&self) -> Vec<Finding> {
        let (snapshot, path) = (self.config(), self.shared.env("PATH").unwrap_or_default());
        let look = |(name, agent): (&model::AgentName, &crate::AgentConfig)| {
            let usual = agent::usual(agent.driver, agent.vendor);
            let program = agent.command.first().cloned().or_else(|| Some(usual?.as_str().to_owned()));
            if agent.driver == model::Driver::Native {
                return None;
            }
            let Some(program) = program else {
                let message = format!("{name} has no program: its driver knows none for its vendor");
                return Some(bad("agent_program", message, Some("name it in agents.<name>.command")));
            };
            Some(match agent::find(&program, &path) {
                Some(found) => good("agent_program", format!("{name} is driven by {}", found.display())),
                None => Finding {
                    severity: Severity::Warning,
                    check: "agent_program",
                    message: format!("{name} cannot work: {program} is not found"),
                    hint: Some(usual.map_or_else(
                        || format!("mend agents.{name}.command"),
                        |cli| format!("{}, or name it in agents.{name}.command", agent::update_hint(cli)),
                    )),
                },
            })
        };
        snapshot.config.agents.iter().filter_map(look).collect()
    }

    /// Agents whose programs do not say, or may not say, what they use: budgets see less of them than there is.
    fn uncounted(&self) -> Vec<Finding> {
        let snapshot = self.config();
        let unseen = |(name, agent): (&model::AgentName, &crate::AgentConfig)| {
            let told = match agent::driven_by(agent.driver, agent.vendor, &agent.command) {
                _ if agent.driver != model::Driver::Acp => return None,
                Some(agent::Cli::Kimi) => "tells at the end of a turn how full its context is, and no more",
                Some(_) => return None,
                None => {
                    "may not tell what it uses; then what it was told and said itself is counted, four bytes a token"
                }
            };
            let severity = if snapshot.config.budgets.is_set() { Severity::Warning } else { Severity::Ok };
            Some(Finding {
                severity,
                check: "agent_usage",
                message: format!("{name}'s program {told}: budgets see less than it uses"),
                hint: Some(format!(
                    "set budgets.agents.{name}.day_tokens lower by as much, or bound it at its vendor"
                )),
            })
        };
        snapshot.config.agents.iter().filter_map(unseen).collect()
    }

    /// Agents of which nobody says what they cost: budgets in dollars do not see them.
    fn unpriced(&self) -> Vec<Finding> {
        let snapshot = self.config();
        let unknown = |(name, agent): (&model::AgentName, &crate::AgentConfig)| {
            // This one says itself what its answers cost.
            let says = agent.driver == model::Driver::Claude;
            let known = says || llm::price_of(agent.vendor, &agent.model, 0).is_some();
            (!known).then(|| Finding {
                severity: Severity::Warning,
                check: "agent_price",
                message: format!(
                    "no price is known for {} of {name}: its costs count as nothing, also for budgets in dollars",
                    agent.model
                ),
                hint: Some("set a budget of tokens (budgets.day_tokens), which needs no price".to_owned()),
            })
        };
        snapshot.config.agents.iter().filter_map(unknown).collect()
    }
}

fn look(shared: &Shared) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.push(match shared.git.version() {
        Ok(version) => good("git", version),
        Err(error) => bad("git", error.to_string(), Some("install git 2.32 or newer")),
    });
    findings.push(match shared.store.stopped() {
        None => good("store", format!("{} events", shared.store.durable().seq)),
        Some(reason) => bad("store", reason, Some("run `coditect daemon restart`")),
    });
    let archive = shared.store.archive_position();
    findings.push(match archive.stopped {
        None => good("archive", format!("session logs are at {}", archive.position)),
        Some(reason) => bad("archive", reason, Some("run `coditect daemon restart`")),
    });
    let sides = shared.store.side_position();
    findings.push(match sides.stopped {
        None => {
            let behind = shared.store.durable().seq.saturating_sub(sides.position.seq);
            good(
                "sides",
                format!("agent_metrics.db and others are at {}, {behind} events behind", sides.position),
            )
        }
        Some(reason) => {
            bad("sides", reason, Some("run `coditect daemon restart`; they are made anew from the journal"))
        }
    });
    findings.push(match shared.bus.locks(None) {
        Ok(locks) => good("bus", format!("{} locks held", locks.len())),
        Err(error) => bad("bus", error.to_string(), Some("run `coditect daemon restart`")),
    });
    findings.push(sandbox(shared));
    let dropped = shared.bus.outbox_dropped().unwrap_or(0);
    if dropped > 0 {
        let message = format!("{dropped} events of the bus were dropped while no daemon took them");
        findings.push(bad("outbox", message, Some("keep a daemon running where history matters")));
    }
    findings.extend(crate::checkpoint::look::findings(shared));
    findings.extend(shared.radar.findings());
    match shared.store.read(|view| view.repos()) {
        Ok(repos) => findings.extend(repos.into_iter().map(|repo| {
            match shared.git.open(std::path::Path::new(&repo.path)) {
                Ok(_) => good("repo", format!("{} is at {}", repo.slug, repo.path)),
                Err(error) => bad(
                    "repo",
                    format!("{}: {error}", repo.slug),
                    Some("move it back or run `coditect repo rm`"),
                ),
            }
        })),
        Err(error) => findings.push(bad("repos", error.to_string(), Some("run `coditect data rebuild`"))),
    }
    findings
}

/// What can hold a sandbox here. Nothing is an error only when an agent is to have one.
fn sandbox(shared: &Shared) -> Finding {
    let report = shared.fences();
    let agents = shared.config.snapshot();
    let mut wanting = agents.config.agents.iter().filter(|(_, agent)| agent.isolation == Isolation::Sandbox);
    match (&report.bubblewrap, report.best(), wanting.next()) {
        (Err(why), Some(mechanism), _) => good("sandbox", format!("held by {} ({why})", mechanism.as_str())),
        (_, Some(mechanism), _) => good("sandbox", format!("held by {}", mechanism.as_str())),
        (_, None, Some((name, agent))) => {
            let what = if agent.sandbox_required { "cannot work" } else { "works UNSANDBOXED" };
            bad(
                "sandbox",
                format!("{name} {what}: {}", report.failure()),
                Some("install bubblewrap, or a kernel with Landlock"),
            )
        }
        (_, None, None) => Finding {
            severity: Severity::Warning,
            check: "sandbox",
            message: format!("no agent could be sandboxed here: {}", report.failure()),
            hint: Some("install bubblewrap if you want to set `isolation` to `sandbox`".to_owned()),
        },
    }
}

fn good(check: &'static str, message: String) -> Finding {
    Finding { severity: Severity::Ok, check, message, hint: None }
}

fn bad(check: &'static str, message: String, hint: Option<&str>) -> Finding {
    Finding { severity: Severity::Error, check, message, hint: hint.map(str::to_owned) }
}
