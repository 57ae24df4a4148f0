//! LUO: its state, sessions, files and shared objects.

use kho_block::linux::{
    BLOCK_SIZE, File, LuoError, LuoState, Name, NameError, Session, SharedObject, SharedObjects,
};
use kho_block::zerocopy::FromBytes;
use kho_block::{ChainLayout, RestoreChecks};

use crate::chain::{Ask, Chains};
use crate::image::{Image, PAGE};
use crate::map::LinuxMap;
use crate::preserved::Preserved;
use crate::report::{
    FileReport, Finding, Hex, LuoReport, SessionReport, Severity, SharedObjectReport, SharedReport,
};

/// What LUO left, as it is read.
pub(crate) struct Luo<'i, 's, 'f> {
    image: &'i Image<'s>,
    map: Option<&'i LinuxMap<'i, 's>>,
    chains: Chains<'i, 's>,
    findings: &'f mut Vec<Finding>,
}

impl<'i, 's, 'f> Luo<'i, 's, 'f> {
    pub(crate) fn new(
        image: &'i Image<'s>,
        map: Option<&'i LinuxMap<'i, 's>>,
        findings: &'f mut Vec<Finding>,
    ) -> Self {
        let preserved = map.map_or(Preserved::Unknown, Preserved::Linux);
        Self { image, map, chains: Chains::new(image, preserved), findings }
    }

    /// Reads the state at `addr`, and all that it leads to.
    pub(crate) fn read(mut self, addr: u64) -> Option<LuoReport> {
        let Some(state) = self.image.read::<LuoState>(addr) else {
            let text = "the image does not hold LUO's state";
            let finding = Finding::new(Severity::Missing, "luo-state", "LUO's state", text);
            self.findings.push(finding.about(addr));
            return None;
        };
        let mut report = LuoReport {
            state: Hex(addr),
            compatible: state.compatible.to_string(),
            liveupdate_num: state.liveupdate_num,
            sessions_pa: Hex(state.sessions_pa),
            flbs_pa: Hex(state.flbs_pa),
            chain: None,
            sessions: Vec::new(),
            shared_objects: None,
        };
        if let Err(error) = state.check() {
            let text =
                "LUO's state is of another version, or something else; nothing in it is followed";
            let mut finding =
                Finding::new(Severity::Damaged, "luo-compatible", "LUO's state", text);
            if let LuoError::Compatible { found, expected } = error {
                finding = finding.about(addr).field("compatible", addr, 0, format!("{found:?}"));
                finding = finding.expected(format!("{expected:?}"));
            }
            self.findings.push(finding);
            return Some(report);
        }
        self.sessions(&mut report, addr, &state);
        report.shared_objects =
            state.shared_objects().map(|objects| self.shared(objects.get(), addr));
        Some(report)
    }

    fn sessions(&mut self, report: &mut LuoReport, addr: u64, state: &LuoState) {
        let Some(layout) = ChainLayout::new(size_of::<Session>(), BLOCK_SIZE) else { return };
        let ask = Ask {
            name: "the sessions".into(),
            head: state.sessions_pa,
            head_field: Some((addr, 16, "sessions_pa")),
            layout,
            checks: RestoreChecks::empty(),
            for_linux: true,
        };
        let chain = self.chains.walk(ask, self.findings);
        let mut sessions = Vec::new();
        self.chains.entries(&chain, usize::MAX, |number, addr, bytes| {
            let session = Session::read_from_bytes(bytes).ok();
            sessions.extend(session.map(|session| (number, addr, session)));
        });
        for (number, addr, session) in sessions {
            report.sessions.push(self.session(number, addr, &session));
        }
        report.chain = Some(chain);
    }

    fn session(&mut self, number: u64, addr: u64, session: &Session) -> SessionReport {
        let what = format!("session {number}");
        self.name(&what, addr, &session.name);
        let files_head = session.files.head().map_or(0, |head| head.get());
        let files_count = session.files.len();
        let mut report = SessionReport {
            addr: Hex(addr),
            name: session.name.to_string(),
            files_head: Hex(files_head),
            files_count,
            files: None,
            file_list: Vec::new(),
        };
        let counted = |rule, text: String| {
            let finding = Finding::new(Severity::Damaged, rule, &*what, text).about(addr);
            finding.field("files.count", addr, 72, files_count.to_string())
        };
        if (files_head == 0) != (files_count == 0) {
            let text = format!(
                "its files are {files_count}, at {files_head:#x}: both are zero, or neither"
            );
            let expected = if files_head == 0 { "0" } else { "at least 1" };
            self.findings.push(counted("link-half", text).expected(expected));
        }
        let layout = ChainLayout::new(size_of::<File>(), BLOCK_SIZE);
        let Some(layout) = layout.filter(|_| files_head != 0) else { return report };
        let ask = Ask {
            name: format!("the files of session {number}"),
            head: files_head,
            head_field: Some((addr, 64, "files.head")),
            layout,
            checks: RestoreChecks::empty(),
            for_linux: true,
        };
        let chain = self.chains.walk(ask, self.findings);
        if chain.broken.is_none() && chain.entries != files_count && files_count != 0 {
            let text = format!("says {files_count} files; their chain holds {}", chain.entries);
            self.findings.push(counted("link-count", text).expected(chain.entries.to_string()));
        }
        let mut files = Vec::new();
        self.chains.entries(&chain, usize::MAX, |number, addr, bytes| {
            files.extend(File::read_from_bytes(bytes).ok().map(|file| (number, addr, file)));
        });
        for (file_number, addr, file) in files {
            self.name(&format!("file {file_number} of session {number}"), addr, &file.compatible);
            report.file_list.push(FileReport {
                compatible: file.compatible.to_string(),
                data: Hex(file.data),
                token: file.token,
            });
        }
        report.files = Some(chain);
        report
    }

    /// Says so if a name, the first field of the record at `addr`, is none.
    fn name<const N: usize>(&mut self, what: &str, addr: u64, name: &Name<N>) {
        if let Err(NameError::Endless { size }) = name.get() {
            let text = format!("its name does not end within {size} bytes");
            let finding = Finding::new(Severity::Damaged, "name", what, text).about(addr);
            let finding = finding.field("name", addr, 0, format!("{name:?}"));
            self.findings.push(finding.expected("a zero byte at its end"));
        }
    }

    /// Reads the shared objects, whose address is in the state at `state`.
    fn shared(&mut self, addr: u64, state: u64) -> SharedReport {
        let mut report =
            SharedReport { addr: Hex(addr), pages: None, count: None, objects: Vec::new() };
        let what = "the shared objects";
        let at_state = |finding: Finding| {
            finding.about(addr).field("flbs_pa", state, 24, Hex(addr).to_string())
        };
        if !addr.is_multiple_of(PAGE) {
            let finding =
                Finding::new(Severity::Damaged, "alignment", what, "they are not at a page");
            self.findings.push(at_state(finding).expected("a multiple of 4096"));
            return report;
        }
        let covering = self.map.and_then(|map| map.covering(addr));
        let is_preserved = self.map.is_none() || covering.is_some();
        let Some(header) = self.image.read::<SharedObjects>(addr) else {
            let (severity, text) = if is_preserved {
                (Severity::Note, "their page is preserved, and not in this image")
            } else {
                (Severity::Damaged, "they are neither preserved nor in this image")
            };
            self.findings.push(at_state(Finding::new(severity, "shared-objects", what, text)));
            return report;
        };
        if !is_preserved {
            let finding = Finding::new(Severity::Damaged, "not-preserved", what, "not preserved");
            self.findings.push(at_state(finding).expected("preserved pages, or 0"));
        }
        report.pages = Some(header.pgcnt);
        report.count = Some(header.count);
        // What the header says is not believed beyond the block that it is in.
        let end =
            covering.map_or(addr.saturating_add(PAGE), |(start, size)| start.saturating_add(size));
        let pages = end.saturating_sub(addr) / PAGE;
        if header.pgcnt == 0 || header.pgcnt > pages {
            let text = format!("says {} pages; their block has {pages}", header.pgcnt);
            let finding = Finding::new(Severity::Damaged, "pages", what, text).about(addr);
            let finding = finding.field("pgcnt", addr, 0, header.pgcnt.to_string());
            self.findings.push(finding.expected(format!("1 to {pages}")));
            return report;
        }
        let room = header.pgcnt.saturating_mul(PAGE).saturating_sub(16) / 64;
        if header.count > room {
            let text = format!("counts {} objects in {} pages", header.count, header.pgcnt);
            let finding = Finding::new(Severity::Damaged, "count", what, text).about(addr);
            let finding = finding.field("count", addr, 8, header.count.to_string());
            self.findings.push(finding.expected(format!("at most {room}")));
        }
        for number in 0..header.count.min(room) {
            let at =
                number.checked_mul(64).and_then(|offset| addr.checked_add(offset)?.checked_add(16));
            let Some((at, object)) =
                at.and_then(|at| Some((at, self.image.read::<SharedObject>(at)?)))
            else {
                let text = format!("the image holds {number} of them");
                let finding = Finding::new(Severity::Missing, "not-in-image", what, text);
                self.findings.push(finding.about(addr));
                break;
            };
            self.name(&format!("shared object {number}"), at, &object.name);
            report.objects.push(SharedObjectReport {
                name: object.name.to_string(),
                data: Hex(object.data),
                count: object.count,
            });
        }
        report
    }
}
