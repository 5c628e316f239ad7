//! Which arms start next and where: the rules as tables, and what must hold whatever ends when.

use std::collections::BTreeMap;
use std::time::Duration;

use patchgate::model::id::Arm;
use patchgate::model::outcome::Cause;
use patchgate::run::queue::{ARM_DISK, Ahead, Amount, CellNeeds, PATIENCE, Queue, RESERVE, Room};
use patchgate::units::Mib;
use proptest::prelude::*;

fn cell(group: &str, memory: u64, minutes: u64) -> CellNeeds {
    CellNeeds {
        group: group.to_owned(),
        arm: Amount {
            memory: Mib(memory),
            vcpus: 1,
            disk: ARM_DISK,
        },
        networks: false,
        together: false,
        images: BTreeMap::from([("debian-12".to_owned(), Mib(300))]),
        control: Duration::from_secs(30 * minutes),
        treatment: Duration::from_secs(60 * minutes),
    }
}

fn host(memory: u64) -> Room {
    Room {
        budget: Amount {
            memory: Mib(memory),
            vcpus: 100,
            disk: Mib(1 << 20),
        },
        networks: true,
    }
}

/// What starts until nothing more does: `cell arm@host`.
fn starts(queue: &mut Queue) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(start) = queue.admit() {
        for arm in start.arms {
            all.push(format!("{} {arm}@{}", start.cell, start.host));
        }
    }
    all
}

#[test]
fn the_longest_expected_starts_first() {
    let cells = vec![cell("a", 1, 10), cell("a", 1, 30), cell("a", 1, 20)];
    let mut queue = Queue::new(cells, &[host(100)], 4);
    assert_eq!(
        starts(&mut queue),
        ["1 treatment@0", "2 treatment@0", "1 control@0", "0 treatment@0"]
    );
}

#[test]
fn a_group_with_many_cells_does_not_starve_another() {
    let mut cells: Vec<CellNeeds> = (0..6).map(|_| cell("many", 1, 60)).collect();
    cells.push(cell("few", 1, 10));
    let mut queue = Queue::new(cells, &[host(100)], 4);
    // The few are given 15 minutes in all before the many are given their second hour.
    assert_eq!(
        starts(&mut queue),
        ["0 treatment@0", "6 treatment@0", "6 control@0", "1 treatment@0"]
    );
}

#[test]
fn both_arms_stay_on_one_host_and_cells_spread() {
    let cells = vec![cell("a", 10, 10), cell("b", 10, 10)];
    let mut queue = Queue::new(cells, &[host(40), host(40)], usize::MAX);
    assert_eq!(
        starts(&mut queue),
        ["0 treatment@0", "1 treatment@1", "0 control@0", "1 control@1"]
    );
}

#[test]
fn arms_that_are_compared_start_at_once_or_not_at_all() {
    let compared = CellNeeds {
        together: true,
        ..cell("a", 10, 10)
    };
    let mut queue = Queue::new(vec![compared.clone()], &[host(19)], usize::MAX);
    assert_eq!(queue.stranded().len(), 2);
    let mut queue = Queue::new(vec![compared.clone(), cell("b", 1, 1)], &[host(100)], 2);
    assert_eq!(starts(&mut queue), ["0 treatment@0", "0 control@0"]);
    assert_eq!(
        Queue::new(vec![compared], &[host(20)], 2).predict(),
        Some(Duration::from_secs(600))
    );
}

#[test]
fn an_image_costs_its_disk_once_on_each_host() {
    let room = |disk: u64| {
        let mut room = host(100);
        room.budget.disk = Mib(disk);
        room
    };
    for (disk, arms) in [
        (ARM_DISK.0 + 299, 0),
        (ARM_DISK.0 + 300, 1),
        (2 * ARM_DISK.0 + 300, 2),
        (3 * ARM_DISK.0 + 300, 3),
    ] {
        let cells = vec![cell("a", 1, 1), cell("b", 1, 1)];
        let mut queue = Queue::new(cells, &[room(disk)], usize::MAX);
        assert_eq!(starts(&mut queue).len(), arms, "{disk}");
    }
    // What fits alone may not fit beside the images that stay.
    let mut other = cell("b", 1, 1);
    other.images = BTreeMap::from([("debian-11".to_owned(), Mib(300))]);
    let cells = vec![cell("a", 1, 1), other];
    let mut queue = Queue::new(cells.clone(), &[room(ARM_DISK.0 + 400)], usize::MAX);
    assert_eq!(starts(&mut queue), ["0 treatment@0"]);
    queue.ended(0, true);
    assert_eq!(starts(&mut queue), ["0 control@0"]);
    queue.ended(0, true);
    assert_eq!(starts(&mut queue), Vec::<String>::new());
    assert_eq!(queue.stuck(), Some(Cause::HostDisk));
    assert_eq!(queue.give_up().len(), 1);
    assert_eq!(
        Queue::new(cells, &[room(ARM_DISK.0 + 400)], usize::MAX).predict(),
        None
    );
}

#[test]
fn what_needs_networks_goes_where_they_are() {
    let nodes = CellNeeds {
        networks: true,
        ..cell("a", 1, 1)
    };
    let bare = Room {
        networks: false,
        ..host(100)
    };
    let mut queue = Queue::new(vec![nodes.clone()], &[bare, host(2)], usize::MAX);
    assert_eq!(starts(&mut queue), ["0 treatment@1", "0 control@1"]);
    assert_eq!(Queue::new(vec![nodes], &[bare], usize::MAX).stranded().len(), 2);
}

#[test]
fn a_large_cell_is_overtaken_only_so_often() {
    let mut cells = vec![cell("large", 10, 1)];
    cells.extend((0..40).map(|_| cell("small", 1, 60)));
    let mut queue = Queue::new(cells, &[host(10)], usize::MAX);
    let mut running = Vec::new();
    let mut since = 0;
    let mut large = 0;
    while large < 2 {
        match queue.admit() {
            Some(start) if start.cell == 0 => {
                assert!(running.is_empty(), "it needs the whole host");
                // The longest of all is ahead of it at first, and is not counted; then its group is due.
                assert_eq!(since, if large == 0 { PATIENCE + 1 } else { 0 });
                queue.ended(0, true);
                (since, large) = (0, large + 1);
            }
            Some(start) => {
                running.push(start.cell);
                since += 1;
            }
            None => queue.ended(running.remove(0), true),
        }
    }
}

#[test]
fn an_arm_that_is_being_removed_gives_its_vcpus_at_once_and_its_memory_when_it_is_gone() {
    for (memory, at_once) in [(2, 1), (1, 0)] {
        let mut room = host(memory);
        room.budget.vcpus = 1;
        let cells = vec![cell("a", 1, 1), cell("b", 1, 1)];
        let mut queue = Queue::new(cells, &[room], usize::MAX);
        assert_eq!(starts(&mut queue).len(), 1);
        queue.over(0);
        assert_eq!(starts(&mut queue).len(), at_once, "{memory}");
        queue.removed(0, true);
        assert_eq!(starts(&mut queue).len(), 1 - at_once, "{memory}");
    }
    let mut queue = Queue::new(vec![cell("a", 1, 1)], &[host(9)], 1);
    assert_eq!(starts(&mut queue).len(), 1);
    queue.over(0);
    assert_eq!(starts(&mut queue).len(), 1, "of one job at once");
}

#[test]
fn live_memory_holds_back_what_the_budget_would_let_through() {
    let cells = || vec![cell("a", 1000, 1), cell("b", 1000, 1)];
    let mut queue = Queue::new(cells(), &[host(1 << 20)], usize::MAX);
    queue.measured(0, Mib(1000));
    assert_eq!(
        starts(&mut queue).len(),
        1,
        "where nothing runs the reserve may be used up"
    );
    queue.measured(0, Mib(1999 + RESERVE.0));
    assert_eq!(starts(&mut queue).len(), 1);
    queue.measured(0, Mib(5000));
    assert_eq!(starts(&mut queue).len(), 2);
    let mut queue = Queue::new(cells(), &[host(1 << 20)], usize::MAX);
    queue.measured(0, Mib(999));
    assert_eq!(starts(&mut queue).len(), 0);
    assert_eq!(queue.stuck(), Some(Cause::HostMemory));
}

#[test]
fn a_lost_host_costs_its_cells_one_more_try_elsewhere() {
    let cells = vec![cell("a", 10, 3), cell("a", 10, 2), cell("a", 30, 1)];
    let mut small = host(10);
    small.budget.vcpus = 9;
    let mut queue = Queue::new(cells, &[host(30), small], 3);
    assert_eq!(
        starts(&mut queue),
        ["0 treatment@0", "1 treatment@0", "0 control@0"]
    );
    queue.ended(0, true);
    queue.lose(0);
    // The large one fits nowhere any more; the others still run, and then wait for both their arms.
    let stranded: Vec<(usize, Arm, Cause)> = queue
        .stranded()
        .iter()
        .map(|out| (out.cell, out.arm, out.cause))
        .collect();
    assert_eq!(
        stranded,
        [
            (2, Arm::Treatment, Cause::HostLost),
            (2, Arm::Control, Cause::HostLost)
        ]
    );
    queue.ended(0, false);
    queue.retry();
    let start = queue.admit().expect("a second try");
    assert_eq!((start.cell, start.host, start.instead_of), (0, 1, Some(0)));
    queue.ended(1, false);
    queue.retry();
    assert_eq!(queue.admit(), None, "the other host is full");
    queue.ended(0, true);
    let mut second = Vec::new();
    while let Some(start) = queue.admit() {
        second.push((start.cell, start.instead_of));
        queue.ended(start.cell, true);
    }
    assert_eq!(second, [(1, Some(0)), (0, None), (1, None)]);
    assert!(queue.is_empty());
}

#[test]
fn a_cell_that_was_over_before_its_host_was_lost_is_left_alone() {
    let mut queue = Queue::new(vec![cell("a", 1, 1)], &[host(10), host(10)], usize::MAX);
    assert_eq!(starts(&mut queue).len(), 2);
    queue.ended(0, true);
    queue.ended(0, false);
    queue.lose(0);
    queue.retry();
    assert!(queue.is_empty() && queue.stranded().is_empty());
}

fn any_cell() -> impl Strategy<Value = CellNeeds> {
    (0..3_usize, 1..40_u64, 1..4_u32, any::<bool>(), 0..60_u64).prop_map(
        |(group, memory, vcpus, together, minutes)| {
            let mut cell = cell(["a", "b", "c"][group], memory, minutes);
            cell.arm.vcpus = vcpus;
            cell.together = together;
            cell
        },
    )
}

fn any_host() -> impl Strategy<Value = Room> {
    (20..80_u64, 2..9_u32).prop_map(|(memory, vcpus)| {
        let mut room = host(memory);
        room.budget.vcpus = vcpus;
        room
    })
}

/// An arm that runs in the model: its cell, which, and its host.
type Running = Vec<(usize, Arm, usize)>;

fn within(running: &Running, cells: &[CellNeeds], hosts: &[Room], jobs: usize) -> bool {
    let fits = |(host, room): (usize, &Room)| {
        let there = || {
            running
                .iter()
                .filter(|run| run.2 == host)
                .map(|run| cells[run.0].arm)
        };
        there().map(|arm| arm.memory.0).sum::<u64>() <= room.budget.memory.0
            && there().map(|arm| arm.vcpus).sum::<u32>() <= room.budget.vcpus
    };
    running.len() <= jobs && hosts.iter().enumerate().all(fits)
}

proptest! {
    #[test]
    fn budgets_hold_and_all_that_fits_is_run(
        cells in proptest::collection::vec(any_cell(), 1..20),
        hosts in proptest::collection::vec(any_host(), 1..4),
        jobs in 2..8_usize,
        picks in proptest::collection::vec(any::<proptest::sample::Index>(), 100),
        loss in proptest::option::of((0..30_usize, any::<proptest::sample::Index>())),
        forks_ahead in any::<bool>(),
    ) {
        let mut queue = Queue::new(cells.clone(), &hosts, jobs);
        let mut running: Running = Vec::new();
        // Of each cell: the arms that came to their end in its last try, and its hosts.
        let mut over: Vec<Vec<Arm>> = vec![Vec::new(); cells.len()];
        let mut homes: Vec<Vec<usize>> = vec![Vec::new(); cells.len()];
        let mut stranded = vec![false; cells.len()];
        let mut lost = None;
        let mut ahead = None;
        for round in 0.. {
            prop_assert!(round < 1000, "it does not end");
            if let Some((at, host)) = &loss
                && *at == round
            {
                let host = host.index(hosts.len());
                lost = Some(host);
                queue.lose(host);
            }
            queue.retry();
            for out in queue.stranded() {
                stranded[out.cell] = true;
            }
            while let Some(start) = queue.admit() {
                prop_assert_ne!(Some(start.host), lost);
                if let Some(from) = start.instead_of {
                    prop_assert_eq!(Some(from), lost);
                    over[start.cell].clear();
                }
                let known = homes[start.cell].last() == Some(&start.host);
                prop_assert!(known || homes[start.cell].is_empty() || start.instead_of.is_some());
                if !known {
                    homes[start.cell].push(start.host);
                }
                // One that takes fewer vCPUs may pass what is ahead.
                ahead = ahead.filter(|ahead: &Ahead| (ahead.cell, &[ahead.arm][..]) != (start.cell, start.arms));
                for &arm in start.arms {
                    prop_assert!(!over[start.cell].contains(&arm));
                    running.push((start.cell, arm, start.host));
                }
                prop_assert!(within(&running, &cells, &hosts, jobs));
            }
            if running.is_empty() {
                break;
            }
            if forks_ahead {
                ahead = queue.ahead().or(ahead);
                let memory = |cell: usize| cells[cell].arm.memory.0;
                let held = running.iter().map(|run| memory(run.0)).sum::<u64>();
                let held = held + ahead.map_or(0, |ahead| memory(ahead.cell));
                prop_assert!(ahead.is_none() || held <= hosts[0].budget.memory.0);
            }
            let (cell, arm, host) = running.remove(picks[round % picks.len()].index(running.len()));
            let whole = Some(host) != lost;
            if whole {
                over[cell].push(arm);
            }
            queue.ended(cell, whole);
        }
        prop_assert!(queue.is_empty());
        for (index, cell) in cells.iter().enumerate() {
            let left = hosts.iter().enumerate().filter(|(host, _)| Some(*host) != lost);
            let can = left.clone().any(|(_, room)| room.can_hold(cell));
            let whole = over[index].len() == 2;
            prop_assert!(whole || !can, "cell {index} did not run");
            prop_assert!(whole != (stranded[index] || over[index].len() < 2));
            prop_assert!(homes[index].len() <= 2);
        }
    }
}

#[test]
fn images_are_placed_ahead_where_one_host_has_the_disk_for_all_that_waits() {
    let cells = || {
        ["a", "b", "c"].map(|name| CellNeeds {
            images: [(name.to_owned(), Mib(10))].into(),
            ..cell(name, 1, 1)
        })
    };
    let arms = 6 * cells()[0].arm.disk.0;
    let room = |disk: u64| {
        let mut room = host(100);
        room.budget.disk = Mib(disk);
        room
    };
    let prepared = |rooms: &[Room]| {
        let mut queue = Queue::new(cells().into(), rooms, 1);
        let first = queue.admit().map(|start| start.cell);
        let ahead: Vec<_> = std::iter::from_fn(|| queue.prepare()).collect();
        (first, ahead)
    };
    let none = Vec::<(usize, usize)>::new();
    assert_eq!(prepared(&[room(arms + 30)]), (Some(0), vec![(1, 0), (2, 0)]));
    assert_eq!(
        prepared(&[room(arms + 29)]),
        (Some(0), none.clone()),
        "too little for all"
    );
    assert_eq!(prepared(&[room(arms + 30), room(arms + 30)]).1, none, "two hosts");
}

/// What is forked ahead, of a first try.
fn forked(queue: &mut Queue) -> Option<(usize, Arm, usize)> {
    let ahead = queue.ahead()?;
    assert_eq!(ahead.nth_try, 1);
    Some((ahead.cell, ahead.arm, ahead.host))
}

#[test]
fn the_next_arm_is_forked_ahead_where_memory_holds_it_and_starts_when_vcpus_are_free() {
    let room = |memory: u64, vcpus: u32| {
        let mut room = host(memory);
        room.budget.vcpus = vcpus;
        room
    };
    let mut queue = Queue::new(vec![cell("a", 10, 20), cell("a", 10, 10)], &[room(20, 1)], 4);
    assert_eq!(starts(&mut queue), ["0 treatment@0"]);
    assert_eq!(forked(&mut queue), Some((0, Arm::Control, 0)));
    assert_eq!(queue.ahead(), None, "one at a time");
    assert!(starts(&mut queue).is_empty(), "there is no vCPU for it yet");
    queue.over(0);
    assert_eq!(starts(&mut queue), ["0 control@0"]);
    assert_eq!(queue.ahead(), None, "the first arm still has its memory");
    queue.removed(0, true);
    assert_eq!(forked(&mut queue), Some((1, Arm::Treatment, 0)));

    let together = CellNeeds {
        together: true,
        ..cell("b", 1, 1)
    };
    for (cells, hosts, why) in [
        (vec![cell("a", 10, 20); 2], vec![room(19, 1)], "memory"),
        (vec![cell("a", 1, 20); 2], vec![room(20, 1); 2], "two hosts"),
        (vec![together; 2], vec![room(20, 2)], "both arms at once"),
    ] {
        let mut queue = Queue::new(cells, &hosts, 4);
        assert!(!starts(&mut queue).is_empty());
        assert_eq!(queue.ahead(), None, "{why}");
    }
}
