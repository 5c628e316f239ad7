//! The queue itself.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::id::Arm;
use crate::model::outcome::Cause;
use crate::run::queue::answers::{Ahead, Start, Stranded};
use crate::run::queue::needs::{Amount, CellNeeds, RESERVE, Room};
use crate::units::Mib;

/// How often an admission that does not fit yet may be overtaken by later ones.
pub const PATIENCE: u32 = 4;

struct Host {
    room: Room,
    free: Amount,
    arms: usize,
    placed: BTreeSet<String>,
    lost: bool,
    /// What it last said to have free, less what was started since. What ends gives nothing back: whether it did is for
    /// the host to say.
    measured: Option<Mib>,
}

impl Host {
    /// The images that a cell needs and that are not here yet, with their sizes.
    fn missing<'n>(&self, needs: &'n CellNeeds) -> impl Iterator<Item = (&'n String, Mib)> {
        let images = needs.images.iter().map(|(image, size)| (image, *size));
        images.filter(|(image, _)| !self.placed.contains(*image))
    }

    fn take(&mut self, cost: Amount) {
        self.free.take(cost);
        if let Some(measured) = &mut self.measured {
            measured.0 = measured.0.saturating_sub(cost.memory.0);
        }
    }
}

struct Cell {
    needs: CellNeeds,
    /// Its group's index.
    group: usize,
    home: Option<usize>,
    running: usize,
    /// An arm of it fell with its host.
    broken: bool,
    /// Whether a try of it was lost with its host.
    lost: bool,
    /// That host, until the try that takes its place begins.
    from: Option<usize>,
    /// Which try it is at; counts from 1.
    nth_try: u32,
    /// Whether somebody was told that both arms of that one are over.
    told: bool,
}

#[derive(Clone, Copy)]
struct Waiting {
    cell: usize,
    arms: &'static [Arm],
    overtaken: u32,
    /// The host that it keeps to itself.
    keeps: Option<usize>,
    /// Its memory and disk are taken already.
    ahead: bool,
}

/// What waits, and what the hosts have left.
pub struct Queue {
    hosts: Vec<Host>,
    cells: Vec<Cell>,
    waiting: Vec<Waiting>,
    /// The time that was given to each group.
    given: Vec<Duration>,
    jobs: usize,
    running: usize,
    /// Whether nothing that waits needs an image that is to be placed ahead.
    placed: bool,
}

impl Queue {
    /// Every arm of those cells, on those hosts, at most `jobs` of them at once.
    pub fn new(cells: Vec<CellNeeds>, rooms: &[Room], jobs: usize) -> Self {
        let host = |room: &Room| Host {
            room: *room,
            free: room.budget,
            arms: 0,
            placed: BTreeSet::new(),
            lost: false,
            measured: None,
        };
        let mut queue = Self {
            hosts: rooms.iter().map(host).collect(),
            cells: Vec::new(),
            waiting: Vec::new(),
            given: Vec::new(),
            jobs,
            running: 0,
            placed: false,
        };
        let mut groups = BTreeMap::new();
        for (index, needs) in cells.into_iter().enumerate() {
            let next = groups.len();
            let group = *groups.entry(needs.group.clone()).or_insert(next);
            queue.cells.push(Cell {
                needs,
                group,
                home: None,
                running: 0,
                broken: false,
                lost: false,
                from: None,
                nth_try: 1,
                told: false,
            });
            queue.wait(index);
        }
        queue.given = vec![Duration::ZERO; groups.len()];
        queue
    }

    fn wait(&mut self, cell: usize) {
        for arms in self.cells[cell].needs.admissions() {
            self.waiting.push(Waiting {
                cell,
                arms,
                overtaken: 0,
                keeps: None,
                ahead: false,
            });
        }
    }

    /// Takes out the arms of a cell of which so many pairs need not run, as they have; what they show may be confirmed.
    pub fn leave_out(&mut self, cell: usize, pairs: u32) {
        self.waiting.retain(|waiting| waiting.cell != cell);
        self.cells[cell].nth_try = pairs;
    }

    /// Whether anything waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether all that started is over, though not all may be removed.
    pub fn is_idle(&self) -> bool {
        self.running == 0
    }

    /// What starts now, if anything can. It is taken to have started.
    pub fn admit(&mut self) -> Option<Start> {
        self.waiting.sort_by_key(|waiting| {
            let Cell { needs, group, .. } = &self.cells[waiting.cell];
            let given = self.given[*group];
            let length = waiting.arms.iter().map(|&arm| needs.takes(arm)).max();
            let second = waiting.arms.first() == Some(&Arm::Control);
            (
                !waiting.ahead,
                waiting.overtaken < PATIENCE,
                given,
                Reverse(length),
                waiting.cell,
                second,
            )
        });
        let mut kept = BTreeSet::new();
        for at in 0..self.waiting.len() {
            let waiting = self.waiting[at];
            let jobs = self.running.saturating_add(waiting.arms.len()) <= self.jobs;
            let fitting = self.possible(&waiting).filter(|host| !kept.contains(host));
            let host = fitting
                .filter(|&host| self.fits(&waiting, host))
                .max_by_key(|&host| self.most_free(host));
            if let (true, Some(host)) = (jobs, host) {
                for passed in &mut self.waiting[..at] {
                    passed.overtaken = passed.overtaken.saturating_add(1);
                }
                self.waiting.remove(at);
                return Some(self.start(&waiting, host));
            }
            if waiting.overtaken >= PATIENCE {
                if !jobs {
                    return None;
                }
                let mine = waiting.keeps.filter(|&host| self.can(&waiting, host));
                let mine = mine.or_else(|| self.possible(&waiting).max_by_key(|&host| self.most_free(host)));
                self.waiting[at].keeps = mine;
                kept.extend(mine);
            }
        }
        None
    }

    /// A cell whose images are worth placing while others run, and its host: the first that waits for some. Only where there
    /// is one host, since among several it is decided at the start, and where the disk holds all that waits. They are taken
    /// to be there.
    pub fn prepare(&mut self) -> Option<(usize, usize)> {
        let [host] = self.hosts.as_mut_slice() else {
            return None;
        };
        // With one host nothing comes to wait later that needs others.
        if self.placed {
            return None;
        }
        let mut images = BTreeMap::new();
        let mut arms = Mib(0);
        let mut next = None;
        for waiting in &self.waiting {
            let needs = &self.cells[waiting.cell].needs;
            let disk = needs.arm.times(waiting.arms.len()).disk;
            arms.0 = arms.0.saturating_add(disk.0);
            for (image, size) in host.missing(needs) {
                images.insert(image, size);
                next.get_or_insert(waiting.cell);
            }
        }
        let all = images
            .values()
            .fold(arms.0, |all, size| all.saturating_add(size.0));
        if host.lost || all > host.free.disk.0 {
            return None;
        }
        self.placed = next.is_none();
        let next = next?;
        let missing: Vec<_> = host.missing(&self.cells[next].needs).collect();
        for (image, size) in missing {
            host.placed.insert(image.clone());
            host.free.disk.0 = host.free.disk.0.saturating_sub(size.0);
        }
        Some((next, 0))
    }

    /// An arm whose VMs are worth making while others have the vCPUs, and its host: the first that waits, as
    /// [`Queue::admit`] left them, where there is one host, its images are there, and memory and disk hold it. They are
    /// taken for it, and it starts as soon as its vCPUs are free, so that what it holds is never waited for. None, where
    /// something was overtaken too often: what is free is for that.
    pub fn ahead(&mut self) -> Option<Ahead> {
        let patient = |waiting: &Waiting| !waiting.ahead && waiting.overtaken < PATIENCE;
        if self.hosts.len() != 1 || !self.waiting.iter().all(patient) {
            return None;
        }
        let next = *self.waiting.first()?;
        let &[arm] = next.arms else { return None };
        let needs = &self.cells[next.cell].needs;
        let cost = Amount {
            vcpus: 0,
            ..needs.arm
        };
        if !self.can(&next, 0)
            || self.hosts[0].missing(needs).next().is_some()
            || !self.hosts[0].free.holds(cost)
            || self.is_short(cost.memory, 0)
        {
            return None;
        }
        self.hosts[0].take(cost);
        self.waiting[0].ahead = true;
        Some(Ahead {
            cell: next.cell,
            arm,
            nth_try: self.cells[next.cell].nth_try,
            host: 0,
        })
    }

    fn most_free(&self, host: usize) -> (u32, Mib, Reverse<usize>) {
        let free = self.hosts[host].free;
        (free.vcpus, free.memory, Reverse(host))
    }

    /// Whether an admission may start on a host, now or later.
    fn can(&self, waiting: &Waiting, host: usize) -> bool {
        let cell = &self.cells[waiting.cell];
        let room = &self.hosts[host];
        !room.lost && cell.home.is_none_or(|home| home == host) && room.room.can_hold(&cell.needs)
    }

    fn possible(&self, waiting: &Waiting) -> impl Iterator<Item = usize> {
        let waiting = *waiting;
        (0..self.hosts.len()).filter(move |&host| self.can(&waiting, host))
    }

    /// What an admission takes of a host: its arms, and the images that are not there yet.
    fn cost(&self, waiting: &Waiting, host: usize) -> Amount {
        let needs = &self.cells[waiting.cell].needs;
        let mut cost = needs.arm.times(waiting.arms.len());
        if waiting.ahead {
            return Amount {
                memory: Mib(0),
                disk: Mib(0),
                ..cost
            };
        }
        for (_, size) in self.hosts[host].missing(needs) {
            cost.disk.0 = cost.disk.0.saturating_add(size.0);
        }
        cost
    }

    fn fits(&self, waiting: &Waiting, host: usize) -> bool {
        let cost = self.cost(waiting, host);
        self.hosts[host].free.holds(cost) && !self.is_short(cost.memory, host)
    }

    /// Whether a host says to have less memory than an admission takes. Where nothing runs the reserve may be used up.
    fn is_short(&self, memory: Mib, host: usize) -> bool {
        let host = &self.hosts[host];
        let reserve = if host.arms == 0 { 0 } else { RESERVE.0 };
        host.measured
            .is_some_and(|measured| memory.0 > measured.0.saturating_sub(reserve))
    }

    fn start(&mut self, waiting: &Waiting, host: usize) -> Start {
        let cost = self.cost(waiting, host);
        let cell = &mut self.cells[waiting.cell];
        let instead_of = cell.from.take();
        cell.home = Some(host);
        cell.running += waiting.arms.len();
        let given = &mut self.given[cell.group];
        for &arm in waiting.arms {
            *given = given.saturating_add(cell.needs.takes(arm));
        }
        let room = &mut self.hosts[host];
        room.placed.extend(cell.needs.images.keys().cloned());
        room.take(cost);
        room.arms += waiting.arms.len();
        self.running += waiting.arms.len();
        Start {
            cell: waiting.cell,
            arms: waiting.arms,
            host,
            instead_of,
            nth_try: cell.nth_try,
        }
    }

    /// An arm is over and about to be removed: another may have its vCPUs.
    pub fn over(&mut self, cell: usize) {
        let cell = &self.cells[cell];
        let Some(home) = cell.home else { return };
        self.hosts[home].free.vcpus += cell.needs.arm.vcpus;
        self.running -= 1;
    }

    /// An arm that is over is removed: its memory and disk are free too. `whole` where it came to its end in order.
    pub fn removed(&mut self, cell: usize, whole: bool) {
        let cell = &mut self.cells[cell];
        let Some(home) = cell.home else { return };
        let host = &mut self.hosts[home];
        cell.running -= 1;
        cell.broken |= !whole && host.lost;
        host.free.give_back(Amount {
            vcpus: 0,
            ..cell.needs.arm
        });
        host.arms -= 1;
    }

    /// An arm is over and removed.
    pub fn ended(&mut self, cell: usize, whole: bool) {
        self.over(cell);
        self.removed(cell, whole);
    }

    /// A host says how much memory it has free.
    pub fn measured(&mut self, host: usize, free: Mib) {
        self.hosts[host].measured = Some(free);
    }

    /// A host is lost: nothing more starts there, and the cells that wait for it are broken.
    pub fn lose(&mut self, host: usize) {
        self.hosts[host].lost = true;
        for waiting in &self.waiting {
            let cell = &mut self.cells[waiting.cell];
            cell.broken |= cell.home == Some(host);
        }
    }

    /// Lets both arms of a cell wait once more whose host was lost, when no arm of it runs any more and another host can
    /// hold it.
    pub fn retry(&mut self) {
        for index in 0..self.cells.len() {
            let cell = &self.cells[index];
            let over = cell.broken && cell.running == 0 && !cell.lost;
            let holds = |host: &Host| !host.lost && host.room.can_hold(&cell.needs);
            if over && self.hosts.iter().any(holds) {
                let cell = &mut self.cells[index];
                cell.from = cell.home.take();
                cell.lost = true;
                cell.broken = false;
                cell.nth_try += 1;
                self.waiting.retain(|waiting| waiting.cell != index);
                self.wait(index);
            }
        }
    }

    /// A cell of which both arms are over, once for each try.
    pub fn through(&mut self) -> Option<usize> {
        let mut waits = vec![false; self.cells.len()];
        for waiting in &self.waiting {
            waits[waiting.cell] = true;
        }
        let mut cells = self.cells.iter().zip(waits);
        let index = cells.position(|(cell, waits)| !cell.told && cell.running == 0 && !waits)?;
        self.cells[index].told = true;
        Some(index)
    }

    /// Lets a fresh pair of a cell's arms wait, of which both arms are over, wherever there is room.
    pub fn confirm(&mut self, index: usize) {
        let cell = &mut self.cells[index];
        cell.home = None;
        cell.broken = false;
        cell.nth_try += 1;
        cell.told = false;
        self.wait(index);
    }

    /// Takes out what no host that is left can hold.
    pub fn stranded(&mut self) -> Vec<Stranded> {
        let (kept, out): (Vec<Waiting>, Vec<Waiting>) = self.waiting.iter().partition(|waiting| {
            // A cell that still runs may yet be tried elsewhere.
            self.cells[waiting.cell].running > 0 || self.possible(waiting).next().is_some()
        });
        self.waiting = kept;
        let lost = |waiting: &Waiting| self.strand(waiting, Cause::HostLost);
        out.iter().flat_map(lost).collect()
    }

    /// Where nothing runs and still nothing starts: why the first that waits does not.
    pub fn stuck(&self) -> Option<Cause> {
        let first = self.waiting.first()?;
        let short = |host| self.is_short(self.cost(first, host).memory, host);
        Some(if self.possible(first).any(short) {
            Cause::HostMemory
        } else {
            Cause::HostDisk
        })
    }

    /// Takes out the first that waits.
    pub fn give_up(&mut self) -> Vec<Stranded> {
        let Some(cause) = self.stuck() else {
            return Vec::new();
        };
        let waiting = self.waiting.remove(0);
        self.strand(&waiting, cause)
    }

    fn strand(&self, waiting: &Waiting, cause: Cause) -> Vec<Stranded> {
        let cell = waiting.cell;
        let nth_try = self.cells[cell].nth_try;
        let stranded = |&arm| Stranded {
            cell,
            arm,
            nth_try,
            cause,
        };
        waiting.arms.iter().map(stranded).collect()
    }

    /// How long all of it takes if every arm takes as long as is expected; nothing where some of it never starts.
    pub fn predict(mut self) -> Option<Duration> {
        let mut now = Duration::ZERO;
        let mut ends = BTreeSet::new();
        loop {
            while let Some(start) = self.admit() {
                let needs = &self.cells[start.cell].needs;
                // Arms that are compared wait for each other.
                let takes = start.arms.iter().map(|&arm| needs.takes(arm)).max();
                let end = now.saturating_add(takes.unwrap_or_default());
                ends.extend(start.arms.iter().map(|&arm| (end, start.cell, arm)));
            }
            let Some((end, cell, _)) = ends.pop_first() else {
                break;
            };
            now = end;
            self.ended(cell, true);
        }
        self.is_empty().then_some(now)
    }
}
