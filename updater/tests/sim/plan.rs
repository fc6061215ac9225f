//! A story of a machine: how it begins, what its operator asks for, how it must end; and the power cuts
//! that must not change the end.

use std::cell::RefCell;
use std::collections::HashSet;

use edeploy_ab::esp::{Esp, SyncId};
use edeploy_ab::hooks::Wish;
use edeploy_ab::host::{run, survey};
use edeploy_ab::machine::{Goal, Outcome, Progress, Refusal, Running};
use edeploy_format::boot::{Entry, EntryName};
use edeploy_format::slot::Slot;

use crate::cuts::{Dice, subsets};
use crate::esp::fsck;
use crate::fault::Fault;
use crate::machine::Machine;
use crate::tree::{Temper, Tree};

/// What the operator asks for, again and again until it is so or refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Install,
    Upgrade,
    Retry,
    Rollback,
    Repair,
}

/// How a story ends: what runs, from which slot, and whether it is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) version: u8,
    pub(crate) slot: Slot,
    pub(crate) good: bool,
    /// The command that ended it was refused, because the machine fell back from that version.
    pub(crate) refused: bool,
}

pub(crate) struct Plan {
    /// The machine, switched off.
    pub(crate) before: Machine,
    pub(crate) wanted: Wanted,
    /// All versions there are.
    pub(crate) trees: Vec<Tree>,
    /// A version this machine fell back from, which it must not forget.
    pub(crate) failed: Option<u8>,
    pub(crate) ending: Ending,
    /// What machines looked like at a boot from which they came to the right end.
    pub(crate) proven: RefCell<HashSet<u64>>,
}

/// How far a drive came.
enum Drive {
    Ended(Ending),
    /// The power is out.
    Cut,
}

/// How one boot ends.
enum Life {
    Ended(Ending),
    /// An orderly reboot.
    Reboot,
    /// A reboot without a sync.
    Reset,
}

impl Plan {
    pub(crate) fn tree(&self, entry: &Entry) -> Result<Tree, Fault> {
        let found = self.trees.iter().find(|tree| tree.manifest() == entry.options.manifest);
        found.copied().ok_or_else(|| Fault::Broken(format!("no such version: {}", entry.title)))
    }

    /// Boots and works until the end, or until the power is cut.
    fn drive(&self, machine: &mut Machine, dice: &mut Dice) -> Result<Drive, String> {
        let mut on_the_way = Vec::new();
        for boots in 0..40 {
            // A machine that recovered and rebooted has tidied its ESP up, so that what its readers see of
            // it is all there is to it; if another one came well from there, so does this one.
            if boots > 0 && machine.power.is_steady() {
                let looks = machine.looks();
                if self.proven.borrow().contains(&looks) {
                    return Ok(Drive::Ended(self.ending));
                }
                on_the_way.push(looks);
            }
            let life = self.boot(machine);
            if let Some(drive) = self.settle(machine, life, dice)? {
                if matches!(drive, Drive::Ended(ending) if ending == self.ending) {
                    self.proven.borrow_mut().extend(on_the_way);
                }
                return Ok(drive);
            }
        }
        Err("P7: does not come to an end".to_owned())
    }

    /// What follows from the end of one boot; `None`: the next one.
    fn settle(
        &self,
        machine: &mut Machine,
        life: Result<Life, Fault>,
        dice: &mut Dice,
    ) -> Result<Option<Drive>, String> {
        match life {
            Err(Fault::Broken(what)) => return Err(what),
            Ok(Life::Reboot | Life::Reset) | Err(_) if machine.power.is_out() => return Ok(Some(Drive::Cut)),
            Ok(Life::Ended(ending)) => return Ok(Some(Drive::Ended(ending))),
            Ok(Life::Reboot) => machine.settle(),
            Ok(Life::Reset) => *machine = reset(machine, dice),
            Err(fault) => return Err(fault.to_string()),
        }
        Ok(None)
    }

    fn boot(&self, machine: &mut Machine) -> Result<Life, Fault> {
        machine.running = None;
        if self.wanted == Wanted::Repair && self.is_broken(machine)? {
            return self.repair(machine);
        }
        let Some(boot) = machine.firmware()? else {
            return match self.wanted {
                Wanted::Install => self.install(machine),
                Wanted::Upgrade | Wanted::Retry | Wanted::Rollback | Wanted::Repair => Err(bricked()),
            };
        };
        // The loader flushes its rename before it starts the kernel.
        machine.settle();
        let name: EntryName = boot.file.parse().expect("there are only ours");
        let (_, entry) = find(machine, |other| other.blessed() == name.blessed())?;
        let tree = self.tree(&entry)?;
        if boot.counted && matches!(tree.temper, Temper::Panicking | Temper::Hanging) {
            return Ok(Life::Reset);
        }
        if self.wanted == Wanted::Install && tree != machine.goal {
            return self.install(machine);
        }
        machine.running = Some(Running { slot: name.slot, manifest: tree.manifest() });
        let elsewhere = find(machine, |other| other.slot != name.slot && !other.exhausted()).is_ok();
        if boot.counted && tree.temper == Temper::Sick && elsewhere {
            return Ok(Life::Reboot);
        }
        self.live(machine)
    }

    /// A running system: it blesses itself if it is on trial, then the operator comes.
    fn live(&self, machine: &mut Machine) -> Result<Life, Fault> {
        let Some(running) = machine.running else {
            return if self.wanted == Wanted::Repair { self.repair(machine) } else { self.install(machine) };
        };
        let (_, entry) = find(machine, |name| name.slot == running.slot)?;
        let tree = self.tree(&entry)?;
        let counted = find(machine, |name| name.slot == running.slot && name.tries.is_some()).is_ok();
        if counted && tree.temper == Temper::Healthy {
            let outcome = run(machine, &Goal::Bless)?;
            self.told_the_truth(machine, outcome)?;
        }
        self.command(machine, tree, running.slot)
    }

    /// An install, from a system that booted from elsewhere.
    fn install(&self, machine: &mut Machine) -> Result<Life, Fault> {
        let outcome = run(machine, &Goal::Install)?;
        self.told_the_truth(machine, outcome)?;
        Ok(Life::Reboot)
    }

    /// A repair, from a rescue system: once more than needed, and then nothing is written.
    fn repair(&self, machine: &mut Machine) -> Result<Life, Fault> {
        machine.running = None;
        let outcome = run(machine, &Goal::Repair)?;
        self.told_the_truth(machine, outcome)?;
        if self.is_broken(machine)? {
            return Err(Fault::Broken("P9: repaired, and still broken".to_owned()));
        }
        Ok(Life::Reboot)
    }

    fn is_broken(&self, machine: &mut Machine) -> Result<bool, Fault> {
        let running = machine.running.take();
        let seen = survey(machine, Progress::Nothing);
        machine.running = running;
        Ok(!seen?.broken().is_empty())
    }

    /// The operator's command on a machine that runs `tree`.
    fn command(&self, machine: &mut Machine, tree: Tree, slot: Slot) -> Result<Life, Fault> {
        let good = find(machine, |name| name.slot == slot && name.tries.is_none()).is_ok();
        let ending = Ending { version: tree.version, slot, good, refused: false };
        let retry = self.wanted == Wanted::Retry;
        let goal = match self.wanted {
            Wanted::Install | Wanted::Repair => return Ok(Life::Ended(ending)),
            Wanted::Rollback if tree.version == self.ending.version => return Ok(Life::Ended(ending)),
            Wanted::Rollback => Goal::Rollback,
            Wanted::Upgrade | Wanted::Retry => Goal::Upgrade { manifest: machine.goal.manifest(), retry },
        };
        let outcome = match run(machine, &goal) {
            Err(Fault::Refused(Refusal::FellBack(manifest))) if manifest == machine.goal.manifest() => {
                return Ok(Life::Ended(Ending { refused: true, ..ending }));
            }
            outcome => outcome?,
        };
        self.told_the_truth(machine, outcome)?;
        Ok(if outcome == Outcome::UpToDate { Life::Ended(ending) } else { Life::Reboot })
    }

    /// P9: what a command said is so, even if the power is cut right after it said so.
    fn told_the_truth(&self, machine: &Machine, outcome: Outcome) -> Result<(), Fault> {
        {
            let mut after = machine.after_cut(&vec![false; machine.pending()]);
            let boot = after.firmware()?.ok_or_else(bricked)?;
            let booted: EntryName = boot.file.parse().expect("there are only ours");
            let true_ = match outcome {
                Outcome::Installed(name) | Outcome::RolledBack(name) | Outcome::Blessed(name) => {
                    booted == name
                }
                Outcome::Staged { name, reboot } => {
                    booted == name && (!reboot || machine.wish == Wish::Reboot)
                }
                Outcome::UpToDate => self.tree(&find(machine, |name| name == booted)?.1)? == machine.goal,
                Outcome::OnTrial => false,
                Outcome::Repaired => {
                    self.tree(&find(machine, |name| name == booted)?.1)?.version == self.ending.version
                }
            };
            if !true_ {
                return Err(Fault::Broken(format!("P9: {outcome:?}, but {} boots", boot.file)));
            }
        }
        Ok(())
    }

    /// Cuts the power at every effect, keeps every subset of what was not synced, and drives each
    /// machine that comes of it to its end. Returns how many different machines those were.
    pub(crate) fn every_cut(&self, without: Option<SyncId>) -> Result<usize, String> {
        let mut seen = HashSet::new();
        for effects in 0.. {
            let mut machine = self.start(without);
            machine.power.cut_after(Some(effects));
            let mut dice = Dice::new(effects as u64);
            let ended = match self.drive(&mut machine, &mut dice)? {
                Drive::Ended(ending) => Some(self.must_be(ending)?),
                Drive::Cut => None,
            };
            self.every_subset(&machine, &mut dice, &mut seen)
                .map_err(|what| format!("{what} (cut at effect {effects})"))?;
            if ended.is_some() {
                break;
            }
        }
        Ok(seen.len())
    }

    /// Kills the process at every effect, starts it again, and cuts the power soon after.
    pub(crate) fn every_kill(&self, without: Option<SyncId>) -> Result<usize, String> {
        let mut seen = HashSet::new();
        for effects in 0.. {
            let mut killed = self.start(without);
            killed.power.cut_after(Some(effects));
            let mut dice = Dice::new(effects as u64);
            let Drive::Cut = self.drive(&mut killed, &mut dice)? else { break };
            if killed.counting {
                // The loader was at work: there is no process to kill.
                continue;
            }
            for more in [0, 1, 2, 3, 5, 8, 13] {
                let mut machine = killed.again();
                machine.power.cut_after(Some(more));
                let place = |what| format!("{what} (killed at effect {effects}, cut {more} later)");
                let life = self.live(&mut machine);
                self.settle(&mut machine, life, &mut dice).map_err(place)?;
                self.every_subset(&machine, &mut dice, &mut seen).map_err(place)?;
            }
        }
        Ok(seen.len())
    }

    /// Cuts the power at every effect of a repair that the running system does itself.
    pub(crate) fn every_cut_of_a_live_repair(&self, running: Running) -> Result<usize, String> {
        let mut seen = HashSet::new();
        for effects in 0.. {
            let mut machine = self.start(None);
            machine.running = Some(running);
            machine.power.cut_after(Some(effects));
            let mut dice = Dice::new(effects as u64);
            let ended = run(&mut machine, &Goal::Repair);
            if let Err(Fault::Broken(what)) = ended {
                return Err(what);
            }
            self.every_subset(&machine, &mut dice, &mut seen)
                .map_err(|what| format!("{what} (cut at effect {effects})"))?;
            if ended.is_ok() {
                let left =
                    survey(&mut machine, Progress::Nothing).map_err(|fault| fault.to_string())?.broken();
                if !left.is_empty() {
                    return Err(format!("P9: repaired, and still broken: {left:?}"));
                }
                break;
            }
        }
        Ok(seen.len())
    }

    /// Two cuts, each `within` so many effects, the second while the machine recovers from the first; now and then one more while the
    /// loader counts a try. Returns how many pairs those were: where the machine comes to its end before, there is none.
    pub(crate) fn two_cuts(&self, times: u64, within: [u64; 2]) -> Result<u64, String> {
        let mut pairs = 0;
        for seed in 0..times {
            let mut dice = Dice::new(1000 + seed);
            let mut machine = self.start(None);
            let mut cuts = 0;
            for range in within {
                machine.power.cut_after(Some(usize::try_from(dice.roll() % range).unwrap()));
                cuts += u64::from(matches!(self.drive(&mut machine, &mut dice)?, Drive::Cut));
                machine = reset(&machine, &mut dice);
                if dice.roll().is_multiple_of(4) {
                    machine.firmware().map_err(|fault| fault.to_string())?;
                    machine = reset(&machine, &mut dice);
                }
            }
            self.finish(&mut machine, &mut dice).map_err(|what| format!("{what} (seed {seed})"))?;
            pairs += cuts / 2;
            if seed.is_multiple_of(16) {
                let mut esp = Esp::open(machine.esp.clone()).map_err(|fault| fault.to_string())?;
                esp.prune(&[]).map_err(|fault| fault.to_string())?;
                fsck(&machine.esp.0.borrow()).map_err(|what| format!("{what} (seed {seed})"))?;
            }
        }
        Ok(pairs)
    }

    fn start(&self, without: Option<SyncId>) -> Machine {
        let mut machine = self.before.again();
        machine.without(without);
        machine
    }

    fn must_be(&self, ending: Ending) -> Result<Ending, String> {
        // Where both slots come back on trial, a cut while the loader counts a try may leave the other one.
        let other = self.wanted == Wanted::Repair && ending.good;
        if ending == self.ending || other { Ok(ending) } else { Err(format!("ended with {ending:?}")) }
    }

    fn every_subset(
        &self,
        machine: &Machine,
        dice: &mut Dice,
        seen: &mut HashSet<u64>,
    ) -> Result<(), String> {
        for kept in subsets(machine.pending(), dice) {
            let mut after = machine.after_cut(&kept);
            if seen.insert(after.fingerprint()) {
                self.finish(&mut after, dice).map_err(|what| format!("{what}, kept {kept:?}"))?;
            }
        }
        Ok(())
    }

    /// What a machine must be after a cut, and where it must come to from there.
    fn finish(&self, machine: &mut Machine, dice: &mut Dice) -> Result<(), String> {
        self.promises(machine).map_err(|fault| fault.to_string())?;
        match self.drive(machine, dice)? {
            Drive::Ended(ending) => self.must_be(ending).map(drop),
            Drive::Cut => Err("there was no second cut".to_owned()),
        }
    }
}

fn bricked() -> Fault {
    Fault::Broken("nothing boots".to_owned())
}

/// The machine after a reset: anything that was not synced may be lost.
fn reset(machine: &Machine, dice: &mut Dice) -> Machine {
    let kept: Vec<bool> = (0..machine.pending()).map(|_| dice.roll() >> 33 & 1 == 1).collect();
    machine.after_cut(&kept)
}

/// The newest whole entry that is `wanted`.
fn find(machine: &Machine, wanted: impl Fn(EntryName) -> bool) -> Result<(EntryName, Entry), Fault> {
    let listed = Esp::open(machine.esp.clone())?.entries()?;
    let found = listed.into_iter().find(|listed| wanted(listed.name) && listed.whole().is_some());
    let found = found.and_then(|listed| Some((listed.name, listed.entry.ok()?)));
    found.ok_or_else(|| Fault::Broken("no such entry".to_owned()))
}
