//! The nodes of an arm, from their disks to the first answer.

use crate::guest::identity::Place;
use crate::model::name::{VolumeName, VolumePath};
use crate::model::outcome::{Cause, Fault, Stage};
use crate::model::plan::NodePlan;
use crate::model::resource::{Made, Resource};
use crate::port::{Bus, Disk, Firmware, LabError, NetworkSpec, Nic, NicModel, Power, Tag, VmSpec};
use crate::run::arm::core::ArmRun;
use crate::run::names;
use crate::run::node::{Node, fault};
use crate::run::site::outlet::Outlet;
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
            let image = self.base(node).await?;
            let (power, saved) = origin.of_node(at)?;
            let name = names::domain(&self.name, &node.role)?;
            let disk = Disk {
                volume: names::overlay(&name)?,
                base: saved.cloned().unwrap_or(image),
                bus: Bus::Virtio,
            };
            made.push(resources.intend(Made::Volume(VolumePath::new(&pool, &disk.volume)))?);
            if let Power::Savable { ram } = &power {
                made.push(resources.intend(Made::Volume(VolumePath::new(&pool, ram)))?);
            }
            host.create_overlay(&pool, &disk).await?;
            specs.push(VmSpec {
                name,
                tag: tag.clone(),
                role: node.role.clone(),
                pool: pool.clone(),
                disks: vec![disk],
                nics: self.nics(outlet, at, node)?,
                memory: node.memory,
                vcpus: node.vcpus,
                firmware: Firmware::Bios,
                kvm: self.site.kvm,
                power,
            });
        }
        Ok(specs)
    }

    /// Places a node's sealed image into the run's pool, once for all arms.
    pub async fn base(&self, node: &NodePlan) -> Result<VolumeName, LabError> {
        let setup = &self.context.setup;
        let file = setup.images.get(&node.image.name).ok_or_else(|| {
            let message = format!("image {} has no sealed disk", node.image.name);
            LabError::new(Cause::ImageDamaged, message)
        })?;
        let placed = self.site.resources.base(&setup.run, &node.image, file);
        self.copied(placed).await
    }

    /// A node's interface to the run's outlet, and the one to its cell.
    fn nics(&self, outlet: Option<&Outlet>, at: usize, node: &NodePlan) -> Result<Vec<Nic>, LabError> {
        let out = names::outlet_mac(self.index, self.plan.id.kind, self.plan.id.nth_try, at);
        let Some(outlet) = outlet else {
            return Ok(vec![Nic {
                network: None,
                mac: out,
                apart: false,
                model: NicModel::Virtio,
                filter: None,
            }]);
        };
        Ok(vec![
            Nic {
                network: Some(outlet.network.clone()),
                filter: outlet.filter(&out)?,
                mac: out,
                apart: true,
                model: NicModel::Virtio,
            },
            Nic {
                network: Some(names::network(&self.name)?),
                mac: names::mac(&self.context.setup.run, &self.cell.id, &node.role),
                apart: false,
                model: NicModel::Virtio,
                filter: None,
            },
        ])
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
        let family = self.context.setup.families.of(&self.cell.os).ok_or_else(|| {
            let message = format!("{} cannot be updated by this version", self.cell.os);
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

    /// Gives a node its name, its address and its neighbours' names; after a reboot again, since a guest may write its
    /// host table anew at every boot.
    pub async fn identify(&self, stage: Stage, at: usize, node: &Node<'_>) -> Result<(), Fault> {
        let place = self.place(at, node.plan);
        let command = node.system().identify(&node.plan.host, place.as_ref());
        node.ask(stage, &command).await.map(drop)
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
                return Err(fault);
            }
            nodes.push(node);
        }
        Ok(nodes)
    }
}
