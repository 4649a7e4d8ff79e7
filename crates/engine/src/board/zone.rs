//! Zones: named parts of a board, and what dropping a card in one sets off.
//!
//! Making or moving a zone sets nothing off, whatever lies under it: only a card that is dropped does.

use super::{check_place, check_room, checked_name, present, template};
use crate::plan::MAX_PARTICIPANTS;
use crate::{Call, Engine};
use model::{BoardId, Event, Place, Refusal, Trigger, ZONES_MAX, Zone, ZoneColour, ZoneId, ZoneRemoved};
use store::View;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewZone {
    pub name: String,
    pub colour: ZoneColour,
    pub place: Place,
    pub trigger: Option<Trigger>,
}

/// What is to be different; what is not said stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ZoneChange {
    pub name: Option<String>,
    pub colour: Option<ZoneColour>,
    pub place: Option<Place>,
    /// `Some(None)` takes the trigger away.
    pub trigger: Option<Option<Trigger>>,
    /// The revision the change is made from.
    pub revision: Option<u64>,
}

impl Engine {
    pub async fn place_zone(&self, call: &Call, board: BoardId, new: NewZone) -> Result<Zone, Refusal> {
        call.only_user()?;
        let zone = Zone {
            id: self.shared.new_id(),
            board,
            name: new.name,
            colour: new.colour,
            place: new.place,
            trigger: new.trigger,
            revision: 1,
            created_at: self.shared.now(),
        };
        let zone = checked(zone)?;
        let command = move |view: &View<'_>| {
            present(view, board)?;
            check_room(view.board_counts(board)?.zones, 1, ZONES_MAX, "zones")?;
            Ok(vec![Event::ZonePlaced(zone)])
        };
        let receipt = self.shared.commit(call.actor(), call.key.clone(), command).await?;
        let placed = receipt.records.iter().find_map(|record| match &record.event {
            Event::ZonePlaced(zone) => Some(zone.clone()),
            _ => None,
        });
        placed.ok_or_else(|| Refusal::internal("the commit placed no zone"))
    }

    pub async fn change_zone(&self, call: &Call, zone: ZoneId, change: ZoneChange) -> Result<Zone, Refusal> {
        call.only_user()?;
        let command = move |view: &View<'_>| {
            let before = there(view, zone)?;
            if let Some(from) = change.revision.filter(|from| *from != before.revision) {
                let message = format!(
                    "the zone is at revision {}, and the change was made from revision {from}",
                    before.revision
                );
                return Err(Refusal::conflict("zone_changed", message)
                    .hint("look at the zone again, and change what is there"));
            }
            let mut after = before.clone();
            after.name = change.name.unwrap_or(after.name);
            after.colour = change.colour.unwrap_or(after.colour);
            after.place = change.place.unwrap_or(after.place);
            after.trigger = change.trigger.unwrap_or(after.trigger);
            let mut after = checked(after)?;
            if after == before {
                return Ok(Vec::new());
            }
            after.revision += 1;
            Ok(vec![Event::ZonePlaced(after)])
        };
        self.shared.commit(call.actor(), call.key.clone(), command).await?;
        self.shared.store.read_or_refuse(|view| there(view, zone))
    }

    /// Removes a zone. Its cards stay where they are.
    pub async fn remove_zone(&self, call: &Call, zone: ZoneId) -> Result<(), Refusal> {
        call.only_user()?;
        let command = move |view: &View<'_>| {
            let board = there(view, zone)?.board;
            Ok(vec![Event::ZoneRemoved(ZoneRemoved { board, zone })])
        };
        self.shared.commit(call.actor(), call.key.clone(), command).await.map(drop)
    }
}

fn there(view: &View<'_>, zone: ZoneId) -> Result<Zone, Refusal> {
    view.zone(zone)?.ok_or_else(|| {
        Refusal::not_found("zone", zone.short()).hint("`coditect board show BOARD` shows its zones")
    })
}

/// A zone as it is kept, or why it is none.
pub(super) fn checked(zone: Zone) -> Result<Zone, Refusal> {
    check_place(&zone.place)?;
    if let Some(trigger) = &zone.trigger {
        template::check(&trigger.template)?;
        if trigger.agents.len() > MAX_PARTICIPANTS {
            let message = format!("a trigger names at most {MAX_PARTICIPANTS} agents");
            return Err(Refusal::invalid("too_many_agents", message).hint("name fewer"));
        }
    }
    Ok(Zone { name: checked_name(&zone.name)?, ..zone })
}
