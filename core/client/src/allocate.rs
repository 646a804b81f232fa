//! How a group shares queues: every member computes the same, bit for bit as Apache's Java client
//! does, since members of one group may be of either kind (protocol §8.2).

use crate::error::Error;
use ferromq_model::MessageQueue;
use md5::{Digest, Md5};
use std::collections::{BTreeMap, BTreeSet};

/// A way to share queues among the members of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Allocation {
    /// Neighbouring queues, as evenly as possible.
    #[default]
    Averagely,
    /// One after the other in a circle.
    AveragelyByCircle,
    /// By hash, so that few queues move when members come and go.
    ConsistentHash,
    /// Only queues of brokers named `room@name` with one of these rooms.
    MachineRoom(BTreeSet<String>),
    /// First within the room, by another way; rooms without members are shared by all. Rooms are
    /// the part before `@` of broker names and client ids.
    MachineRoomNearby(Box<Allocation>),
    /// These queues, whoever else is there.
    Fixed(Vec<MessageQueue>),
}

impl Allocation {
    /// The way with this name.
    pub(crate) fn named(name: &str) -> Result<Self, Error> {
        match name {
            "AVG" => Ok(Allocation::Averagely),
            "AVG_BY_CIRCLE" => Ok(Allocation::AveragelyByCircle),
            "CONSISTENT_HASH" => Ok(Allocation::ConsistentHash),
            other => Err(Error::InvalidArgument(format!(
                "allocateMessageQueueStrategy cannot be `{other}`: expected AVG, AVG_BY_CIRCLE or CONSISTENT_HASH"
            ))),
        }
    }

    /// The queues of member `me`; none when it is not among the members. Both lists must be sorted.
    pub fn allocate(
        &self,
        me: &str,
        queues: &[MessageQueue],
        members: &[String],
    ) -> Vec<MessageQueue> {
        let Some(index) = members.iter().position(|member| member == me) else {
            return Vec::new();
        };
        match self {
            Allocation::Averagely => averagely(index, queues, members.len()),
            Allocation::AveragelyByCircle => {
                queues.iter().skip(index).step_by(members.len()).cloned().collect()
            }
            Allocation::ConsistentHash => consistent_hash(me, queues, members),
            Allocation::MachineRoom(rooms) => machine_room(index, queues, members.len(), rooms),
            Allocation::MachineRoomNearby(inner) => nearby(inner, me, queues, members),
            Allocation::Fixed(fixed) => fixed.clone(),
        }
    }
}

fn averagely(index: usize, queues: &[MessageQueue], members: usize) -> Vec<MessageQueue> {
    let rest = queues.len() % members;
    let size = match queues.len() <= members {
        true => 1,
        false => queues.len() / members + usize::from(index < rest),
    };
    let start = if rest > 0 && index < rest { index * size } else { index * size + rest };
    queues.iter().skip(start).take(size).cloned().collect()
}

fn machine_room(
    index: usize,
    queues: &[MessageQueue],
    members: usize,
    rooms: &BTreeSet<String>,
) -> Vec<MessageQueue> {
    let of_rooms: Vec<_> = queues
        .iter()
        .filter(|queue| {
            let parts: Vec<&str> = queue.broker_name.split('@').collect();
            parts.len() == 2 && rooms.contains(parts[0])
        })
        .collect();
    let (each, rest) = (of_rooms.len() / members, of_rooms.len() % members);
    let own = of_rooms.iter().skip(index * each).take(each);
    let extra = of_rooms.get(index + each * members).filter(|_| rest > index);
    own.chain(extra).map(|queue| (*queue).clone()).collect()
}

fn room(name: &str) -> &str {
    name.split_once('@').map_or("", |(room, _)| room)
}

fn nearby(
    inner: &Allocation,
    me: &str,
    queues: &[MessageQueue],
    members: &[String],
) -> Vec<MessageQueue> {
    let mut by_room: BTreeMap<&str, Vec<MessageQueue>> = BTreeMap::new();
    for queue in queues {
        by_room.entry(room(&queue.broker_name)).or_default().push(queue.clone());
    }
    let own = room(me);
    let neighbours: Vec<String> =
        members.iter().filter(|member| room(member) == own).cloned().collect();
    let mut allocated = match by_room.remove(own) {
        Some(queues) => inner.allocate(me, &queues, &neighbours),
        None => Vec::new(),
    };
    for (name, queues) in by_room {
        if !members.iter().any(|member| room(member) == name) {
            allocated.extend(inner.allocate(me, &queues, members));
        }
    }
    allocated
}

const VIRTUAL_NODES: usize = 10;

fn hash(key: &str) -> u32 {
    let digest = Md5::digest(key.as_bytes());
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

fn consistent_hash(me: &str, queues: &[MessageQueue], members: &[String]) -> Vec<MessageQueue> {
    let mut ring = BTreeMap::new();
    for member in members {
        for node in 0..VIRTUAL_NODES {
            ring.insert(hash(&format!("{member}-{node}")), member.as_str());
        }
    }
    let is_mine = |queue: &&MessageQueue| {
        let key = format!(
            "MessageQueue [topic={}, brokerName={}, queueId={}]",
            queue.topic, queue.broker_name, queue.queue_id
        );
        let node = ring.range(hash(&key)..).next().or_else(|| ring.first_key_value());
        node.is_some_and(|(_, member)| *member == me)
    };
    queues.iter().filter(is_mine).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queues(count: i32) -> Vec<MessageQueue> {
        (0..count).map(|id| MessageQueue::new("T", "b-a", id)).collect()
    }

    fn members(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("c{index}")).collect()
    }

    #[test]
    fn shares_of_the_specification() {
        let ids = |way: &Allocation, me: &str| {
            let own = way.allocate(me, &queues(10), &members(3));
            own.iter().map(|queue| queue.queue_id).collect::<Vec<_>>()
        };
        let way = Allocation::Averagely;
        assert_eq!(
            (ids(&way, "c0"), ids(&way, "c1"), ids(&way, "c2")),
            (vec![0, 1, 2, 3], vec![4, 5, 6], vec![7, 8, 9])
        );
        assert_eq!(ids(&Allocation::AveragelyByCircle, "c1"), [1, 4, 7]);
        assert!(ids(&way, "stranger").is_empty());
        assert_eq!(hash("MessageQueue [topic=T, brokerName=b-a, queueId=3]"), 0x561402e4);
    }

    #[test]
    fn every_queue_has_exactly_one_owner() {
        for way in
            [Allocation::Averagely, Allocation::AveragelyByCircle, Allocation::ConsistentHash]
        {
            for (queue_count, member_count) in [(0, 1), (1, 3), (3, 3), (7, 3), (16, 5), (4, 9)] {
                let (all, group) = (queues(queue_count), members(member_count));
                let mut owned: Vec<_> =
                    group.iter().flat_map(|me| way.allocate(me, &all, &group)).collect();
                owned.sort();
                assert_eq!(owned, all, "{way:?} {queue_count} {member_count}");
            }
        }
    }
}
