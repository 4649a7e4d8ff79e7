//! Who is killed: a publisher, a receiver or a janitor, in one of its lives.

use crate::bus::wire::open_bus;
use crate::rest::now;
use bus::system::{SystemClock, SystemEntropy};
use bus::{Bus, BusError, Liveness, LockRequest, NewNotice, NewRegistration, Replay};
use model::{Channel, LockMode, RegistrationId};
use serde_json::json;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longer than any run: what is lost was not merely over.
const TTL: Duration = Duration::from_secs(24 * 3600);
/// Every second time, a publisher sends as many at once.
const BATCH: usize = 10;
const PAYLOAD: usize = 256;
/// How often a receiver asks for the lock.
const ASK_EVERY: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Publisher,
    Receiver,
    Janitor,
}

impl Role {
    pub(super) const ALL: [Role; 3] = [Role::Publisher, Role::Receiver, Role::Janitor];
}

pub(super) fn notes(dir: &Path, role: Role, at: usize) -> PathBuf {
    dir.join(format!("notes-{role:?}-{at}"))
}

/// What each life of one of them is told: it keeps its registration, and so the sender of its keys.
pub(super) fn argument(role: Role, at: usize, each: usize, dir: &Path) -> String {
    let id: RegistrationId = model::Id::new(&SystemClock, &SystemEntropy);
    json!({ "role": format!("{role:?}"), "at": at, "id": id.to_string(), "each": each, "dir": dir })
        .to_string()
}

/// Lines that are whole or not there: each ends with `;`, and a life begins on a line of its own.
struct Notes {
    file: File,
    text: String,
}

impl Notes {
    fn open(path: &Path) -> Result<(Self, String), String> {
        let told = |error: std::io::Error| format!("{}: {error}", path.display());
        let mut file = File::options().read(true).append(true).create(true).open(path).map_err(told)?;
        let mut before = String::new();
        file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut before)).map_err(told)?;
        Ok((Self { file, text: "\nlife;\n".to_owned() }, before))
    }

    fn write(&mut self) -> Result<(), String> {
        let wrote = self.file.write_all(self.text.as_bytes());
        self.text.clear();
        wrote.map_err(|error| error.to_string())
    }
}

pub(crate) fn run(argument: &str) -> Result<(), String> {
    let told: serde_json::Value = serde_json::from_str(argument).map_err(|error| error.to_string())?;
    let text = |key: &str| told[key].as_str().ok_or("an actor is started by the bench");
    let at = told["at"].as_u64().unwrap_or(0) as usize;
    let dir = Path::new(text("dir")?);
    let bus = open_bus(dir, bus::SAFETY_POLL)?;
    if text("role")? == "Janitor" {
        let _janitor = bus.keep_house().map_err(|error| error.to_string())?;
        // Until it is killed.
        return std::io::stdin().read(&mut [0u8]).map(drop).map_err(|error| error.to_string());
    }
    let id = text("id")?.parse().map_err(|error| format!("{error:?}"))?;
    let each = told["each"].as_u64().unwrap_or(0) as usize;
    match text("role")? {
        "Publisher" => publish(&bus, id, dir, at, each),
        _ => receive(&bus, id, dir, at),
    }
}

fn join(bus: &Bus, id: RegistrationId, name: &str) -> Result<(), String> {
    let new = NewRegistration {
        id: Some(id),
        agent: name.to_owned(),
        vendor: "bench".to_owned(),
        model: None,
        session: None,
        worktree: None,
        liveness: Liveness::Lease { ttl: TTL },
    };
    bus.register(new).map(drop).map_err(|error| error.to_string())
}

/// What was under way when the last life ended is published again under its keys.
fn publish(bus: &Bus, me: RegistrationId, dir: &Path, at: usize, each: usize) -> Result<(), String> {
    join(bus, me, &format!("publisher-{at}"))?;
    let (mut notes, before) = Notes::open(&notes(dir, Role::Publisher, at))?;
    let mut done = before.lines().filter(|line| line.ends_with(';') && line.contains(' ')).count();
    let mut turn = done;
    while done < each {
        turn += 1;
        let count = if turn.is_multiple_of(2) { 1 } else { BATCH.min(each - done) };
        let batch: Vec<NewNotice> = (done..done + count).map(|n| wish(me, &format!("{at}-{n}"))).collect();
        let sent = match batch.as_slice() {
            [one] => bus.publish(one.clone()).map(|sent| vec![sent]),
            many => bus.publish_all(many),
        };
        for (n, notice) in sent.map_err(|error| error.to_string())?.iter().enumerate() {
            notes.text += &format!("{} {at}-{};\n", notice.id, done + n);
        }
        notes.write()?;
        done += count;
    }
    Ok(())
}

fn wish(me: RegistrationId, key: &str) -> NewNotice {
    let payload = json!({ "key": key, "pad": "x".repeat(PAYLOAD - 24 - key.len()) });
    NewNotice {
        key: Some(key.to_owned()),
        ttl_seconds: Some(TTL.as_secs() as u32),
        ..NewNotice::new(me, Channel::task_broadcast(), payload)
    }
}

fn receive(bus: &Bus, me: RegistrationId, dir: &Path, at: usize) -> Result<(), String> {
    let name = format!("receiver-{at}");
    join(bus, me, &name)?;
    let (mut notes, _) = Notes::open(&notes(dir, Role::Receiver, at))?;
    let mut reading =
        bus.subscribe(me, &name, "main", &Replay::Beginning).map_err(|error| error.to_string())?;
    let mut asked = Instant::now();
    loop {
        let page = reading.next(ASK_EVERY).map_err(|error| error.to_string())?;
        // They hear of each other's wish for the lock too.
        for notice in page.notices.iter().filter(|notice| notice.channel == Channel::task_broadcast()) {
            let key = notice.payload["key"].as_str().unwrap_or("none");
            notes.text += &format!("{} {key};\n", notice.id);
        }
        if asked.elapsed() >= ASK_EVERY {
            asked = Instant::now();
            lock(bus, me, &mut notes)?;
        }
        // Before the next page is asked for, which says that this one was had.
        notes.write()?;
    }
}

/// Takes the lock they all want, and notes its token and the time while it is held.
fn lock(bus: &Bus, me: RegistrationId, notes: &mut Notes) -> Result<(), String> {
    let request = LockRequest {
        worktree: "/bench".to_owned(),
        paths: vec!["contested".to_owned()],
        mode: LockMode::Exclusive,
        holder: me,
        ttl: TTL,
    };
    match bus.acquire(&request) {
        Ok(acquired) => {
            let token = acquired.locks[0].token;
            notes.text += &format!("token {token} {};\n", now());
            bus.release(token, me).map_err(|error| error.to_string())
        }
        Err(BusError::Contended(_)) => Ok(()),
        Err(other) => Err(other.to_string()),
    }
}
