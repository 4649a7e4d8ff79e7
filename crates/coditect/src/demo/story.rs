//! The story: what the demo asks for, and how it follows what becomes of it.
//!
//! Invariant: everything asked for has a key of its own, so that asking again after a daemon's death does
//! nothing twice.

use super::models::AGENTS;
use super::sample::{PROMPT, Sample};
use super::stage::{Stage, complaint, is_passing};
use super::teller::Teller;
use crate::output::Complaint;
use client::{Client, ClientError, EventStream, StreamItem};
use model::{AgentName, Event, PlanId, PlanState, TaskState};
use protocol::ws::{Feed, ServerMessage, Subscription};
use protocol::{Cursor, ExitClass, NewAnswer, NewPlan, NewRepo, NewSession, Plan};
use std::time::Duration;
use tokio::time::Instant;

/// Longest demo. It takes some ten seconds when nobody kills its daemon.
const STORY_MAX: Duration = Duration::from_secs(600);
/// Pause before the stream is made anew.
const NAP: Duration = Duration::from_millis(100);
/// How the sample's tests are run.
const TEST_COMMAND: [&str; 2] = ["node", "--test"];
/// How long a question waits for somebody at the page.
const LEFT_TO_THE_USER: Duration = Duration::from_secs(60);
const TITLE: &str = "Make the tests of stint pass";
/// What every question is answered with.
const ANSWER: &str = "Yes, take it.";

/// Registers the sample, seats the agents, and lets them begin.
pub(crate) async fn begin(stage: &mut Stage<'_>, sample: &Sample) -> Result<PlanId, Complaint> {
    let new = NewRepo {
        path: sample.path().display().to_string(),
        slug: Some("stint".to_owned()),
        test_command: Some(TEST_COMMAND.map(str::to_owned).to_vec()),
    };
    let repo = stage.steadily(async |client| client.add_repo(&new, Some("demo-repo")).await).await?;
    let agents: Vec<AgentName> = AGENTS.iter().filter_map(|(name, ..)| name.parse().ok()).collect();
    let new = NewSession {
        title: TITLE.to_owned(),
        repo: Some(repo.id.to_string()),
        agents,
        ..NewSession::default()
    };
    let session =
        stage.steadily(async |client| client.create_session(&new, Some("demo-session")).await).await?;
    let id = session.id.to_string();
    let new = NewPlan { prompt: PROMPT.to_owned(), ..NewPlan::default() };
    let plan = stage.steadily(async |client| client.coordinate(&id, &new, Some("demo-plan")).await).await?;
    Ok(plan.id)
}

/// Follows the events until the plan has ended; gives the plan as it is then.
pub(crate) async fn follow(
    stage: &mut Stage<'_>,
    plan: &PlanId,
    teller: &mut Teller,
) -> Result<Plan, Complaint> {
    let telling = tell(stage, plan, teller);
    let late = Complaint::new(ExitClass::TimedOut, "timed_out", "the agents are not done after ten minutes");
    tokio::time::timeout(STORY_MAX, telling).await.unwrap_or(Err(late))?;
    let id = plan.to_string();
    Ok(stage.steadily(async |client| client.plan(&id).await).await?.value)
}

async fn tell(stage: &mut Stage<'_>, plan: &PlanId, teller: &mut Teller) -> Result<(), Complaint> {
    let mut stream = watch(stage.client(), Some(Cursor::START));
    let mut asked: Option<Asked> = None;
    loop {
        let late = asked.as_ref().map_or_else(far, |asked| asked.until);
        let item = tokio::select! {
            item = stream.next() => item,
            () = tokio::time::sleep_until(late), if asked.is_some() => {
                if let Some(Asked { task, turn, .. }) = asked.take() {
                    answer(stage, &task, &turn).await?;
                }
                continue;
            }
            restarts = stage.restarted() => {
                teller.restarted(restarts?);
                continue;
            }
        };
        let message = match item {
            Ok(StreamItem::Message(message)) => *message,
            Ok(StreamItem::Resumed) => continue,
            Err(error) if is_passing(&error) => {
                tokio::time::sleep(NAP).await;
                stream = watch(stage.client(), stream.cursor());
                continue;
            }
            Err(error) => return Err(complaint(&error)),
        };
        let over = match message {
            ServerMessage::Event(record) => {
                let Ok(event) = record.event() else { continue };
                teller.tell(&event);
                react(stage, plan, &event, teller, &mut asked).await?
            }
            ServerMessage::Reset(_) => look_again(stage, plan).await?,
            _ => false,
        };
        if over {
            return Ok(());
        }
    }
}

fn watch(client: &Client, after: Option<Cursor>) -> EventStream {
    client.watch(Subscription { after, session: None, feeds: vec![Feed::Events], client: None }, None)
}

/// A question that is left to whoever looks at the page, for a while.
struct Asked {
    task: String,
    turn: String,
    until: Instant,
}

/// A moment that does not come while a demo lasts.
fn far() -> Instant {
    Instant::now() + STORY_MAX
}

/// Answers questions when nobody else can; true when the plan has ended.
async fn react(
    stage: &mut Stage<'_>,
    plan: &PlanId,
    event: &Event,
    teller: &mut Teller,
    asked: &mut Option<Asked>,
) -> Result<bool, Complaint> {
    match event {
        Event::TaskInputRequested(question) => {
            let (task, turn) = (question.task.to_string(), question.turn.to_string());
            if stage.is_watched() {
                teller.say("answer the question on the page, or wait a minute");
                *asked = Some(Asked { task, turn, until: Instant::now() + LEFT_TO_THE_USER });
            } else {
                answer(stage, &task, &turn).await?;
            }
            Ok(false)
        }
        Event::TaskInputAnswered(_) => {
            *asked = None;
            Ok(false)
        }
        Event::PlanCompleted(end) | Event::PlanFailed(end) => Ok(end.plan == *plan),
        _ => Ok(false),
    }
}

/// What the events would have said that a reset passed over.
async fn look_again(stage: &mut Stage<'_>, plan: &PlanId) -> Result<bool, Complaint> {
    let id = plan.to_string();
    let plan = stage.steadily(async |client| client.plan(&id).await).await?.value;
    for task in plan.tasks.iter().filter(|task| task.state == TaskState::InputRequired) {
        if let Some(question) = &task.question {
            answer(stage, &task.id.to_string(), &question.turn.to_string()).await?;
        }
    }
    Ok(matches!(plan.state, PlanState::Completed | PlanState::Failed))
}

/// One answer for each turn that asks. A question that has gone meanwhile needs none.
async fn answer(stage: &mut Stage<'_>, task: &str, turn: &str) -> Result<(), Complaint> {
    let new = NewAnswer { answer: ANSWER.to_owned(), client: None };
    stage
        .steadily(async |client| match client.answer_task(task, &new, Some(turn)).await {
            Ok(_) | Err(ClientError::Refused { status: 404 | 409, .. }) => Ok(()),
            Err(error) => Err(error),
        })
        .await
}
