//! Two machines and what lies between them. The bus in the middle is a file too: the bridge does not know the difference.

use bus::{
    AckRule, BEAT, Backend, Bridge, Bus, BusError, Liveness, LockLost, LockRequest, NewNotice,
    NewRegistration, NoticeQuery,
};
use model::{Channel, LockMode, Notice, RegistrationId, Vitality};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use testkit::{ManualClock, SeededEntropy};

/// Nothing here takes this long; who waits longer waits for something that does not come.
const PATIENCE: Duration = Duration::from_secs(20);

struct World {
    dir: tempfile::TempDir,
    clock: ManualClock,
    hub: Bus,
    /// False: nobody reaches the middle.
    up: Arc<AtomicBool>,
}

struct Machine {
    bus: Bus,
    bridge: Option<Bridge>,
    name: &'static str,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = ManualClock::default();
        let hub = middle(&dir.path().join("hub"), 1);
        Self { dir, clock, hub, up: Arc::new(AtomicBool::new(true)) }
    }

    fn machine(&self, name: &'static str, seed: u64) -> Machine {
        let bus = open(&self.dir.path().join(name), &self.clock, seed);
        let mut machine = Machine { bus, bridge: None, name };
        machine.bridge = Some(self.bridge(&machine));
        machine
    }

    fn bridge(&self, machine: &Machine) -> Bridge {
        let (hub, up) = (self.hub.clone(), Arc::clone(&self.up));
        let connect = move || -> Result<Arc<dyn Backend>, BusError> {
            if up.load(Ordering::SeqCst) {
                Ok(Arc::new(hub.clone()))
            } else {
                Err(BusError::Busy(Duration::ZERO))
            }
        };
        Bridge::start(machine.bus.clone(), machine.name, Box::new(connect)).unwrap()
    }
}

fn open(dir: &Path, clock: &ManualClock, seed: u64) -> Bus {
    std::fs::create_dir_all(dir).unwrap();
    let entropy = Arc::new(SeededEntropy::new(seed));
    Bus::open_with(dir, Arc::new(clock.clone()), entropy, crate::stage::in_boot("one")).unwrap()
}

/// The bus in the middle runs on a clock that goes: who looks there waits by it.
fn middle(dir: &Path, seed: u64) -> Bus {
    std::fs::create_dir_all(dir).unwrap();
    Bus::open(dir, Arc::new(bus::system::SystemClock), Arc::new(SeededEntropy::new(seed))).unwrap()
}

impl Machine {
    fn agent(&self, name: &str) -> RegistrationId {
        let liveness = Liveness::Lease { ttl: Duration::from_secs(24 * 3600) };
        let new = NewRegistration { id: None, ..crate::stage::new(name, liveness) };
        let id = self.bus.register(new).unwrap().id;
        self.poke();
        id
    }

    fn poke(&self) {
        if let Some(bridge) = &self.bridge {
            bridge.poke();
        }
    }

    fn say(&self, new: NewNotice) -> Notice {
        let notice = self.bus.publish(new).unwrap();
        self.poke();
        notice
    }

    fn claim(&self, offer: i64, by: RegistrationId) -> Result<bus::Claim, BusError> {
        self.poking(|bus| bus.claim(offer, by, Duration::from_secs(600)))
    }

    /// Does something that waits for another machine, with a daemon that keeps looking.
    fn poking<T>(&self, ask: impl FnOnce(&Bus) -> T) -> T {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    self.poke();
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
            let result = ask(&self.bus);
            done.store(true, Ordering::SeqCst);
            result
        })
    }

    fn heard(&self, by: RegistrationId) -> Vec<Notice> {
        self.bus.notices(&NoticeQuery { recipient: Some(by), ..NoticeQuery::default() }).unwrap().notices
    }

    fn knows(&self, id: RegistrationId) -> bool {
        self.bus.sessions().unwrap().iter().any(|session| session.registration.id == id)
    }
}

/// Looks until it is so.
#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn plain(sender: RegistrationId, text: &str) -> NewNotice {
    NewNotice::new(sender, "talk".parse().unwrap(), json!({ "text": text }))
}

fn texts(notices: &[Notice]) -> Vec<String> {
    notices.iter().filter_map(|notice| notice.payload["text"].as_str().map(str::to_owned)).collect()
}

#[test]
fn sessions_of_two_machines_meet_talk_and_part() {
    let world = World::new();
    let (home, office) = (world.machine("home", 2), world.machine("office", 3));
    let (ann, bob) = (home.agent("ann"), office.agent("bob"));
    until("they know each other", || home.knows(bob) && office.knows(ann));
    let seen = home.bus.sessions().unwrap();
    let seen = seen.iter().find(|session| session.registration.id == bob).unwrap();
    assert_eq!((seen.machine.as_deref(), seen.vitality), (Some("office"), Vitality::Alive));
    assert_eq!(seen.registration.worktree.as_deref(), Some("office:/w"), "a worktree of no name here");

    let question = NewNotice { recipient: Some(bob), thread: Some("t".into()), ..plain(ann, "which port?") };
    let question = home.say(question);
    until("it arrives", || office.heard(bob).len() == 1);
    let arrived = office.heard(bob).remove(0);
    assert_eq!(
        (arrived.sender, &*arrived.agent, arrived.envelope.thread.as_deref()),
        (ann, "ann", Some("t"))
    );

    let answer = NewNotice { recipient: Some(ann), reply_to: Some(arrived.id), ..plain(bob, "8080") };
    office.say(answer);
    until("the answer arrives", || home.heard(ann).len() == 1);
    assert_eq!(
        home.heard(ann)[0].envelope.reply_to,
        Some(question.id),
        "it answers the notice as it is called here"
    );

    office.bus.end(bob, "done").unwrap();
    office.poke();
    until("he is gone there too", || !home.knows(bob));
}

#[test]
fn what_is_said_to_everybody_comes_once_to_every_machine_and_not_back() {
    let world = World::new();
    let machines = [world.machine("a", 2), world.machine("b", 3), world.machine("c", 4)];
    let agents: Vec<_> = machines.iter().map(|machine| machine.agent(machine.name)).collect();
    until("they know each other", || {
        machines.iter().all(|machine| agents.iter().all(|agent| machine.knows(*agent)))
    });
    for round in 0..40 {
        for (machine, agent) in machines.iter().zip(&agents) {
            machine.say(plain(*agent, &format!("{} {round}", machine.name)));
        }
    }
    let count = |at: usize| machines[at].heard(agents[at]).len();
    until("all has come", || (0..3).all(|at| count(at) == 80));
    // A marker after everything: what came twice would have come before it.
    let last = machines[0].say(plain(agents[0], "over"));
    assert!(last.id > 0);
    until("the marker has come", || {
        (1..3).all(|at| texts(&machines[at].heard(agents[at])).contains(&"over".into()))
    });
    for at in 1..3 {
        let mut heard = texts(&machines[at].heard(agents[at]));
        assert_eq!(heard.len(), 81);
        let in_order: Vec<_> = heard.iter().filter(|text| text.starts_with("a ")).cloned().collect();
        assert_eq!(
            in_order,
            (0..40).map(|round| format!("a {round}")).collect::<Vec<_>>(),
            "in the order said"
        );
        heard.sort();
        heard.dedup();
        assert_eq!(heard.len(), 81, "each once");
    }
    assert_eq!(count(0), 80, "nothing of one's own comes back");
}

#[test]
fn what_stays_on_a_machine_does_not_cross() {
    let world = World::new();
    let (home, office) = (world.machine("home", 2), world.machine("office", 3));
    let (ann, amy, bob) = (home.agent("ann"), home.agent("amy"), office.agent("bob"));
    until("they know each other", || office.knows(ann) && office.knows(amy) && home.knows(bob));
    home.say(NewNotice { recipient: Some(amy), ..plain(ann, "between us") });
    home.say(NewNotice { recipients: vec![amy, bob], ..plain(ann, "to both") });
    home.say(plain(ann, "to all"));
    until("the last has come", || texts(&office.heard(bob)).contains(&"to all".into()));
    assert_eq!(texts(&office.heard(bob)), ["to both", "to all"]);
    let everything = world.hub.notices(&NoticeQuery::default()).unwrap().notices;
    assert!(!texts(&everything).contains(&"between us".into()), "it never left the machine");
}

#[test]
fn while_the_middle_is_away_work_goes_on_and_what_was_said_follows() {
    let world = World::new();
    world.up.store(false, Ordering::SeqCst);
    let (mut home, office) = (world.machine("home", 2), world.machine("office", 3));
    let (ann, bob) = (home.agent("ann"), office.agent("bob"));
    home.say(plain(ann, "before"));
    until("the trouble is seen", || home.bridge.as_ref().unwrap().state().trouble.is_some());
    assert!(!office.knows(ann));
    world.up.store(true, Ordering::SeqCst);
    until("it follows", || texts(&office.heard(bob)) == ["before"]);
    until("all is well", || home.bridge.as_ref().unwrap().state().trouble.is_none());

    // The daemon stops; its sessions go on, and one of them says its last word and leaves.
    home.bridge = None;
    home.say(plain(ann, "last words"));
    home.bus.end(ann, "done").unwrap();
    home.bridge = Some(world.bridge(&home));
    until("the last words follow", || texts(&office.heard(bob)) == ["before", "last words"]);
    until("and she is gone", || !office.knows(ann));
    // Another start sends nothing again.
    home.bridge = None;
    home.bridge = Some(world.bridge(&home));
    let amy = home.agent("amy");
    home.say(plain(amy, "marker"));
    until("the marker has come", || texts(&office.heard(bob)).contains(&"marker".into()));
    assert_eq!(texts(&office.heard(bob)), ["before", "last words", "marker"]);
}

#[test]
fn an_acknowledgement_finds_its_way_back() {
    let world = World::new();
    let (home, office) = (world.machine("home", 2), world.machine("office", 3));
    let (ann, bob) = (home.agent("ann"), office.agent("bob"));
    until("they know each other", || home.knows(bob) && office.knows(ann));
    let rule = AckRule { seconds: 3600, attempts: 3 };
    let asked = home.say(NewNotice { recipient: Some(bob), ack: Some(rule), ..plain(ann, "please") });
    until("it arrives", || office.heard(bob).len() == 1);
    let arrived = office.heard(bob).remove(0);
    assert_eq!((arrived.envelope.ack_seconds, arrived.envelope.ack_attempts), (Some(3600), Some(3)));
    assert!(home.bus.receipts(asked.id).unwrap()[0].acked_at.is_none());
    office.bus.ack(arrived.id, bob).unwrap();
    office.poke();
    until("it is known at home", || home.bus.receipts(asked.id).unwrap()[0].acked_at.is_some());
    assert!(home.heard(ann).is_empty(), "the bridges' own talk is nobody else's");
}

#[test]
fn two_machines_in_one_file_of_a_repo_are_both_told() {
    let world = World::new();
    let (home, office) = (world.machine("home", 2), world.machine("office", 3));
    let (ann, bob) = (home.agent("ann"), office.agent("bob"));
    for (machine, id) in [(&home, ann), (&office, bob)] {
        let details = bus::Details { repo: Some("shop".into()), ..bus::Details::default() };
        machine.bus.describe(id, &details).unwrap();
    }
    until("they know each other", || home.knows(bob) && office.knows(ann));
    let lock = |machine: &Machine, holder, path: &str| {
        let request = LockRequest {
            worktree: "/w".into(),
            paths: vec![path.to_owned()],
            mode: LockMode::Exclusive,
            holder,
            ttl: Duration::from_secs(600),
        };
        let token = machine.bus.acquire(&request).unwrap().locks[0].token;
        machine.poke();
        token
    };
    lock(&home, ann, "src/other.rs");
    let held = lock(&home, ann, "src/cart.rs");
    until("it is known between them", || world.hub.locks(None).unwrap().len() == 2);
    lock(&office, bob, "src/{cart,total}.rs");
    let conflicts = |machine: &Machine, of| -> Vec<Notice> {
        machine.heard(of).into_iter().filter(|notice| notice.channel == Channel::file_conflict()).collect()
    };
    until("both are told", || conflicts(&home, ann).len() == 1 && conflicts(&office, bob).len() == 1);
    let told = conflicts(&home, ann).remove(0);
    assert_eq!(told.payload["agents"], json!(["bob", "ann"]));
    assert_eq!((&told.payload["held"], &told.payload["repo"]), (&json!("src/cart.rs"), &json!("shop")));

    home.bus.release(held, ann).unwrap();
    home.poke();
    until("it is free between them", || world.hub.locks(None).unwrap().len() == 2);
    let left: Vec<_> = world.hub.locks(None).unwrap().into_iter().map(|lock| lock.path).collect();
    assert_eq!(left, ["src/other.rs", "src/{cart,total}.rs"]);
}

#[test]
fn a_machine_nobody_hears_of_is_suspect_and_comes_back() {
    let world = World::new();
    let (mut home, office) = (world.machine("home", 2), world.machine("office", 3));
    let (ann, bob) = (home.agent("ann"), office.agent("bob"));
    until("they know each other", || home.knows(bob) && office.knows(ann));
    let vitality = || {
        let sessions = office.bus.sessions().unwrap();
        sessions.iter().find(|session| session.registration.id == ann).map(|session| session.vitality)
    };
    home.bridge = None;
    world.clock.advance(bus::SUSPECT_ELSEWHERE_AFTER + Duration::from_secs(1));
    assert_eq!(vitality(), Some(Vitality::Suspect));
    office.bus.tidy().unwrap();
    assert_eq!(vitality(), Some(Vitality::Suspect), "and is not cleared away");
    home.bus.heartbeat(ann).unwrap();
    home.bridge = Some(world.bridge(&home));
    until("she is back", || vitality() == Some(Vitality::Alive));
    assert!(BEAT * 4 <= bus::SUSPECT_ELSEWHERE_AFTER, "one lost beat makes nobody suspect");
}

#[test]
fn work_offered_on_one_machine_has_one_winner_on_all() {
    let world = World::new();
    let (home, office) = (world.machine("home", 2), world.machine("office", 3));
    let (boss, amy, bob) = (home.agent("boss"), home.agent("amy"), office.agent("bob"));
    until("they know each other", || home.knows(bob) && office.knows(boss));
    let offer =
        |text: &str| home.say(NewNotice::new(boss, Channel::task_broadcast(), json!({ "text": text }))).id;
    let ttl = Duration::from_secs(600);
    let mut there = Vec::new();
    let offers: Vec<i64> = ["one", "two", "three"].into_iter().map(offer).collect();
    until("the offers arrive", || {
        there = office.heard(bob).into_iter().map(|notice| notice.id).collect();
        there.len() == 3
    });

    // The one that is taken at home is taken everywhere.
    home.bus.claim(offers[0], amy, ttl).unwrap();
    let refused = office.claim(there[0], bob);
    assert!(matches!(&refused, Err(BusError::Claimed { by: Some(by), .. }) if *by == amy), "{refused:?}");
    // And the other way round; a search goes past what is taken.
    let claim = office.claim(there[1], bob).unwrap();
    assert_eq!(
        office.claim(there[1], bob).unwrap().token,
        claim.token,
        "asked for twice, it is the same claim"
    );
    let refused = home.bus.claim(offers[1], amy, ttl);
    assert!(matches!(&refused, Err(BusError::Claimed { by: Some(by), .. }) if *by == bob), "{refused:?}");
    let next = office.poking(|bus| bus.claim_next(bob, ttl)).unwrap().unwrap();
    assert_eq!(next.notice, there[2]);
    assert_eq!(home.bus.claim_of(offers[2]).unwrap(), Some(bob));

    office.poking(|bus| bus.renew_claim(claim.token, bob, ttl)).unwrap();
    office.poking(|bus| bus.finish_claim(claim.token, bob)).unwrap();
    assert!(matches!(home.bus.claim(offers[1], amy, ttl), Err(BusError::Claimed { .. })), "it is done");
    office.poking(|bus| bus.give_back_claim(next.token, bob)).unwrap();
    let taken = home.bus.claim(offers[2], amy, ttl).unwrap();
    assert_eq!(taken.attempts, 2);
    let late = office.poking(|bus| bus.finish_claim(next.token, bob));
    assert!(matches!(late, Err(BusError::Lost(LockLost::Expired { .. }))), "{late:?}");
}

#[test]
fn who_claims_work_of_another_machine_and_dies_makes_room() {
    let world = World::new();
    let (home, office) = (world.machine("home", 2), world.machine("office", 3));
    let (boss, amy, bob) = (home.agent("boss"), home.agent("amy"), office.agent("bob"));
    until("they know each other", || home.knows(bob) && office.knows(boss));
    let offer = home.say(NewNotice::new(boss, Channel::task_broadcast(), json!({}))).id;
    until("the offer arrives", || office.heard(bob).len() == 1);
    let claim = office.claim(office.heard(bob)[0].id, bob).unwrap();
    office.bus.end(bob, "died").unwrap();
    office.poke();
    until("he is gone at home", || !home.knows(bob));
    let taken = home.bus.claim(offer, amy, Duration::from_secs(600)).unwrap();
    assert_eq!((taken.attempts, claim.attempts), (2, 1));
}

#[test]
fn an_offer_of_a_machine_that_is_away_is_nobodys() {
    let world = World::new();
    let (mut home, office) = (world.machine("home", 2), world.machine("office", 3));
    let (boss, bob) = (home.agent("boss"), office.agent("bob"));
    until("they know each other", || home.knows(bob) && office.knows(boss));
    home.say(NewNotice::new(boss, Channel::task_broadcast(), json!({})));
    until("the offer arrives", || office.heard(bob).len() == 1);
    home.bridge = None;
    let offer = office.heard(bob)[0].id;
    let asked_there = rusqlite::Connection::open(world.dir.path().join("office/messaging.db")).unwrap();
    let questions =
        || -> i64 { asked_there.query_row("SELECT count(*) FROM asks", [], |row| row.get(0)).unwrap() };
    let refused = std::thread::scope(|scope| {
        let asked = scope.spawn(|| office.claim(offer, bob));
        until("the question is asked", || questions() > 0);
        // Nobody answers, however long it takes on the clock; and the deadline may be read from it after a jump.
        until("the wait is over", || {
            world.clock.advance(bus::ANSWER_WAIT);
            asked.is_finished()
        });
        asked.join().unwrap()
    });
    assert!(matches!(&refused, Err(BusError::NoAnswer { machine, .. }) if machine == "home"), "{refused:?}");
    assert_eq!(office.bus.claim_of(offer).unwrap(), None);
}

#[test]
fn another_bus_in_the_middle_is_begun_anew() {
    let mut world = World::new();
    let (mut home, mut office) = (world.machine("home", 2), world.machine("office", 3));
    let (ann, bob) = (home.agent("ann"), office.agent("bob"));
    home.say(plain(ann, "one"));
    until("it arrives", || texts(&office.heard(bob)) == ["one"]);
    (home.bridge, office.bridge) = (None, None);
    world.hub = middle(&world.dir.path().join("another"), 9);
    home.bridge = Some(world.bridge(&home));
    office.bridge = Some(world.bridge(&office));
    home.say(plain(ann, "two"));
    until("it goes on", || texts(&office.heard(bob)) == ["one", "two"]);
    let crossed = world.hub.notices(&NoticeQuery::default()).unwrap().notices;
    assert_eq!(texts(&crossed), ["two"], "what had crossed did not cross again");
    until("they know each other again", || home.knows(bob) && office.knows(ann));
    office.say(NewNotice { recipient: Some(ann), ..plain(bob, "still here") });
    until("and reach each other", || texts(&home.heard(ann)) == ["still here"]);
}

#[test]
fn an_answer_that_crosses_with_its_question_still_answers_it() {
    let world = World::new();
    let (mut home, office) = (world.machine("home", 2), world.machine("office", 3));
    let (ann, amy, bob) = (home.agent("ann"), home.agent("amy"), office.agent("bob"));
    home.bridge = None;
    let question = home.say(plain(ann, "who?"));
    home.say(NewNotice { reply_to: Some(question.id), ..plain(amy, "I") });
    home.bridge = Some(world.bridge(&home));
    until("both arrive", || office.heard(bob).len() == 2);
    let heard = office.heard(bob);
    assert_eq!(heard[1].envelope.reply_to, Some(heard[0].id));
}

#[test]
fn one_that_cannot_be_had_here_keeps_nobody_else_away() {
    let world = World::new();
    let home = open(&world.dir.path().join("home"), &world.clock, 2);
    let lease = || Liveness::Lease { ttl: Duration::from_secs(3600) };
    let ann = home.register(crate::stage::new("ann", lease())).unwrap().id;
    let there = |id: Option<RegistrationId>, agent: &str| {
        let worktree = Some("office:/w".to_owned());
        world.hub.register(NewRegistration { id, worktree, ..crate::stage::new(agent, lease()) }).unwrap().id
    };
    // Somebody took the id of a session of ours; what he says is not believed to come from elsewhere.
    there(Some(ann), "false ann");
    let bob = there(None, "bob");
    world.hub.publish(plain(ann, "I am ann")).unwrap();
    let mut machine = Machine { bus: home, bridge: None, name: "home" };
    let amy = machine.agent("amy");
    machine.bridge = Some(world.bridge(&machine));
    until("the others are met", || machine.knows(bob));
    world.hub.publish(plain(bob, "I am bob")).unwrap();
    until("and heard", || texts(&machine.heard(amy)) == ["I am bob"]);
    let sessions = machine.bus.sessions().unwrap();
    let own = sessions.iter().find(|session| session.registration.id == ann).unwrap();
    assert_eq!((&*own.registration.agent, &own.machine), ("ann", &None));
}

#[test]
fn the_bridges_clear_up_between_them() {
    let world = World::new();
    let home = world.machine("home", 2);
    let ann = home.agent("ann");
    home.say(NewNotice { ttl_seconds: Some(1), ..plain(ann, "short") });
    let lying = || world.hub.channels().unwrap().iter().any(|(channel, _)| channel.as_str() == "talk");
    until("it crosses", lying);
    until("it is cleared away", || {
        world.clock.advance(Duration::from_secs(61));
        home.bus.heartbeat(ann).unwrap();
        home.poke();
        !lying()
    });
}

#[test]
fn a_machine_that_parts_knows_nobody_elsewhere() {
    let world = World::new();
    let (mut home, office) = (world.machine("home", 2), world.machine("office", 3));
    let (ann, bob) = (home.agent("ann"), office.agent("bob"));
    until("they know each other", || home.knows(bob) && office.knows(ann));
    home.bridge.take().unwrap().part().unwrap();
    assert!(!home.knows(bob) && home.knows(ann));
    home.bridge = Some(world.bridge(&home));
    until("they meet again", || home.knows(bob));
}

#[test]
fn a_machine_needs_a_name_others_can_read() {
    let world = World::new();
    let bus = open(&world.dir.path().join("x"), &world.clock, 2);
    for name in ["", "a:b", "a b", &"x".repeat(65)] {
        let hub = world.hub.clone();
        let refused = Bridge::start(bus.clone(), name, Box::new(move || Ok(Arc::new(hub.clone()))));
        assert!(matches!(refused, Err(BusError::Invalid(_))), "{name:?}");
    }
}
