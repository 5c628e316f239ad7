//! The nodes of an arm, from their disks to the first answer.

use crate::guest::identity::Place;
use crate::input::clip;
use crate::model::hardware::NicHardware;
use crate::model::name::{NameError, VolumePath};
use crate::model::outcome::{Cause, Fault, Stage};
use crate::model::plan::{Addresses, NodePlan};
use crate::model::resource::{Made, Resource};
use crate::port::{Disk, LabError, NetworkSpec, Nic, Nvram, Power, Tag, VmSpec};
use crate::run::arm::core::ArmRun;
use crate::run::names;
use crate::run::node::{Node, fault, output_text};
use crate::run::site::outlet::Outlet;
use crate::run::site::resources::Base;
use crate::run::site::saved::Origin;

impl<'a> ArmRun<'a> {
    /// The run's way out there.
    pub async fn outlet(&self) -> Result<Option<&'a Outlet>, Fault> {
        let opened = self.site.outlet(&self.context.setup, &self.context.run_dir);
        let opened = self.site.loss().or(self.site.host.uri(), opened).await;
        opened.map_err(|error| fault(Stage::Clone, None, error))
    }

    /// Makes the arm's network and the nodes' overlays; the base is placed once for all arms.
    pub async fn fork(&self, origin: &Origin, made: &mut Vec<Resource>) -> Result<Vec<VmSpec>, Fault> {
        let outlet = self.outlet().await?;
        let specs = self.forked(outlet, origin, made).await;
        specs.map_err(|error| fault(Stage::Clone, None, error))
    }

    async fn forked(
        &self,
        outlet: Option<&Outlet>,
        origin: &Origin,
        made: &mut Vec<Resource>,
    ) -> Result<Vec<VmSpec>, LabError> {
        let setup = &self.context.setup;
        let (host, resources) = (&self.site.host, &self.site.resources);
        let tag = Tag {
            run: setup.run.clone(),
            arm: Some(self.plan.id.clone()),
            run_dir: self.context.run_dir.clone(),
        };
        if outlet.is_some() {
            let spec = NetworkSpec {
                name: names::network(&self.name)?,
                tag: tag.clone(),
            };
            made.push(resources.intend(Made::Network(spec.name.clone()))?);
            host.create_network(&spec).await?;
        }
        let pool = names::pool(&setup.run);
        let mut specs = Vec::new();
        for (at, node) in self.cell.nodes.iter().enumerate() {
            let Base { disks, nvram } = self.base(node).await?;
            let (power, saved) = origin.of_node(at)?;
            let name = names::domain(&self.name, &node.role)?;
            let machine = &node.image.machine;
            let disks: Vec<Disk> = saved
                .unwrap_or(&disks)
                .iter()
                .zip(machine.disks())
                .enumerate()
                .map(|(at, (base, hardware))| {
                    Ok(Disk {
                        volume: names::overlay(&name, at)?,
                        base: base.clone(),
                        hardware: hardware.clone(),
                    })
                })
                .collect::<Result<_, NameError>>()?;
            let nvram = machine.has_nvram().then(|| {
                Ok::<_, NameError>(Nvram {
                    volume: names::nvram(&name)?,
                    template: nvram,
                })
            });
            let nvram = nvram.transpose()?;
            let ram = match &power {
                Power::Savable { ram } => Some(ram),
                Power::On | Power::Saved { .. } => None,
            };
            let own = disks.iter().map(|disk| &disk.volume);
            for volume in own.chain(nvram.as_ref().map(|nvram| &nvram.volume)).chain(ram) {
                made.push(resources.intend(Made::Volume(VolumePath::new(&pool, volume)))?);
            }
            for disk in &disks {
                host.create_overlay(&pool, disk).await?;
            }
            specs.push(VmSpec {
                name,
                tag: tag.clone(),
                role: node.role.clone(),
                pool: pool.clone(),
                disks,
                nics: self.nics(outlet, at, node)?,
                memory: node.memory,
                vcpus: node.vcpus,
                hardware: machine.hardware.clone(),
                nvram,
                kvm: self.site.kvm,
                power,
            });
        }
        Ok(specs)
    }

    /// Places a node's sealed image into the run's pool, once for all arms.
    pub async fn base(&self, node: &NodePlan) -> Result<Base, LabError> {
        let setup = &self.context.setup;
        let file = setup.images.get(&node.image.name).ok_or_else(|| {
            let message = format!("image {} has no sealed disk", node.image.name);
            LabError::new(Cause::ImageDamaged, message)
        })?;
        let placed = self.site.resources.base(&setup.run, &node.image, file);
        self.copied(placed).await
    }

    /// A node's interface to the run's outlet, and those to its cell: the latter first where the node knows its cards by their
    /// places.
    fn nics(&self, outlet: Option<&Outlet>, at: usize, node: &NodePlan) -> Result<Vec<Nic>, LabError> {
        let machine = &node.image.machine;
        let card = |brought: Option<&NicHardware>, mac: String| Nic {
            network: None,
            mac,
            apart: false,
            model: brought.and_then(|nic| nic.model).unwrap_or(machine.hardware.nic),
            slot: brought.and_then(|nic| nic.slot.clone()),
            filter: None,
        };
        let out = self.outlet_mac(at);
        let Some(outlet) = outlet else {
            return Ok(vec![card(machine.nics.first(), out)]);
        };
        let network = names::network(&self.name)?;
        let wire = self.wire_macs(node);
        if wire.contains(&out) {
            let message = format!(
                "{} keeps the MAC address {out} that its card to the outlet would have",
                node.role
            );
            return Err(LabError::new(Cause::HostRefused, message)
                .with_hint("select other cells beside this one, or fewer: such addresses are counted through all of them"));
        }
        let (place, brought): (usize, Vec<&NicHardware>) = if node.addresses.is_given() {
            (0, machine.nics.iter().skip(1).collect())
        } else {
            let known = machine.nics.iter().filter(|nic| nic.mac.is_some());
            (wire.len(), known.collect())
        };
        let cards = wire.into_iter().enumerate();
        let mut nics: Vec<Nic> = cards
            .map(|(at, mac)| Nic {
                network: Some(network.clone()),
                ..card(brought.get(at).copied(), mac)
            })
            .collect();
        let way = machine.nics.first().filter(|_| place == 0);
        nics.insert(
            place,
            Nic {
                network: Some(outlet.network.clone()),
                filter: outlet.filter(&out)?,
                apart: true,
                ..card(way, out)
            },
        );
        Ok(nics)
    }

    /// The MAC address of a node's card to the outlet.
    pub fn outlet_mac(&self, at: usize) -> String {
        names::outlet_mac(self.index, self.plan.id.kind, self.plan.id.nth_try, at)
    }

    /// The MAC addresses of a node's cards on the arm's wire.
    pub fn wire_macs(&self, node: &NodePlan) -> Vec<String> {
        names::wire_macs(&self.context.setup.run, &self.cell.id, node)
    }

    /// What a node is told of its cell; nothing where there is no network between nodes.
    fn place(&self, at: usize, node: &NodePlan) -> Option<Place> {
        self.site.host.has_networks().then(|| Place {
            mac: names::mac(&self.context.setup.run, &self.cell.id, &node.role),
            address: format!("{}/{}", names::address(at), names::CELL_PREFIX),
            hosts: names::hosts(self.cell),
        })
    }

    /// Creates the VMs of all nodes.
    pub async fn create_all(&self, specs: &[VmSpec], made: &mut Vec<Resource>) -> Result<(), Fault> {
        for (spec, plan) in specs.iter().zip(&self.cell.nodes) {
            self.create(spec, plan, made).await?;
        }
        Ok(())
    }

    /// Creates a node's VM.
    async fn create(&self, spec: &VmSpec, plan: &NodePlan, made: &mut Vec<Resource>) -> Result<(), Fault> {
        let at_boot = |error| fault(Stage::Boot, Some(&plan.role), error);
        let domain = self.site.resources.intend(Made::Domain(spec.name.clone()));
        made.push(domain.map_err(at_boot)?);
        self.site.host.create_vm(spec).await.map_err(at_boot)
    }

    /// A node whose VM was created.
    pub fn node(&self, spec: &VmSpec, plan: &'a NodePlan) -> Result<Node<'a>, Fault> {
        let families = &self.context.setup.families;
        let family = if self.plan.asks {
            families.for_a_look(&self.cell.os)
        } else {
            families.of_image(&self.cell.os, plan.image.manager.as_deref())
        };
        let family = family.ok_or_else(|| {
            let verb = if self.plan.asks { "looked at" } else { "updated" };
            let message = format!("{} cannot be {verb} by this version", self.cell.os);
            let error = LabError::new(Cause::ScenarioInvalid, message);
            fault(Stage::Boot, Some(&plan.role), error)
        })?;
        Ok(Node::new(
            self.context,
            self.site,
            plan,
            family,
            spec.name.clone(),
            self.guests.clone(),
        ))
    }

    /// Gives a node its name, its address and its neighbours' names, or, where it keeps its own, its card to the outlet; after
    /// a reboot again, since a guest may write its host table anew at every boot.
    pub async fn identify(&self, stage: Stage, at: usize, node: &Node<'_>) -> Result<(), Fault> {
        match node.plan.addresses {
            Addresses::Given => {
                let place = self.place(at, node.plan);
                let command = node.system().identify(&node.plan.host, place.as_ref());
                node.ask(stage, &command).await.map(drop)
            }
            Addresses::Kept { .. } => self.attach(stage, at, node).await,
        }
    }

    /// Configures the card to the outlet of a node that keeps its own network.
    async fn attach(&self, stage: Stage, at: usize, node: &Node<'_>) -> Result<(), Fault> {
        let in_stage = |error| fault(stage, Some(&node.plan.role), error);
        let Some(outlet) = self.site.outlet.get() else {
            let message = format!(
                "{} has no networks, so no node keeps its own there",
                self.site.host.uri()
            );
            return Err(in_stage(LabError::new(Cause::HostRefused, message)));
        };
        let way = outlet.way(&self.outlet_mac(at)).map_err(in_stage)?;
        let output = node.exec(stage, &node.system().attach(&way)).await?;
        if output.exit == Some(0) {
            return Ok(());
        }
        let text = output_text(&output);
        let said = text.lines().next_back().unwrap_or_default();
        let message = format!("its card to the outlet cannot be configured: {}", clip(said));
        let mut fault = node.told_fault(stage, Cause::GuestProtocol, message, &text);
        fault.hint = Some(
            "no service of the guest's may configure cards that it does not know; see its network manager's log".into(),
        );
        Err(fault)
    }

    /// Starts the nodes in their order, each ready and named before the next.
    pub async fn boot(&self, specs: &[VmSpec], made: &mut Vec<Resource>) -> Result<Vec<Node<'a>>, Fault> {
        let mut nodes = Vec::new();
        for (at, (spec, plan)) in specs.iter().zip(&self.cell.nodes).enumerate() {
            self.create(spec, plan, made).await?;
            let node = self.node(spec, plan)?;
            node.ready(Stage::Boot, self.cell.deadlines.boot, None).await?;
            self.identify(Stage::Boot, at, &node).await?;
            if let Some(fault) = node.await_ready(Stage::Boot).await? {
                return Err(node.shown(fault).await);
            }
            nodes.push(node);
        }
        Ok(nodes)
    }
}
