//! Warm forks against cold ones, and many clones alive at once, on the host's own libvirt.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use patchgate::guest::debian::DEBIAN;
use patchgate::guest::identity::{self, Answer, Identity};
use patchgate::guest::linux::boot;
use patchgate::guest::linux::identity as commands;
use patchgate::host::connect::connect;
use patchgate::host::connected::Connected;
use patchgate::image::manifest::Sealed;
use patchgate::image::store::Store;
use patchgate::model::hardware::{DiskHardware, Hardware, NicModel};
use patchgate::model::id::RunId;
use patchgate::model::name::{PoolName, VolumeName, VolumePath};
use patchgate::model::plan::HostPlan;
use patchgate::model::resource::{Made, Resource};
use patchgate::port::{Disk, GuestAgent, Nic, OutletSpec, Power, Tag, VmSpec};
use patchgate::units::Mib;

use crate::figures::{Figures, percentile};
use crate::labs::{CELLS, CLONES, CLONES_IMAGE};
use crate::whole::Lab;
use crate::{Failed, Outcome};

/// Forks of each kind.
const FORKS: usize = 10;
/// Guest memory of a clone.
const MEMORY: Mib = Mib(512);
/// How long a boot, or many clones at once, may take.
const PATIENCE: Duration = Duration::from_secs(900);

/// Measures forks one after another, and then clones together.
pub fn measure(work: &Path) -> Result<Outcome, Failed> {
    Lab::prepare(work)?.build(CLONES, &[CLONES_IMAGE])?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(said)?;
    runtime.block_on(async {
        let host = connect(&HostPlan::at("auto")).await.map_err(said)?;
        if let Err(why) = host.machine(false).await {
            return Ok(Outcome::NotRun(why.to_string()));
        }
        let mut bench = Bench::new(host)?;
        let figures = bench.run().await;
        bench.clean().await;
        figures.map(Outcome::measured)
    })
}

fn said(error: impl std::fmt::Display) -> Failed {
    Failed(error.to_string())
}

fn image() -> Result<Sealed, Failed> {
    let sealed = Store::open().and_then(|store| store.list()).map_err(said)?.sealed;
    // By name, the newest first.
    let found = sealed
        .into_iter()
        .find(|image| image.manifest.name == CLONES_IMAGE);
    found.ok_or_else(|| Failed(format!("there is no image {CLONES_IMAGE}")))
}

struct Bench {
    host: Arc<dyn Connected>,
    run: RunId,
    made: Vec<Resource>,
    count: usize,
}

impl Bench {
    fn new(host: Arc<dyn Connected>) -> Result<Self, Failed> {
        let salt = u16::try_from(std::process::id() % 65_536).map_err(said)?;
        Ok(Self {
            host,
            run: RunId::new(Timestamp::now(), salt),
            made: Vec::new(),
            count: 0,
        })
    }

    fn pool(&self) -> PoolName {
        PoolName::of_run(&self.run)
    }

    fn note(&mut self, made: Made) {
        let uri = self.host.uri().clone();
        self.made.push(Resource { made, uri });
    }

    async fn clean(&mut self) {
        self.made.sort();
        for resource in std::mem::take(&mut self.made) {
            if let Err(error) = self.host.remove(&resource, &self.run).await {
                eprintln!("bench: {resource} is left: {error}");
            }
        }
    }

    /// Forks a clone; nothing of it runs yet, where it goes on from a saved state.
    async fn fork(&mut self, base: &VolumeName, power: Power) -> Result<VmSpec, Failed> {
        self.count += 1;
        let name = format!("{}-{}", self.pool(), self.count);
        let network = self
            .host
            .has_networks()
            .then(|| format!("{}-out", self.pool()).parse());
        let network = network.transpose().map_err(said)?;
        let disk = Disk {
            volume: format!("{name}.qcow2").parse().map_err(said)?,
            base: base.clone(),
            hardware: DiskHardware::default(),
        };
        let spec = VmSpec {
            tag: Tag {
                run: self.run.clone(),
                arm: None,
                run_dir: std::env::temp_dir(),
            },
            role: "ssh".into(),
            pool: self.pool(),
            disks: vec![disk.clone()],
            nics: vec![Nic {
                apart: network.is_some(),
                network,
                mac: format!("52:54:00:be:00:{:02x}", self.count % 256),
                model: NicModel::Virtio,
                slot: None,
                filter: None,
            }],
            memory: MEMORY,
            vcpus: 1,
            hardware: Hardware::default(),
            nvram: None,
            kvm: false,
            power,
            name: name.parse().map_err(said)?,
        };
        self.note(Made::Volume(VolumePath::new(&spec.pool, &disk.volume)));
        self.note(Made::Domain(spec.name.clone()));
        self.host.create_overlay(&spec.pool, &disk).await.map_err(said)?;
        self.host.create_vm(&spec).await.map_err(said)?;
        Ok(spec)
    }

    async fn answer(&self, spec: &VmSpec) -> Result<Box<dyn GuestAgent>, Failed> {
        let agent = self.host.agent(&spec.name);
        let begin = Instant::now();
        while agent.ping(Duration::from_secs(5)).await.is_err() {
            if begin.elapsed() > PATIENCE {
                return Err(Failed(format!("{} does not answer", spec.name)));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(agent)
    }

    /// Forks a clone and waits for its agent; how long that took, in seconds.
    async fn timed(&mut self, base: &VolumeName, power: Power) -> Result<(VmSpec, f64), Failed> {
        let begin = Instant::now();
        let saved = matches!(power, Power::Saved { .. });
        let spec = self.fork(base, power).await?;
        if saved {
            self.host.resume(&spec.name).await.map_err(said)?;
        }
        self.answer(&spec).await?;
        Ok((spec, begin.elapsed().as_secs_f64()))
    }

    async fn stop(&self, spec: &VmSpec) -> Result<(), Failed> {
        let resource = Resource {
            made: Made::Domain(spec.name.clone()),
            uri: self.host.uri().clone(),
        };
        self.host.remove(&resource, &self.run).await.map_err(said)
    }

    async fn run(&mut self) -> Result<Figures, Failed> {
        let image = image()?;
        let name = |text: &str| text.parse::<VolumeName>().map_err(said);
        let (pool, base) = (self.pool(), name("base.qcow2")?);
        self.note(Made::Pool(pool.clone()));
        self.host.create_pool(&pool).await.map_err(said)?;
        self.host
            .place_image(
                &VolumePath::new(&pool, &base),
                &image.disk(),
                &image.manifest.sha256,
            )
            .await
            .map_err(said)?;
        if self.host.has_networks() {
            let spec = OutletSpec {
                name: format!("{pool}-out").parse().map_err(said)?,
                run: self.run.clone(),
                run_dir: std::env::temp_dir(),
                macs: (1..=2 * FORKS + CELLS + 1)
                    .map(|number| format!("52:54:00:be:00:{:02x}", number % 256))
                    .collect(),
                open: false,
            };
            self.note(Made::Network(spec.name.clone()));
            self.host.create_outlet(&spec).await.map_err(said)?;
        }
        let (ram, state) = (name("warm.ram")?, name("warm.state")?);
        let template = self.fork(&base, Power::Savable { ram: ram.clone() }).await?;
        let origin = self.settle_and_save(&template, &state).await?;
        let saved = Power::Saved { ram, state };

        let (mut warm, mut cold) = (Vec::new(), Vec::new());
        // In turns, so that whatever else the host does is shared fairly.
        for _ in 0..FORKS {
            let (spec, seconds) = self.timed(&base, Power::On).await?;
            self.stop(&spec).await?;
            cold.push(seconds);
            let (spec, seconds) = self.timed(&template.disks[0].volume, saved.clone()).await?;
            self.stop(&spec).await?;
            warm.push(seconds);
        }
        let mut figures = Figures::default();
        let of = |values: &[f64], percent| percentile(values, percent).unwrap_or_default();
        figures.set("fork_warm_p50_s", of(&warm, 50));
        figures.set("fork_warm_p95_s", of(&warm, 95));
        figures.set("fork_cold_p50_s", of(&cold, 50));
        figures.set("fork_over_cold_p50", of(&warm, 50) / of(&cold, 50));
        figures.set("fork_p95_over_p50", of(&warm, 95) / of(&warm, 50));
        self.together(&template.disks[0].volume, &saved, &origin, &mut figures)
            .await?;
        Ok(figures)
    }

    async fn settle_and_save(&mut self, template: &VmSpec, state: &VolumeName) -> Result<Answer, Failed> {
        let agent = self.answer(template).await?;
        agent.exec(&boot::settle(PATIENCE)).await.map_err(said)?;
        let origin = who(agent.as_ref()).await?;
        self.host.pause(&template.name).await.map_err(said)?;
        self.host.save_state(template, state).await.map_err(said)?;
        self.stop(template).await?;
        Ok(origin)
    }

    /// Clones that are alive at once, each itself.
    async fn together(
        &mut self,
        base: &VolumeName,
        saved: &Power,
        origin: &Answer,
        figures: &mut Figures,
    ) -> Result<(), Failed> {
        let begin = Instant::now();
        let free = memory_available()?;
        let mut clones = Vec::new();
        for _ in 0..CELLS {
            let (spec, _) = self.timed(base, saved.clone()).await?;
            clones.push(spec);
        }
        figures.set("clones_wall_s", begin.elapsed().as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "there are few clones")]
        let count = clones.len() as f64;
        figures.set(
            "clone_host_memory_mib",
            (free - memory_available()?).max(0.0) / count,
        );
        let mut all = BTreeSet::new();
        for (at, spec) in clones.iter().enumerate() {
            let said = renew(self.answer(spec).await?.as_ref(), spec, at, origin).await?;
            let own = [said.machine_id, said.host, said.random].into_iter();
            for each in own.chain(said.macs).chain(said.ssh) {
                if !all.insert(each.clone()) {
                    return Err(Failed(format!("two clones have {each}")));
                }
            }
        }
        let mut disk = 0.0;
        for spec in &clones {
            self.answer(spec).await?;
            disk += disk_mib(&VolumePath::new(&spec.pool, &spec.disks[0].volume))?;
        }
        figures.set("clones_alive", count);
        figures.set("clone_disk_mib", disk / count);
        Ok(())
    }
}

async fn ask(
    agent: &dyn GuestAgent,
    command: &patchgate::guest::command::GuestCommand,
) -> Result<String, Failed> {
    let output = agent.exec(command).await.map_err(said)?;
    if output.exit != Some(0) {
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Failed(format!("to {}: {words}", command.what)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

async fn who(agent: &dyn GuestAgent) -> Result<Answer, Failed> {
    commands::parse(&ask(agent, &commands::ask()).await?).map_err(said)
}

/// Gives a clone an identity, and looks whether it has it.
async fn renew(agent: &dyn GuestAgent, spec: &VmSpec, at: usize, origin: &Answer) -> Result<Answer, Failed> {
    let now = || u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default();
    let identity = Identity {
        machine_id: format!("{:032x}", u128::from(now()) * 1000 + at as u128),
        seed: format!("{:0128x}", u128::from(now()) * 1000 + at as u128),
        macs: spec.nics.iter().map(|nic| nic.mac.clone()).collect(),
        kept: Vec::new(),
    };
    ask(agent, &commands::renew(&identity, now())).await?;
    let host = format!("clone-{at}");
    ask(agent, &DEBIAN.system.identify(&host, None)).await?;
    let said = who(agent).await?;
    match identity::fault(&identity, &host, &said, origin, now()) {
        None => Ok(said),
        Some(why) => Err(Failed(format!("{}: {why}", spec.name))),
    }
}

/// Memory that the host has for more, in MiB.
fn memory_available() -> Result<f64, Failed> {
    let text = std::fs::read_to_string("/proc/meminfo").map_err(said)?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.map(|kib| kib / 1024.0)
        .ok_or_else(|| Failed("the kernel does not say how much memory is available".to_owned()))
}

/// What a volume takes on the disk, in MiB, as libvirt says.
fn disk_mib(volume: &VolumePath) -> Result<f64, Failed> {
    let output = std::process::Command::new("virsh")
        .args([
            "vol-info",
            "--bytes",
            "--pool",
            volume.pool.as_str(),
            volume.name.as_str(),
        ])
        .output()
        .map_err(said)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("Allocation:"));
    let bytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    bytes
        .map(|bytes| bytes / 1_048_576.0)
        .ok_or_else(|| Failed(format!("virsh does not say what {volume} takes")))
}
