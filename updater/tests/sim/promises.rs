//! What the disks of a machine that is switched off must be, wherever the power was cut.

use edeploy_ab::esp::Esp;
use edeploy_format::boot::BootFile;
use edeploy_format::digest::Digest;

use crate::fault::Fault;
use crate::machine::Machine;
use crate::plan::{Plan, Wanted};

impl Plan {
    /// P3, P5 and P7, on the disks of a machine that is switched off.
    pub(crate) fn promises(&self, machine: &mut Machine) -> Result<(), Fault> {
        let esp = Esp::open(machine.esp.clone()).and_then(|mut esp| Ok((esp.entries()?, esp)));
        let (entries, mut esp) = match (esp, self.wanted) {
            (Ok(esp), _) => esp,
            // An ESP that is not made yet holds nothing that could be broken.
            (Err(_), Wanted::Install | Wanted::Repair) => return Ok(()),
            (Err(fault), _) => return Err(Fault::Broken(format!("P5: {fault}"))),
        };
        let (mut good, mut remembered) = (false, machine.refused());
        for listed in entries {
            let name = listed.name;
            let entry = match listed.entry {
                // To the loader it is no entry, and a repair takes it away.
                Err(_) if self.wanted == Wanted::Repair => continue,
                entry => entry.map_err(|e| Fault::Broken(format!("P3: {name}: {e}")))?,
            };
            for object in entry.objects() {
                // A repair goes on putting right what was wrong before it began.
                if esp.object(object)? != BootFile::Whole && self.wanted != Wanted::Repair {
                    return Err(Fault::Broken(format!("P3: {name} names what is not whole")));
                }
            }
            let tree = self.tree(&entry)?;
            // What came by install had nothing to carry over.
            let by_install = name.generation == 1 || tree.version == 1;
            let carried = by_install || machine.keeps_its_own(name.slot);
            if !machine.holds(name.slot, tree) || !carried {
                return Err(Fault::Broken(format!("P3: {name} boots a slot that is not whole")));
            }
            if !machine.is_partitioned() || !machine.has_state() {
                return Err(Fault::Broken(format!("P3: {name} is there before the disk is made")));
            }
            good |= name.tries.is_none();
            remembered.extend(name.exhausted().then_some(entry.options.manifest));
        }
        if !good && !matches!(self.wanted, Wanted::Install | Wanted::Repair) {
            return Err(Fault::Broken("P5: no good entry is left".to_owned()));
        }
        if self.failed.is_some_and(|version| !remembered.contains(&Digest([version; 32]))) {
            return Err(Fault::Broken("P7: a failure is forgotten".to_owned()));
        }
        Ok(())
    }
}
