//! A virtual machine: boots the first kernel, stops in the second, and says what came of it.

use core::time::Duration;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use linux_beside::plan::{Plan, command_line};

use crate::Failed;
use crate::gdb::Gdb;
use crate::initramfs::archive;
use crate::memory::Memory;
use crate::outcome::Outcome;

/// Bytes of memory of a guest.
const MEMORY: usize = 512 << 20;

/// No part of a run, up to the stop or from there, may take longer.
const PATIENCE: Duration = Duration::from_secs(400);

/// The offset in the boot parameters of the address of the first `setup_data`.
const SETUP_DATA: u64 = 0x250;

/// What every guest boots.
pub(crate) struct Kit {
    kernel: PathBuf,
    initramfs: PathBuf,
    /// Where the second kernel first looks at the handover; the first never does.
    first_look: u64,
    /// Where a kernel keeps its boot parameters.
    boot_params: u64,
}

impl Kit {
    /// Takes the kernel from the directory `linux`, and `init`; writes the first files to `scratch`.
    ///
    /// # Errors
    ///
    /// If one of them is not there.
    pub(crate) fn new(linux: &Path, init: &Path, scratch: &Path) -> Result<Self, Failed> {
        let kernel = linux.join("bzImage");
        let (image, init) = (fs::read(&kernel)?, fs::read(init)?);
        let second = archive(&[("init", &init)])?;
        let initramfs = scratch.join("initramfs");
        fs::create_dir_all(scratch)?;
        fs::write(
            &initramfs,
            archive(&[("init", &init), ("bzImage", &image), ("second", &second)])?,
        )?;
        let symbols = fs::read_to_string(linux.join("System.map"))?;
        let symbol = |name: &str| -> Result<u64, Failed> {
            let line = symbols.lines().find(|line| line.split(' ').nth(2) == Some(name));
            let address = line.and_then(|line| line.split(' ').next());
            let address = address.ok_or_else(|| format!("this Linux has no {name}"))?;
            Ok(u64::from_str_radix(address, 16)?)
        };
        let (first_look, boot_params) = (symbol("kho_populate")?, symbol("boot_params")?);
        Ok(Self { kernel, initramfs, first_look, boot_params })
    }
}

/// A guest that is stopped in the second kernel.
pub(crate) struct Machine {
    /// The guest's memory.
    pub(crate) memory: Memory,
    /// Where the second kernel's list of `setup_data` begins.
    pub(crate) setup_data: u64,
    qemu: Qemu,
    gdb: Gdb,
}

impl Machine {
    /// Boots the first kernel and lets it jump into the second, up to its first look at the handover.
    ///
    /// # Errors
    ///
    /// If it does not come to that, with what the serial line said.
    pub(crate) fn boot(kit: &Kit, plan: &Plan) -> Result<Self, Failed> {
        let memory = Memory::new(MEMORY)?;
        let qemu = Qemu::start(kit, plan, &memory)?;
        let stop = || -> Result<_, Failed> {
            let mut gdb = Gdb::connect(&socket(), PATIENCE)?;
            gdb.run_to(kit.first_look)?;
            let setup_data = gdb.word(kit.boot_params + SETUP_DATA)?;
            Ok((gdb, setup_data))
        };
        match stop() {
            Ok((gdb, setup_data)) => Ok(Self { memory, setup_data, qemu, gdb }),
            Err(error) => {
                let outcome = qemu.kill()?;
                Err(format!("{error}; {}", outcome.last_words()).into())
            }
        }
    }

    /// Lets the guest go on to its end.
    ///
    /// # Errors
    ///
    /// If QEMU is gone.
    pub(crate) fn go_on(self) -> Result<Outcome, Failed> {
        self.gdb.let_go()?;
        self.qemu.wait()
    }
}

/// The name of the socket of QEMU's stub for debuggers. It is no file; there is one guest at a time.
fn socket() -> String {
    format!("kho-block-linux-{}", std::process::id())
}

/// QEMU itself, which ends with the value.
struct Qemu {
    child: Child,
    serial: Option<JoinHandle<Vec<u8>>>,
}

impl Qemu {
    fn start(kit: &Kit, plan: &Plan, memory: &Memory) -> Result<Self, Failed> {
        let (size, path) = (memory.len(), memory.path());
        let mut child = Command::new("qemu-system-x86_64")
            .args(["-accel", "tcg", "-cpu", "max", "-nodefaults", "-display", "none"])
            .args(["-no-reboot", "-serial", "stdio", "-S", "-machine", "pc,memory-backend=ram"])
            .args(["-m", &format!("{}M", size >> 20), "-object"])
            .arg(format!("memory-backend-file,id=ram,size={size},mem-path={path},share=on"))
            .args(["-gdb", &format!("unix:{},abstract=on,server=on,wait=off", socket())])
            .arg("-kernel")
            .arg(&kit.kernel)
            .arg("-initrd")
            .arg(&kit.initramfs)
            .args(["-append", &command_line(plan, 1)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let serial = child.stdout.take().map(|mut line| {
            thread::spawn(move || {
                let mut log = Vec::new();
                // Whatever came up to an error is the log.
                let _ = line.read_to_end(&mut log);
                log
            })
        });
        Ok(Self { child, serial })
    }

    /// Waits for the machine to end, as long as it may take.
    fn wait(mut self) -> Result<Outcome, Failed> {
        let started = Instant::now();
        while self.child.try_wait()?.is_none() {
            if started.elapsed() > PATIENCE {
                return self.kill();
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.end(false)
    }

    fn kill(mut self) -> Result<Outcome, Failed> {
        self.child.kill()?;
        self.end(true)
    }

    fn end(&mut self, killed: bool) -> Result<Outcome, Failed> {
        self.child.wait()?;
        let log = self.serial.take().map(JoinHandle::join);
        let log = log.ok_or("no serial line")?.map_err(|_| "the serial line was lost")?;
        Ok(Outcome { log: String::from_utf8_lossy(&log).replace('\r', ""), killed })
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // It has ended already, unless an error came in between.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
