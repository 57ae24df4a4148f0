//! The check of anybody's allocator passes those that keep the contract, and names the duty that one
//! of the others breaks.

mod faulty;
#[cfg(target_os = "linux")]
mod mapped;

use kho_block::mock::Mock;
use kho_block::mock::conformance::{Broken, Conformance, Duty, check, check_carry};

use self::faulty::{Call, Faulty, How};

/// What is tried, with blocks of every size: of 64 bytes at the most under Miri, which takes seconds
/// for a page.
pub(crate) fn every_duty() -> Conformance {
    let all = Conformance::new();
    if cfg!(miri) { all.sizes(&[32, 64]) } else { all }
}

/// The next kernel's machine.
fn kexec(previous: Option<Mock>, keeps_claims: bool) -> Mock {
    let mut machine = previous.unwrap_or_default();
    if keeps_claims {
        machine.reboot_keeping_claims()
    } else {
        machine.reboot()
    }
    machine
}

#[test]
fn a_mock_keeps_every_duty() {
    for keeps in [false, true] {
        if !cfg!(miri) {
            check(|previous| kexec(previous, keeps)).unwrap();
            check_carry(|previous| kexec(previous, keeps)).unwrap();
        }
        let declared = every_duty().claims_survive(keeps);
        declared.check(|previous| kexec(previous, keeps)).unwrap();
        declared.check_carry(|previous| kexec(previous, keeps)).unwrap();
    }
}

#[test]
fn what_is_declared_of_claims_has_to_be_so() {
    for keeps in [false, true] {
        let declared = every_duty().claims_survive(!keeps);
        let broken = declared.check(|previous| kexec(previous, keeps)).unwrap_err();
        assert_eq!(broken.duty, Duty::ClaimsAtAKexec, "{broken}");
    }
}

/// Checks an allocator that does this wrong, with everything declared.
///
/// # Errors
///
/// If a duty is seen to be broken.
fn checked(how: How, keeps_claims: bool, carries: usize) -> Result<(), Broken> {
    let sizes = if cfg!(miri) { &[32][..] } else { &[32, 4096] };
    let check = Conformance::new().sizes(sizes).claims_survive(keeps_claims);
    check.check_carry(|previous| Faulty::kexec(previous, how, keeps_claims, carries))
}

#[test]
fn a_check_keeps_the_contract_itself_and_leaves_nothing_however_much_is_refused() {
    // Under Miri, two of each.
    let (most_carried, most_room) = if cfg!(miri) { (2, 2) } else { (12, 24) };
    for keeps in [false, true] {
        for carries in (1..most_carried).chain([usize::MAX]) {
            checked(How::Not, keeps, carries).unwrap();
        }
        for room in (1..most_room).chain([usize::MAX]) {
            checked(How::Room(room), keeps, usize::MAX).unwrap();
            checked(How::Room(room), keeps, 1).unwrap();
        }
        checked(How::Reuses, keeps, usize::MAX).unwrap();
    }
}

#[test]
#[cfg_attr(miri, ignore = "an allocator that breaks its contract is undefined behavior")]
fn each_broken_duty_is_named() {
    use Call::*;
    for (how, duty) in [
        (How::Inline, Duty::Valid),
        (How::SamePointer, Duty::Exclusive),
        (How::SameAddress, Duty::Exclusive),
        (How::Scribbles(AllocPreserve), Duty::Exclusive),
        (How::Scribbles(UnpreserveFree), Duty::Exclusive),
        (How::Scribbles(Restore), Duty::Exclusive),
        (How::Scribbles(Unrestore), Duty::Exclusive),
        (How::Scribbles(RestoreFree), Duty::Exclusive),
        (How::Scribbles(Preserve), Duty::Exclusive),
        (How::Scribbles(Unpreserve), Duty::Exclusive),
        (How::ScribblesOnCarried, Duty::Exclusive),
        (How::ShiftedAddress, Duty::Aligned),
        (How::ShiftedPointer, Duty::Aligned),
        (How::AtTheEnd, Duty::Aligned),
        (How::Dirty, Duty::Zeroed),
        (How::ReusesDirty, Duty::Zeroed),
        (How::LendsTwice, Duty::Once),
        (How::LendsReturnedTwice, Duty::Once),
        (How::LendsOwn, Duty::Once),
        (How::LendsLarger, Duty::Once),
        (How::LendsSmaller, Duty::Once),
        (How::LendsFreed(UnpreserveFree), Duty::Once),
        (How::LendsFreed(RestoreFree), Duty::Once),
        (How::Keeps(UnpreserveFree), Duty::Once),
        (How::LendsCarried, Duty::Once),
        (How::LendsFreedCarried(UnpreserveFree), Duty::Once),
        (How::KeepsCarried, Duty::Once),
        (How::LendsBeside, Duty::Total),
        (How::LendsInside, Duty::Total),
        (How::LendsAbove, Duty::Total),
        (How::LendsBelow, Duty::Total),
        (How::LendsAt(1), Duty::Total),
        (How::LendsAt(1 << 32), Duty::Total),
        (How::LendsAt(1 << 63), Duty::Total),
        (How::LendsAt(u64::MAX), Duty::Total),
        (How::LendsAnywhere, Duty::Total),
        (How::PanicsAnywhere, Duty::Total),
        (How::PanicsBefore, Duty::Total),
        (How::PanicsAfter, Duty::Total),
        (How::Loses, Duty::FoundAgain),
        (How::Damages, Duty::FoundAgain),
        (How::Panics(AllocPreserve), Duty::Calm),
        (How::Panics(UnpreserveFree), Duty::Calm),
        (How::Panics(Unrestore), Duty::Calm),
        (How::Panics(RestoreFree), Duty::Calm),
        (How::Panics(Preserve), Duty::Calm),
        (How::Panics(Unpreserve), Duty::Calm),
        (How::IsAtHome(UnpreserveFree), Duty::Same),
        (How::IsAtHome(Restore), Duty::Same),
        (How::IsAtHome(Unrestore), Duty::Same),
        (How::Ignores(Unrestore), Duty::Unrestore),
        (How::Changes(Unrestore), Duty::Unrestore),
        (How::Changes(Preserve), Duty::Preserve),
        (How::RefusesAndUnclaims, Duty::Preserve),
        (How::RefusesAndCarries, Duty::Preserve),
        (How::Ignores(Unpreserve), Duty::Unpreserve),
        (How::Changes(Unpreserve), Duty::Unpreserve),
        (How::Unclaims(Unpreserve), Duty::Unpreserve),
    ] {
        let refuses = [How::RefusesAndUnclaims, How::RefusesAndCarries].contains(&how);
        for (keeps, carries) in [(false, 3), (true, 3), (false, usize::MAX), (true, usize::MAX)] {
            if refuses && carries == usize::MAX {
                continue;
            }
            let broken = checked(how, keeps, carries).expect_err(&format!("{how:?}"));
            assert_eq!(broken.duty, duty, "{how:?}: {broken}");
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "an allocator that breaks its contract is undefined behavior")]
fn what_is_not_freed_shows_where_claims_are_kept_and_what_is_not_preserved_where_they_are_not() {
    use Call::*;
    for (how, keeps, duty) in [
        (How::Keeps(RestoreFree), true, Duty::Once),
        (How::IsAtHome(RestoreFree), true, Duty::Same),
        (How::LosesUnpreserved, true, Duty::ClaimsAtAKexec),
        (How::Ignores(Preserve), false, Duty::FoundAgain),
    ] {
        let broken = checked(how, keeps, usize::MAX).unwrap_err();
        assert_eq!(broken.duty, duty, "{how:?}: {broken}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "an allocator that breaks its contract is undefined behavior")]
fn a_claim_that_was_carried_or_could_not_be_is_freed_like_any_other() {
    let how = How::LendsFreedCarried(Call::RestoreFree);
    for keeps in [false, true] {
        assert_eq!(checked(how, keeps, usize::MAX).unwrap_err().duty, Duty::Unpreserve);
        assert_eq!(checked(how, keeps, 3).unwrap_err().duty, Duty::Preserve);
    }
}

#[test]
#[cfg_attr(miri, ignore = "an allocator that breaks its contract is undefined behavior")]
fn the_smallest_block_is_not_lent_as_the_half_of_another() {
    let check = Conformance::new().sizes(&[64]);
    let kexec = |previous| Faulty::kexec(previous, How::LendsSmaller, false, 0);
    assert_eq!(check.check(kexec).unwrap_err().duty, Duty::Once);
}

#[test]
fn a_message_names_the_block_by_its_size_and_address() {
    let broken = checked(How::Loses, false, usize::MAX).unwrap_err();
    let says = "duty 7, found again: the block of 32 bytes at 0x100000000 is not found";
    assert_eq!(broken.to_string(), says);
}

#[test]
fn a_check_without_a_declaration_names_the_duty_too() {
    let broken = check(|previous| Faulty::kexec(previous, How::Dirty, false, 0)).unwrap_err();
    assert_eq!(broken.duty, Duty::Zeroed, "{broken}");
    let broken = check_carry(|previous| Faulty::kexec(previous, How::Dirty, false, 3)).unwrap_err();
    assert_eq!(broken.duty, Duty::Zeroed, "{broken}");
}

#[test]
fn a_block_that_is_preserved_again_is_needed() {
    let broken = every_duty().check_carry(|previous| {
        let machine = kexec(previous, false);
        machine.refuse_preserve_after(0);
        machine
    });
    assert_eq!(broken.unwrap_err().to_string(), "not tried: no block is preserved again");
}

#[test]
fn a_size_that_is_granted_is_needed() {
    let check = Conformance::new().sizes(&[64, 128]);
    let broken = check.check(|_: Option<Mock>| Mock::refusing(0)).unwrap_err();
    assert_eq!(broken.to_string(), "not tried: no size is granted, of [64, 128]");
    let broken = Conformance::new().sizes(&[]).check(|_: Option<Mock>| Mock::new()).unwrap_err();
    assert_eq!(broken.duty, Duty::NotTried);
}

#[test]
#[should_panic(expected = "48 is no block size")]
fn a_size_is_a_power_of_two() {
    let _ = Conformance::new().sizes(&[32, 48]);
}

#[test]
#[should_panic(expected = "16 is no block size")]
fn a_size_is_that_of_a_block() {
    let _ = Conformance::new().sizes(&[16]);
}
