//! Who is attached to a live session, and who of them has its input.
//!
//! People look at one session from a terminal, a page and a phone at once. Each client says that it is there and says it again before its
//! lease ends; whoever dies is gone with his lease. One of them may hold the input: the others see who, and may take it over. Nothing
//! of this is in the journal: it is about now.
//!
//! Invariant: the input of a session has at most one owner, and that one is attached.

use crate::session::visible;
use crate::{Call, Engine};
use model::{Refusal, RefusalKind, SessionId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;

/// How long a client that says nothing is believed to be there.
pub const ATTACH_TTL: Duration = Duration::from_secs(45);
/// How long somebody types who said so and nothing since.
pub const TYPING_TTL: Duration = Duration::from_secs(6);
/// Clients of one session at once.
pub const CLIENTS_MAX: usize = 32;
/// Longest name a client gives itself, in characters, and longest id.
pub const CLIENT_NAME_MAX: usize = 64;
/// Changes a slow watcher may be behind.
const BACKLOG: usize = 256;

/// What a client says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewAttachment {
    /// Of the client's own making; the same one says again that it is there.
    pub client: String,
    /// For people: `page on ada's laptop`.
    pub name: String,
    pub typing: bool,
    pub input: InputWish,
}

/// What a client wants of the input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum InputWish {
    /// As it is.
    #[default]
    Keep,
    /// Have it, when nobody else has.
    Claim,
    /// Have it, whoever has.
    TakeOver,
    /// Have it no more.
    Release,
}

/// A client that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachedClient {
    pub client: String,
    pub name: String,
    pub owns_input: bool,
    pub typing: bool,
}

/// Who is at a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceView {
    pub session: SessionId,
    /// In the order they came.
    pub clients: Vec<AttachedClient>,
}

#[derive(Debug)]
pub(crate) struct Clients {
    rooms: Mutex<HashMap<SessionId, Room>>,
    changes: broadcast::Sender<PresenceView>,
}

#[derive(Debug, Default)]
struct Room {
    clients: Vec<Seat>,
    /// Somebody looks after the leases.
    watched: bool,
    /// Rung when something passes earlier than whoever looks after the leases may think.
    earlier: Arc<Notify>,
}

#[derive(Debug)]
struct Seat {
    client: String,
    name: String,
    owns_input: bool,
    until: Instant,
    types_until: Option<Instant>,
}

impl Default for Clients {
    fn default() -> Self {
        Self { rooms: Mutex::default(), changes: broadcast::channel(BACKLOG).0 }
    }
}

impl Engine {
    /// Says that a client is at the session, for [`ATTACH_TTL`] from now, and what it wants of the input.
    pub fn attach(
        &self,
        call: &Call,
        session: SessionId,
        new: NewAttachment,
    ) -> Result<PresenceView, Refusal> {
        call.only_user()?;
        check(&new)?;
        self.shared.store.read_or_refuse(|view| visible(view, session))?;
        let view = self.shared.clients.attach(session, new)?;
        self.look_after(session);
        Ok(view)
    }

    /// Says that a client has left.
    pub fn detach(&self, call: &Call, session: SessionId, client: &str) -> Result<PresenceView, Refusal> {
        call.only_user()?;
        self.shared.store.read_or_refuse(|view| visible(view, session))?;
        Ok(self.shared.clients.detach(session, client))
    }

    /// Who is at the session.
    pub fn clients(&self, session: SessionId) -> Result<PresenceView, Refusal> {
        self.shared.store.read_or_refuse(|view| visible(view, session))?;
        Ok(self.shared.clients.of(session))
    }

    /// A sign of life of a client that is attached already; its connection stands for it.
    /// Without a session it is said of every one it is attached to.
    pub fn client_lives(&self, session: Option<SessionId>, client: &str) {
        self.shared.clients.renew(session, client);
    }

    /// Who comes and goes, of all sessions.
    pub fn presence(&self) -> broadcast::Receiver<PresenceView> {
        self.shared.clients.changes.subscribe()
    }

    /// Whether the client of the call may give words to the session's agents or rearrange what waits for them. Asked where the order is
    /// committed, so that what was done already is told again to whoever repeats it, whoever has the input by then.
    pub(crate) fn input_check(
        &self,
        call: &Call,
        session: SessionId,
    ) -> impl Fn() -> Result<(), Refusal> + Send + use<> {
        let (shared, client) = (Arc::clone(&self.shared), call.client.clone());
        move || shared.clients.may_type(session, client.as_deref())
    }

    /// Tells of leases that run out, for as long as somebody is there.
    fn look_after(&self, session: SessionId) {
        let Some(earlier) = self.shared.clients.take_watch(session) else { return };
        let shared = Arc::clone(&self.shared);
        self.shared.tasks.spawn(async move {
            tokio::select! {
                () = shared.stopping.cancelled() => {}
                () = shared.clients.look_after(session, &earlier) => {}
            }
        });
    }
}

impl Clients {
    fn rooms(&self) -> MutexGuard<'_, HashMap<SessionId, Room>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attach(&self, session: SessionId, new: NewAttachment) -> Result<PresenceView, Refusal> {
        let now = Instant::now();
        let mut rooms = self.rooms();
        let room = rooms.entry(session).or_default();
        let (before, due) = (room.shown(session, now), room.due());
        room.clients.retain(|seat| seat.until > now);
        let owner = room.clients.iter().position(|seat| seat.owns_input);
        let own = room.clients.iter().position(|seat| seat.client == new.client);
        if own.is_none() && room.clients.len() >= CLIENTS_MAX {
            let message = format!("{CLIENTS_MAX} clients are attached to the session already");
            return Err(
                Refusal::new(RefusalKind::Busy, "too_many_clients", message).hint("close one of them")
            );
        }
        if new.input == InputWish::Claim
            && let Some(owner) = owner.filter(|owner| own != Some(*owner))
        {
            return Err(owned(&room.clients[owner].name));
        }
        if new.input == InputWish::TakeOver {
            room.clients.iter_mut().for_each(|seat| seat.owns_input = false);
        }
        let keeps = own.is_some_and(|own| room.clients[own].owns_input);
        let owns_input = match new.input {
            InputWish::Keep => keeps,
            InputWish::Claim | InputWish::TakeOver => true,
            InputWish::Release => false,
        };
        let seat = Seat {
            client: new.client,
            name: new.name,
            owns_input,
            until: now + ATTACH_TTL,
            types_until: new.typing.then(|| now + TYPING_TTL),
        };
        match own {
            Some(own) => room.clients[own] = seat,
            None => room.clients.push(seat),
        }
        if due.is_none_or(|due| room.due() < Some(due)) {
            room.earlier.notify_one();
        }
        let view = room.shown(session, now);
        self.tell(&before, &view);
        Ok(view)
    }

    fn detach(&self, session: SessionId, client: &str) -> PresenceView {
        let now = Instant::now();
        let mut rooms = self.rooms();
        let Some(room) = rooms.get_mut(&session) else {
            return PresenceView { session, clients: Vec::new() };
        };
        let before = room.shown(session, now);
        room.clients.retain(|seat| seat.client != client && seat.until > now);
        let view = room.shown(session, now);
        self.tell(&before, &view);
        view
    }

    fn of(&self, session: SessionId) -> PresenceView {
        let now = Instant::now();
        let rooms = self.rooms();
        let empty = PresenceView { session, clients: Vec::new() };
        rooms.get(&session).map_or(empty, |room| room.shown(session, now))
    }

    fn renew(&self, session: Option<SessionId>, client: &str) {
        let now = Instant::now();
        for (at, room) in self.rooms().iter_mut() {
            if session.is_some_and(|session| session != *at) {
                continue;
            }
            let there = room.clients.iter_mut().find(|seat| seat.client == client && seat.until > now);
            if let Some(seat) = there {
                seat.until = now + ATTACH_TTL;
            }
        }
    }

    /// The session is gone, and with it everybody's reason to be there.
    pub(crate) fn clear(&self, session: SessionId) {
        let now = Instant::now();
        if let Some(room) = self.rooms().get_mut(&session) {
            let before = room.shown(session, now);
            room.clients.clear();
            self.tell(&before, &room.shown(session, now));
        }
    }

    /// Refuses words of a client while another one has the input. Words without a client are nobody's typing and go through.
    pub(crate) fn may_type(&self, session: SessionId, client: Option<&str>) -> Result<(), Refusal> {
        let Some(client) = client else { return Ok(()) };
        let present = self.of(session);
        if !present.clients.iter().any(|seat| seat.client == client) {
            let message = "that client is not attached to the session";
            return Err(
                Refusal::conflict("not_attached", message).hint("attach it first, or leave `client` out")
            );
        }
        match present.clients.iter().find(|seat| seat.owns_input && seat.client != client) {
            Some(owner) => Err(owned(&owner.name)),
            None => Ok(()),
        }
    }

    /// What rings for whoever looks after the session's leases from now on; none when somebody does already.
    fn take_watch(&self, session: SessionId) -> Option<Arc<Notify>> {
        let mut rooms = self.rooms();
        let room = rooms.entry(session).or_default();
        let watched = std::mem::replace(&mut room.watched, true);
        (!watched).then(|| Arc::clone(&room.earlier))
    }

    async fn look_after(&self, session: SessionId, earlier: &Notify) {
        while let Some(next) = self.sweep(session) {
            tokio::select! {
                () = earlier.notified() => {}
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }

    /// Takes out whose lease is over, and says when to look again; none when nobody is left.
    fn sweep(&self, session: SessionId) -> Option<Instant> {
        let now = Instant::now();
        let mut rooms = self.rooms();
        let room = rooms.get_mut(&session)?;
        let gone = room.clients.iter().any(|seat| seat.until <= now);
        let quiet = room.clients.iter().any(|seat| seat.types_until.is_some_and(|until| until <= now));
        room.clients.retain(|seat| seat.until > now);
        for seat in room.clients.iter_mut().filter(|seat| seat.types_until.is_some_and(|until| until <= now))
        {
            seat.types_until = None;
        }
        if gone || quiet {
            let view = room.shown(session, now);
            // Nobody watching is no error.
            let _ = self.changes.send(view);
        }
        let next = room.due();
        if next.is_none() {
            rooms.remove(&session);
        }
        next
    }

    fn tell(&self, before: &PresenceView, now: &PresenceView) {
        if before != now {
            let _ = self.changes.send(now.clone());
        }
    }
}

impl Room {
    /// When the next lease ends, or the next one who types is believed to have stopped.
    fn due(&self) -> Option<Instant> {
        self.clients.iter().map(|seat| seat.types_until.unwrap_or(seat.until).min(seat.until)).min()
    }

    fn shown(&self, session: SessionId, now: Instant) -> PresenceView {
        let there = self.clients.iter().filter(|seat| seat.until > now);
        let client = |seat: &Seat| AttachedClient {
            client: seat.client.clone(),
            name: seat.name.clone(),
            owns_input: seat.owns_input,
            typing: seat.types_until.is_some_and(|until| until > now),
        };
        PresenceView { session, clients: there.map(client).collect() }
    }
}

fn owned(name: &str) -> Refusal {
    Refusal::conflict("input_owned", format!("`{name}` has the session's input"))
        .hint("wait until it is released, or take it over")
}

fn check(new: &NewAttachment) -> Result<(), Refusal> {
    let plain = |text: &str| !text.is_empty() && text.chars().count() <= CLIENT_NAME_MAX;
    if !plain(&new.client) || !new.client.chars().all(|c| c.is_ascii_graphic()) {
        let message = format!("a client's id has 1 to {CLIENT_NAME_MAX} printable ASCII characters");
        return Err(Refusal::invalid("client_invalid", message).hint("make one at random and keep it"));
    }
    if !plain(new.name.trim()) || new.name.chars().any(char::is_control) {
        let message =
            format!("a client's name has 1 to {CLIENT_NAME_MAX} characters, and no control characters");
        return Err(
            Refusal::invalid("client_invalid", message).hint("say what people see: `page on the laptop`")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> SessionId {
        "ses_018f000000007000800000000000000a".parse().unwrap()
    }

    fn says(client: &str, input: InputWish) -> NewAttachment {
        NewAttachment { client: client.to_owned(), name: client.to_uppercase(), typing: false, input }
    }

    fn owner(view: &PresenceView) -> Option<&str> {
        view.clients.iter().find(|seat| seat.owns_input).map(|seat| seat.client.as_str())
    }

    #[tokio::test(start_paused = true)]
    async fn the_input_has_one_owner_who_loses_it_to_whoever_takes_it_over() {
        let (clients, at) = (Clients::default(), session());
        let page = clients.attach(at, says("page", InputWish::Claim)).unwrap();
        assert_eq!(owner(&page), Some("page"));
        let refused = clients.attach(at, says("phone", InputWish::Claim)).unwrap_err();
        assert_eq!(refused.code, "input_owned");
        assert!(refused.message.contains("PAGE"), "{refused}");
        let phone = clients.attach(at, says("phone", InputWish::Keep)).unwrap();
        assert_eq!((phone.clients.len(), owner(&phone)), (2, Some("page")));
        assert_eq!(clients.may_type(at, Some("phone")).unwrap_err().code, "input_owned");
        assert_eq!(clients.may_type(at, Some("page")), Ok(()));
        assert_eq!(clients.may_type(at, None), Ok(()));
        assert_eq!(clients.may_type(at, Some("nobody")).unwrap_err().code, "not_attached");
        let taken = clients.attach(at, says("phone", InputWish::TakeOver)).unwrap();
        assert_eq!(owner(&taken), Some("phone"));
        assert_eq!(clients.may_type(at, Some("page")).unwrap_err().code, "input_owned");
        let again = clients.attach(at, says("page", InputWish::Keep)).unwrap();
        assert_eq!(owner(&again), Some("phone"), "a sign of life takes nothing");
        let free = clients.attach(at, says("phone", InputWish::Release)).unwrap();
        assert_eq!(owner(&free), None);
        assert_eq!(owner(&clients.detach(at, "phone")), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_session_keeps_its_client_at_all_of_them_and_nobody_else() {
        let (clients, at) = (Clients::default(), session());
        let other: SessionId = "ses_018f000000007000800000000000000b".parse().unwrap();
        for session in [at, other] {
            clients.attach(session, says("page", InputWish::Claim)).unwrap();
            clients.attach(session, says("phone", InputWish::Keep)).unwrap();
        }
        tokio::time::advance(ATTACH_TTL / 2).await;
        clients.renew(None, "page");
        tokio::time::advance(ATTACH_TTL / 2 + Duration::from_secs(1)).await;
        for session in [at, other] {
            let left = clients.of(session);
            assert_eq!((left.clients.len(), owner(&left)), (1, Some("page")));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_dies_is_gone_with_his_lease_and_so_is_his_hold() {
        let (clients, at) = (Clients::default(), session());
        let mut changes = clients.changes.subscribe();
        clients.attach(at, says("page", InputWish::Claim)).unwrap();
        clients.attach(at, says("phone", InputWish::Keep)).unwrap();
        tokio::time::advance(ATTACH_TTL / 2).await;
        clients.renew(Some(at), "phone");
        tokio::time::advance(ATTACH_TTL / 2 + Duration::from_secs(1)).await;
        let left = clients.of(at);
        assert_eq!((left.clients.len(), owner(&left)), (1, None));
        assert!(clients.sweep(at).is_some());
        let told: Vec<PresenceView> = std::iter::from_fn(|| changes.try_recv().ok()).collect();
        assert_eq!(told.last(), Some(&left));
        let claimed = clients.attach(at, says("phone", InputWish::Claim)).unwrap();
        assert_eq!(owner(&claimed), Some("phone"), "what the dead held is free");
        tokio::time::advance(ATTACH_TTL + Duration::from_secs(1)).await;
        assert_eq!(clients.sweep(at), None, "nobody is left to look after");
    }

    #[tokio::test(start_paused = true)]
    async fn typing_passes() {
        let (clients, at) = (Clients::default(), session());
        clients.attach(at, NewAttachment { typing: true, ..says("page", InputWish::Keep) }).unwrap();
        assert!(clients.of(at).clients[0].typing);
        tokio::time::advance(TYPING_TTL + Duration::from_millis(1)).await;
        assert!(!clients.of(at).clients[0].typing);
    }

    #[tokio::test(start_paused = true)]
    async fn that_typing_has_passed_is_told_then_and_not_when_a_lease_ends() {
        for leaves in [false, true] {
            let (clients, at) = (Clients::default(), session());
            clients.attach(at, says("page", InputWish::Claim)).unwrap();
            let earlier = clients.take_watch(at).unwrap();
            assert!(clients.take_watch(at).is_none(), "one looks after them");
            let (mut changes, began) = (clients.changes.subscribe(), Instant::now());
            let types = async {
                // Whoever looks after the leases sleeps until they end.
                tokio::time::sleep(TYPING_TTL).await;
                if leaves {
                    clients.detach(at, "page");
                    assert!(changes.recv().await.unwrap().clients.is_empty());
                }
                clients.attach(at, NewAttachment { typing: true, ..says("page", InputWish::Keep) }).unwrap();
                let told = [changes.recv().await.unwrap(), changes.recv().await.unwrap()];
                (told.map(|view| view.clients[0].typing), began.elapsed())
            };
            let (told, took) = tokio::select! {
                told = types => told,
                () = clients.look_after(at, &earlier) => panic!("the page is there"),
            };
            assert_eq!(told, [true, false]);
            assert!(took < TYPING_TTL * 3, "{took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_session_that_is_gone_everybody_is_told_that_nobody_is_there() {
        let (clients, at) = (Clients::default(), session());
        clients.clear(at);
        clients.attach(at, says("page", InputWish::Claim)).unwrap();
        let mut changes = clients.changes.subscribe();
        clients.clear(at);
        assert_eq!(changes.try_recv().unwrap(), PresenceView { session: at, clients: Vec::new() });
        clients.clear(at);
        assert!(changes.try_recv().is_err(), "nobody was there any more");
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_fit_and_no_more() {
        let (clients, at) = (Clients::default(), session());
        for n in 0..CLIENTS_MAX {
            clients.attach(at, says(&n.to_string(), InputWish::Keep)).unwrap();
        }
        let refused = clients.attach(at, says("more", InputWish::Keep)).unwrap_err();
        assert_eq!((refused.kind, refused.code.as_ref()), (RefusalKind::Busy, "too_many_clients"));
        clients.attach(at, says("0", InputWish::Claim)).unwrap();
    }

    #[test]
    fn names_and_ids_have_a_length_and_no_control_characters() {
        let long = "x".repeat(CLIENT_NAME_MAX + 1);
        for (client, name) in [
            ("", "n"),
            ("a b", "n"),
            ("ä", "n"),
            (&long, "n"),
            ("c", ""),
            ("c", " "),
            ("c", "a\n"),
            ("c", &long),
        ] {
            let new = NewAttachment {
                client: client.to_owned(),
                name: name.to_owned(),
                ..NewAttachment::default()
            };
            assert_eq!(check(&new).unwrap_err().code, "client_invalid", "{client:?} {name:?}");
        }
        let most = NewAttachment {
            client: "c".repeat(CLIENT_NAME_MAX),
            name: "ä b".to_owned(),
            ..NewAttachment::default()
        };
        assert_eq!(check(&most), Ok(()));
    }
}
